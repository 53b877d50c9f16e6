//! The end of an export: the sink's last word, verdicts, watermarks, the report.

mod uses;

use std::collections::BTreeMap;

use bulkhead_bulk::{Coverage, GrantedScope, Kickoff, Manifest};
use bulkhead_ledger::{
    Baseline, Completion, ExportRecord, FileArray, FileRecord, FileState, HeldReason,
};
use bulkhead_model::ResourceType;
use bulkhead_pipeline::Tally;
use bulkhead_sandbox::{Conclusion, PluginSink};

use super::{
    Acceptance, Export, OutcomeCounts, TypeEvidence, Verdict, asked, clocks, evidence,
    history::{self, Asked},
    journalled::export_time,
    judge,
    kickoff::Met,
    kickoff_of,
    memory::with_unchanged,
    omission, outcome, plan,
    probe::{self, Probe, Wanted},
    restored,
    samples::Samples,
    stopped,
};
use crate::{
    advice::advice,
    clock,
    config::ProbeMode,
    failure::{Exit, Failure},
    output::Event,
    report::{self, Report},
    watermark::all_types,
};

impl Export {
    pub(super) async fn conclude(&self, record: &ExportRecord) -> anyhow::Result<()> {
        let files = self.ledger.files(&record.id)?;
        let delivered = files
            .into_iter()
            .filter(|file| file.array != FileArray::Outcome)
            .filter_map(|file| Some((file.index, file.checkpoint?.token)));
        let time = export_time(record);
        let conclusion = Conclusion {
            export_id: record.id.to_string(),
            transaction_time: time.to_string(),
            request: self.request(&kickoff_of(record)?),
            files: delivered.collect(),
        };
        PluginSink::conclude(&self.loaded.sink, conclusion).await.map_err(|error| {
            let what = format!("concluding the export: {error}");
            let again = "the log says why; running again concludes again";
            let hint = advice(&error.into(), &self.chain);
            let hint = hint.unwrap_or_else(|| again.to_owned());
            Failure { exit: Exit::Failed, blame: "plugin", what, hint: Some(hint) }.into()
        })
    }

    /// The types of which this export brought all, as far as can be known.
    pub(super) async fn complete_types(
        &self,
        record: &ExportRecord,
        manifest: &Manifest,
    ) -> anyhow::Result<Vec<ResourceType>> {
        let verdicts = self.weigh(record, manifest).await?.verdicts;
        let is_whole = |of: &(String, Verdict)| of.1.moves_the_watermark();
        let names = verdicts.into_iter().filter(is_whole);
        Ok(names.filter_map(|(name, _)| name.parse().ok()).collect())
    }

    /// Weighs what speaks for and against each type.
    async fn weigh(
        &self,
        record: &ExportRecord,
        manifest: &Manifest,
    ) -> anyhow::Result<Weighed> {
        let kickoff = kickoff_of(record)?;
        let asked = asked::asked(&kickoff);
        let files = asked::wanted(self.ledger.files(&record.id)?, &asked);
        let outcomes = outcome::told(&files, manifest)?;
        let mut tally = Tally::default();
        let all = self.ledger.files(&record.id)?;
        for file in all.iter().filter(|file| file.array != FileArray::Outcome) {
            if let Some(checkpoint) = &file.checkpoint {
                tally.add(&serde_json::from_str(&checkpoint.tally)?);
            }
        }
        let came = judge::came(&tally);
        let met = self.met(record);
        // Of some patients alone, neither counts nor earlier exports tell how much there is.
        let is_of_all = kickoff.patients.is_empty();
        let (history, probes) = if is_of_all {
            let history = self.ledger.baselines(&self.subject())?;
            let probes = self
                .probe(record, manifest, &kickoff.types, &came, &met, &history)
                .await?;
            (history, probes)
        } else {
            (BTreeMap::new(), BTreeMap::new())
        };
        let source = &self.config.source;
        let verdicts = judge::judge(&judge::Evidence {
            asked: &kickoff.types,
            since: record.since,
            files: &files,
            tally: &tally,
            came: &came,
            outcomes: &outcomes,
            doubt: judge::doubt(manifest),
            guess: judge::guess(manifest),
            met: &met,
            history: &history,
            probes: &probes,
            is_comparable: &|name| probe::is_comparable(source, name),
            holds_on_fault: self.chain.holds_on_fault,
            sync: &self.config.sync,
        });
        let sources = evidence::Sources {
            asked: &kickoff.types,
            files: &files,
            came: &came,
            outcomes: &outcomes,
            met: &met,
            history: &history,
            probes: &probes,
        };
        let evidence = verdicts
            .keys()
            .filter_map(|name| Some((name.clone(), sources.of(&name.parse().ok()?))))
            .collect();
        let listed = all.len() as u64;
        Ok(Weighed {
            kickoff,
            files,
            listed,
            tally,
            came,
            history,
            outcomes,
            verdicts,
            evidence,
        })
    }

    /// Moves the watermarks of what is complete, with the report, in one transaction.
    pub(super) async fn complete(
        &self,
        record: &ExportRecord,
        manifest: &Manifest,
    ) -> anyhow::Result<Report> {
        self.note_uses(&record.id)?;
        let Weighed {
            kickoff,
            files,
            listed,
            tally,
            came,
            history,
            outcomes,
            verdicts,
            evidence,
        } = self.weigh(record, manifest).await?;
        let is_of_all = kickoff.patients.is_empty();
        let subject = self.subject();
        let mut drift = self.drift_of(record)?;
        let verdicts = judge::with_incomplete(verdicts, &drift, &kickoff);
        let clocks = clocks(record);
        let effective = clocks.effective(self.config.sync.clock_skew);
        let accepted = self.accept.applied(&verdicts);
        // What came of some patients says nothing of the others.
        let marks = if is_of_all {
            plan::marks(&kickoff.types, &verdicts, &accepted, record, effective)
        } else {
            Vec::new()
        };
        let before = self.ledger.watermarks(&record.stream)?;
        let baselines = if is_of_all {
            baselines(&verdicts, &accepted, &came, &history, record)
        } else {
            Vec::new()
        };
        let is_whole = record.since.is_none();
        // The first export of everything has nothing to be held against.
        if is_whole && is_of_all && !before.is_empty() {
            drift = with_unchanged(drift, &tally);
        }
        let samples = if is_whole {
            Samples::default()
        } else {
            self.samples(&kickoff.types, record.id.as_str(), effective).await?
        };
        let older = drift.values().map(|of| of.went_back).sum::<u64>() + samples.older;
        let server = &self.config.source.base_url;
        let mut remarks = clocks.remarks();
        remarks.extend(restored::remarks(server, older, &clocks, &before));
        remarks.extend(samples.remark());
        remarks.extend(asked::remarks(&tally, &kickoff, server));
        remarks.extend(asked::of_elements(&drift, &kickoff));
        remarks.extend(self.learn(record, &drift, clock::now())?);
        let failed_files =
            files.iter().filter(|file| file.state == FileState::Failed).count() as u64;
        let now = clock::now();
        let omissions = omission::written(&accepted, &verdicts, record, now);
        let mut report = Report {
            export: record.id.to_string(),
            chain: self.chain.name.clone(),
            request: self.request(&kickoff),
            level: kickoff.level.to_string(),
            since: record.since,
            transaction_time: record.transaction_time,
            remarks,
            drift,
            failed_files,
            outcomes,
            files: listed,
            tally,
            verdicts,
            evidence,
            accepted,
            effective: Some(effective),
            metrics: self.metrics(),
            stores: self.places(),
            audit: None,
            kept: report::kept(&self.ledger, &record.id)?,
            replay: None,
            started_at: record.started_at,
            finished_at: now,
            held: BTreeMap::new(),
            warnings: manifest.warnings.iter().map(ToString::to_string).collect(),
        };
        report.note_moves(&before, &marks);
        let json = serde_json::to_string(&report)?;
        let completion = Completion {
            watermarks: &marks,
            subject: &subject,
            baselines: &baselines,
            omissions: &omissions,
            report: &json,
        };
        let held = self.ledger.complete(&record.id, &completion, now)?;
        if !held.is_empty() {
            let held = held.into_iter();
            report.held.extend(
                held.map(|held| (held.resource_type.to_string(), why_held(held.reason))),
            );
            self.ledger.amend_report(&record.id, &serde_json::to_string(&report)?)?;
        }
        Ok(report)
    }

    /// What the kick-off met. An export that an earlier version began tells nothing: then what
    /// the client has met since has to do.
    fn met(&self, record: &ExportRecord) -> Met {
        let mut met = Met::of(record);
        if record.evidence.is_none()
            && let Some(GrantedScope::Stated(scope)) = self.client.granted_scope()
        {
            met.scope = Some(scope);
        }
        met
    }

    /// Counts what is worth counting.
    async fn probe(
        &self,
        record: &ExportRecord,
        manifest: &Manifest,
        asked: &[ResourceType],
        came: &BTreeMap<String, u64>,
        met: &Met,
        history: &BTreeMap<ResourceType, Baseline>,
    ) -> anyhow::Result<BTreeMap<String, Probe>> {
        // What the token does not cover is not worth a request: the scope says it all.
        let is_covered = |name: &&ResourceType| met.coverage(name) != Coverage::None;
        let offered = met.offered.iter().filter(is_covered).cloned().collect();
        let covered: Vec<ResourceType> =
            asked.iter().filter(is_covered).cloned().collect();
        // Of a manifest that is one by guess, every type is worth a question.
        let mode = match self.config.sync.probe {
            ProbeMode::Absent if manifest.is_guess() => ProbeMode::All,
            mode @ (ProbeMode::Absent | ProbeMode::All | ProbeMode::Off) => mode,
        };
        let wanted = Wanted {
            mode,
            since: record.since,
            asked: &covered,
            came,
            offered: &offered,
            history,
        };
        let is_none_covered = covered.is_empty() && !asked.is_empty();
        let types = if is_none_covered { Vec::new() } else { wanted.types() };
        if types.is_empty() {
            return Ok(BTreeMap::new());
        }
        let seen = came.iter().find(|(_, count)| **count > 0);
        let seen = seen.and_then(|(name, _)| name.parse().ok());
        let until = record.transaction_time;
        let probes = tokio::select! {
            probes = probe::count(&self.client, types, record.since, until, seen) => probes,
            () = self.stop.requested() => return Err(stopped()),
        };
        let failed = probes.iter().find_map(|(name, probe)| match probe {
            Probe::Failed(why) => Some(format!("{name}: {why}")),
            Probe::Counted(_) | Probe::Refused => None,
        });
        if let Some(why) = failed {
            let remark = format!("what did not come could not be counted: {why}");
            self.output.event(Event::Remark(remark));
        }
        Ok(probes)
    }

    pub(super) fn metrics(&self) -> BTreeMap<String, BTreeMap<String, u64>> {
        let plugins = self.loaded.stages.iter().chain([&self.loaded.sink]);
        plugins
            .map(|plugin| (plugin.stage().to_owned(), plugin.metrics().counters()))
            .filter(|(_, counters)| !counters.is_empty())
            .collect()
    }

    pub(super) fn places(&self) -> BTreeMap<String, String> {
        let names = self.loaded.stores.names();
        names
            .filter_map(|name| {
                let path = self.loaded.stores.find(name)?.path().display().to_string();
                Some((name.to_owned(), path))
            })
            .collect()
    }
}

/// Everything that an export is judged by, and the judgement.
struct Weighed {
    kickoff: Kickoff,
    /// Those that concern what was asked for.
    files: Vec<FileRecord>,
    /// How many there are in all.
    listed: u64,
    tally: Tally,
    came: BTreeMap<String, u64>,
    history: BTreeMap<ResourceType, Baseline>,
    outcomes: OutcomeCounts,
    verdicts: BTreeMap<String, Verdict>,
    evidence: BTreeMap<String, TypeEvidence>,
}

/// How much each type usually brings, this export included.
///
/// A full export counts once nothing speaks against it, or somebody said that it does; an
/// incremental one unless a file of it is missing.
fn baselines(
    verdicts: &BTreeMap<String, Verdict>,
    accepted: &BTreeMap<String, Acceptance>,
    came: &BTreeMap<String, u64>,
    history: &BTreeMap<ResourceType, Baseline>,
    record: &ExportRecord,
) -> Vec<(ResourceType, Baseline)> {
    let next = |name: &String, verdict: &Verdict| -> Option<(ResourceType, Baseline)> {
        let kind: ResourceType = name.parse().ok().filter(|kind| *kind != all_types())?;
        let old = history.get(&kind).cloned().unwrap_or_default();
        let came = came.get(name).copied().unwrap_or(0);
        let is_good = verdict.moves_the_watermark() || accepted.contains_key(name);
        let new = match (Asked::of(record.since), verdict) {
            (_, Verdict::FileFailed(_)) => return None,
            (Asked::Whole, _) if !is_good => return None,
            (Asked::Whole, _) => history::after_full(&old, came, record.kickoff_instant),
            (Asked::Changes, verdict) => {
                let is_explained =
                    *verdict == Verdict::EmptyConfirmed || accepted.contains_key(name);
                history::after_changes(&old, came, is_explained)
            }
        };
        Some((kind, new))
    };
    verdicts.iter().filter_map(|(name, verdict)| next(name, verdict)).collect()
}

/// Why the ledger kept a watermark where it was.
fn why_held(reason: HeldReason) -> String {
    match reason {
        HeldReason::Behind => "this export's snapshot is older than it",
        HeldReason::Gap => "this export asked from a later moment than it",
        HeldReason::Undelivered => "a file that may concern it failed",
    }
    .to_owned()
}
