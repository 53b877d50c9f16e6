//! What can be said of one type of one export. Which of it holds is `judge`'s.

use std::collections::BTreeMap;

use bulkhead_model::Instant;
use serde::{Deserialize, Serialize};

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
    /// The manifest itself is in doubt.
    Doubtful(String),
    /// None came, and nothing speaks against there being none.
    Empty,
    /// None came, and the server counts none.
    EmptyConfirmed,
    /// Some records are in quarantine for a fault.
    Faulty(u64),
    /// A file could not be had.
    FileFailed(String),
    /// The token does not cover it.
    NotGranted,
    /// None came, and the server does not list it among what it offers.
    NotOffered,
    /// The server says that it left something out: issues by severity and code.
    OmittedReported(BTreeMap<String, u64>),
    /// What the server reports of its own export could not be read.
    OutcomesUnread(u64),
    /// The token covers a part of it.
    PartlyGranted,
    /// The server reports errors of its own.
    ServerErrors(u64),
    /// Something else than the server's word says that it is not complete.
    Suspect(Suspicion),
    /// None came in an export of everything, and nothing shows that there is none.
    Unconfirmed,
    /// So many files would look the same if they had been cut short.
    Unproven(u64),
}

/// Why a type that looks complete may not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Suspicion {
    /// The server counts more than it exported.
    CountedMore {
        /// As it counts.
        counted: u64,
        /// As came.
        came: u64,
    },
    /// Some came with elements left out that nobody asked to leave out, and were not delivered
    /// over whole ones.
    Incomplete {
        /// How many.
        resources: u64,
    },
    /// None came so often in a row that it cannot be chance.
    Quiet {
        /// Incremental exports in a row without one, this one included.
        runs: u64,
        /// Resources in the incremental exports before.
        resources: u64,
        /// How many exports those were.
        in_runs: u64,
    },
    /// None came, and what came of other types refers to it.
    ReferredTo {
        /// How often, of what was looked at for it.
        references: u64,
    },
    /// As much came as in a full export: `_since` may have been ignored.
    SinceIgnored {
        /// As came.
        came: u64,
        /// In the last full export.
        full: u64,
    },
    /// The last full export had some.
    WasThere {
        /// How many.
        count: u64,
        /// When.
        at: Instant,
    },
}

impl Verdict {
    /// Whether the type's watermark may move without anybody's leave.
    pub(crate) const fn moves_the_watermark(&self) -> bool {
        matches!(self, Self::Complete | Self::Empty | Self::EmptyConfirmed)
    }

    /// Whether nothing is known to be missing. A type of which nothing is known either way is
    /// asked for whole again, and is no failure.
    pub(crate) const fn is_fine(&self) -> bool {
        self.moves_the_watermark() || matches!(self, Self::Unconfirmed)
    }

    /// Whether an operator may decide to go on without what is missing. A file that failed is
    /// to be had again, and faults have a setting of their own.
    pub(crate) const fn is_acceptable(&self) -> bool {
        match self {
            Self::Count { .. }
            | Self::Doubtful(_)
            | Self::NotGranted
            | Self::NotOffered
            | Self::OmittedReported(_)
            | Self::OutcomesUnread(_)
            | Self::PartlyGranted
            | Self::ServerErrors(_)
            | Self::Suspect(_)
            | Self::Unconfirmed
            | Self::Unproven(_) => true,
            Self::Complete
            | Self::Empty
            | Self::EmptyConfirmed
            | Self::Faulty(_)
            | Self::FileFailed(_) => false,
        }
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
            Self::Doubtful(what) => format!("held: the manifest is in doubt: {what}"),
            Self::Empty => "complete: none came".to_owned(),
            Self::EmptyConfirmed => "complete: the server counts none".to_owned(),
            Self::Faulty(count) => format!("held: {count} in quarantine for a fault"),
            Self::FileFailed(why) => format!("incomplete: a file failed: {why}"),
            Self::NotGranted => {
                "incomplete: the granted scope does not cover it".to_owned()
            }
            Self::NotOffered => {
                "incomplete: none came, and the server does not list it among what it offers"
                    .to_owned()
            }
            Self::OmittedReported(issues) => {
                let issues: Vec<String> = issues
                    .iter()
                    .map(|(issue, count)| format!("{issue} ({count})"))
                    .collect();
                format!(
                    "incomplete: the server reports an omission: {}",
                    issues.join(", ")
                )
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
            Self::Suspect(suspicion) => format!("suspect: {}", suspicion.describe()),
            Self::Unconfirmed => {
                "none came, and nothing shows that the server has none: it is asked for whole \
                 again"
                    .to_owned()
            }
            Self::Unproven(files) => format!(
                "unproven: {files} files ended with their connection and have no count: a cut \
                 would not have shown"
            ),
        }
    }
}

impl Suspicion {
    fn describe(&self) -> String {
        match self {
            Self::CountedMore { counted, came } => {
                format!("the server counts {counted}, {came} came")
            }
            Self::Incomplete { resources } => format!(
                "{resources} came with elements left out that nobody asked to leave out, and were \
                 not delivered over whole ones; if the server tags all that it has, set \
                 `sync.incomplete = \"deliver\"`"
            ),
            Self::Quiet { runs, resources, in_runs } => format!(
                "none came {runs} times in a row, after {resources} in {in_runs} incremental \
                 exports"
            ),
            Self::ReferredTo { references } => format!(
                "none came, but other resources of this export refer to it ({references} \
                 references seen)"
            ),
            Self::SinceIgnored { came, full } => format!(
                "{came} came, as much as the {full} of the last full export: the server seems \
                 to ignore `_since`"
            ),
            Self::WasThere { count, at } => {
                format!("none came, but {count} were in the full export of {at}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items: 92.
    #[test]
    fn only_what_nothing_speaks_against_moves_by_itself_and_only_omissions_can_be_accepted()
     {
        use Verdict::{
            Complete, Count, Doubtful, Empty, EmptyConfirmed, Faulty, FileFailed,
            NotGranted, NotOffered, OmittedReported, OutcomesUnread, PartlyGranted,
            ServerErrors, Suspect, Unconfirmed, Unproven,
        };
        let quiet = Suspicion::Quiet { runs: 3, resources: 40, in_runs: 5 };
        // verdict, moves, fine, acceptable
        let cases = [
            (Complete, true, true, false),
            (Empty, true, true, false),
            (EmptyConfirmed, true, true, false),
            (Unconfirmed, false, true, true),
            (Count { expected: 2, found: 1 }, false, false, true),
            (Doubtful("x".into()), false, false, true),
            (Faulty(1), false, false, false),
            (FileFailed("x".into()), false, false, false),
            (NotGranted, false, false, true),
            (NotOffered, false, false, true),
            (OmittedReported(BTreeMap::new()), false, false, true),
            (OutcomesUnread(1), false, false, true),
            (PartlyGranted, false, false, true),
            (ServerErrors(1), false, false, true),
            (Suspect(quiet), false, false, true),
            (Suspect(Suspicion::ReferredTo { references: 2 }), false, false, true),
            (Unproven(1), false, false, true),
        ];
        for (verdict, moves, fine, acceptable) in cases {
            let found = (
                verdict.moves_the_watermark(),
                verdict.is_fine(),
                verdict.is_acceptable(),
            );
            assert_eq!(found, (moves, fine, acceptable), "case: {verdict:?}");
            let json = serde_json::to_string(&verdict).unwrap();
            let again: Verdict = serde_json::from_str(&json).unwrap();
            assert_eq!(again, verdict);
        }
    }
}
