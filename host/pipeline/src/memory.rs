//! What was delivered before, and what of the records at hand will be so from now on.
//!
//! A lane with a [`Memory`] asks it once a batch, before the chain: what need not be delivered
//! again ends there, and of what goes on the chain knows whether a drop must become a
//! retraction. What the sink has taken comes back as [`Handled`], with the [`Advance`] behind
//! which it is durable. Who keeps it, and what counts as the same, is the host's business.
//!
//! A [`Handled`] holds digests of the line and not the line: until the sink makes something
//! durable, as many wait as it has taken, and windows would keep their whole blocks alive.
//!
//! [`Advance`]: crate::Advance

use std::{collections::BTreeMap, error::Error as StdError, sync::Arc};

use bulkhead_ndjson::{Envelope, content_hash};
use futures::future::BoxFuture;
use xxhash_rust::xxh3::xxh3_64;

use crate::{Batch, Change, Record, Tally};

/// What was delivered before. Owned by a lane, and dropped with it when its sink dies.
pub trait Memory: Send {
    /// Says of every record what is known, in the batch's order. `digests` are those of the
    /// lines that the records came on.
    ///
    /// Asked once a batch, in file order, before any stage has seen it.
    ///
    /// # Errors
    ///
    /// [`MemoryError`] when it cannot tell. The file ends then: to guess could lose a
    /// retraction.
    fn recall<'a>(
        &'a mut self,
        batch: &'a Batch,
        digests: &'a Digests,
    ) -> BoxFuture<'a, Result<Vec<Recall>, MemoryError>>;

    /// Whether nearly all that comes is new to it. Then what each line says is hashed while the line
    /// is read, which costs less than to do so once it is taken, and more when it is not.
    fn expects_news(&self) -> bool {
        false
    }
}

/// Digests of lines as they came, by number: each line is hashed once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digests(Vec<OfLine>);

/// The digests of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OfLine {
    number: u64,
    /// XXH3.
    raw: u64,
    /// [`content_hash`], where it was made on the way.
    content: Option<u64>,
}

impl Digests {
    /// With room for `lines`.
    pub(crate) fn with_capacity(lines: usize) -> Self {
        Self(Vec::with_capacity(lines))
    }

    /// Adds a line behind those before.
    pub(crate) fn push(&mut self, number: u64, raw: u64) {
        self.0.push(OfLine { number, raw, content: None });
    }

    /// Adds what the line says that was added last.
    pub(crate) fn says(&mut self, content: u64) {
        if let Some(last) = self.0.last_mut() {
            last.content = Some(content);
        }
    }

    /// XXH3 of the line of a record as it came; of a deletion, of its key.
    pub fn raw(&self, record: &Record) -> u64 {
        self.of(record).map_or_else(|| xxh3_64(record.source()), |of_line| of_line.raw)
    }

    /// [`content_hash`] of the same; `None` when it is not JSON.
    pub fn content(&self, record: &Record) -> Option<u64> {
        let of_line = self.of(record).and_then(|of_line| of_line.content);
        of_line.or_else(|| content_hash(record.source()))
    }

    fn of(&self, record: &Record) -> Option<&OfLine> {
        match record.change {
            Change::Upsert => self.of_line(record.seq),
            // One line may name many.
            Change::Delete | Change::Retract => None,
        }
    }

    fn of_line(&self, line: u64) -> Option<&OfLine> {
        // Nearly always they follow one another.
        let first = self.0.first()?.number;
        let guess = usize::try_from(line.checked_sub(first)?).ok()?;
        let found = self.0.get(guess).filter(|of| of.number == line);
        found.or_else(|| {
            let at = self.0.binary_search_by_key(&line, |of| of.number).ok()?;
            self.0.get(at)
        })
    }
}

/// What is known of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recall {
    /// It goes on.
    Pass {
        /// The destination holds the resource: should a stage drop the record, the
        /// destination must hear of it.
        delivered_before: bool,
    },
    /// It ends here, dropped by a pseudo stage of this name.
    Skip(&'static str),
}

/// Why a memory did not tell.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// It told of more or fewer records than it was asked about.
    #[error("{answers} answers came for {records} records")]
    Answers {
        /// How many records it was asked about.
        records: usize,
        /// How many answers came.
        answers: usize,
    },
    /// What it keeps could not be read.
    #[error("what was delivered before cannot be read")]
    Read(#[source] Box<dyn StdError + Send + Sync>),
}

/// One record that the sink took: what there is to remember of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handled {
    /// The source line, from 1.
    pub seq: u64,
    /// As what it was delivered.
    pub change: Change,
    /// The resource's type, of a row too.
    pub kind: Arc<str>,
    /// The resource's id as the server knows it, whatever a stage made of it.
    pub id: Box<str>,
    /// XXH3 of the line as it came; of a deletion, of its key.
    pub raw: u64,
    /// [`content_hash`] of the same.
    pub content: u64,
    /// What was read of the line as it came.
    pub envelope: Arc<Envelope>,
}

impl Handled {
    /// Of a record of `batch`; `None` when it has no id to be remembered by.
    pub(crate) fn of(batch: &Batch, record: &Record, digests: &Digests) -> Option<Self> {
        let raw = digests.raw(record);
        let kind = if record.is_row {
            batch.kinds().shared(record.resource_type())
        } else {
            batch.kinds().held(record.kind)?
        };
        Some(Self {
            seq: record.seq,
            change: record.change,
            kind,
            id: record.id()?.into(),
            raw,
            // Each was checked when the line came in; the fallback is never taken.
            content: digests.content(record).unwrap_or(raw),
            envelope: Arc::clone(&record.envelope),
        })
    }

    /// Whether `record` is of the same resource and line: one more row of it, mostly.
    pub(crate) fn is_of(&self, record: &Record) -> bool {
        self.seq == record.seq
            && record.id() == Some(&*self.id)
            && record.resource_type() == &*self.kind
    }
}

/// What goes on of a batch; `None` when nothing does.
///
/// # Errors
///
/// [`MemoryError::Answers`] when there is not one answer a record.
pub(crate) fn apply(
    batch: Batch,
    recalls: &[Recall],
    tally: &mut Tally,
) -> Result<Option<Batch>, MemoryError> {
    let (records, answers) = (batch.len(), recalls.len());
    if records != answers {
        return Err(MemoryError::Answers { records, answers });
    }
    if recalls.iter().all(|recall| *recall == Recall::Pass { delivered_before: false }) {
        return Ok(Some(batch));
    }
    let (id, kinds, records, block) = batch.into_parts();
    let mut skipped: BTreeMap<(u16, &str), u64> = BTreeMap::new();
    let mut left = Vec::with_capacity(records.len());
    for (record, recall) in records.into_iter().zip(recalls) {
        match *recall {
            Recall::Pass { delivered_before } => {
                left.push(Record { delivered_before, ..record });
            }
            Recall::Skip(stage) => *skipped.entry((record.kind, stage)).or_default() += 1,
        }
    }
    for ((kind, stage), count) in skipped {
        tally.drop(kinds.name(kind), stage, count);
    }
    Ok((!left.is_empty()).then(|| Batch::from_parts(id, kinds, left, block)))
}

#[cfg(test)]
mod tests;
