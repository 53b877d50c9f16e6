//! Modes of what an export holds and says: deletions, outcomes, omissions, tokens, clocks.

use serde::Deserialize;

use super::units::Shift;

/// How deletions are told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Deleted {
    /// What the entries' `url` looks like.
    pub url: EntryUrl,
    /// The entries' `method`.
    pub method: String,
    /// The Bundles' `type`.
    pub bundle: String,
    /// Whether the deleted are in `output` too.
    pub also_in_output: bool,
    /// Whether they are told at all.
    pub reported: bool,
}

impl Default for Deleted {
    fn default() -> Self {
        Self {
            url: EntryUrl::Relative,
            method: "DELETE".to_owned(),
            bundle: "transaction".to_owned(),
            also_in_output: false,
            reported: true,
        }
    }
}

/// What the `url` of a Bundle entry looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryUrl {
    /// Below the server's base.
    Absolute,
    /// With a slash first.
    LeadingSlash,
    /// `Type/id`.
    #[default]
    Relative,
}

/// What else is in the `error` files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Outcome {
    /// One `OperationOutcome` each.
    pub issues: Vec<Issue>,
    /// A line that may be anything.
    pub raw: Option<String>,
    /// Whether the manifest has no `error` list at all.
    pub absent: bool,
}

/// One issue.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Issue {
    /// `fatal`, `error`, `warning` or `information`.
    pub severity: String,
    /// A FHIR issue code.
    pub code: String,
    /// The type that it is about.
    #[serde(rename = "type")]
    pub resource_type: Option<String>,
}

/// Something that is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Omission {
    /// Of these types; of all when there are none.
    pub types: Vec<String>,
    /// Only the `output` file of this number, from 0.
    pub file: Option<u32>,
    /// Only the rows of each type after so many.
    pub rows_after: Option<u64>,
    /// Whether an outcome tells it.
    pub told: bool,
    /// Whether `count` says what would be there without the omission of rows.
    pub lying_count: bool,
}

/// What becomes of types in `_type` that the token does not cover.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unscoped {
    /// They are left out, and nobody is told.
    Omitted,
    /// The kick-off is refused.
    #[default]
    Refused,
}

/// How cancellations are answered. A status of 400 or more leaves the job as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Delete {
    /// The status when the job runs.
    pub running: u16,
    /// The status when it is done.
    pub done: u16,
    /// How many polls say 202 after it before one says 404.
    pub polls_after: u32,
}

impl Default for Delete {
    fn default() -> Self {
        Self { running: 202, done: 202, polls_after: 0 }
    }
}

/// What an incremental export of a group holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupSince {
    /// All of new members, and what changed of the others.
    Backfill,
    /// What changed.
    #[default]
    ChangedOnly,
    /// Nothing of members whose Patient did not change.
    PatientChanged,
}

/// How wrong the clocks are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Skew {
    /// All of the server's time.
    pub clock: Shift,
    /// The `Date` header alone.
    pub date: Shift,
    /// The time by which assertions are judged alone.
    pub judge: Shift,
}

/// What the token endpoint gives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Token {
    /// What `expires_in` is.
    pub expires_in: ExpiresIn,
    /// What `scope` is.
    pub scope: Scope,
    /// What is granted, whatever `scope` says. Default: what was asked and is allowed.
    pub granted: Option<Vec<String>>,
    /// What `token_type` is. Default: `bearer`.
    pub kind: Option<String>,
}

/// What `expires_in` is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpiresIn {
    /// It is not there.
    Absent,
    /// The lifetime in seconds.
    #[default]
    Number,
    /// Another number.
    Other(i64),
    /// Text.
    Text(String),
}

/// What `scope` is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// It is not there.
    Absent,
    /// What was granted.
    #[default]
    AsGranted,
    /// Anything.
    Text(String),
}
