//! The end of an export: the sink's last word, verdicts, watermarks, the report.

use std::{collections::BTreeMap, time::Duration};

use bulkhead_bulk::Manifest;
use bulkhead_ledger::{ExportRecord, FileArray, HeldReason};
use bulkhead_pipeline::Tally;
use bulkhead_sandbox::{Conclusion, PluginSink};

use super::{Export, OutcomeCounts, clocks, kickoff_of, plan, status_url, verdict};
use crate::{
    clock,
    failure::{Exit, Failure},
    report::Report,
};

impl Export {
    pub(super) async fn conclude(&self, record: &ExportRecord) -> anyhow::Result<()> {
        let files = self.ledger.files(&record.id)?;
        let delivered = files
            .into_iter()
            .filter(|file| file.array != FileArray::Outcome)
            .filter_map(|file| Some((file.index, file.checkpoint?.token)));
        let time =
            record.transaction_time.unwrap_or(clocks(record).effective(Duration::ZERO));
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
    pub(super) fn complete(
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
            report.held.insert(held.resource_type.to_string(), why_held(held.reason));
        }
        Ok(report)
    }

    /// Tells the server that its files are not needed any more. Never before everything is
    /// durable, and a failure is a remark.
    pub(super) async fn tidy_up(&self, record: &ExportRecord, report: &Report) {
        if report.has_failed_files() {
            return;
        }
        let Ok(status_url) = status_url(record) else { return };
        if let Err(error) = self.client.cancel(&status_url).await {
            tracing::warn!(%error, "the server did not take the export back");
        }
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
