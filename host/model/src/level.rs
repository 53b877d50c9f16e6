//! Of whom an export is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The level of an export, which decides the kick-off endpoint.
///
/// Source: Bulk Data IG, "Bulk Data Kick-off Request", endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// `[base]/Group/[id]/$export`: the members of one group.
    Group(String),
    /// `[base]/Patient/$export`: all patients.
    Patient,
    /// `[base]/$export`: everything the server holds.
    System,
}

impl Level {
    /// The kick-off path below the FHIR base, `$` literal, without a leading slash.
    pub fn kickoff_path(&self) -> String {
        match self {
            Self::Group(id) => format!("Group/{id}/$export"),
            Self::Patient => "Patient/$export".to_owned(),
            Self::System => "$export".to_owned(),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(id) => write!(f, "group {id}"),
            Self::Patient => f.write_str("patient"),
            Self::System => f.write_str("system"),
        }
    }
}
