//! Whether a type is complete: the evidence, and what follows from it.
//!
//! A watermark moves only for types that nothing speaks against. Absence of a type in a
//! manifest is legal and means "no data"; what can be known beyond that is the business of
//! `Verdict`'s other cases.
//!
//! Source: Bulk Data IG, "Response - Complete Status" (`count`, `error`); SMART App Launch,
//! "Wildcard scopes".

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_bulk::{Coverage, GrantedScope};
use bulkhead_ledger::{FileArray, FileRecord, FileState};
use bulkhead_model::ResourceType;
use bulkhead_pipeline::Tally;
use serde::{Deserialize, Serialize};

use super::OutcomeCounts;

/// What is known of one type of one export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// Every file of it is delivered, and nothing speaks against it.
    Complete,
    /// A file holds another number of resources than the manifest says.
    Count {
        /// As the manifest says.
        expected: u64,
        /// As read.
        found: u64,
    },
    /// The server has none.
    Empty,
    /// Some records are in quarantine for a fault.
    Faulty(u64),
    /// A file could not be had.
    FileFailed(String),
    /// The token does not cover it.
    NotGranted,
    /// What the server reports of its own export could not be read.
    OutcomesUnread(u64),
    /// The token covers a part of it.
    PartlyGranted,
    /// The server reports errors of its own.
    ServerErrors(u64),
}

impl Verdict {
    /// Whether the type's watermark may move.
    pub(crate) const fn moves_the_watermark(&self) -> bool {
        matches!(self, Self::Complete | Self::Empty)
    }

    /// For people.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Complete => "complete".to_owned(),
            Self::Count { expected, found } => {
                format!(
                    "incomplete: {found} resources came, the manifest says {expected}"
                )
            }
            Self::Empty => "complete: the server has none".to_owned(),
            Self::Faulty(count) => format!("held: {count} in quarantine for a fault"),
            Self::FileFailed(why) => format!("incomplete: a file failed: {why}"),
            Self::NotGranted => {
                "incomplete: the granted scope does not cover it".to_owned()
            }
            Self::OutcomesUnread(count) => {
                format!("held: {count} of the server's own reports could not be read")
            }
            Self::PartlyGranted => {
                "incomplete: the granted scope covers a part of it".to_owned()
            }
            Self::ServerErrors(count) => {
                format!("incomplete: the server reports {count} errors of its own")
            }
        }
    }
}

/// What speaks for and against completeness.
pub(super) struct Evidence<'a> {
    pub(super) asked: &'a [ResourceType],
    pub(super) files: &'a [FileRecord],
    pub(super) tally: &'a Tally,
    pub(super) outcomes: &'a OutcomeCounts,
    pub(super) granted: Option<&'a GrantedScope>,
    pub(super) holds_on_fault: bool,
}

/// A verdict for every type that was asked for or seen.
pub(super) fn judge(evidence: &Evidence<'_>) -> BTreeMap<String, Verdict> {
    let asked = evidence.asked.iter().map(ToString::to_string);
    let listed = evidence
        .files
        .iter()
        .filter_map(|file| Some(file.resource_type.as_ref()?.to_string()));
    let names: BTreeSet<String> = asked
        .chain(listed.filter(|name| name != "Bundle" && name != "OperationOutcome"))
        .collect();
    names
        .into_iter()
        .map(|name| {
            let verdict = verdict(evidence, &name);
            (name, verdict)
        })
        .collect()
}

fn verdict(evidence: &Evidence<'_>, name: &str) -> Verdict {
    // Files of no type, and deletions, are of every type.
    let concerns = |file: &&FileRecord| {
        file.array == FileArray::Deleted
            || (file.array == FileArray::Output
                && file.resource_type.as_ref().is_none_or(|kind| kind.as_str() == name))
    };
    let failed = evidence
        .files
        .iter()
        .filter(concerns)
        .find(|file| file.state != FileState::Closed);
    if let Some(file) = failed {
        let why = file.failure.clone().unwrap_or_else(|| "not closed".to_owned());
        return Verdict::FileFailed(why);
    }
    let coverage =
        name.parse().ok().and_then(|name| Some(evidence.granted?.coverage(&name)));
    match coverage {
        Some(Coverage::None) => return Verdict::NotGranted,
        Some(Coverage::Partial) => return Verdict::PartlyGranted,
        Some(Coverage::Full | Coverage::Unknown) | None => {}
    }
    if evidence.outcomes.errors > 0 {
        return Verdict::ServerErrors(evidence.outcomes.errors);
    }
    if evidence.outcomes.unread > 0 {
        return Verdict::OutcomesUnread(evidence.outcomes.unread);
    }
    let outputs = evidence.files.iter().filter(|file| file.array == FileArray::Output);
    for file in outputs.filter(concerns) {
        let read = file.checkpoint.as_ref().and_then(|checkpoint| {
            Some(serde_json::from_str::<Tally>(&checkpoint.tally).ok()?.total().read)
        });
        if let (Some(expected), Some(found), Some(_)) =
            (file.count, read, &file.resource_type)
            && expected != found
        {
            return Verdict::Count { expected, found };
        }
    }
    let counts =
        evidence.tally.iter().find(|(kind, _)| *kind == name).map(|(_, counts)| counts);
    // What no type can be told of concerns every type.
    let untold = evidence.tally.iter().find(|(kind, _)| kind.is_empty());
    let faulty = counts.map_or(0, |counts| counts.faulty)
        + untold.map_or(0, |(_, counts)| counts.faulty);
    if evidence.holds_on_fault && faulty > 0 {
        return Verdict::Faulty(faulty);
    }
    match counts {
        Some(counts) if counts.read > 0 => Verdict::Complete,
        Some(_) | None => Verdict::Empty,
    }
}
