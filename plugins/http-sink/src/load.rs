//! One batch by its columns: what cannot be sent, and what goes next. No body is seen.

use std::ops::Range;

use bulkhead_plugin::{Batch, Change, PluginError, RejectClass};

use crate::{Settled, settings::Plan};

/// The columns of a batch.
#[derive(Debug)]
pub(crate) struct Load {
    seqs: Vec<u64>,
    changes: Vec<Change>,
    /// Whether the record is a row of a stream.
    rows: Vec<bool>,
}

/// Records to send in one request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shipment {
    pub(crate) path: String,
    pub(crate) rows: Range<usize>,
    /// Which of them are deletions or retractions.
    pub(crate) deletions: Vec<bool>,
    pub(crate) is_one_line: bool,
}

/// Where a record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Data,
    Deletions,
    /// Nowhere, and why.
    None(&'static str),
}

impl Load {
    /// Reads the columns.
    ///
    /// # Errors
    ///
    /// [`PluginError::Fatal`] when they do not fit together.
    pub(crate) fn of(batch: Batch<'_>) -> Result<Self, PluginError> {
        let (seqs, kinds, changes) = (batch.seqs(), batch.kinds(), batch.changes());
        let names = batch.kind_names();
        // Names of types begin with a capital, names of streams with a small letter.
        let is_row = |kind: &u16| {
            let name = names.get(usize::from(*kind));
            name.is_none_or(|name| !name.starts_with(|c: char| c.is_ascii_uppercase()))
        };
        let rows: Vec<bool> = kinds.iter().map(is_row).collect();
        let len = batch.len();
        let fits =
            [seqs.len(), rows.len(), changes.len()] == [len; 3] && seqs.is_sorted();
        if !fits || len == 0 {
            return Err(PluginError::fatal(
                "contract",
                "the columns do not fit together",
            ));
        }
        Ok(Self { seqs, changes, rows })
    }

    pub(crate) const fn len(&self) -> usize {
        self.seqs.len()
    }

    /// The last line.
    pub(crate) fn last_seq(&self) -> u64 {
        self.seqs.last().copied().unwrap_or(0)
    }

    /// The last line before that of the record at `at`.
    pub(crate) fn before(&self, at: usize) -> u64 {
        self.seqs.get(at).copied().unwrap_or(0).saturating_sub(1)
    }

    /// Rejects records from `start` on up to the first that can be sent, and gives that.
    pub(crate) fn reject_unsendable(
        &self,
        plan: &Plan,
        start: usize,
        settled: &mut Settled,
    ) -> usize {
        let mut at = start;
        while let Some(Way::None(code)) = self.way(plan, at) {
            settled.reject(at, RejectClass::Unsupported, code);
            at += 1;
        }
        at
    }

    /// What goes next: neighbours from `start` on that go the same way, `most` of them, or
    /// one line if that has more. `None` when nothing is left.
    pub(crate) fn next(
        &self,
        plan: &Plan,
        start: usize,
        most: usize,
    ) -> Option<Shipment> {
        let way = self.way(plan, start)?;
        let path = match way {
            Way::Data => plan.path.clone(),
            Way::Deletions => plan.deletions_path.clone().unwrap_or_default(),
            Way::None(_) => return None,
        };
        let alike = (start..self.len()).take_while(|at| self.way(plan, *at) == Some(way));
        let end = start + alike.count();
        let mut cut = start;
        let mut is_one_line = true;
        while cut < end {
            let line = self.line_end(cut).min(end);
            if cut > start && line - start > most {
                break;
            }
            is_one_line = cut == start;
            cut = line;
        }
        let deletions = (start..cut).map(|at| self.is_deletion(at)).collect();
        Some(Shipment { path, rows: start..cut, deletions, is_one_line })
    }

    /// A name for these records that the same records always have: their lines, whole.
    /// FNV-1a over the numbers.
    pub(crate) fn key(&self, rows: &Range<usize>) -> String {
        let seqs = self.seqs.get(rows.clone()).unwrap_or_default();
        let bytes = seqs.iter().flat_map(|seq| seq.to_le_bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let changes = if self.is_deletion(rows.start) { "d" } else { "u" };
        let (first, last) = (seqs.first().unwrap_or(&0), seqs.last().unwrap_or(&0));
        format!("{first}-{last}-{changes}-{hash:016x}")
    }

    /// Where the line of the record at `at` ends.
    fn line_end(&self, at: usize) -> usize {
        let seq = self.seqs.get(at);
        let rest = self.seqs.iter().skip(at);
        at + rest.take_while(|other| Some(*other) == seq).count()
    }

    fn is_deletion(&self, at: usize) -> bool {
        !matches!(self.changes.get(at), Some(Change::Upsert))
    }

    fn way(&self, plan: &Plan, at: usize) -> Option<Way> {
        let is_row = *self.rows.get(at)?;
        Some(if plan.framing.is_bundle() {
            if is_row { Way::None("not-a-resource") } else { Way::Data }
        } else if !self.is_deletion(at) {
            Way::Data
        } else if plan.deletions_path.is_some() {
            Way::Deletions
        } else {
            Way::None("no-place-for-deletions")
        })
    }
}
