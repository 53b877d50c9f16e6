//! Cohorts that live: who joined since the last export, and who may have left.
//!
//! Who was in a cohort is kept as hashes, by stream, when everything of them is delivered. Who
//! joined has a history that no `_since` brings: it is asked for once, by patient, without
//! `_since`, or with everything where a server cannot do that. Who left is called back: see
//! `recalled.rs`.
//!
//! Source: Bulk Data IG, "Group Membership Request Pattern"; the project's checklist, items 136
//! to 138, §3.4.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bulkhead_bulk::Error as BulkError;
use bulkhead_ledger::Ledger;
use bulkhead_model::{PatientKey, PatientSet};

use super::Export;
use crate::{config::ChainConfig, config::Config, watermark::Plan};

/// Patients asked for with one kick-off.
const PATIENTS: usize = 500;

/// The cohorts of one chain, now and at the last export.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members {
    cohorts: BTreeMap<String, Arc<PatientSet>>,
    before: BTreeMap<String, Option<BTreeSet<PatientKey>>>,
}

impl Members {
    /// The cohorts that some plugin of the chain is granted, against how `stream` left them.
    pub(crate) fn of(
        config: &Config,
        chain: &ChainConfig,
        cohorts: &BTreeMap<String, Arc<PatientSet>>,
        ledger: &Ledger,
        stream: &str,
    ) -> anyhow::Result<Self> {
        let mut members = Self::default();
        let granted = chain
            .stages
            .iter()
            .chain([&chain.sink])
            .filter_map(|stage| config.plugins.get(&stage.plugin))
            .flat_map(|plugin| &plugin.grants.cohorts);
        for name in granted {
            if let Some(now) = cohorts.get(name) {
                let before = ledger.cohort_snapshot(stream, name)?;
                members.before.insert(name.clone(), before);
                members.cohorts.insert(name.clone(), Arc::clone(now));
            }
        }
        Ok(members)
    }

    /// The cohorts as they are.
    pub(crate) fn now(&self) -> impl Iterator<Item = &PatientSet> {
        self.cohorts.values().map(|cohort| &**cohort)
    }

    /// Whether somebody has left, or nobody knows who was there.
    pub(crate) fn may_have_left(&self) -> bool {
        self.cohorts.iter().any(|(name, now)| match self.before.get(name) {
            Some(Some(before)) => before.iter().any(|patient| !now.contains(*patient)),
            Some(None) | None => true,
        })
    }

    /// Who joined each cohort. Nobody where nobody knows who was there: then everything is
    /// asked for anyway.
    pub(crate) fn joined(&self) -> BTreeMap<&str, BTreeSet<PatientKey>> {
        let joined = |(name, now): (&'_ String, &Arc<PatientSet>)| {
            let before = self.before.get(name)?.as_ref()?;
            let new = now.iter().filter(|patient| !before.contains(patient));
            Some(new.collect::<BTreeSet<PatientKey>>())
        };
        self.cohorts
            .iter()
            .filter_map(|of| Some((of.0.as_str(), joined(of)?)))
            .filter(|(_, joined)| !joined.is_empty())
            .collect()
    }
}

impl Export {
    /// Kick-offs for the history of who joined, at most `sync.backfill-most` patients; `None`
    /// when there are more, and everything has to be asked for.
    pub(super) fn backfills(&self, joined: &[String]) -> Option<Vec<Plan>> {
        if joined.len() as u64 > self.config.sync.backfill_most {
            return None;
        }
        let plan = |patients: &[String]| Plan {
            types: self.config.source.types.clone(),
            since: None,
            patients: patients.to_vec(),
            why: format!(
                "the history of {} who joined a cohort since the last export",
                patients.len()
            ),
        };
        Some(joined.chunks(PATIENTS).map(plan).collect())
    }

    /// Notes who is in the cohorts, now that everything of them is delivered.
    pub(super) fn note_members(&self, stream: &str) -> anyhow::Result<()> {
        for (name, now) in &self.members.cohorts {
            let is_new = match self.members.before.get(name) {
                Some(Some(before)) => {
                    before.len() != now.len()
                        || now.iter().any(|of| !before.contains(&of))
                }
                Some(None) | None => true,
            };
            if is_new {
                self.ledger.set_cohort_snapshot(stream, name, now.iter())?;
            }
        }
        Ok(())
    }
}

/// Whether the server will not take a kick-off for some patients, which a kick-off for all may
/// mend.
pub(super) fn is_refusal(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| match cause.downcast_ref::<BulkError>() {
        Some(BulkError::Refused { status, .. }) => {
            (400..500).contains(status) && !matches!(status, 401 | 403 | 408 | 429)
                || matches!(status, 501)
        }
        Some(BulkError::Settings { .. }) => true,
        Some(_) | None => false,
    })
}
