//! Why one try of a file ended, and what follows from it.

use std::{ops::RangeInclusive, time::Duration};

use bulkhead_bulk::Error as BulkError;
use bulkhead_pipeline::{LaneError, SinkError};

use crate::failure::{Exit, Failure};

/// The job is gone from the server, and its files with it: only a new export can help.
#[derive(Debug, thiserror::Error)]
#[error("the job and its files are gone from the server")]
pub(in crate::export) struct JobLost;

/// Why one try ended.
pub(super) enum Ended {
    /// Try again, after a pause that the server may have named.
    Again(anyhow::Error, Option<Duration>),
    /// The server is too busy for it and says so: the try does not count, and the pause may be
    /// the server's.
    Busy(anyhow::Error, Option<Duration>),
    /// Nothing will mend this file; the others go on.
    Broken(anyhow::Error),
    /// The file is not the one that was begun.
    Changed,
    /// The whole export must stop.
    Fatal(anyhow::Error),
    /// The link is no longer good.
    Expired(anyhow::Error),
    /// The sink died on these lines.
    SinkDied(RangeInclusive<u64>, usize, anyhow::Error),
    /// Someone asked to stop.
    Stopped,
}

impl Ended {
    /// What went wrong with the file itself.
    pub(super) const fn error(&self) -> Option<&anyhow::Error> {
        match self {
            Self::Again(error, _)
            | Self::Busy(error, _)
            | Self::Broken(error)
            | Self::Fatal(error)
            | Self::Expired(error)
            | Self::SinkDied(_, _, error) => Some(error),
            Self::Changed | Self::Stopped => None,
        }
    }
}

/// What a failed download means.
pub(super) fn download_ended(error: BulkError) -> Ended {
    let after = error.retry_after();
    // Other failures of a gateway or a server do not say that it will be better later.
    let is_busy = match &error {
        BulkError::Busy { status: 429, .. } => true,
        BulkError::Busy { status: 503, .. } => after.is_some(),
        _ => false,
    };
    if error.is_expired_link() {
        Ended::Expired(error.into())
    } else if is_busy {
        Ended::Busy(error.into(), after)
    } else if error.is_transient() {
        Ended::Again(error.into(), after)
    } else if matches!(error, BulkError::Corrupt { .. }) {
        Ended::Again(error.into(), None)
    } else {
        Ended::Broken(error.into())
    }
}

/// What a failed lane means.
pub(super) fn ended(error: LaneError) -> Ended {
    match error {
        LaneError::Intake(_) => Ended::Changed,
        LaneError::SinkDied { ref lines, records, .. } => {
            Ended::SinkDied(lines.clone(), records, error.into())
        }
        LaneError::Sink(SinkError::Retryable { after, .. }) => {
            Ended::Again(error.into(), after)
        }
        // A sink that lost its open parts says so at the next batch: begin again from the
        // last checkpoint.
        LaneError::Sink(SinkError::Fatal { ref code, .. }) if code == "not-open" => {
            Ended::Again(error.into(), None)
        }
        LaneError::Memory(_) => {
            let what = "the ledger of resources cannot be read".to_owned();
            let hint = Some(
                "look at the disk; if it is damaged, remove the folder `delivered` of the state \
                 folder and run with --full: everything is delivered again"
                    .to_owned(),
            );
            let failure = Failure { exit: Exit::Failed, blame: "host", what, hint };
            Ended::Fatal(anyhow::Error::new(error).context(failure))
        }
        _ => {
            let hint =
                "the log says more with `--log info`; running again goes on where it was";
            let what = "a plugin of the chain failed".to_owned();
            let failure = Failure {
                exit: Exit::Failed,
                blame: "plugin",
                what,
                hint: Some(hint.to_owned()),
            };
            Ended::Fatal(anyhow::Error::new(error).context(failure))
        }
    }
}
