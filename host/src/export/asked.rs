//! What an export asked for, and what is said of a server that sends something else.
//!
//! A server may pass over `_type`, `patient` or `_since` without a word. What nobody asked for is
//! then not delivered, and told. That `_typeFilter` was passed over cannot be told from here:
//! whether a resource meets a search is the server's to know.
//!
//! Source: Bulk Data IG, "Query Parameters"; the project's checklist, F35.

use std::collections::BTreeMap;

use bulkhead_bulk::Kickoff;
use bulkhead_ledger::{FileArray, FileRecord};
use bulkhead_model::{PatientKey, ResourceType};
use bulkhead_pipeline::{Asked, Tally, Unasked};
use url::Url;

use super::memory::Drift;

/// Fewer resources than these prove nothing by being old.
const FEW: u64 = 20;

/// What a kick-off asks for.
pub(super) fn asked(kickoff: &Kickoff) -> Asked {
    let asked = Asked::new(types(kickoff)).since(kickoff.since);
    if kickoff.patients.is_empty() {
        return asked;
    }
    let bare = |id: &String| PatientKey::of(id.trim_start_matches("Patient/"));
    asked.of_patients(kickoff.patients.iter().map(bare).collect())
}

/// The types that may come; none for whatever the server has.
fn types(kickoff: &Kickoff) -> Vec<ResourceType> {
    let mut types = kickoff.types.clone();
    let associated = &kickoff.include_associated_data;
    if types.is_empty() || associated.iter().any(|code| code.starts_with('_')) {
        // What a server's own code brings nobody else knows.
        return Vec::new();
    }
    if !associated.is_empty() {
        types.extend("Provenance".parse());
    }
    types
}

/// Without the outputs of types that nobody asked for: whatever became of them, nothing is
/// missing.
pub(super) fn wanted(mut files: Vec<FileRecord>, asked: &Asked) -> Vec<FileRecord> {
    let is_wanted = |file: &FileRecord| {
        file.array != FileArray::Output
            || file.resource_type.as_ref().is_none_or(|name| asked.covers(name.as_str()))
    };
    files.retain(is_wanted);
    files
}

/// What an operator should know of the server's obedience.
pub(super) fn remarks(tally: &Tally, kickoff: &Kickoff, server: &Url) -> Vec<String> {
    let mut remarks = Vec::new();
    for (why, of) in [(Unasked::Type, "types"), (Unasked::Patient, "patients")] {
        let parameter = why.parameter();
        let counts = || {
            let count = |counts: &bulkhead_pipeline::Counts| {
                counts.not_asked.get(parameter).copied().unwrap_or(0)
            };
            tally.iter().map(move |(name, counts)| (name, count(counts)))
        };
        let all: u64 = counts().map(|(_, count)| count).sum();
        if all == 0 {
            continue;
        }
        let named: Vec<String> = counts()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| {
                format!("{} {count}", if name.is_empty() { "of no type" } else { name })
            })
            .collect();
        remarks.push(format!(
            "{server} passes over `{parameter}`: it sent {all} resources of {of} that were not \
             asked for ({}); none of them was delivered",
            named.join(", ")
        ));
    }
    remarks.extend(of_since(tally, kickoff, server));
    remarks
}

/// What is said of resources that came with elements left out.
pub(super) fn of_elements(
    drift: &BTreeMap<String, Drift>,
    kickoff: &Kickoff,
) -> Option<String> {
    let count: u64 = drift.values().map(|of| of.incomplete).sum();
    let why = if kickoff.elements.is_empty() {
        "nobody asked the server to leave something out"
    } else {
        "`source.elements` was not set when they were delivered; to have them cut at the \
         destination, begin it anew"
    };
    (count > 0).then(|| {
        format!(
            "{count} resources came with elements left out (tag SUBSETTED), and the destination has \
             them whole: they were not delivered; {why}"
        )
    })
}

fn of_since(tally: &Tally, kickoff: &Kickoff, server: &Url) -> Option<String> {
    let since = kickoff.since?;
    let total = tally.total();
    let came = total.read - total.read_deletions.min(total.read);
    let old = total.before_since;
    if old == 0 {
        return None;
    }
    let meaning = if old >= FEW && old * 10 >= came * 9 {
        "it seems to pass over `_since`"
    } else {
        "servers may add what others refer to, or the history of who joined a group"
    };
    Some(format!(
        "{old} of the {came} resources that {server} sent have not changed since {since}: \
         {meaning}; what was delivered before and is the same is not delivered again"
    ))
}

#[cfg(test)]
mod tests {
    use bulkhead_model::{Instant, Level};

    use super::*;

    /// Names of types, or codes of associated data.
    type Names = &'static [&'static str];

    fn kind(name: &str) -> ResourceType {
        name.parse().unwrap()
    }

    /// Faults: F35.
    #[test]
    fn what_may_come_is_what_was_asked_for_and_what_goes_with_it() {
        let new = |types: &[&str], associated: &[&str]| Kickoff {
            types: types.iter().map(|name| kind(name)).collect(),
            include_associated_data: associated.iter().map(ToString::to_string).collect(),
            ..Kickoff::new(Level::System)
        };
        // name, types, associated data, what may come, what may not
        let cases: [(&str, Names, Names, Names, Names); 4] = [
            ("everything", &[], &[], &["Patient", "Task"], &[]),
            ("a type", &["Patient"], &[], &["Patient"], &["Provenance", "Task"]),
            (
                "with where it comes from",
                &["Patient"],
                &["LatestProvenanceResources"],
                &["Patient", "Provenance"],
                &["Task"],
            ),
            ("a code of its own", &["Patient"], &["_all"], &["Patient", "Task"], &[]),
        ];
        for (name, types, associated, may, may_not) in cases {
            let asked = asked(&new(types, associated));
            assert!(may.iter().all(|name| asked.covers(name)), "case: {name}");
            assert!(!may_not.iter().any(|name| asked.covers(name)), "case: {name}");
        }
    }

    /// Items: 142. Faults: F28, F35.
    #[test]
    fn a_server_that_sends_what_is_old_is_named() {
        let server: Url = "https://h/fhir".parse().unwrap();
        let since = Some(Instant::from_unix_ms(0));
        let kickoff = Kickoff { since, ..Kickoff::new(Level::System) };
        // name, read, not changed since, what is said
        let cases = [
            ("none", 100, 0, None),
            ("a few", 100, 7, Some("may add what others refer to")),
            ("nearly all", 100, 95, Some("seems to pass over `_since`")),
            ("all of few", 5, 5, Some("may add what others refer to")),
        ];
        for (name, read, old, expected) in cases {
            let mut tally = Tally::default();
            tally.of("Patient").read = read;
            tally.of("Patient").before_since = old;
            let found = remarks(&tally, &kickoff, &server).pop();
            let is_said = match (&found, expected) {
                (Some(found), Some(text)) => {
                    found.contains(text) && found.contains("https://h/fhir")
                }
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            assert!(is_said, "case: {name}: {found:?}");
        }
    }
}
