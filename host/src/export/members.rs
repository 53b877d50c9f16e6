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

use super::{Export, Reach};
use crate::{
    cohort::{self, SOURCE_GROUP},
    config::{ChainConfig, Config},
    output::Event,
    report::Report,
    watermark::{Plan, span},
};

/// Further runs at once after an export that took long.
const CATCH_UPS: u32 = 2;

/// Patients asked for with one kick-off.
const PATIENTS: usize = 500;

/// The cohorts of one chain, now and at the last export.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members {
    cohorts: BTreeMap<String, Arc<PatientSet>>,
    before: BTreeMap<String, Option<BTreeSet<PatientKey>>>,
}

impl Members {
    /// The cohorts that some plugin of the chain is granted, and the group that is exported,
    /// against how `stream` left them.
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
            .flat_map(|plugin| &plugin.grants.cohorts)
            .map(String::as_str);
        for name in granted.chain([SOURCE_GROUP]) {
            if let Some(now) = cohorts.get(name) {
                let before = ledger.cohort_snapshot(stream, name)?;
                members.before.insert(name.to_owned(), before);
                members.cohorts.insert(name.to_owned(), Arc::clone(now));
            }
        }
        Ok(members)
    }

    /// The cohorts of the plugins as they are.
    pub(crate) fn now(&self) -> impl Iterator<Item = &PatientSet> {
        let cohorts = self.cohorts.iter().filter(|(name, _)| *name != SOURCE_GROUP);
        cohorts.map(|(_, cohort)| &**cohort)
    }

    /// Whether these patients are known to have left the group that is exported, all of them
    /// who were in it. No filter can tell: one passes whatever the server sends.
    pub(crate) fn left_source(&self, about: &[PatientKey]) -> bool {
        let Some(now) = self.cohorts.get(SOURCE_GROUP) else { return false };
        let Some(Some(before)) = self.before.get(SOURCE_GROUP) else { return false };
        !about.iter().any(|patient| now.contains(*patient))
            && about.iter().any(|patient| before.contains(patient))
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
    /// Asks for the history of who joined a cohort. Gives how far to reach after it: to
    /// everything, where the server cannot be asked for some patients alone.
    pub(super) async fn backfill(
        self: &Arc<Self>,
        stream: &str,
        reach: Reach,
        reports: &mut Vec<Report>,
    ) -> anyhow::Result<Reach> {
        let marks = self.ledger.watermarks(stream)?;
        if reach == Reach::Full || self.delivered.is_none() || marks.is_empty() {
            return Ok(reach);
        }
        let mut joined = Vec::new();
        for (name, keys) in self.members.joined() {
            joined.extend(cohort::ids_of(&self.config, &self.client, name, &keys).await?);
        }
        if joined.is_empty() {
            return Ok(reach);
        }
        let everything = |why: &str| {
            let count = joined.len();
            let remark = format!(
                "{count} joined a cohort, and {why}: everything is asked for, so that their \
                 history comes"
            );
            self.output.event(Event::Remark(remark));
            Reach::Full
        };
        let Some(plans) = self.backfills(&joined) else {
            return Ok(everything("that is more than `sync.backfill-most`"));
        };
        for plan in plans {
            match self.start(stream, &plan).await {
                Ok(report) => reports.push(report),
                Err(error) if is_refusal(&error) => {
                    tracing::info!(error = %format!("{error:#}"), "a kick-off by patient");
                    return Ok(everything("the server does not export by patient"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(reach)
    }

    /// After an export that took long, asks at once for what changed meanwhile: bounded, and
    /// only while it is worth it.
    pub(super) async fn catch_up(
        self: &Arc<Self>,
        stream: &str,
        reports: &mut Vec<Report>,
    ) -> anyhow::Result<()> {
        let Some(longest) = self.config.sync.catch_up else { return Ok(()) };
        // Each export of everything would be followed by another.
        if self.knows_no_since() {
            return Ok(());
        }
        for _ in 0..CATCH_UPS {
            let Some(last) = reports.last_mut() else { return Ok(()) };
            // By one clock. How old the server's snapshot was is no reason: to ask again at once
            // does not make a replica quicker.
            let window = last.finished_at.since(last.started_at);
            if window <= longest || !last.is_complete() {
                return Ok(());
            }
            let remark = format!(
                "what changed during this export ({}) is asked for at once",
                span(window)
            );
            last.remarks.push(remark.clone());
            self.output.event(Event::Remark(remark));
            for plan in self.plans(stream, &Reach::Incremental)? {
                reports.push(self.start(stream, &plan).await?);
            }
        }
        Ok(())
    }

    /// Kick-offs for the history of who joined, at most `sync.backfill-most` patients; `None`
    /// when there are more, and everything has to be asked for.
    fn backfills(&self, joined: &[String]) -> Option<Vec<Plan>> {
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
fn is_refusal(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| match cause.downcast_ref::<BulkError>() {
        Some(BulkError::Refused { status, .. }) => {
            (400..500).contains(status) && !matches!(status, 401 | 403 | 408 | 429)
                || matches!(status, 501)
        }
        Some(BulkError::Settings { .. }) => true,
        Some(_) | None => false,
    })
}
