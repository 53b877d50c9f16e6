//! One step of a chain.

use std::{fmt, time::Duration};

use futures::future::BoxFuture;

use crate::{Batch, Limit, Verdict};

/// How a guest died. Each ends its instance; the next call gets a fresh one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Crash {
    /// It answered what the contract does not allow.
    Contract,
    /// It used up one of its limits.
    Limit(Limit),
    /// It trapped.
    Trap,
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contract => f.write_str("broke the contract"),
            Self::Limit(limit) => write!(f, "used up its {limit}"),
            Self::Trap => f.write_str("trapped"),
        }
    }
}

impl Crash {
    /// The quarantine code of a record that causes it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Contract => "plugin-contract",
            Self::Limit(limit) => limit.code(),
            Self::Trap => "plugin-trap",
        }
    }
}

/// Why a stage gave no verdicts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StageError {
    /// The guest died. The same batch may pass in a fresh instance, or in smaller pieces.
    #[error("plugin of stage `{stage}` {crash}")]
    Crashed {
        /// The stage.
        stage: String,
        /// How.
        crash: Crash,
    },
    /// The plugin gave up for good.
    #[error("plugin of stage `{stage}` gave up with `{code}`")]
    Fatal {
        /// The stage.
        stage: String,
        /// The plugin's code.
        code: String,
    },
    /// The plugin asks for the same batch again.
    #[error("plugin of stage `{stage}` is not ready (`{code}`)")]
    Retryable {
        /// The stage.
        stage: String,
        /// The plugin's code.
        code: String,
        /// Not before this.
        after: Option<Duration>,
    },
    /// Something ran out that no fresh instance and no smaller piece will have again.
    #[error("plugin of stage `{stage}` used up its {limit}")]
    Spent {
        /// The stage.
        stage: String,
        /// What.
        limit: Limit,
    },
}

/// One step of a chain: gives a verdict on every record of a batch.
///
/// The chain calls `judge` one batch at a time, in file order.
pub trait Stage: Send {
    /// The stage's name, unique in its chain.
    fn name(&self) -> &str;

    /// Returns one verdict a record, in the batch's order.
    ///
    /// # Errors
    ///
    /// [`StageError`] when the stage itself failed. A record that the stage refuses is no
    /// error; it is [`Verdict::Reject`].
    fn judge<'a>(
        &'a mut self,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Vec<Verdict>, StageError>>;
}
