//! What becomes of a record.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Why a record is refused, roughly.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum RejectClass {
    /// It is not what it should be.
    Malformed,
    /// None of the others.
    Other,
    /// The operator's rule says so.
    Policy,
    /// The destination would not take it.
    RefusedDownstream,
    /// It is larger than the stage takes.
    TooLarge,
    /// The stage does not know such records.
    Unsupported,
}

impl RejectClass {
    /// As it is written in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Other => "other",
            Self::Policy => "policy",
            Self::RefusedDownstream => "refused-downstream",
            Self::TooLarge => "too-large",
            Self::Unsupported => "unsupported",
        }
    }
}

/// The refusal of one record: a value, not an error. No free text, by design.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Why, roughly.
    pub class: RejectClass,
    /// Why, exactly: `[a-z0-9][a-z0-9.-]{0,63}`.
    pub code: String,
}

impl Reject {
    /// A refusal.
    pub fn new(class: RejectClass, code: impl Into<String>) -> Self {
        Self { class, code: code.into() }
    }
}

/// One output of a transform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// `None`: a resource in the input's place. `Some`: a row of that stream.
    pub stream: Option<String>,
    /// One JSON object.
    pub body: Bytes,
}

/// What becomes of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It ends here, as the operator wants.
    Drop,
    /// These take its place.
    Emit(Vec<Output>),
    /// It passes, byte for byte.
    Keep,
    /// It goes to quarantine.
    Reject(Reject),
    /// It passes with this body.
    Replace(Bytes),
}
