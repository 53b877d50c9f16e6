//! What an operator may set. Owns the words and their defaults, not what they lead to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The stage's settings. Everything but the cohort's name has a default, and no default
/// keeps a patient's resource of which it is not known that a member is meant.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The cohort whose data may pass, by its name in the configuration.
    pub cohort: String,
    /// Which of a record's patients decide.
    #[serde(default)]
    pub mode: Mode,
    /// What becomes of a record of a type that carries patient data when it names no patient
    /// where `mode` looks. `keep` does not extend to a record that names an outsider
    /// elsewhere: that one is quarantined.
    #[serde(default)]
    pub no_patient: Treatment,
    /// What becomes of a record when the decision hinges on a reference that could not be
    /// resolved to a patient of the server.
    #[serde(default)]
    pub unresolved: Treatment,
    /// What becomes of records of types that carry no patient data (Organization,
    /// Practitioner, Medication, …).
    #[serde(default)]
    pub shared: Passage,
    /// What becomes of a record of such a type that names a patient outside the cohort all
    /// the same.
    #[serde(default)]
    pub shared_outsiders: Treatment,
    /// What becomes of a record that would be kept and also mentions a patient outside the
    /// cohort, for example as performer.
    #[serde(default = "Treatment::keep")]
    pub outsiders: Treatment,
    /// What becomes of a deletion whose key does not tell whose record it was, and of every
    /// retraction.
    #[serde(default)]
    pub deletions: Passage,
}

/// Which of a record's patients decide.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Every patient whom the record names must be a member.
    All,
    /// One member among the patients in whose compartment the record is.
    Any,
    /// The patient whom the record is about (its subject) must be a member. A type that has
    /// no such element is judged as by `all`.
    #[default]
    Primary,
}

/// What becomes of records that `mode` alone does not settle.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Treatment {
    /// They are dropped and counted.
    Drop,
    /// They pass.
    Keep,
    /// Quarantine keeps their place and code, not their bodies.
    #[default]
    Quarantine,
}

impl Treatment {
    const fn keep() -> Self {
        Self::Keep
    }
}

/// What becomes of records in which there is nothing to examine.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Passage {
    /// They are dropped and counted.
    Drop,
    /// They pass.
    #[default]
    Keep,
}
