//! All files of one export: what the server has to say of itself; then outputs, several at
//! once; then deletions.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use bulkhead_bulk::{Kickoff, Manifest, OutputFile, Way};
use bulkhead_ledger::{ExportRecord, FileArray, FileState};
use bulkhead_model::Phi;
use tokio::task::JoinSet;

use super::{
    Export, Tried, asked, file, journalled::export_time, kickoff::Met, kickoff_of,
    listed, status_url,
};
use crate::output::Event;

impl Export {
    /// Outcomes, whose links run out while the rest comes; outputs, several at once; then
    /// deletions, which must come after them.
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
        let names = names(&kickoff, &manifest, record);
        let outcomes = file::Outcomes {
            export: self,
            id: &record.id,
            manifest: &manifest,
            status_url: &status_url,
            names: &names,
            shared: &shared,
        };
        for (index, _, file) in listed(&manifest)
            .filter(|(index, of, _)| *of == FileArray::Outcome && open.contains(index))
        {
            outcomes.read(index, file).await?;
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
            // Deletions speak of what outputs brought: not before all of those are here.
            if let Some(error) = shared.take_aside() {
                return Err(error);
            }
        }
        self.output.end_files();
        match &holdings {
            Some(holdings) => self.call_back(record, &manifest, holdings).await,
            None => Ok(()),
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
