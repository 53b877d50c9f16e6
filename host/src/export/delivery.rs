//! All files of one export: outputs first, several at once; then deletions; then what the
//! server has to say of itself.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bulkhead_bulk::{Error as BulkError, Kickoff, Manifest, OutputFile, Way};
use bulkhead_ledger::{ExportId, ExportRecord, FileArray, FileState};
use bulkhead_model::Phi;
use tokio::task::JoinSet;

use super::{
    Export, OutcomeCounts, Tried, asked, file, journalled::export_time, kickoff::Met,
    kickoff_of, listed, outcome, status_url, stopped,
};
use crate::output::Event;

/// The first pause before an outcome file is tried again; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest pause between two tries of an outcome file.
const LONGEST_PAUSE: Duration = Duration::from_mins(2);

impl Export {
    /// Outputs first, several at once; then deletions, which must come after them.
    pub(super) async fn files(
        self: &Arc<Self>,
        record: &ExportRecord,
        manifest: &Manifest,
        tried: Tried,
    ) -> anyhow::Result<()> {
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
            done: listed(&manifest).count().saturating_sub(open.len()),
            resources: total,
        });
        self.output.begin_files(
            listed(&manifest).count() as u64,
            open.len() as u64,
            total,
        );
        let status_url = status_url(record)?;
        let kickoff = kickoff_of(record)?;
        let is_comparable = kickoff.patients.is_empty();
        let asked = Arc::new(asked::asked(&kickoff));
        let holdings = self.holdings(record, is_comparable)?;
        let shared: Arc<file::Shared> = Arc::default();
        if let Some(holdings) = &holdings {
            for (file, counts) in self.ledger.drifts(&record.id)? {
                holdings.resume_drift(file, serde_json::from_str(&counts)?);
            }
            if tried == Tried::Before {
                let files = self.ledger.files(&record.id)?;
                for file in files.iter().filter(|file| file.state == FileState::Open) {
                    let through = file.checkpoint.as_ref().map(|of| of.durable_through);
                    holdings.give_up(file.index, through.unwrap_or(0))?;
                }
            }
        }
        for array in [FileArray::Output, FileArray::Deleted] {
            let mut queue = VecDeque::new();
            let wanted = in_turn(&manifest, array).into_iter();
            for (index, file) in wanted.filter(|(index, _)| open.contains(index)) {
                queue.push_back(file::FileWork {
                    export: Arc::clone(self),
                    id: record.id.clone(),
                    index,
                    array,
                    origin: of_patient(&kickoff, index).unwrap_or_else(|| {
                        file::Origin::Remote {
                            file: Box::new(file.clone()),
                            manifest: Arc::clone(&manifest),
                            status_url: status_url.clone(),
                            shared: Arc::clone(&shared),
                        }
                    }),
                    asked: Arc::clone(&asked),
                    export_time: export_time(record),
                    holdings: holdings.clone(),
                });
            }
            let at_once = self.config.limits.files_in_flight.min(queue.len());
            let queue = Arc::new(Mutex::new(queue));
            let mut lanes = JoinSet::new();
            for _ in 0..at_once {
                let queue = Arc::clone(&queue);
                let (export, id) = (Arc::clone(self), record.id.clone());
                lanes.spawn(async move {
                    let next = || {
                        queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
                    };
                    while let Some(work) = next() {
                        let came = work.process().await;
                        export.note_uses(&id)?;
                        came?;
                    }
                    Ok(())
                });
            }
            self.join(lanes).await?;
        }
        self.output.end_files();
        let names = names(&kickoff, &manifest, record);
        for (index, _, file) in listed(&manifest)
            .filter(|(index, of, _)| *of == FileArray::Outcome && open.contains(index))
        {
            let read = self.outcome(&record.id, &manifest, file, &names).await?;
            self.close_outcome(&record.id, index, read)?;
        }
        match &holdings {
            Some(holdings) => self.call_back(record, &manifest, holdings).await,
            None => Ok(()),
        }
    }

    /// What one outcome file says, however often it takes. The outer error stops the run.
    async fn outcome(
        &self,
        id: &ExportId,
        manifest: &Manifest,
        file: &OutputFile,
        names: &BTreeSet<String>,
    ) -> anyhow::Result<anyhow::Result<OutcomeCounts>> {
        let mut pause = FIRST_PAUSE;
        let mut tries = self.config.limits.file_tries;
        loop {
            self.log_request(id, FileArray::Outcome, file);
            let read = tokio::select! {
                read = outcome::read(&self.client, manifest, file, names) => read,
                () = self.stop.requested() => return Err(stopped()),
            };
            let read = match read {
                Ok((counts, bytes)) => {
                    self.log_file(id, file, bytes, counts.lines);
                    Ok(counts)
                }
                Err(error) => {
                    self.log_no_file(id, file, &error);
                    Err(error)
                }
            };
            tries = tries.saturating_sub(1);
            let is_worth_a_try = match &read {
                Ok(_) => false,
                Err(error) => {
                    error.downcast_ref::<BulkError>().is_some_and(BulkError::is_transient)
                }
            };
            if tries == 0 || !is_worth_a_try {
                return Ok(read);
            }
            let remark = "an outcome file could not be had and is tried again";
            self.output.event(Event::Remark(remark.to_owned()));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.requested() => return Err(stopped()),
            }
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
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
    ) -> anyhow::Result<()> {
        match read {
            Ok(counts) => {
                let checkpoint = bulkhead_ledger::FileCheckpoint {
                    durable_through: counts.lines,
                    token: Vec::new(),
                    prefix_hash: [0; 16],
                    tally: serde_json::to_string(&counts)?,
                };
                self.ledger.close_file(id, index, &checkpoint, &[])?;
            }
            Err(error) => {
                let reason = format!("{error:#}");
                self.ledger.fail_file(id, index, &reason)?;
                self.output.event(Event::Remark(format!("an outcome file: {reason}")));
            }
        }
        Ok(())
    }
}

/// Where the file of one patient comes from, when each has one.
fn of_patient(kickoff: &Kickoff, index: u32) -> Option<file::Origin> {
    match kickoff.way {
        Way::Everything => {
            let patient = kickoff.patients.get(usize::try_from(index).ok()?)?.clone();
            let patient = Phi::new(patient);
            Some(file::Origin::Everything { patient, types: kickoff.types.clone() })
        }
        Way::Export => None,
    }
}

/// The files of one array in the order in which they are asked for: outputs whose links run
/// out first come first.
fn in_turn(manifest: &Manifest, array: FileArray) -> Vec<(u32, &OutputFile)> {
    let mut files: Vec<(u32, &OutputFile)> = listed(manifest)
        .filter(|(_, of, _)| *of == array)
        .map(|(index, _, file)| (index, file))
        .collect();
    if array == FileArray::Output {
        let order = manifest.soonest_first();
        // Outputs are the first that are listed: positions and indices are the same.
        files = order.into_iter().filter_map(|at| files.get(at).copied()).collect();
    }
    files
}

/// The names by which an outcome may speak of a type: those that were asked for, or those that
/// are known of the server.
fn names(
    kickoff: &Kickoff,
    manifest: &Manifest,
    record: &ExportRecord,
) -> BTreeSet<String> {
    if !kickoff.types.is_empty() {
        return kickoff.types.iter().map(ToString::to_string).collect();
    }
    let listed = manifest.output.iter().filter_map(|file| file.resource_type.clone());
    listed.chain(Met::of(record).offered).map(|name| name.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items: 71, 97.
    #[test]
    fn files_whose_links_run_out_first_are_asked_for_first() {
        let file = |list: &str, position: u32, expires: Option<&str>| {
            serde_json::json!({
                "id": {"page": 0, "list": list, "position": position},
                "resource_type": "Patient", "url": format!("https://h/{list}/{position}"),
                "count": null, "size_hint": null, "continues_in": null, "extension": null,
                "count_severity": null, "expires": expires,
            })
        };
        let (soon, late) = (Some("2026-11-22T10:00:00Z"), Some("2026-11-22T11:00:00Z"));
        // name, when the links of the outputs run out, the order of all files by index
        let cases = [
            ("nothing is told", [None, None, None], [0, 1, 2]),
            ("the last one is the first", [late, late, soon], [2, 0, 1]),
            ("who tells nothing waits", [None, late, soon], [2, 1, 0]),
        ];
        for (name, expires, expected) in cases {
            let output: Vec<_> = expires
                .iter()
                .zip(0..)
                .map(|(expires, at)| file("output", at, *expires))
                .collect();
            let manifest: Manifest = serde_json::from_value(serde_json::json!({
                "transaction_time": null, "access": "open", "output": output,
                "deleted": [file("deleted", 0, late), file("deleted", 1, soon)],
                "outcome": [], "expires": null, "organized_by": null,
                "output_format": null, "extension": null, "pages": 1, "warnings": [],
            }))
            .unwrap();
            let order = |array| -> Vec<u32> {
                in_turn(&manifest, array).into_iter().map(|(index, _)| index).collect()
            };
            assert_eq!(order(FileArray::Output), expected, "case: {name}");
            // Deletions keep their order: a later one may speak of the same resource.
            assert_eq!(order(FileArray::Deleted), [3, 4], "case: {name}");
        }
    }
}
