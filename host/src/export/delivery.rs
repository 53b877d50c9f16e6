//! All files of one export: outputs first, several at once; then deletions; then what the
//! server has to say of itself.

use std::sync::Arc;

use bulkhead_bulk::Manifest;
use bulkhead_ledger::{ExportId, ExportRecord, FileArray, FileState};
use tokio::{sync::Semaphore, task::JoinSet};

use super::{Export, OutcomeCounts, file, listed, outcome, status_url};
use crate::output::Event;

impl Export {
    /// Outputs first, several at once; then deletions, which must come after them.
    pub(super) async fn files(
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
        self.output.begin_files(
            listed(&manifest).count() as u64,
            open.len() as u64,
            total,
        );
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
    pub(super) fn outcomes_of(&self, id: &ExportId) -> anyhow::Result<OutcomeCounts> {
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
}
