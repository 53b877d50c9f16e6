//! One batch sorted by series, from three columns and no body.

use bulkhead_plugin::{Batch, Change, PluginError, Positions};

use crate::{
    layout::check_kind,
    series::{Series, Shelf},
};

/// What a batch brings.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    pub(crate) shares: Vec<Share>,
}

/// The records of a batch that go to one part.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) series: Series,
    pub(crate) rows: u64,
    pub(crate) which: Positions,
}

impl Load {
    /// Reads the columns.
    ///
    /// # Errors
    ///
    /// [`PluginError::Fatal`] when the columns do not fit together or a kind has no name that
    /// can be written.
    pub(crate) fn of(batch: Batch<'_>) -> Result<Self, PluginError> {
        let (seqs, kinds, changes) = (batch.seqs(), batch.kinds(), batch.changes());
        let (Some(first_seq), Some(last_seq)) = (seqs.first(), seqs.last()) else {
            return Err(broken("the batch is empty"));
        };
        let len = batch.len();
        if seqs.len() != len || kinds.len() != len || changes.len() != len {
            return Err(broken("the columns do not have one entry a record"));
        }
        if !seqs.is_sorted() {
            return Err(broken("the source lines of the batch fall"));
        }

        let rows = || kinds.iter().copied().zip(changes.iter().copied());
        // Most batches hold one kind and one change, so the first entry is nearly always hit.
        let mut counts: Vec<((u16, Change), u64)> = Vec::new();
        for row in rows() {
            match counts.iter_mut().find(|(key, _)| *key == row) {
                Some((_, count)) => *count = count.saturating_add(1),
                None => counts.push((row, 1)),
            }
        }
        let names = batch.kind_names();
        let is_one = counts.len() == 1;
        let share = |((kind, change), count): ((u16, Change), u64)| {
            let name = names.get(usize::from(kind));
            let name = name.ok_or_else(|| broken("a kind of the batch has no name"))?;
            check_kind(name)?;
            let which = if is_one {
                Positions::All
            } else {
                Positions::where_true(rows().map(|row| row == (kind, change)))
            };
            let series = Series { kind: name.clone(), shelf: Shelf::of(change) };
            Ok(Share { series, rows: count, which })
        };
        let shares = counts.into_iter().map(share).collect::<Result<_, PluginError>>()?;
        Ok(Self { first_seq: *first_seq, last_seq: *last_seq, shares })
    }
}

fn broken(what: &str) -> PluginError {
    PluginError::fatal("contract", what)
}
