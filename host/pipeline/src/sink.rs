//! Where records leave.

use std::time::Duration;

use futures::future::BoxFuture;

use crate::{Batch, Limit, Reject, stage::Crash};

/// A set of positions within one batch. Checked against the batch's length when made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Positions {
    /// Every record.
    All,
    /// Bit i%64 of word i/64 is record i.
    Bits(Vec<u64>),
    /// No record.
    None,
}

impl Positions {
    /// Whether record `index` is among them.
    pub fn contains(&self, index: usize) -> bool {
        match self {
            Self::All => true,
            Self::Bits(words) => {
                words.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
            }
            Self::None => false,
        }
    }

    /// Whether this is a legal set over `len` records: exactly as many words as needed and
    /// no bit beyond the last record.
    pub fn fits(&self, len: usize) -> bool {
        match self {
            Self::All | Self::None => true,
            Self::Bits(words) => {
                words.len() == len.div_ceil(64)
                    && (len.is_multiple_of(64)
                        || words.last().is_none_or(|last| last >> (len % 64) == 0))
            }
        }
    }
}

/// How far delivery survives a crash of plugin and host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Every record up to this line, bar those rejected, is durable. Never beyond what was
    /// handed over and taken or refused, and never less than before.
    pub durable_through: u64,
    /// The sink's own; opaque.
    pub token: Vec<u8>,
}

/// A sink's answer to one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Taken in charge, buffered or not.
    pub accepted: Positions,
    /// Refused, rising by index, none of them accepted.
    pub rejects: Vec<(u32, Reject)>,
    /// Set when the call also made something durable.
    pub durable: Option<Checkpoint>,
}

/// Why a file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// All of it was delivered.
    EndOfFile,
    /// Something else failed for good.
    FatalElsewhere,
    /// The host stops and will resume.
    Shutdown,
}

/// Why a sink did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// The guest died, and with it what was not durable.
    #[error("sink `{sink}` {crash} ({})", crash.code())]
    Crashed {
        /// The sink.
        sink: String,
        /// How.
        crash: Crash,
    },
    /// The plugin gave up for good.
    #[error("sink `{sink}` gave up with `{code}`")]
    Fatal {
        /// The sink.
        sink: String,
        /// The plugin's code.
        code: String,
    },
    /// The plugin asks for the same again.
    #[error("sink `{sink}` is not ready (`{code}`)")]
    Retryable {
        /// The sink.
        sink: String,
        /// The plugin's code.
        code: String,
        /// Not before this.
        after: Option<Duration>,
    },
    /// Something ran out that no fresh instance will have again.
    #[error("sink `{sink}` used up its {limit}")]
    Spent {
        /// The sink.
        sink: String,
        /// What.
        limit: Limit,
    },
}

/// Where records leave. One instance delivers one file.
pub trait Sink: Send {
    /// The sink's name in its chain.
    fn name(&self) -> &str;

    /// Begins the file, or resumes it after its last checkpoint.
    ///
    /// `durable_through` is then the line up to which the host will not hand anything over
    /// again; `token` is the sink's last. A sink that made part of a batch durable may know
    /// better than that line: what it is handed again it must recognise by line.
    ///
    /// # Errors
    ///
    /// [`SinkError`] when it cannot be begun.
    fn open(
        &mut self,
        resume: Option<Checkpoint>,
    ) -> BoxFuture<'_, Result<(), SinkError>>;

    /// Takes a batch in charge.
    ///
    /// # Errors
    ///
    /// [`SinkError`]; unless it is retryable, all since the last checkpoint is lost.
    fn deliver<'a>(
        &'a mut self,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Receipt, SinkError>>;

    /// Makes durable all that was accepted.
    ///
    /// # Errors
    ///
    /// [`SinkError`] when that failed.
    fn flush(&mut self) -> BoxFuture<'_, Result<Checkpoint, SinkError>>;

    /// Ends the file.
    ///
    /// # Errors
    ///
    /// [`SinkError`] when the end could not be made durable.
    fn close(
        &mut self,
        why: CloseReason,
    ) -> BoxFuture<'_, Result<Option<Checkpoint>, SinkError>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_fits_its_batch_exactly() {
        let cases = [
            ("all", Positions::All, 3, true),
            ("one word", Positions::Bits(vec![0b101]), 3, true),
            ("a bit too far", Positions::Bits(vec![0b1000]), 3, false),
            ("a word too many", Positions::Bits(vec![0, 0]), 3, false),
            ("a word too few", Positions::Bits(vec![0]), 65, false),
            ("a full word", Positions::Bits(vec![u64::MAX]), 64, true),
        ];
        for (name, positions, len, expected) in cases {
            assert_eq!(positions.fits(len), expected, "case: {name}");
        }
    }
}
