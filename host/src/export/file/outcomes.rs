//! Outcome files of one export: read whole, however often it takes.
//!
//! They are asked for before all others: they are small, and what a server says of its own
//! export must not be lost because its links ran out while the data came.
//!
//! Source: Bulk Data IG, "Response - Complete Status", `error` and `Expires`.

use std::{collections::BTreeSet, sync::Arc};

use bulkhead_bulk::{Error as BulkError, Manifest, OutputFile};
use bulkhead_ledger::{ExportId, FileArray, FileCheckpoint};
use url::Url;

use super::{
    REFRESHES,
    ended::{Away, Ended, can_be_mended, download_ended, stayed_away},
    origin::Shared,
    patience::Patience,
};
use crate::{
    export::{Export, OutcomeCounts, outcome, stopped},
    output::Event,
};

/// The outcome files of one export.
pub(in crate::export) struct Outcomes<'a> {
    pub(in crate::export) export: &'a Export,
    pub(in crate::export) id: &'a ExportId,
    pub(in crate::export) manifest: &'a Manifest,
    pub(in crate::export) status_url: &'a Url,
    /// The names by which an outcome may speak of a type.
    pub(in crate::export) names: &'a BTreeSet<String>,
    pub(in crate::export) shared: &'a Arc<Shared>,
}

impl Outcomes<'_> {
    /// Reads one, and writes down what it says. The error stops the run.
    pub(in crate::export) async fn read(
        &self,
        index: u32,
        file: &OutputFile,
    ) -> anyhow::Result<()> {
        let mut file = file.clone();
        let limits = &self.export.config.limits;
        let mut patience = Patience::new(limits.file_wait);
        let (mut tries, mut refreshes) = (limits.file_tries, REFRESHES);
        loop {
            let error = match self.once(&file).await? {
                Ok(counts) => return self.close(index, &counts),
                Err(error) => error,
            };
            let ended = match error.downcast::<BulkError>() {
                Ok(error) => download_ended(error),
                Err(error) => Ended::Broken(error),
            };
            let (error, wait) = match ended {
                Ended::Expired(_) if refreshes > 0 => {
                    refreshes -= 1;
                    self.refresh(&mut file).await;
                    continue;
                }
                Ended::Expired(error) | Ended::Barred(error) if can_be_mended(&error) => {
                    let remark = format!("an outcome file: {error:#}");
                    self.export.output.event(Event::Remark(remark));
                    self.shared.set_aside(error);
                    return Ok(());
                }
                Ended::Away(error, asked, away) => match (patience.spend(asked), away) {
                    (Some(wait), _) => (error, wait),
                    (None, Away::ForFile) => return self.fail(index, &error),
                    (None, Away::Host | Away::Tokens) => return Err(stayed_away(error)),
                },
                Ended::Again(error, after) if tries > 1 => {
                    tries -= 1;
                    (error, patience.pause(after))
                }
                Ended::Fatal(error) => return Err(error),
                Ended::Stopped => return Err(stopped()),
                Ended::Again(error, _)
                | Ended::Barred(error)
                | Ended::Broken(error)
                | Ended::Expired(error)
                | Ended::SinkDied(_, _, error) => return self.fail(index, &error),
                Ended::Changed => return Ok(()),
            };
            tracing::info!(file = index, error = %format!("{error:#}"), "trying an outcome file again");
            let remark = "an outcome file could not be had and is tried again";
            self.export.output.event(Event::Remark(remark.to_owned()));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.export.stop.requested() => return Err(stopped()),
            }
        }
    }

    /// One try. The outer error stops the run.
    async fn once(
        &self,
        file: &OutputFile,
    ) -> anyhow::Result<anyhow::Result<OutcomeCounts>> {
        let (export, id) = (self.export, self.id);
        export.log_request(id, FileArray::Outcome, file);
        let read = tokio::select! {
            read = outcome::read(&export.client, self.manifest, file, self.names) => read,
            () = export.stop.requested() => return Err(stopped()),
        };
        Ok(match read {
            Ok((counts, bytes)) => {
                export.log_file(id, file, bytes, counts.lines);
                Ok(counts)
            }
            Err(error) => {
                export.log_no_file(id, file, &error);
                Err(error)
            }
        })
    }

    /// Fetches the manifest once more for a fresh link. Without one the old link is tried once
    /// more, and what it says then is what counts.
    async fn refresh(&self, file: &mut OutputFile) {
        let fresh = self.export.client.manifest_again(self.status_url).await;
        if let Some(renewed) = fresh.ok().as_ref().and_then(|fresh| fresh.renewed(file)) {
            file.url = renewed.url.clone();
            file.expires = renewed.expires;
        }
    }

    fn close(&self, index: u32, counts: &OutcomeCounts) -> anyhow::Result<()> {
        let checkpoint = FileCheckpoint {
            durable_through: counts.lines,
            token: Vec::new(),
            prefix_hash: [0; 16],
            tally: serde_json::to_string(counts)?,
        };
        self.export.ledger.close_file(self.id, index, &checkpoint, &[])?;
        Ok(())
    }

    fn fail(&self, index: u32, error: &anyhow::Error) -> anyhow::Result<()> {
        let reason = format!("{error:#}");
        self.export.ledger.fail_file(self.id, index, &reason)?;
        self.export.output.event(Event::Remark(format!("an outcome file: {reason}")));
        Ok(())
    }
}
