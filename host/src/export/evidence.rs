//! The evidence of one type, as a report shows it: what was asked, granted, offered, announced,
//! what came, what the server counts, and what earlier exports brought.

use std::{collections::BTreeMap, fmt::Write};

use bulkhead_bulk::Coverage;
use bulkhead_ledger::{Baseline, FileArray, FileRecord, Proof};
use bulkhead_model::{Instant, ResourceType};
use serde::{Deserialize, Serialize};

use super::{OutcomeCounts, kickoff::Met, outcome::Reading, probe::Probe};
use crate::watermark::all_types;

/// What is known of one type of one export. Counts and words, never patient data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(crate) struct TypeEvidence {
    /// Whether `_type` named it.
    pub(crate) asked: bool,
    /// How much of it the token covers.
    pub(crate) granted: Granted,
    /// Whether the server lists it among what it offers; `None` when it lists nothing.
    pub(crate) offered: Option<bool>,
    /// Output files of it, or of no type.
    pub(crate) files: u64,
    /// Of those, files that would look the same if they had been cut short.
    pub(crate) unproven: u64,
    /// How many resources its files announce, when all of them do.
    pub(crate) announced: Option<u64>,
    /// How many resources came.
    pub(crate) came: u64,
    /// What the server's search says.
    pub(crate) probe: Option<Probe>,
    /// What the server says of its own export that concerns it.
    pub(crate) issues: BTreeMap<String, u64>,
    /// How many the last full export brought, and when it was kicked off.
    pub(crate) last_full: Option<LastFull>,
    /// What the incremental exports before this one brought.
    pub(crate) incremental: Option<Usual>,
}

/// How much of a type a token covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Granted {
    /// All of it.
    All,
    /// None of it.
    Nothing,
    /// A part of it.
    Part,
    /// The server does not say.
    #[default]
    Untold,
}

/// The last full export that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct LastFull {
    pub(crate) count: u64,
    pub(crate) at: Option<Instant>,
}

/// What incremental exports usually bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Usual {
    pub(crate) exports: u64,
    pub(crate) resources: u64,
    /// How many of the latest in a row brought none.
    pub(crate) quiet: u64,
}

/// Where the evidence of a type is looked up.
pub(super) struct Sources<'a> {
    pub(super) asked: &'a [ResourceType],
    pub(super) files: &'a [FileRecord],
    pub(super) came: &'a BTreeMap<String, u64>,
    pub(super) outcomes: &'a OutcomeCounts,
    pub(super) met: &'a Met,
    pub(super) history: &'a BTreeMap<ResourceType, Baseline>,
    pub(super) probes: &'a BTreeMap<String, Probe>,
}

impl Sources<'_> {
    /// The evidence of one type, or of all together when it is named `Resource`.
    pub(super) fn of(&self, name: &ResourceType) -> TypeEvidence {
        let is_all = *name == all_types();
        let files = || {
            self.files.iter().filter(|file| {
                file.array == FileArray::Output
                    && (is_all || file.resource_type.as_ref().is_none_or(|of| of == name))
            })
        };
        let came = if is_all {
            self.came.values().sum()
        } else {
            self.came.get(name.as_str()).copied().unwrap_or(0)
        };
        let baseline = self.history.get(name);
        let reading = if is_all { Reading::AllTypes } else { Reading::OneType };
        let announced = files().map(|file| file.count).sum::<Option<u64>>();
        TypeEvidence {
            asked: self.asked.contains(name),
            granted: match self.met.coverage(name) {
                Coverage::Full => Granted::All,
                Coverage::None => Granted::Nothing,
                Coverage::Partial => Granted::Part,
                Coverage::Unknown => Granted::Untold,
            },
            offered: self.met.offers(name).filter(|_| !is_all),
            files: files().count() as u64,
            unproven: files().filter(|file| file.proof == Proof::Unproven).count() as u64,
            announced: announced.filter(|_| files().next().is_some()),
            came,
            probe: self.probes.get(name.as_str()).cloned(),
            issues: self.outcomes.concerning(name.as_str(), reading),
            last_full: baseline.and_then(|known| {
                Some(LastFull { count: known.full_count?, at: known.full_at })
            }),
            incremental: baseline.filter(|known| known.runs > 0).map(|known| Usual {
                exports: known.runs,
                resources: known.resources,
                quiet: known.quiet,
            }),
        }
    }
}

impl TypeEvidence {
    /// For people, in one line.
    pub(crate) fn describe(&self) -> String {
        let mut text = String::new();
        text.push_str(if self.asked { "asked for" } else { "not asked for by name" });
        text.push_str(match self.granted {
            Granted::All => "; the scope covers it",
            Granted::Nothing => "; the scope does not cover it",
            Granted::Part => "; the scope covers a part of it",
            Granted::Untold => "; the scope is not told",
        });
        text.push_str(match self.offered {
            Some(true) => "; offered by the server",
            Some(false) => "; not listed by the server",
            None => "",
        });
        // Writing to a String does not fail.
        let _ = write!(text, "; {} files", self.files);
        if let Some(announced) = self.announced {
            let _ = write!(text, " announce {announced}");
        }
        if self.unproven > 0 {
            let _ = write!(text, " ({} cannot show a cut)", self.unproven);
        }
        let _ = write!(text, "; {} came", self.came);
        match &self.probe {
            Some(Probe::Counted(count)) => {
                let _ = write!(text, "; the server counts {count}");
            }
            Some(Probe::Failed(why)) => {
                let _ = write!(text, "; it could not be counted: {why}");
            }
            Some(Probe::Refused) => text.push_str("; the server refuses to count it"),
            None => {}
        }
        for (issue, count) in &self.issues {
            let _ = write!(text, "; the server reports {issue} ({count})");
        }
        if let Some(LastFull { count, at }) = self.last_full {
            let at = at.map_or_else(|| "earlier".to_owned(), |at| at.to_string());
            let _ = write!(text, "; {count} in the full export of {at}");
        }
        if let Some(Usual { exports, resources, quiet }) = self.incremental {
            let _ = write!(text, "; {resources} in {exports} incremental exports");
            if quiet > 0 {
                let _ = write!(text, ", none in the last {quiet}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_everything_that_is_known_and_nothing_that_is_not() {
        let bare = TypeEvidence::default();
        assert_eq!(
            bare.describe(),
            "not asked for by name; the scope is not told; 0 files; 0 came"
        );
        let full = TypeEvidence {
            asked: true,
            granted: Granted::Part,
            offered: Some(false),
            files: 2,
            unproven: 1,
            announced: Some(9),
            came: 8,
            probe: Some(Probe::Counted(10)),
            issues: BTreeMap::from([("warning suppressed".to_owned(), 1)]),
            last_full: Some(LastFull { count: 7, at: Some(Instant::from_unix_ms(0)) }),
            incremental: Some(Usual { exports: 4, resources: 12, quiet: 1 }),
        };
        assert_eq!(
            full.describe(),
            "asked for; the scope covers a part of it; not listed by the server; 2 files \
             announce 9 (1 cannot show a cut); 8 came; the server counts 10; the server reports \
             warning suppressed (1); 7 in the full export of 1970-01-01T00:00:00Z; 12 in 4 \
             incremental exports, none in the last 1"
        );
        let json = serde_json::to_string(&full).unwrap();
        assert_eq!(serde_json::from_str::<TypeEvidence>(&json).unwrap(), full);
    }
}
