//! Counting by search what an export did not bring: evidence from another door of the server.
//!
//! The count is asked for with the same token, bounded by the export's own `_since` and
//! transaction time. A server may estimate, search in another scope than it exports, or not
//! search at all: a failed count is a remark and proves nothing.
//!
//! Source: FHIR R4, "Search", `_summary=count` and `_lastUpdated`.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bulkhead_bulk::{Client, Error as BulkError};
use bulkhead_ledger::Baseline;
use bulkhead_model::{Instant, Level, ResourceType};
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::history::{self, Asked};
use crate::config::{ProbeMode, SourceConfig};

/// Types that are counted after one export. FHIR has about 150.
const MOST: usize = 200;

/// Counts at once: a server's search is not ours to load.
const AT_ONCE: usize = 4;

/// The longest that one count may take.
const EACH: Duration = Duration::from_secs(20);

/// The longest that all counts of one export may take.
const ALL: Duration = Duration::from_mins(3);

/// What came of counting one type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Probe {
    /// The server counts so many.
    Counted(u64),
    /// It could not be counted.
    Failed(String),
    /// The token may not see the type.
    Refused,
}

/// What decides which types are counted.
pub(super) struct Wanted<'a> {
    pub(super) mode: ProbeMode,
    pub(super) since: Option<Instant>,
    pub(super) asked: &'a [ResourceType],
    pub(super) came: &'a BTreeMap<String, u64>,
    pub(super) offered: &'a BTreeSet<ResourceType>,
    pub(super) history: &'a BTreeMap<ResourceType, Baseline>,
}

impl Wanted<'_> {
    /// The types to count: those of which an export of everything brought none, those that
    /// are quieter than they used to be, or all.
    pub(super) fn types(&self) -> Vec<ResourceType> {
        let mut universe: BTreeSet<&ResourceType> = self.asked.iter().collect();
        if self.asked.is_empty() {
            let known =
                self.history.iter().filter(|(_, known)| known.full_count > Some(0));
            universe = self.offered.iter().chain(known.map(|(name, _)| name)).collect();
        }
        let is_absent =
            |name: &ResourceType| self.came.get(name.as_str()).copied().unwrap_or(0) == 0;
        let is_quiet = |name: &ResourceType| {
            self.history
                .get(name)
                .is_some_and(|known| history::too_quiet(known).is_some())
        };
        let is_wanted = |name: &ResourceType| match (self.mode, Asked::of(self.since)) {
            (ProbeMode::Off, _) => false,
            (ProbeMode::All, _) => true,
            (ProbeMode::Absent, Asked::Whole) => is_absent(name),
            (ProbeMode::Absent, Asked::Changes) => is_absent(name) && is_quiet(name),
        };
        universe.into_iter().filter(|name| is_wanted(name)).take(MOST).cloned().collect()
    }
}

/// Whether a count and an export of this type are of the same resources. A group's export, or
/// a filtered one, may rightly hold fewer.
pub(super) fn is_comparable(source: &SourceConfig, name: &str) -> bool {
    let is_filtered = source
        .type_filters
        .iter()
        .any(|filter| filter.split('?').next().is_some_and(|filtered| filtered == name));
    source.level == Level::System && !is_filtered
}

/// Counts each of `types`.
pub(super) async fn count(
    client: &Client,
    types: Vec<ResourceType>,
    since: Option<Instant>,
    until: Option<Instant>,
    seen: Option<ResourceType>,
) -> BTreeMap<String, Probe> {
    let mut probes: BTreeMap<String, Probe> = types
        .iter()
        .map(|name| {
            (name.to_string(), Probe::Failed("there was no time for it".to_owned()))
        })
        .collect();
    let mut counts = stream::iter(types)
        .map(|name| async move {
            let probe = one(client, &name, since, until).await;
            (name.to_string(), probe)
        })
        .buffer_unordered(AT_ONCE);
    let all = async {
        while let Some((name, probe)) = counts.next().await {
            probes.insert(name, probe);
        }
    };
    // What was not counted by then stays uncounted.
    let _ = tokio::time::timeout(ALL, all).await;
    drop(counts);
    // A client that may not even count what it was just given may not search at all: then a
    // refusal says nothing of the type.
    if probes.values().any(|probe| *probe == Probe::Refused)
        && let Some(seen) = seen
        && matches!(one(client, &seen, since, until).await, Probe::Refused)
    {
        let why = "the server does not let this client search";
        for probe in probes.values_mut().filter(|probe| **probe == Probe::Refused) {
            *probe = Probe::Failed(why.to_owned());
        }
    }
    probes
}

async fn one(
    client: &Client,
    name: &ResourceType,
    since: Option<Instant>,
    until: Option<Instant>,
) -> Probe {
    let counted = async {
        match client.count(name, since, until).await {
            // Not every server can search by `_lastUpdated`; of everything, it need not.
            Err(BulkError::Refused { status: 400, .. })
                if since.is_none() && until.is_some() =>
            {
                client.count(name, None, None).await
            }
            counted => counted,
        }
    };
    match tokio::time::timeout(EACH, counted).await {
        Ok(Ok(count)) => Probe::Counted(count),
        Ok(Err(
            BulkError::Refused { status: 401 | 403, .. } | BulkError::Unauthorized { .. },
        )) => Probe::Refused,
        Ok(Err(error)) => Probe::Failed(error.to_string()),
        Err(_) => Probe::Failed("the server took too long".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(names: &[&str]) -> Vec<ResourceType> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    /// Items: S6.
    #[test]
    fn counts_what_is_missing_and_what_is_suspiciously_quiet() {
        use ProbeMode::{Absent, All, Off};
        let quiet = Baseline { runs: 9, resources: 900, ..Baseline::default() };
        let usual = Baseline { full_count: Some(9), ..Baseline::default() };
        let history = BTreeMap::from([
            ("Condition".parse().unwrap(), quiet),
            ("Device".parse().unwrap(), usual),
        ]);
        let came = BTreeMap::from([("Patient".to_owned(), 3)]);
        let offered = kinds(&["Basic", "Patient"]).into_iter().collect();
        let since = Some(Instant::from_unix_ms(0));
        let asked = &["Condition", "Device", "Patient"][..];
        // name, mode, since, asked, expected
        let cases = [
            ("off", Off, None, asked, &[][..]),
            ("absent, of everything", Absent, None, asked, &["Condition", "Device"]),
            ("absent, of changes", Absent, since, asked, &["Condition"]),
            ("all", All, since, asked, asked),
            ("whatever the server gives", Absent, None, &[], &["Basic", "Device"]),
        ];
        for (name, mode, since, asked, expected) in cases {
            let asked = kinds(asked);
            let wanted = Wanted {
                mode,
                since,
                asked: &asked,
                came: &came,
                offered: &offered,
                history: &history,
            };
            assert_eq!(wanted.types(), kinds(expected), "case: {name}");
        }
    }
}
