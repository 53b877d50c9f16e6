//! What an operator may set, as written, and the same checked.

use bulkhead_plugin::{Problem, Problems, outbound_http};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The sink's settings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The destination to send to, by its name in the configuration.
    pub destination: String,
    /// Where below the destination, as in `/ingest`; empty for the destination itself, which
    /// is where FHIR servers take Bundles.
    #[serde(default)]
    pub path: String,
    /// How records become a request.
    #[serde(default)]
    pub framing: Framing,
    /// Records of one request at most, 1 to 4,096. Records of one line stay together.
    #[serde(default = "default_rows")]
    pub rows: u32,
    /// What becomes of records that the server refuses (4xx, or too large for it).
    #[serde(default)]
    pub refused: Refused,
    /// With `ndjson` and `json-array`: where the bare keys of deleted and retracted records
    /// go. Without it they are rejected.
    #[serde(default)]
    pub deletions_path: Option<String>,
}

/// How records become a request.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Framing {
    /// A FHIR Bundle `batch`: the server takes or refuses each entry.
    FhirBatch,
    /// A FHIR Bundle `transaction`: the server takes all or nothing.
    #[default]
    FhirTransaction,
    /// A JSON array of resources.
    JsonArray,
    /// A resource a line.
    Ndjson,
}

impl Framing {
    /// As the host knows it.
    pub(crate) const fn on_the_wire(self) -> outbound_http::Framing {
        match self {
            Self::FhirBatch => outbound_http::Framing::FhirBatch,
            Self::FhirTransaction => outbound_http::Framing::FhirTransaction,
            Self::JsonArray => outbound_http::Framing::JsonArray,
            Self::Ndjson => outbound_http::Framing::Ndjson,
        }
    }

    /// Whether a record and its deletion go the same way, each under its name, so that
    /// sending them twice does no harm.
    pub(crate) const fn is_bundle(self) -> bool {
        match self {
            Self::FhirBatch | Self::FhirTransaction => true,
            Self::JsonArray | Self::Ndjson => false,
        }
    }
}

/// What becomes of records that the server refuses.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Refused {
    /// The run stops.
    #[default]
    Fatal,
    /// Those that it refuses alone go to quarantine; the others are delivered.
    Reject,
}

/// Checked settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) destination: String,
    pub(crate) path: String,
    pub(crate) framing: Framing,
    pub(crate) rows: usize,
    pub(crate) refused: Refused,
    pub(crate) deletions_path: Option<String>,
}

impl TryFrom<Settings> for Plan {
    type Error = Problems;

    fn try_from(settings: Settings) -> Result<Self, Problems> {
        let Settings { destination, path, framing, rows, refused, deletions_path } =
            settings;
        let mut problems = Vec::new();
        if destination.trim().is_empty() {
            let message =
                "`destination` is empty; name one of the configured destinations";
            problems.push(Problem::new("/destination", "destination-empty", message));
        }
        if !(1..=MOST_ROWS).contains(&rows) {
            let message =
                "`rows` must be from 1 to 4096, which is as many as come at once";
            problems.push(Problem::new("/rows", "rows", message));
        }
        let mut check_path = |pointer: &str, path: &str| {
            if !path.is_empty() && !path.starts_with(['/', '?']) {
                let message = "a path begins with `/`, or is empty";
                problems.push(Problem::new(pointer, "path", message));
            }
        };
        check_path("/path", &path);
        if let Some(path) = &deletions_path {
            check_path("/deletions-path", path);
            if framing.is_bundle() {
                let message =
                    "deletions are entries of the Bundle; take `deletions-path` out";
                problems.push(Problem::new("/deletions-path", "deletions-path", message));
            }
        }
        match usize::try_from(rows) {
            Ok(rows) if problems.is_empty() => {
                Ok(Self { destination, path, framing, rows, refused, deletions_path })
            }
            _ => Err(problems),
        }
    }
}

/// Records of one batch at most.
const MOST_ROWS: u32 = 4_096;

/// A Bundle that servers take without a special limit, and that is small enough to do again.
const fn default_rows() -> u32 {
    500
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_every_problem() {
        let fine = || Settings {
            destination: "dwh".to_owned(),
            path: String::new(),
            framing: Framing::Ndjson,
            rows: 500,
            refused: Refused::Fatal,
            deletions_path: None,
        };
        let some = |path: &str| Some(path.to_owned());
        let cases: [(&str, Settings, &[&str]); 7] = [
            ("fine", fine(), &[]),
            (
                "no name",
                Settings { destination: " ".to_owned(), ..fine() },
                &["/destination"],
            ),
            ("no rows", Settings { rows: 0, ..fine() }, &["/rows"]),
            ("more than come", Settings { rows: 4_097, ..fine() }, &["/rows"]),
            (
                "a path without slash",
                Settings { path: "x".to_owned(), ..fine() },
                &["/path"],
            ),
            (
                "deletions beside a Bundle",
                Settings {
                    framing: Framing::FhirBatch,
                    deletions_path: some("/gone"),
                    ..fine()
                },
                &["/deletions-path"],
            ),
            (
                "several",
                Settings { rows: 0, deletions_path: some("gone"), ..fine() },
                &["/rows", "/deletions-path"],
            ),
        ];
        for (name, settings, expected) in cases {
            let problems = Plan::try_from(settings).err().unwrap_or_default();
            let pointers: Vec<&str> =
                problems.iter().map(|problem| problem.pointer.as_str()).collect();
            assert_eq!(pointers, expected, "case: {name}");
        }
    }
}
