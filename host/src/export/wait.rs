//! From the kick-off to the manifest: waiting for the job, and what becomes of one that is gone.

use bulkhead_bulk::{Error as BulkError, Job, Manifest, ManifestError, Remedy};
use bulkhead_ledger::{ExportId, ExportRecord};

use super::{
    Export, blamed,
    journalled::{kickoff_of, status_url},
    kickoff, logged, new_files, stopped,
};
use crate::{clock, output::Event};

impl Export {
    /// Gives up an export whose job the server has forgotten.
    pub(super) fn vanished<T>(
        &self,
        id: &ExportId,
        reason: &str,
    ) -> anyhow::Result<Option<T>> {
        self.void(id)?;
        self.ledger.abandon(id, reason, clock::now())?;
        self.ledger.released(id, clock::now())?;
        self.output.event(Event::Remark(format!("{reason}; starting anew")));
        Ok(None)
    }

    /// Waits for the job. `None` when it is gone.
    pub(super) async fn wait(
        &self,
        record: &ExportRecord,
    ) -> anyhow::Result<Option<Manifest>> {
        // The time allowed counts from the kick-off, however many processes wait for it.
        let job = Job {
            status_url: status_url(record)?,
            started: Some(record.kickoff_instant),
            status_source: kickoff::Met::of(record).status_source,
        };
        self.output.event(Event::Waiting);
        let tell = |progress| {
            logged::log_progress(&self.log, &record.id, &progress);
            self.output.waiting(&progress);
        };
        let waited = tokio::select! {
            waited = self.client.wait_for(&job, tell) => waited,
            () = self.stop.requested() => return Err(stopped()),
        };
        match &waited {
            Ok(manifest) => self.log_manifest(&record.id, manifest),
            Err(error) => self.log_no_manifest(&record.id, error),
        }
        match waited {
            Ok(manifest) => Ok(Some(manifest)),
            Err(BulkError::JobGone { .. }) => {
                let reason = "the job is gone: expired or cancelled on the server";
                self.vanished(&record.id, reason)
            }
            Err(BulkError::Manifest { source, .. })
                if source.remedy() == Remedy::BeginAnew =>
            {
                let reason = "the server answers for the job, and not with a manifest";
                self.void(&record.id)?;
                self.ledger.abandon(&record.id, reason, clock::now())?;
                // Some answer so for one that is gone; if it is not, nobody waits for it.
                self.release(record).await?;
                self.output.event(Event::Remark(format!("{reason}; starting anew")));
                Ok(None)
            }
            Err(error) if is_given_up(&error) => {
                self.ledger.fail(&record.id, &error.to_string(), clock::now())?;
                self.release(record).await?;
                Err(blamed(error, "waiting for the export"))
            }
            // The job stays: the next run asks for it again.
            Err(error) => Err(blamed(error, "waiting for the export")),
        }
    }

    /// Journals what the server made, and says what it passed over.
    pub(super) fn manifested(
        &self,
        record: &ExportRecord,
        manifest: &Manifest,
    ) -> anyhow::Result<()> {
        for warning in &manifest.warnings {
            self.output.event(Event::Remark(format!("manifest: {warning}")));
        }
        let left_out = kickoff::Met::of(record).left_out;
        let ignored = manifest.ignored(&kickoff_of(record)?).into_iter();
        for name in ignored.filter(|name| !left_out.iter().any(|of| of == name)) {
            let remark = format!("the server passed over `{name}` without a word");
            self.output.event(Event::Remark(remark));
        }
        let files = new_files(manifest);
        let json = serde_json::to_string(manifest)?;
        self.ledger.manifested(&record.id, &json, manifest.transaction_time, &files)?;
        Ok(())
    }
}

/// Whether nothing but another export can help: the job failed, or its manifest will be the
/// same whenever it is asked for.
fn is_given_up(error: &BulkError) -> bool {
    let is_unusable = |source: &ManifestError| source.remedy() == Remedy::GiveUp;
    matches!(error, BulkError::JobFailed { .. } | BulkError::JobTimeout { .. })
        || matches!(error, BulkError::Manifest { source, .. } if is_unusable(source))
}
