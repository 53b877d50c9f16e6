//! Failures of an export as they are told: whose turn it is, and what to do.

use bulkhead_bulk::Error as BulkError;

use crate::failure::{Exit, Failure};

/// Someone asked to stop.
pub(super) fn stopped() -> anyhow::Error {
    let what = "stopped; what is delivered stays".to_owned();
    let hint = Some("run again: it goes on where it was".to_owned());
    Failure { exit: Exit::Stopped, blame: "operator", what, hint }.into()
}

/// The first request failed: most often the address is wrong or the server is down.
pub(super) fn unreached(error: BulkError) -> anyhow::Error {
    let blame = error.blame().as_str();
    let advice = "check `source.base-url`, and that this machine can reach the server";
    let hint = error.hint().or(Some(advice.to_owned()));
    let what = "asking the server what it can do".to_owned();
    anyhow::Error::new(error).context(Failure { exit: Exit::Failed, blame, what, hint })
}

/// A failure of the protocol, with whose fault it is.
pub(super) fn blamed(error: BulkError, doing: &str) -> anyhow::Error {
    let blame = error.blame().as_str();
    let hint = error.hint();
    let what = doing.to_owned();
    anyhow::Error::new(error).context(Failure { exit: Exit::Failed, blame, what, hint })
}
