//! Cohorts that live: who joined since the last export, and who may have left.
//!
//! Who was in a cohort is kept as hashes, by stream, when everything of them is delivered; and of
//! whom something may be, from before it is: a run may die between, and who is in the cohort may
//! change before the next. Who joined has a history that no `_since` brings: see `backfill.rs`. Who
//! left is called back: see `recalled.rs`.
//!
//! Source: Bulk Data IG, "Group Membership Request Pattern"; the project's checklist, items 136
//! to 138, §3.4.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bulkhead_ledger::Ledger;
use bulkhead_model::{Instant, PatientKey, PatientSet};

use super::{Export, Reach};
use crate::{
    cohort::SOURCE_GROUP,
    config::{ChainConfig, Config},
    output::Event,
    report::Report,
    watermark::span,
};

/// Further runs at once after an export that took long.
const CATCH_UPS: u32 = 2;

/// The cohorts of one chain, now and at the last export.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members {
    cohorts: BTreeMap<String, Arc<PatientSet>>,
    /// Of whom everything was delivered.
    before: BTreeMap<String, Option<BTreeSet<PatientKey>>>,
    /// Of whom something may be at the destination.
    held: BTreeMap<String, Option<BTreeSet<PatientKey>>>,
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
        let granted = chain
            .stages
            .iter()
            .chain([&chain.sink])
            .filter_map(|stage| config.plugins.get(&stage.plugin))
            .flat_map(|plugin| &plugin.grants.cohorts)
            .map(String::as_str);
        let of_chain = granted
            .chain([SOURCE_GROUP])
            .filter_map(|name| Some((name.to_owned(), Arc::clone(cohorts.get(name)?))));
        Ok(Self::new(of_chain.collect(), ledger, stream)?)
    }

    /// These cohorts, against how `stream` left them.
    pub(super) fn new(
        cohorts: BTreeMap<String, Arc<PatientSet>>,
        ledger: &Ledger,
        stream: &str,
    ) -> Result<Self, bulkhead_ledger::Error> {
        let (mut before, mut held) = (BTreeMap::new(), BTreeMap::new());
        let has_come = !ledger.watermarks(stream)?.is_empty();
        for name in cohorts.keys() {
            let mut known = ledger.cohort_snapshot(stream, name)?;
            if known.is_none() && has_come {
                // No run came to its end, but some types did: of who was there all the while.
                let begun = ledger.cohort_snapshot(stream, &begun_name(name))?;
                known = Some(begun.unwrap_or_default());
            }
            let all = ledger.cohort_snapshot(stream, &held_name(name))?;
            held.insert(name.clone(), all.or_else(|| known.clone()));
            before.insert(name.clone(), known);
        }
        Ok(Self { cohorts, before, held })
    }

    /// Notes, before anything is delivered or called back, what a run that dies leaves in the
    /// balance: of who is there now, something may be at the destination; of who is not, not
    /// everything is.
    pub(super) fn begin(
        &self,
        ledger: &Ledger,
        stream: &str,
        run: Run,
    ) -> Result<(), bulkhead_ledger::Error> {
        for (name, now) in &self.cohorts {
            let all: BTreeSet<PatientKey> = now.iter().collect();
            let held = self.held.get(name).and_then(Option::as_ref);
            if held.is_none_or(|held| !all.is_subset(held)) {
                let both = all.iter().chain(held.into_iter().flatten());
                let both: BTreeSet<PatientKey> = both.copied().collect();
                ledger.set_cohort_snapshot(stream, &held_name(name), &both)?;
            }
            if let Some(Some(before)) = self.before.get(name) {
                let stay: BTreeSet<PatientKey> =
                    before.intersection(&all).copied().collect();
                if ledger.cohort_snapshot(stream, name)?.as_ref() != Some(&stay) {
                    ledger.set_cohort_snapshot(stream, name, &stay)?;
                }
            }
            let known = ledger.cohort_snapshot(stream, &begun_name(name))?;
            let begun = match (run, &known) {
                (Run::Whole, _) => all,
                (Run::Resumed, Some(begun)) => {
                    begun.intersection(&all).copied().collect()
                }
                // An earlier version began it: nothing is known of anybody.
                (Run::Resumed, None) => BTreeSet::new(),
            };
            if known.as_ref() != Some(&begun) {
                ledger.set_cohort_snapshot(stream, &begun_name(name), &begun)?;
            }
        }
        Ok(())
    }

    /// Notes of whom everything is delivered: who is in the cohorts, or after a run that ended
    /// what another began, who has been ever since that began and did not join with it.
    pub(super) fn note(
        &self,
        ledger: &Ledger,
        stream: &str,
        run: Run,
    ) -> Result<(), bulkhead_ledger::Error> {
        for (name, now) in &self.cohorts {
            let set = |name: &str, to: &BTreeSet<PatientKey>| {
                if ledger.cohort_snapshot(stream, name)?.as_ref() == Some(to) {
                    return Ok(());
                }
                ledger.set_cohort_snapshot(stream, name, to)
            };
            match run {
                Run::Whole => {
                    let all = now.iter().collect();
                    set(name, &all)?;
                    // Who left was called back.
                    set(&held_name(name), &all)?;
                }
                Run::Resumed => {
                    let begun = ledger.cohort_snapshot(stream, &begun_name(name))?;
                    let Some(mut begun) = begun else { continue };
                    // Whether the history of who joined came whole only the run knew that died.
                    if let Some(Some(before)) = self.before.get(name) {
                        begun.retain(|patient| before.contains(patient));
                    }
                    set(name, &begun)?;
                }
            }
        }
        Ok(())
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
        let Some(Some(held)) = self.held.get(SOURCE_GROUP) else { return false };
        !about.iter().any(|patient| now.contains(*patient))
            && about.iter().any(|patient| held.contains(patient))
    }

    /// Whether somebody has left, or nobody knows who was there.
    pub(crate) fn may_have_left(&self) -> bool {
        self.cohorts.iter().any(|(name, now)| match self.held.get(name) {
            Some(Some(held)) => held.iter().any(|patient| !now.contains(*patient)),
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
}

/// Whether a run ended what another began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    Resumed,
    Whole,
}

/// Whether an export brought what one from `reached` on will not ask for again: always, when it
/// asked for changes; of an export of everything, also of some patients, unless the server looked
/// earlier than that, as for a job that it gives out again.
pub(super) fn is_enough(
    since: Option<Instant>,
    effective: Option<Instant>,
    reached: Option<Instant>,
) -> bool {
    since.is_some() || effective >= reached
}

/// Up to when a stream has come: the latest of its watermarks.
pub(super) fn reached(
    ledger: &Ledger,
    stream: &str,
) -> Result<Option<Instant>, bulkhead_ledger::Error> {
    Ok(ledger.watermarks(stream)?.values().map(|mark| mark.effective).max())
}

/// The name under which is kept who has been in a cohort since a run began. No cohort of the
/// configuration can be called so.
fn begun_name(name: &str) -> String {
    format!("{name}@begun")
}

/// Likewise, of whom something may be at the destination.
fn held_name(name: &str) -> String {
    format!("{name}@held")
}
