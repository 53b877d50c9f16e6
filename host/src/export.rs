//! One export from kick-off to report, in the phases that the ledger journals.
//!
//! ```text
//! Intent → Accepted → Manifested → Delivered → Concluded → Completed
//! ```
//!
//! Each phase is written down before the next begins, so that a process that dies anywhere
//! goes on from the last one written. What happens twice is harmless: parts are replaced by
//! the same parts, the conclusion by the same conclusion.

mod asked;
mod backfill;
mod completion;
mod delivery;
mod discovery;
mod evidence;
mod failed;
mod file;
mod forgetting;
mod history;
mod journalled;
mod judge;
mod kickoff;
mod lessons;
mod logged;
mod members;
mod memory;
#[cfg(test)]
mod model;
mod offered;
mod omission;
mod outcome;
mod plan;
mod probe;
mod recalled;
mod release;
mod replay;
mod restored;
mod samples;
mod stop;
mod verdict;
mod wait;

use std::sync::Arc;

use anyhow::Context as _;
use bulkhead_bulk::{Client, Kickoff, Manifest, OutputFile, Way};
use bulkhead_egress::Vault;
use bulkhead_ledger::{
    ExportId, ExportRecord, FileArray, Ledger, NewExport, NewFile, Phase,
    delivered::Delivered,
};
use bulkhead_model::{Instant, Level, ResourceType};

use self::failed::{blamed, stopped, unreached};
use self::journalled::{clocks, kickoff_of, manifest_of, status_url};
pub(crate) use self::{
    evidence::TypeEvidence,
    members::Members,
    memory::{Drift, advised_interval},
    omission::{Acceptance, Acceptances},
    outcome::OutcomeCounts,
    plan::stream,
    recalled::{delivered_folder, open as open_delivered},
    release::release,
    replay::{is_replay, sweep},
    stop::Stop,
    verdict::Verdict,
};
use crate::{
    assemble::LoadedChain,
    clock,
    config::{ChainConfig, Config},
    export_log::ExportLog,
    failure::{Exit, Failure},
    output::{Event, Output},
    report::Report,
    watermark::Plan,
};

/// How often a vanished job is kicked off anew within one run.
const RESTARTS: u32 = 2;

/// Everything that an export of one chain needs.
pub(crate) struct Export {
    pub(crate) config: Arc<Config>,
    pub(crate) chain: ChainConfig,
    pub(crate) loaded: LoadedChain,
    pub(crate) client: Arc<Client>,
    pub(crate) ledger: Ledger,
    /// Where bodies of refused records are sealed.
    pub(crate) vault: Option<Arc<Vault>>,
    pub(crate) output: Output,
    /// What other tools read of all exports.
    pub(crate) log: ExportLog,
    pub(crate) stop: Stop,
    /// What may be missing.
    pub(crate) accept: Acceptances,
    /// What was delivered of each resource, where that is remembered.
    pub(crate) delivered: Option<Delivered>,
    /// The chain's cohorts, now and at the last export.
    pub(crate) members: Members,
}

/// Whether watermarks count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Everything, whatever is known.
    Full,
    /// What has changed since the watermarks.
    Incremental,
    /// Everything of these types.
    Types(Vec<ResourceType>),
}

/// Whether another process has begun to deliver files of the export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tried {
    Before,
    Never,
}

impl Export {
    /// Ends what an earlier run began, then does what is left to do. Gives one report an
    /// export.
    ///
    /// # Errors
    ///
    /// When an export could not be ended; the ledger knows where to go on.
    pub(crate) async fn run(
        self: &Arc<Self>,
        reach: Reach,
    ) -> anyhow::Result<Vec<Report>> {
        let stream = self.stream();
        let began_empty = self.delivered.as_ref().is_some_and(Delivered::is_empty);
        self.abandon_others(&stream)?;
        self.release_left().await?;
        let mut reports = Vec::new();
        let mut done: Vec<ResourceType> = Vec::new();
        let (mut is_all_done, mut is_whole) = (false, false);
        let mut run = members::Run::Whole;
        let reached = members::reached(&self.ledger, &stream)?;
        if let Some(record) = self.ledger.unfinished(&stream)? {
            let kickoff = kickoff_of(&record)?;
            if record.phase == Phase::Intent {
                // Nobody knows whether the server took it: it is asked again, once.
                let reason =
                    "the kick-off's fate is unknown; a job may be left on the server";
                self.ledger.abandon(&record.id, reason, clock::now())?;
                if kickoff.way == Way::Export {
                    let remark = format!(
                        "export {} of {}: {reason}, whose address nobody was told: look there if the \
                     next kick-off is refused",
                        record.id, record.started_at
                    );
                    self.output.event(Event::Remark(remark));
                }
            } else {
                run = members::Run::Resumed;
                self.members.begin(&self.ledger, &stream, run)?;
                self.output
                    .event(Event::Resuming { export: &record.id, phase: record.phase });
                if let Some(report) = self.go_on(record).await? {
                    reports.push(report);
                    // What was asked for some patients leaves the others to be asked for.
                    if kickoff.patients.is_empty() {
                        is_all_done = kickoff.types.is_empty();
                        done.extend(kickoff.types);
                    }
                }
            }
        }
        if run == members::Run::Whole {
            self.members.begin(&self.ledger, &stream, run)?;
        }
        if !is_all_done {
            let reach = self.backfill(&stream, reach, &mut reports).await?;
            let plans = self.plans(&stream, &reach)?;
            if plans.iter().any(|plan| plan.since.is_some()) {
                self.catch_up_types(&stream, &reach, &mut reports).await?;
            }
            for plan in plans {
                let mut plan = plan;
                // The last one is of changes, if any is.
                is_whole = plan.since.is_none();
                // Whatever was asked for by name, all types together are another matter.
                if !done.is_empty() && !plan.types.is_empty() {
                    plan.types.retain(|name| !done.contains(name));
                    if plan.types.is_empty() {
                        continue;
                    }
                }
                reports.push(self.start(&stream, &plan).await?);
            }
            self.catch_up(&stream, &mut reports).await?;
        }
        let is_enough = |report: &Report| {
            !report.has_failed_files()
                && members::is_enough(report.since, report.effective, reached)
        };
        if reports.iter().all(is_enough) {
            self.members.note(&self.ledger, &stream, run)?;
        }
        // What came with a first export was not deleted long ago.
        if is_whole && !began_empty {
            self.forget_deleted().await?;
        }
        let oldest = clock::now().minus(self.config.sync.keep_history);
        self.ledger.forget(oldest)?;
        Ok(reports)
    }

    /// One export from the start, however often its job vanishes.
    async fn start(
        self: &Arc<Self>,
        stream: &str,
        plan: &Plan,
    ) -> anyhow::Result<Report> {
        for _ in 0..=RESTARTS {
            let record = self.begin(stream, plan).await?;
            if let Some(report) = self.go_on(record).await? {
                return Ok(report);
            }
        }
        let what = "the server lost the export job again and again";
        Err(Failure {
            exit: Exit::Failed,
            blame: "server",
            what: what.into(),
            hint: None,
        }
        .into())
    }

    /// Journals the intent, with every clock, before anything is sent.
    async fn begin(&self, stream: &str, plan: &Plan) -> anyhow::Result<ExportRecord> {
        let server = self.discover().await?;
        let kickoff_instant = clock::now();
        let source = &self.config.source;
        let since = match (plan.since, server.date) {
            // Servers refuse a moment in their future.
            (Some(since), Some(date)) => Some(since.min(date)),
            (since, _) => since,
        };
        let mut kickoff =
            Kickoff { since, types: plan.types.clone(), ..source.kickoff() };
        kickoff.patients.clone_from(&plan.patients);
        if !plan.patients.is_empty() && source.level == Level::System {
            // At system level no patients can be named.
            kickoff.level = Level::Patient;
        }
        let id = self.journal(stream, &kickoff, kickoff_instant, server.date)?;
        self.output.event(Event::Kickoff {
            export: &id,
            plan,
            request: &self.request(&kickoff),
        });
        self.kick_off(&id, &server, &kickoff).await?;
        self.record(&id)
    }

    /// Writes the intent down under a new id.
    fn journal(
        &self,
        stream: &str,
        kickoff: &Kickoff,
        kickoff_instant: Instant,
        server_date: Option<Instant>,
    ) -> anyhow::Result<ExportId> {
        let id = self.new_id(kickoff_instant)?;
        self.ledger.begin(&NewExport {
            id: &id,
            stream,
            chain: &self.chain.name,
            request: &serde_json::to_string(kickoff)?,
            fingerprint: &self.loaded.fingerprint,
            kickoff_instant,
            server_date,
            since: kickoff.since,
        })?;
        Ok(id)
    }

    /// From the record's phase to the end. `None` when the job is gone and must start anew.
    async fn go_on(
        self: &Arc<Self>,
        mut record: ExportRecord,
    ) -> anyhow::Result<Option<Report>> {
        let id = record.id.clone();
        let tried =
            if record.phase == Phase::Manifested { Tried::Before } else { Tried::Never };
        if record.phase == Phase::Accepted {
            let kickoff = kickoff_of(&record)?;
            let manifest = match kickoff.way {
                Way::Everything => Some(self.files_of_patients(&kickoff)),
                Way::Export => self.wait(&record).await?,
            };
            let Some(manifest) = manifest else { return Ok(None) };
            self.manifested(&record, &manifest)?;
            record = self.record(&id)?;
        }
        let manifest = manifest_of(&record)?;
        if record.phase == Phase::Manifested {
            self.ledger.reopen_files(&id)?;
            match self.files(&record, &manifest, tried).await {
                Err(error) if error.is::<file::JobLost>() => {
                    let reason = "the job and its files are gone from the server";
                    return self.vanished(&id, reason);
                }
                files => files?,
            }
            self.ledger.delivered(&id)?;
            record = self.record(&id)?;
        }
        if record.phase == Phase::Delivered {
            self.conclude(&record).await?;
            self.ledger.concluded(&id)?;
            record = self.record(&id)?;
        }
        let report = self.complete(&record, &manifest).await?;
        self.log_end(&record, &report);
        // Also when a file failed: nothing will come back for it, and a server may refuse the
        // next export while it keeps this one.
        self.release(&record).await?;
        Ok(Some(report))
    }

    fn request(&self, kickoff: &Kickoff) -> String {
        plan::request(&self.config.source.base_url, kickoff)
    }

    fn record(&self, id: &ExportId) -> anyhow::Result<ExportRecord> {
        let record = self.ledger.export(id)?;
        record.with_context(|| format!("export {id} is not in the ledger"))
    }
}

/// Every file with its number in the export: outputs, deletions, outcomes.
fn listed(manifest: &Manifest) -> impl Iterator<Item = (u32, FileArray, &OutputFile)> {
    let outputs = manifest.output.iter().map(|file| (FileArray::Output, file));
    let deleted = manifest.deleted.iter().map(|file| (FileArray::Deleted, file));
    let outcomes = manifest.outcome.iter().map(|file| (FileArray::Outcome, file));
    let all = outputs.chain(deleted).chain(outcomes);
    all.zip(0..).map(|((array, file), index)| (index, array, file))
}

fn new_files(manifest: &Manifest) -> Vec<NewFile> {
    listed(manifest)
        .map(|(index, array, file)| NewFile {
            index,
            array,
            resource_type: file.resource_type.clone(),
            count: file.count,
        })
        .collect()
}
