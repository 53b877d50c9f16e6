//! Why a file cannot go on.

use std::ops::RangeInclusive;

use crate::{ChainError, IntakeError, MemoryError, SinkError};

/// Why a file cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaneError {
    /// A stage failed for good.
    #[error("running the chain")]
    Chain(#[from] ChainError),
    /// The file is not the one that was begun.
    #[error("resuming the file")]
    Intake(#[from] IntakeError),
    /// The memory failed.
    #[error("asking what was delivered before")]
    Memory(#[from] MemoryError),
    /// The sink failed for good.
    #[error("delivering to the sink")]
    Sink(#[source] SinkError),
    /// The sink died: start again from the last advance, with caution about these lines.
    #[error("delivering to the sink")]
    SinkDied {
        /// First and last line of the batch it died on.
        lines: RangeInclusive<u64>,
        /// How many records that batch had.
        records: usize,
        /// How it died.
        #[source]
        source: SinkError,
    },
    /// The sink neither took nor refused some records, again and again.
    #[error("sink `{sink}` neither takes nor refuses {records} records")]
    SinkStalled {
        /// The sink.
        sink: String,
        /// How many records are left.
        records: usize,
    },
}

impl LaneError {
    /// The sink's failure while it worked on `lines`, of which it was handed `records` records.
    pub(super) fn of(
        source: SinkError,
        lines: RangeInclusive<u64>,
        records: usize,
    ) -> Self {
        match source {
            SinkError::Crashed { .. } => Self::SinkDied { lines, records, source },
            SinkError::Fatal { .. }
            | SinkError::Retryable { .. }
            | SinkError::Spent { .. } => Self::Sink(source),
        }
    }
}
