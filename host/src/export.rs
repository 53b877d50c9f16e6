//! One export from kick-off to report, in the phases that the ledger journals.
//!
//! ```text
//! Intent → Accepted → Manifested → Delivered → Concluded → Completed
//! ```
//!
//! Each phase is written down before the next begins, so that a process that dies anywhere
//! goes on from the last one written. What happens twice is harmless: parts are replaced by
//! the same parts, the conclusion by the same conclusion.

mod file;
mod outcome;
mod plan;
mod stop;
mod verdict;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context as _;
use bulkhead_bulk::{Client, Error as BulkError, Kickoff, Manifest, OutputFile};
use bulkhead_ledger::{
    ExportId, ExportRecord, FileArray, FileState, Ledger, NewExport, NewFile, Phase,
};
use bulkhead_model::ResourceType;
use bulkhead_pipeline::Tally;
use bulkhead_sandbox::{Conclusion, PluginSink};
use tokio::{sync::Semaphore, task::JoinSet};
use url::Url;

pub(crate) use self::{
    outcome::OutcomeCounts,
    stop::Stop,
    verdict::Verdict,
};
use crate::{
    assemble::LoadedChain,
    clock,
    config::{ChainConfig, Config},
    failure::{Exit, Failure},
    output::{Event, Output},
    report::Report,
    watermark::{Clocks, Plan},
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
    pub(crate) output: Output,
    pub(crate) stop: Stop,
}

/// Whether watermarks count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Everything, whatever is known.
    Full,
    /// What has changed since the watermarks.
    Incremental,
}

impl Export {
    /// Ends what an earlier run began, then does what is left to do. Gives one report an
    /// export.
    ///
    /// # Errors
    ///
    /// When an export could not be ended; the ledger knows where to go on.
    pub(crate) async fn run(self: &Arc<Self>, reach: Reach) -> anyhow::Result<Vec<Report>> {
        let stream = self.stream();
        self.abandon_others(&stream)?;
        let mut reports = Vec::new();
        let mut done: Vec<ResourceType> = Vec::new();
        let mut is_all_done = false;
        if let Some(record) = self.ledger.unfinished(&stream)? {
            let kickoff = kickoff_of(&record)?;
            if record.phase == Phase::Intent {
                // Nobody knows whether the server took it: it is asked again, once.
                let reason = "the kick-off's fate is unknown; a job may be left on the server";
                self.ledger.abandon(&record.id, reason, clock::now())?;
                self.output.event(Event::Remark(reason.to_owned()));
            } else {
                self.output.event(Event::Resuming { export: &record.id, phase: record.phase });
                if let Some(report) = self.go_on(record).await? {
                    reports.push(report);
                    is_all_done = kickoff.types.is_empty();
                    done.extend(kickoff.types);
                }
            }
        }
        if is_all_done {
            return Ok(reports);
        }
        for plan in self.plans(&stream, reach)? {
            let mut plan = plan;
            if !done.is_empty() {
                plan.types.retain(|name| !done.contains(name));
                if plan.types.is_empty() {
                    continue;
                }
            }
            reports.push(self.start(&stream, &plan).await?);
        }
        Ok(reports)
    }

    /// One export from the start, however often its job vanishes.
    async fn start(self: &Arc<Self>, stream: &str, plan: &Plan) -> anyhow::Result<Report> {
        for _ in 0..=RESTARTS {
            let record = self.begin(stream, plan).await?;
            if let Some(report) = self.go_on(record).await? {
                return Ok(report);
            }
        }
        let what = "the server lost the export job again and again";
        Err(Failure { exit: Exit::Failed, blame: "server", what: what.into(), hint: None }.into())
    }

    /// Journals the intent, with every clock, before anything is sent.
    async fn begin(&self, stream: &str, plan: &Plan) -> anyhow::Result<ExportRecord> {
        let server = self.client.discover().await.context("asking the server what it can do")?;
        let kickoff_instant = clock::now();
        let source = &self.config.source;
        let since = match (plan.since, server.date) {
            // Servers refuse a moment in their future.
            (Some(since), Some(date)) => Some(since.min(date)),
            (since, _) => since,
        };
        let mut kickoff = Kickoff::new(source.level.clone());
        kickoff.since = since;
        kickoff.types.clone_from(&plan.types);
        kickoff.type_filters.clone_from(&source.type_filters);
        let id = self.new_id(kickoff_instant)?;
        self.ledger.begin(&NewExport {
            id: &id,
            stream,
            chain: &self.chain.name,
            request: &serde_json::to_string(&kickoff)?,
            fingerprint: &self.loaded.fingerprint,
            kickoff_instant,
            server_date: server.date,
            since,
        })?;
        self.output.event(Event::Kickoff { export: &id, plan, request: &self.request(&kickoff) });
        match self.client.kickoff(&server, &kickoff).await {
            Ok(accepted) => {
                self.ledger.accepted(&id, accepted.status_url.as_str())?;
                for left_out in &accepted.left_out {
                    let remark = format!("the server does not support `{left_out}`: left out");
                    self.output.event(Event::Remark(remark));
                }
            }
            Err(error) => {
                // An ambiguous failure stays an intent: the next run asks again, once.
                if !matches!(error, BulkError::KickoffUnknown { .. }) {
                    self.ledger.fail(&id, &error.to_string(), clock::now())?;
                }
                return Err(blamed(error, "kicking off the export"));
            }
        }
        self.record(&id)
    }

    /// From the record's phase to the end. `None` when the job is gone and must start anew.
    async fn go_on(
        self: &Arc<Self>,
        mut record: ExportRecord,
    ) -> anyhow::Result<Option<Report>> {
        let id = record.id.clone();
        if record.phase == Phase::Accepted {
            let Some(manifest) = self.wait(&record).await? else { return Ok(None) };
            self.manifested(&id, &manifest)?;
            record = self.record(&id)?;
        }
        let manifest = manifest_of(&record)?;
        let mut outcomes = OutcomeCounts::default();
        if record.phase == Phase::Manifested {
            self.ledger.reopen_files(&id)?;
            outcomes = match self.files(&record, &manifest).await {
                Err(error) if error.is::<file::JobLost>() => {
                    let reason = "the job and its files are gone from the server";
                    self.ledger.abandon(&id, reason, clock::now())?;
                    self.output.event(Event::Remark(format!("{reason}; starting anew")));
                    return Ok(None);
                }
                files => files?,
            };
            self.ledger.delivered(&id)?;
            record = self.record(&id)?;
        }
        if record.phase == Phase::Delivered {
            self.conclude(&record).await?;
            self.ledger.concluded(&id)?;
            record = self.record(&id)?;
        }
        if outcomes.is_empty() {
            outcomes = self.outcomes_of(&id)?;
        }
        let report = self.complete(&record, &manifest, &outcomes)?;
        self.tidy_up(&record, &report).await;
        Ok(Some(report))
    }

    async fn wait(&self, record: &ExportRecord) -> anyhow::Result<Option<Manifest>> {
        let status_url = status_url(record)?;
        self.output.event(Event::Waiting);
        let output = self.output.clone();
        let waited = tokio::select! {
            waited = self.client.wait(&status_url, |progress| output.waiting(&progress)) => waited,
            () = self.stop.requested() => return Err(stopped()),
        };
        match waited {
            Ok(manifest) => Ok(Some(manifest)),
            Err(BulkError::JobGone { .. }) => {
                let reason = "the job is gone: expired or cancelled on the server";
                self.ledger.abandon(&record.id, reason, clock::now())?;
                self.output.event(Event::Remark(format!("{reason}; starting anew")));
                Ok(None)
            }
            Err(error @ BulkError::JobFailed { .. }) => {
                self.ledger.fail(&record.id, &error.to_string(), clock::now())?;
                Err(blamed(error, "waiting for the export"))
            }
            Err(error) => Err(blamed(error, "waiting for the export")),
        }
    }

    fn manifested(&self, id: &ExportId, manifest: &Manifest) -> anyhow::Result<()> {
        for warning in &manifest.warnings {
            self.output.event(Event::Remark(format!("manifest: {warning}")));
        }
        let files: Vec<NewFile> = listed(manifest)
            .map(|(index, array, file)| NewFile {
                index,
                array,
                resource_type: file.resource_type.clone(),
                count: file.count,
            })
            .collect();
        let json = serde_json::to_string(manifest)?;
        self.ledger.manifested(id, &json, manifest.transaction_time, &files)?;
        Ok(())
    }

    /// Outputs first, several at once; then deletions, which must come after them.
    async fn files(
        self: &Arc<Self>,
        record: &ExportRecord,
        manifest: &Manifest,
    ) -> anyhow::Result<OutcomeCounts> {
        self.stop.take_heart();
        let manifest = Arc::new(manifest.clone());
        let open: Vec<u32> = self
            .ledger
            .files(&record.id)?
            .into_iter()
            .filter(|file| file.state == FileState::Open)
            .map(|file| file.index)
            .collect();
        let total: Option<u64> = manifest.output.iter().map(|file| file.count).sum();
        self.output.event(Event::Files {
            outputs: manifest.output.len(),
            deletions: manifest.deleted.len(),
            outcomes: manifest.outcome.len(),
            done: listed(&manifest).count() - open.len(),
            resources: total,
        });
        self.output.begin_files(listed(&manifest).count() as u64, open.len() as u64, total);
        let status_url = status_url(record)?;
        for array in [FileArray::Output, FileArray::Deleted] {
            let mut lanes = JoinSet::new();
            let places = Arc::new(Semaphore::new(self.config.limits.files_in_flight));
            let wanted = listed(&manifest)
                .filter(|(index, of, _)| *of == array && open.contains(index));
            for (index, _, file) in wanted {
                let work = file::FileWork {
                    export: Arc::clone(self),
                    id: record.id.clone(),
                    index,
                    array,
                    file: file.clone(),
                    manifest: Arc::clone(&manifest),
                    status_url: status_url.clone(),
                };
                let places = Arc::clone(&places);
                lanes.spawn(async move {
                    let _place = places.acquire_owned().await?;
                    work.process().await
                });
            }
            self.join(lanes).await?;
        }
        self.output.end_files();
        let mut counts = OutcomeCounts::default();
        for (index, _, file) in listed(&manifest)
            .filter(|(index, of, _)| *of == FileArray::Outcome && open.contains(index))
        {
            let read = outcome::read(&self.client, &manifest, file).await;
            counts.add(&self.close_outcome(&record.id, index, read)?);
        }
        Ok(counts)
    }

    /// Waits for every lane. After the first fatal error the others are told to stop, and
    /// what they made durable counts.
    async fn join(&self, mut lanes: JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
        let mut first: Option<anyhow::Error> = None;
        while let Some(ended) = lanes.join_next().await {
            let ended = ended.map_err(anyhow::Error::new).flatten();
            if let Err(error) = ended
                && first.is_none()
            {
                self.stop.give_up();
                first = Some(error);
            }
        }
        first.map_or(Ok(()), Err)
    }

    fn close_outcome(
        &self,
        id: &ExportId,
        index: u32,
        read: anyhow::Result<OutcomeCounts>,
    ) -> anyhow::Result<OutcomeCounts> {
        match read {
            Ok(counts) => {
                let checkpoint = bulkhead_ledger::FileCheckpoint {
                    durable_through: counts.lines,
                    token: Vec::new(),
                    prefix_hash: [0; 16],
                    tally: serde_json::to_string(&counts)?,
                };
                self.ledger.close_file(id, index, &checkpoint, &[])?;
                Ok(counts)
            }
            Err(error) => {
                let reason = format!("{error:#}");
                self.ledger.fail_file(id, index, &reason)?;
                self.output.event(Event::Remark(format!("an outcome file: {reason}")));
                Ok(OutcomeCounts { unread: 1, ..OutcomeCounts::default() })
            }
        }
    }

    /// Outcome counts as an earlier run wrote them down.
    fn outcomes_of(&self, id: &ExportId) -> anyhow::Result<OutcomeCounts> {
        let mut counts = OutcomeCounts::default();
        let files = self.ledger.files(id)?;
        for file in files.iter().filter(|file| file.array == FileArray::Outcome) {
            match &file.checkpoint {
                Some(checkpoint) => counts.add(&serde_json::from_str(&checkpoint.tally)?),
                None => counts.unread += 1,
            }
        }
        Ok(counts)
    }

    async fn conclude(&self, record: &ExportRecord) -> anyhow::Result<()> {
        let files = self.ledger.files(&record.id)?;
        let delivered = files
            .into_iter()
            .filter(|file| file.array != FileArray::Outcome)
            .filter_map(|file| Some((file.index, file.checkpoint?.token)));
        let time = record.transaction_time.unwrap_or(clocks(record).effective(Duration::ZERO));
        let conclusion = Conclusion {
            export_id: record.id.to_string(),
            transaction_time: time.to_string(),
            request: self.request(&kickoff_of(record)?),
            files: delivered.collect(),
        };
        PluginSink::conclude(&self.loaded.sink, conclusion).await.map_err(|error| {
            let hint = "the log says why; running again concludes again".to_owned();
            let what = format!("concluding the export: {error}");
            Failure { exit: Exit::Failed, blame: "plugin", what, hint: Some(hint) }.into()
        })
    }

    /// Moves the watermarks of what is complete, with the report, in one transaction.
    fn complete(
        &self,
        record: &ExportRecord,
        manifest: &Manifest,
        outcomes: &OutcomeCounts,
    ) -> anyhow::Result<Report> {
        let kickoff = kickoff_of(record)?;
        let files = self.ledger.files(&record.id)?;
        let mut tally = Tally::default();
        for file in files.iter().filter(|file| file.array != FileArray::Outcome) {
            if let Some(checkpoint) = &file.checkpoint {
                tally.add(&serde_json::from_str(&checkpoint.tally)?);
            }
        }
        let verdicts = verdict::judge(&verdict::Evidence {
            asked: &kickoff.types,
            files: &files,
            tally: &tally,
            outcomes,
            granted: self.client.granted_scope().as_ref(),
            holds_on_fault: self.chain.holds_on_fault,
        });
        let clocks = clocks(record);
        let effective = clocks.effective(self.config.sync.clock_skew);
        let marks = plan::marks(&kickoff.types, &verdicts, record, effective);
        let before = self.ledger.watermarks(&record.stream)?;
        let mut report = Report {
            export: record.id.to_string(),
            chain: self.chain.name.clone(),
            request: self.request(&kickoff),
            level: kickoff.level.to_string(),
            since: record.since,
            transaction_time: record.transaction_time,
            remarks: clocks.remarks(),
            outcomes: outcomes.clone(),
            files: files.len() as u64,
            tally,
            verdicts,
            effective: Some(effective),
            metrics: self.metrics(),
            stores: self.places(),
            started_at: record.started_at,
            finished_at: clock::now(),
            held: BTreeMap::new(),
            warnings: manifest.warnings.iter().map(ToString::to_string).collect(),
        };
        report.note_moves(&before, &marks);
        let json = serde_json::to_string(&report)?;
        let held = self.ledger.complete(&record.id, &marks, &json, clock::now())?;
        for held in held {
            report.held.insert(held.resource_type.to_string(), format!("{:?}", held.reason));
        }
        Ok(report)
    }

    /// Tells the server that its files are not needed any more. Never before everything is
    /// durable, and a failure is a remark.
    async fn tidy_up(&self, record: &ExportRecord, report: &Report) {
        if report.has_failed_files() {
            return;
        }
        let Ok(status_url) = status_url(record) else { return };
        if let Err(error) = self.client.cancel(&status_url).await {
            tracing::warn!(%error, "the server did not take the export back");
        }
    }

    fn request(&self, kickoff: &Kickoff) -> String {
        plan::request(&self.config.source.base_url, kickoff)
    }

    fn metrics(&self) -> BTreeMap<String, BTreeMap<String, u64>> {
        let plugins = self.loaded.stages.iter().chain([&self.loaded.sink]);
        plugins
            .map(|plugin| (plugin.stage().to_owned(), plugin.metrics().counters()))
            .filter(|(_, counters)| !counters.is_empty())
            .collect()
    }

    fn places(&self) -> BTreeMap<String, String> {
        let names = self.loaded.stores.names();
        names
            .filter_map(|name| {
                let path = self.loaded.stores.find(name)?.path().display().to_string();
                Some((name.to_owned(), path))
            })
            .collect()
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

fn clocks(record: &ExportRecord) -> Clocks {
    Clocks {
        kickoff_instant: record.kickoff_instant,
        server_date: record.server_date,
        transaction_time: record.transaction_time,
    }
}

fn kickoff_of(record: &ExportRecord) -> anyhow::Result<Kickoff> {
    serde_json::from_str(&record.request).context("reading the journalled kick-off")
}

fn manifest_of(record: &ExportRecord) -> anyhow::Result<Manifest> {
    let json = record.manifest.as_deref().context("the journal has no manifest")?;
    serde_json::from_str(json).context("reading the journalled manifest")
}

fn status_url(record: &ExportRecord) -> anyhow::Result<Url> {
    let url = record.status_url.as_deref().context("the journal has no status URL")?;
    Url::parse(url).context("reading the journalled status URL")
}

fn stopped() -> anyhow::Error {
    let what = "stopped; what is delivered stays".to_owned();
    let hint = Some("run again: it goes on where it was".to_owned());
    Failure { exit: Exit::Stopped, blame: "operator", what, hint }.into()
}

/// A failure of the protocol, with whose fault it is.
fn blamed(error: BulkError, doing: &str) -> anyhow::Error {
    let blame = error.blame().as_str();
    let hint = error.hint().map(|hint| hint.to_string());
    let what = doing.to_owned();
    anyhow::Error::new(error).context(Failure { exit: Exit::Failed, blame, what, hint })
}
