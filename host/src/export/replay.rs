//! Records out of quarantine, through the chain again: an export of its own, without a server.
//!
//! ```text
//! Intent (which entries, on which lines) → Accepted → Manifested → Delivered → Concluded → Completed
//! ```
//!
//! The same lanes, checkpoints and ledger of resources as for any file; what they read comes out
//! of sealed files ([`mod@file`]), and whether it is still news is decided otherwise ([`memory`]). A
//! replay that is killed goes on with the same lines. What is not refused again is replayed, and
//! its body taken out of the sealed file ([`tidy`]).
//!
//! No watermark moves: a type that is held is asked for again, and what came by a replay is known
//! then.

mod file;
mod memory;
mod plan;
mod tidy;

use std::{collections::BTreeMap, sync::Arc};

use bulkhead_egress::{Identities, Vault};
use bulkhead_ledger::{
    Completion, ExportRecord, FileArray, FileState, Kept, NewFile, Phase, Search,
};
use bulkhead_pipeline::Tally;

pub(super) use self::file::{Reader, SealedFile};
use self::memory::Past;
pub(crate) use self::tidy::sweep;
use super::{
    Export, file::FileWork, file::Origin, journalled::export_time, kickoff_of,
    memory::Holdings, stopped,
};
use crate::{
    clock,
    output::Event,
    report::{Replayed, Report},
};

/// What the streams of replays end with; no name of a chain has a colon.
const SUFFIX: &str = ":replay";

/// Whether a stream is one of replays.
pub(crate) fn is_replay(stream: &str) -> bool {
    stream.ends_with(SUFFIX)
}

impl Export {
    /// Ends a replay that an earlier run began, then replays what `search` means. Gives a report
    /// each; none when there is nothing to replay. What is left out is told.
    ///
    /// # Errors
    ///
    /// When one could not be ended; the ledger knows where to go on.
    pub(crate) async fn replay(
        self: &Arc<Self>,
        identities: &Arc<Identities>,
        search: &Search<'_>,
    ) -> anyhow::Result<Vec<Report>> {
        let Some(vault) = self.vault.clone() else { return Ok(Vec::new()) };
        self.tidy(&vault, identities).await?;
        let stream = format!("{}{SUFFIX}", self.chain.name);
        let mut reports = Vec::new();
        match self.ledger.unfinished(&stream)? {
            Some(record) if self.goes_on(&record) => {
                let phase = record.phase;
                self.output.event(Event::Resuming { export: &record.id, phase });
                reports.push(self.deliver_replay(record, &vault, identities).await?);
            }
            Some(record) => self.give_up_replay(&record)?,
            None => {}
        }
        let planned = self.plan_replay(&stream, &vault, identities, search)?;
        if let Some(record) = planned {
            reports.push(self.deliver_replay(record, &vault, identities).await?);
        }
        self.tidy(&vault, identities).await?;
        Ok(reports)
    }

    /// Whether a replay can go on: its bodies were chosen for the chain as it was.
    fn goes_on(&self, record: &ExportRecord) -> bool {
        record.phase != Phase::Intent && record.fingerprint == self.loaded.fingerprint
    }

    fn give_up_replay(&self, record: &ExportRecord) -> anyhow::Result<()> {
        let reason = "it had not begun to deliver, or the chain changed since";
        self.void(&record.id)?;
        self.ledger.abandon(&record.id, reason, clock::now())?;
        self.ledger.released(&record.id, clock::now())?;
        let remark = format!("replay {} was given up: {reason}", record.id);
        self.output.event(Event::Remark(remark));
        Ok(())
    }

    /// From the record's phase to the end.
    async fn deliver_replay(
        self: &Arc<Self>,
        mut record: ExportRecord,
        vault: &Arc<Vault>,
        identities: &Arc<Identities>,
    ) -> anyhow::Result<Report> {
        let id = record.id.clone();
        if record.phase == Phase::Accepted {
            let files = self.ledger.replay_files(&id)?.into_iter();
            let files: Vec<NewFile> = files
                .map(|(index, count)| NewFile {
                    index,
                    array: FileArray::Replayed,
                    resource_type: None,
                    count: Some(count),
                })
                .collect();
            self.ledger.manifested(&id, "{}", record.transaction_time, &files)?;
            record = self.record(&id)?;
        }
        if record.phase == Phase::Manifested {
            self.ledger.reopen_files(&id)?;
            self.replay_files(&record, vault, identities).await?;
            self.ledger.delivered(&id)?;
            record = self.record(&id)?;
        }
        if record.phase == Phase::Delivered {
            self.conclude(&record).await?;
            self.ledger.concluded(&id)?;
            record = self.record(&id)?;
        }
        // Before the replay has ended: afterwards what is not marked would be replayed again.
        let settled = self.ledger.settle_replay(&id)?;
        let report = self.complete_replay(&record, settled)?;
        self.ledger.released(&id, clock::now())?;
        Ok(report)
    }

    /// Every file that is open, one after the other.
    async fn replay_files(
        self: &Arc<Self>,
        record: &ExportRecord,
        vault: &Arc<Vault>,
        identities: &Arc<Identities>,
    ) -> anyhow::Result<()> {
        let files = self.ledger.files(&record.id)?;
        let open = files.iter().filter(|file| file.state == FileState::Open);
        let total: Option<u64> = files.iter().map(|file| file.count).sum();
        self.output.begin_files(files.len() as u64, open.clone().count() as u64, total);
        let holdings = self.replay_holdings(record)?;
        let past = Arc::new(Past::of(&self.ledger)?);
        for of in open {
            if self.stop.is_requested() {
                return Err(stopped());
            }
            if let Some(holdings) = &holdings {
                let through = of.checkpoint.as_ref().map(|of| of.durable_through);
                holdings.give_up(of.index, through.unwrap_or(0))?;
            }
            let rows = self.ledger.replayed(&record.id, of.index)?;
            let file = SealedFile::new(
                Arc::clone(vault),
                Arc::clone(identities),
                rows,
                Arc::clone(&past),
            );
            let work = FileWork {
                export: Arc::clone(self),
                id: record.id.clone(),
                index: of.index,
                array: FileArray::Replayed,
                origin: Origin::Sealed(Arc::new(file)),
                holdings: holdings.clone(),
                asked: Arc::default(),
                export_time: export_time(record),
            };
            work.process().await?;
        }
        self.output.end_files();
        Ok(())
    }

    /// What the destination holds, by the definition of the chain's own exports.
    fn replay_holdings(
        &self,
        record: &ExportRecord,
    ) -> anyhow::Result<Option<Arc<Holdings>>> {
        let of_chain = ExportRecord {
            stream: self.stream(),
            // Its absence from a replay says nothing of a resource.
            since: Some(record.kickoff_instant),
            ..record.clone()
        };
        self.holdings(&of_chain, false)
    }

    /// The report, and the end.
    fn complete_replay(
        &self,
        record: &ExportRecord,
        settled: u64,
    ) -> anyhow::Result<Report> {
        self.note_uses(&record.id)?;
        let files = self.ledger.files(&record.id)?;
        let mut tally = Tally::default();
        for checkpoint in files.iter().filter_map(|file| file.checkpoint.as_ref()) {
            tally.add(&serde_json::from_str(&checkpoint.tally)?);
        }
        let planned = self.ledger.replay_files(&record.id)?;
        let kept = self.ledger.kept(&record.id)?;
        let now = clock::now();
        let failed = files.iter().filter(|file| file.state == FileState::Failed);
        let report = Report {
            export: record.id.to_string(),
            chain: self.chain.name.clone(),
            request: self.request(&kickoff_of(record)?),
            level: self.config.source.level.to_string(),
            since: None,
            transaction_time: record.transaction_time,
            remarks: Vec::new(),
            warnings: Vec::new(),
            outcomes: super::OutcomeCounts::default(),
            files: files.len() as u64,
            tally,
            verdicts: BTreeMap::new(),
            evidence: BTreeMap::new(),
            accepted: BTreeMap::new(),
            drift: BTreeMap::new(),
            failed_files: failed.count() as u64,
            effective: None,
            held: BTreeMap::new(),
            metrics: self.metrics(),
            stores: self.places(),
            kept: BTreeMap::new(),
            audit: None,
            replay: Some(Replayed {
                records: planned.iter().map(|(_, count)| count).sum(),
                settled,
                again: kept.get(&Kept::Again).copied().unwrap_or(0),
            }),
            started_at: record.started_at,
            finished_at: now,
        };
        let json = serde_json::to_string(&report)?;
        let completion = Completion {
            watermarks: &[],
            subject: "",
            baselines: &[],
            omissions: &[],
            report: &json,
        };
        self.ledger.complete(&record.id, &completion, now)?;
        Ok(report)
    }
}
