//! The operator's loop, as the app runs it, without network and plugins: what it plans, asks,
//! delivers, writes down and takes up again after a crash is the app's own code; what stands
//! here is the order in which `export.rs`, `delivery.rs` and `file.rs` call it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use bulkhead_ledger::{
    Completion, ExportId, ExportRecord, FileArray, FileState, Ledger, NewExport, NewFile,
    Phase, delivered::Delivered,
};
use bulkhead_model::{Instant, PatientKey, PatientSet, ResourceType};

use super::{
    chance::Chance,
    deliver::Delivery,
    fuse::Fuse,
    history::{Habits, Sync},
    server::{Asked, KINDS, Server},
    store::Store,
};
use crate::{
    export::{
        Verdict, clocks,
        members::{self, Members, Run},
        memory::{Drift, Holdings},
        plan,
    },
    watermark::{self, Plan},
};

/// Rules that can be broken, to see that it shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) overlap: Duration,
    /// The watermark is our own clock at the kick-off.
    pub(super) is_naive: bool,
}

impl Rules {
    pub(super) const SOUND: Self =
        Self { overlap: Duration::from_mins(10), is_naive: false };
}

/// As the configuration has it by default.
const SKEW: Duration = Duration::from_mins(5);
pub(super) const MOST_DELETIONS: u64 = 10;

/// The operator, and what outlives the process.
pub(super) struct Operator {
    pub(super) rules: Rules,
    pub(super) habits: Habits,
    pub(super) ledger: Ledger,
    pub(super) delivered: Delivered,
    pub(super) folder: PathBuf,
    pub(super) stream: String,
    pub(super) store: Store,
    /// Who is in it, by number.
    pub(super) cohort: BTreeSet<usize>,
    pub(super) exports: u32,
    /// Up to when the stream had come as the run began.
    pub(super) reached: Option<Instant>,
    /// What the reports said.
    pub(super) drift: Drift,
}

/// What one run is about.
pub(super) struct Task<'a> {
    pub(super) server: &'a mut Server,
    pub(super) sync: &'a Sync,
    pub(super) fuse: Fuse,
    /// How often this run has died.
    pub(super) deaths: u64,
}

impl Operator {
    pub(super) fn members(&self) -> PatientSet {
        self.cohort.iter().map(|patient| PatientKey::of(&format!("p{patient}"))).collect()
    }

    /// One run, as `Export::run`. Dies when the fuse has burnt down.
    pub(super) async fn run(&mut self, task: &mut Task<'_>) -> anyhow::Result<()> {
        let cohorts = BTreeMap::from([("c".to_owned(), Arc::new(self.members()))]);
        let members = Members::new(cohorts, &self.ledger, &self.stream)?;
        let (mut done, mut is_all_done, mut run) = (Vec::new(), false, Run::Whole);
        let mut has_failed = false;
        self.reached = members::reached(&self.ledger, &self.stream)?;
        if let Some(record) = self.ledger.unfinished(&self.stream)? {
            if record.phase == Phase::Intent {
                self.ledger.abandon(&record.id, "unknown", self.clock(task))?;
            } else {
                run = Run::Resumed;
                members.begin(&self.ledger, &self.stream, run)?;
                let (types, patients) = asked_of(&record)?;
                if let Some(failed) = self.go_on(record, &members, task).await? {
                    has_failed |= failed;
                    if patients.is_empty() {
                        is_all_done = types.is_empty();
                        done.extend(types);
                    }
                }
            }
        }
        if run == Run::Whole {
            members.begin(&self.ledger, &self.stream, run)?;
        }
        task.fuse.burn()?;
        if !is_all_done {
            let marks = self.ledger.watermarks(&self.stream)?;
            let is_full = task.sync.is_full;
            let joined: Vec<String> = members
                .joined()
                .into_values()
                .flatten()
                .filter_map(|key| {
                    let is_it = |of: &&usize| PatientKey::of(&format!("p{of}")) == key;
                    self.cohort.iter().find(is_it).map(|patient| format!("p{patient}"))
                })
                .collect();
            if !is_full && !marks.is_empty() && !joined.is_empty() {
                let (types, why) = (self.types(), String::new());
                let plan = Plan { types, since: None, patients: joined, why };
                has_failed |= self.start(&plan, &members, task).await?;
            }
            let marks = self.ledger.watermarks(&self.stream)?;
            for mut plan in
                watermark::plan(&self.types(), &marks, self.rules.overlap, is_full)
            {
                if !done.is_empty() {
                    plan.types.retain(|name| !done.contains(name));
                    if plan.types.is_empty() {
                        continue;
                    }
                }
                has_failed |= self.start(&plan, &members, task).await?;
            }
        }
        task.fuse.burn()?;
        if !has_failed {
            members.note(&self.ledger, &self.stream, run)?;
        }
        Ok(())
    }

    fn types(&self) -> Vec<ResourceType> {
        if self.habits.asks_for_all {
            return Vec::new();
        }
        KINDS.iter().map(|kind| kind.parse().unwrap()).collect()
    }

    fn clock(&self, task: &Task<'_>) -> Instant {
        Instant::from_unix_ms(task.server.now + self.habits.skew)
    }

    /// As `Export::start` and `begin`. Gives whether a file failed, or the job was old.
    async fn start(
        &mut self,
        plan: &Plan,
        members: &Members,
        task: &mut Task<'_>,
    ) -> anyhow::Result<bool> {
        loop {
            let (kickoff_instant, server_date) = (self.clock(task), task.server.date());
            let since = match (plan.since, server_date) {
                (Some(since), Some(date)) => Some(since.min(date)),
                (since, _) => since,
            };
            self.exports += 1;
            let id: ExportId = format!("{}-{}", self.stream, self.exports).parse()?;
            self.ledger.begin(&NewExport {
                id: &id,
                stream: &self.stream,
                chain: "model",
                request: &serde_json::to_string(&(&plan.types, &plan.patients))?,
                fingerprint: "",
                kickoff_instant,
                server_date,
                since,
            })?;
            task.fuse.burn()?;
            let cohort = self.cohort.clone();
            let asked = Asked { since, patients: plan.patients.clone(), cohort };
            let job = task.server.run(asked, task.sync);
            self.ledger.accepted(&id, &job.to_string())?;
            task.fuse.burn()?;
            let record = self.record(&id)?;
            if let Some(has_failed) = self.go_on(record, members, task).await? {
                return Ok(has_failed);
            }
        }
    }

    fn record(&self, id: &ExportId) -> anyhow::Result<ExportRecord> {
        self.ledger.export(id)?.context("no such export")
    }

    /// As `Export::go_on`: whether a file failed or the job is old; `None` when the job is gone.
    async fn go_on(
        &mut self,
        mut record: ExportRecord,
        members: &Members,
        task: &mut Task<'_>,
    ) -> anyhow::Result<Option<bool>> {
        let id = record.id.clone();
        let job: usize = record.status_url.as_deref().unwrap_or_default().parse()?;
        let is_early = matches!(record.phase, Phase::Accepted | Phase::Manifested);
        if task.deaths == 1 && task.sync.forgets && is_early {
            // Only once: what is begun anew lives.
            task.deaths += 1;
            for file in self.ledger.files(&id)? {
                self.holdings(&record, false)?.give_up(file.index, 0)?;
            }
            self.ledger.abandon(&id, "gone", self.clock(task))?;
            return Ok(None);
        }
        if record.phase == Phase::Accepted {
            let made = task.server.job(job);
            let files = new_files(made.files.iter().map(|file| (file.array, file.kind)));
            self.ledger.manifested(&id, "{}", made.transaction_time, &files)?;
            record = self.record(&id)?;
            task.fuse.burn()?;
        }
        if record.phase == Phase::Manifested {
            self.ledger.reopen_files(&id)?;
            self.files(&record, job, members, task).await?;
            self.ledger.delivered(&id)?;
            record = self.record(&id)?;
            task.fuse.burn()?;
        }
        let files = self.ledger.files(&id)?;
        if record.phase == Phase::Delivered {
            let durable = files.iter().filter_map(|file| {
                Some((file.index, file.checkpoint.as_ref()?.durable_through))
            });
            self.store.conclude(id.as_str(), durable.collect());
            task.fuse.burn()?;
            self.ledger.concluded(&id)?;
            record = self.record(&id)?;
        }
        task.fuse.burn()?;
        self.complete(&record, task)?;
        let effective = Some(self.effective(&record));
        let is_enough = members::is_enough(record.since, effective, self.reached);
        Ok(Some(!is_enough || files.iter().any(|file| file.state == FileState::Failed)))
    }

    /// As `Export::complete`.
    fn complete(&mut self, record: &ExportRecord, task: &Task<'_>) -> anyhow::Result<()> {
        let (types, patients) = asked_of(record)?;
        let verdicts = self.verdicts(record)?;
        let effective = self.effective(record);
        let accepted = BTreeMap::new();
        let marks = if patients.is_empty() {
            plan::marks(&types, &verdicts, &accepted, record, effective)
        } else {
            Vec::new()
        };
        for (_, counts) in self.ledger.drifts(&record.id)? {
            let found: BTreeMap<String, Drift> = serde_json::from_str(&counts)?;
            for of_type in found.values() {
                self.drift.add(of_type);
            }
        }
        let completion = Completion {
            watermarks: &marks,
            subject: "model",
            baselines: &[],
            omissions: &[],
            report: "{}",
        };
        self.ledger.complete(&record.id, &completion, self.clock(task))?;
        Ok(())
    }

    fn effective(&self, record: &ExportRecord) -> Instant {
        if self.rules.is_naive {
            record.kickoff_instant
        } else {
            clocks(record).effective(SKEW)
        }
    }

    /// What a judge says who knows of failed files alone.
    pub(super) fn verdicts(
        &self,
        record: &ExportRecord,
    ) -> anyhow::Result<BTreeMap<String, Verdict>> {
        let files = self.ledger.files(&record.id)?;
        let of = |kind: &&str| {
            let has_failed = files.iter().any(|file| {
                let is_of = file.array == FileArray::Deleted
                    || file.resource_type.as_ref().is_some_and(|of| of.as_str() == *kind);
                file.state == FileState::Failed && is_of
            });
            let verdict = if has_failed {
                Verdict::FileFailed("cut".to_owned())
            } else {
                Verdict::Complete
            };
            ((*kind).to_owned(), verdict)
        };
        let (types, _) = asked_of(record)?;
        let is_asked =
            |kind: &&str| types.is_empty() || types.iter().any(|of| of.as_str() == *kind);
        Ok(KINDS
            .into_iter()
            .filter(|kind| is_asked(kind))
            .map(|kind| of(&kind))
            .collect())
    }

    fn holdings(
        &self,
        record: &ExportRecord,
        is_comparable: bool,
    ) -> anyhow::Result<Arc<Holdings>> {
        Ok(Arc::new(Holdings::new(&self.delivered, &self.ledger, record, is_comparable)?))
    }

    /// As `Export::files`.
    async fn files(
        &mut self,
        record: &ExportRecord,
        job: usize,
        members: &Members,
        task: &mut Task<'_>,
    ) -> anyhow::Result<()> {
        let (_, patients) = asked_of(record)?;
        let holdings = self.holdings(record, patients.is_empty())?;
        for (file, counts) in self.ledger.drifts(&record.id)? {
            holdings.resume_drift(file, serde_json::from_str(&counts)?);
        }
        let mut chance = Chance::new(task.sync.seed ^ task.deaths);
        let made = task.server.job(job).files.clone();
        let states = self.ledger.files(&record.id)?;
        let delivery = Delivery {
            ledger: &self.ledger,
            store: &self.store,
            holdings: &holdings,
            id: &record.id,
            cohort: self.members(),
            handled: self.habits.handled,
        };
        for array in [FileArray::Output, FileArray::Deleted] {
            let mut open = Vec::new();
            for (index, file) in (0_u32..).zip(&made) {
                let is_open = states
                    .iter()
                    .any(|of| of.index == index && of.state == FileState::Open);
                if file.array != array || !is_open {
                    continue;
                }
                let lines = file.lines.clone();
                let broken = task.sync.breaks.filter(|(of, _)| *of == index);
                let breaks = broken.map(|(_, after)| after);
                open.push((index, array, Some(file.kind), lines, breaks));
            }
            delivery.all(open, &mut chance, &mut task.fuse).await?;
        }
        self.call_back(
            record,
            &made.iter().map(|file| (file.array, file.kind)).collect::<Vec<_>>(),
            &holdings,
            members,
            task,
        )
        .await
    }
}

/// Types and patients of a kick-off.
fn asked_of(record: &ExportRecord) -> anyhow::Result<(Vec<ResourceType>, Vec<String>)> {
    Ok(serde_json::from_str(&record.request)?)
}

pub(super) fn new_files(
    made: impl Iterator<Item = (FileArray, &'static str)>,
) -> Vec<NewFile> {
    let file = |((array, kind), index): ((FileArray, &str), u32)| {
        let resource_type = (array == FileArray::Output).then(|| kind.parse().unwrap());
        NewFile { index, array, resource_type, count: None }
    };
    made.zip(0..).map(file).collect()
}
