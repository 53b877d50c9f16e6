//! What can be wrong: with settings, with one record, with a whole call.

#[cfg(target_arch = "wasm32")]
use crate::bindings::imports::bulkhead::plugin::types as wit;

/// One thing wrong with a stage's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// JSON pointer into the settings, "" for the whole.
    pub pointer: String,
    /// Short and stable: `[a-z0-9][a-z0-9.-]{0,63}`.
    pub code: String,
    /// What is wrong and what to write instead. For the operator; never patient data.
    pub message: String,
}

impl Problem {
    /// A problem at `pointer`.
    pub fn new(
        pointer: impl Into<String>,
        code: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { pointer: pointer.into(), code: code.into(), message: message.into() }
    }
}

/// Everything wrong with a stage's settings, at once.
pub type Problems = Vec<Problem>;

/// Why a record is refused, roughly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RejectClass {
    /// It is not what it should be.
    Malformed,
    /// None of the others.
    Other,
    /// The operator's rule says so.
    Policy,
    /// The destination would not take it.
    RefusedDownstream,
    /// It is larger than this stage takes.
    TooLarge,
    /// This stage does not know such records.
    Unsupported,
}

/// One record that the stage will not take: it goes to quarantine, and the rest goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Its position in the batch.
    pub index: u32,
    /// Why, roughly.
    pub class: RejectClass,
    /// Why, exactly: a code that the manifest declares.
    pub code: String,
}

impl Rejection {
    /// Refuses record `index`.
    pub fn new(index: usize, class: RejectClass, code: impl Into<String>) -> Self {
        // A batch never holds 2^32 records; a wrong index is refused by the host.
        Self { index: u32::try_from(index).unwrap_or(u32::MAX), class, code: code.into() }
    }

    #[cfg(target_arch = "wasm32")]
    pub(crate) fn into_wit(self) -> wit::Rejection {
        let class = match self.class {
            RejectClass::Malformed => wit::RejectClass::Malformed,
            RejectClass::Other => wit::RejectClass::Other,
            RejectClass::Policy => wit::RejectClass::Policy,
            RejectClass::RefusedDownstream => wit::RejectClass::RefusedDownstream,
            RejectClass::TooLarge => wit::RejectClass::TooLarge,
            RejectClass::Unsupported => wit::RejectClass::Unsupported,
        };
        wit::Rejection { index: self.index, class, code: self.code }
    }
}

/// What went wrong with a whole call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Short and stable: `[a-z0-9][a-z0-9.-]{0,63}`.
    pub code: String,
    /// May hold patient data: the host never writes it to logs.
    pub message: String,
}

/// Failure of a whole call. A problem with one record is a [`Rejection`], not this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PluginError {
    /// Stop this stage; the operator decides what follows.
    Fatal(Failure),
    /// Nothing of this batch took effect, or the sink is idempotent: hand it over again.
    Retryable {
        /// What went wrong.
        failure: Failure,
        /// Not before this many milliseconds.
        after_ms: Option<u32>,
    },
}

impl PluginError {
    /// A failure that asking again will not mend.
    pub fn fatal(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Fatal(Failure { code: code.into(), message: message.into() })
    }

    /// A failure that may pass.
    pub fn retryable(code: impl Into<String>, message: impl Into<String>) -> Self {
        let failure = Failure { code: code.into(), message: message.into() };
        Self::Retryable { failure, after_ms: None }
    }

    #[cfg(target_arch = "wasm32")]
    pub(crate) fn into_wit(self) -> wit::PluginError {
        let failure = |failure: Failure| wit::Failure {
            code: failure.code,
            message: failure.message,
        };
        match self {
            Self::Fatal(fatal) => wit::PluginError::Fatal(failure(fatal)),
            Self::Retryable { failure: why, after_ms } => {
                wit::PluginError::Retryable(wit::Retry {
                    failure: failure(why),
                    after_ms,
                })
            }
        }
    }
}
