//! Resources of which the server left elements out, and says so: they do not take the place of
//! whole ones.
//!
//! Looked for only where something would be replaced, so that a first export pays nothing.
//!
//! Source: Bulk Data IG, "Query Parameters" (`_elements`); FHIR R4, "Summary" (`SUBSETTED`).

use bulkhead_ledger::delivered::{Entry, State};
use bulkhead_pipeline::{Change, Record};
use serde::Deserialize;

use super::Holdings;

/// Dropped: incomplete, and the destination has it whole.
pub(in crate::export) const INCOMPLETE: &str = "incomplete";

/// What was asked for of each resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Whatever the server makes of it.
    Any,
    /// Some of its elements.
    Elements,
    /// All of it.
    Whole,
}

impl Holdings {
    /// Whether the destination may hold the resource of `entry` with all that was asked for, and
    /// more than what comes if that is incomplete.
    pub(super) fn may_be_whole(&self, entry: &Entry) -> bool {
        entry.state == State::Live
            && match self.shape {
                // What this very definition brought has the same elements.
                Shape::Any => false,
                Shape::Elements => !self.is_of_now(entry),
                Shape::Whole => true,
            }
    }
}

/// Whether a record says of itself that elements are missing.
pub(super) fn is_incomplete(record: &Record) -> bool {
    record.change == Change::Upsert && is_tagged(record.source())
}

fn is_tagged(line: &[u8]) -> bool {
    // Nearly never there; only then it is worth reading where it stands.
    let is_named = line.windows(CODE.len()).any(|window| window == CODE.as_bytes());
    is_named
        && serde_json::from_slice::<Tagged>(line)
            .is_ok_and(|of| of.meta.tag.iter().any(|tag| tag.code == CODE))
}

/// In `meta.tag`, whatever its code system: it has been known by two.
const CODE: &str = "SUBSETTED";

#[derive(Deserialize)]
struct Tagged {
    meta: Meta,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(default)]
    tag: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    #[serde(default)]
    code: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items: 46.
    #[test]
    fn a_resource_is_incomplete_when_its_tag_says_so_and_nothing_else_does() {
        let system = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
        let tagged = format!(
            r#"{{"resourceType":"Basic","meta":{{"tag":[{{"code":"a"}},{{"system":"{system}","code":"SUBSETTED"}}]}}}}"#
        );
        let cases = [
            ("tagged", tagged.as_str(), true),
            ("no tag", r#"{"resourceType":"Basic","id":"1"}"#, false),
            ("in a text", r#"{"meta":{"tag":[]},"note":"SUBSETTED"}"#, false),
            ("no meta", r#"{"note":"SUBSETTED"}"#, false),
            ("a display", r#"{"meta":{"tag":[{"display":"SUBSETTED"}]}}"#, false),
        ];
        for (name, line, expected) in cases {
            assert_eq!(is_tagged(line.as_bytes()), expected, "case: {name}");
        }
    }
}
