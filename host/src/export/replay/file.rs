//! One file of a replay: records out of sealed files, in the order that the ledger planned, and
//! the stages that they go through.
//!
//! A body that no stage had changed goes through the whole chain, like a line that has just come.
//! One that was changed cannot: a pseudonym must not be made of a pseudonym. It goes on at the
//! stage that refused it; but every stage before that says whose data may pass is asked again with
//! what the label tells: a filter that reads neither bodies nor fields is shown the patients as
//! they were told. Where another such stage stands there, which cannot be asked without the line
//! as it came, the record stays in quarantine ([`unaskable`]): nobody else knows its answer of today.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use bulkhead_egress::{Identities, Sealed, Vault};
use bulkhead_ledger::Found;
use bulkhead_model::Instant;
use bulkhead_pipeline::{
    Batch, Handled, Memory, Reject, RejectClass, Stage, StageError, Verdict,
};
use bulkhead_sandbox::{Plugin, PluginStage, Role};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture, future::ready};

use super::memory::{Past, SealedMemory};
use crate::export::{Export, memory::Holdings};

/// Bytes handed on at once, about.
const CHUNK: usize = 256 << 10;

/// One file of a replay.
#[derive(Debug)]
pub(in crate::export) struct SealedFile {
    pub(super) vault: Arc<Vault>,
    pub(super) identities: Arc<Identities>,
    /// By line.
    pub(super) rows: Vec<Found>,
    pub(super) past: Arc<Past>,
    /// By line: the digests of the line as it came, where the body is another.
    known: Mutex<BTreeMap<u64, (u64, u64)>>,
}

impl SealedFile {
    pub(super) fn new(
        vault: Arc<Vault>,
        identities: Arc<Identities>,
        rows: Vec<Found>,
        past: Arc<Past>,
    ) -> Self {
        Self { vault, identities, rows, past, known: Mutex::default() }
    }

    /// The record on a line.
    pub(super) fn row(&self, line: u64) -> Option<&Found> {
        self.rows.get(usize::try_from(line.checked_sub(1)?).ok()?)
    }

    /// XXH3 of the line as it came, where the body is another.
    pub(super) fn raw(&self, line: u64) -> Option<u64> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&line).map(|(raw, _)| *raw)
    }

    /// What the destination has of these records and may have got since.
    pub(in crate::export) fn memory(
        self: &Arc<Self>,
        holdings: &Arc<Holdings>,
        index: u32,
    ) -> Box<dyn Memory> {
        // Lets go of what an earlier try of the file took in.
        drop(holdings.memory(index));
        Box::new(SealedMemory { holdings: Arc::clone(holdings), file: Arc::clone(self) })
    }

    /// Remembers records by the line that they were.
    pub(in crate::export) fn mend(&self, handled: &mut [Handled]) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for of in handled {
            if let Some((raw, content)) = known.get(&of.seq) {
                (of.raw, of.content) = (*raw, *content);
            }
        }
    }

    /// The stages of its lane.
    pub(in crate::export) fn stages(
        &self,
        export: &Export,
        time: Instant,
    ) -> Vec<Box<dyn Stage>> {
        let loaded = &export.loaded;
        let changed = self.rows.first().filter(|row| row.entry.made_by.is_some());
        let first = changed.and_then(|row| loaded.position(&row.entry.stage));
        let mut stages: Vec<Box<dyn Stage>> = Vec::new();
        for (at, plugin) in loaded.stages.iter().enumerate() {
            match again(plugin, first.is_some_and(|first| at < first)) {
                Again::Asked => {
                    let stage = PluginStage::new(plugin.clone());
                    stages.push(Box::new(stage.of_export_at(time)));
                }
                // Not planned any more; by an earlier version of this program, it may have been.
                Again::Unaskable => {
                    stages.push(Box::new(Stays { stage: plugin.stage().to_owned() }));
                }
                Again::Not => {}
            }
        }
        stages
    }
}

/// Whether a stage works on a record that comes out of quarantine.
enum Again {
    Asked,
    Not,
    Unaskable,
}

fn again(plugin: &Plugin, is_before: bool) -> Again {
    let (grants, manifest) = (plugin.grants(), plugin.manifest());
    let is_filter = manifest.role == Role::Filter;
    if !is_before || (is_filter && !grants.bodies && manifest.fields.is_empty()) {
        Again::Asked
    } else if is_filter || !grants.cohorts.is_empty() {
        Again::Unaskable
    } else {
        Again::Not
    }
}

/// The first of these stages, which stand before the one that refused a changed record, that says
/// whose data may pass and cannot be asked again.
pub(super) fn unaskable(before: &[Plugin]) -> Option<&Plugin> {
    before.iter().find(|plugin| matches!(again(plugin, true), Again::Unaskable))
}

/// Stands for a stage that cannot be asked: refuses everything, so that it stays where it is.
struct Stays {
    stage: String,
}

impl Stage for Stays {
    fn name(&self) -> &str {
        &self.stage
    }

    fn judge<'a>(
        &'a mut self,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Vec<Verdict>, StageError>> {
        let stays = || Verdict::Reject(Reject::new(RejectClass::Other, NOT_ASKED));
        ready(Ok((0..batch.len()).map(|_| stays()).collect())).boxed()
    }
}

/// The code of a record that a stage could not be asked about again.
const NOT_ASKED: &str = "not-asked-again";

/// Reads one file of a replay out of the sealed ones, each of them once and in order.
pub(in crate::export) struct Reader(Option<Box<Reading>>);

struct Reading {
    file: Arc<SealedFile>,
    next: usize,
    open: Option<(String, String, Sealed)>,
}

impl Reader {
    pub(in crate::export) fn new(file: &Arc<SealedFile>) -> Self {
        Self(Some(Box::new(Reading { file: Arc::clone(file), next: 0, open: None })))
    }

    /// The next lines; `None` after the last.
    pub(in crate::export) async fn next(&mut self) -> Option<anyhow::Result<Bytes>> {
        let mut reading = self.0.take()?;
        let read = move || {
            let lines = reading.lines();
            (reading, lines)
        };
        match tokio::task::spawn_blocking(read).await {
            Ok((reading, Ok(lines))) if !lines.is_empty() => {
                self.0 = Some(reading);
                Some(Ok(Bytes::from(lines)))
            }
            Ok((_, Ok(_))) => None,
            Ok((_, Err(error))) => Some(Err(error)),
            Err(error) => Some(Err(error.into())),
        }
    }
}

impl Reading {
    fn lines(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut lines = Vec::new();
        while lines.len() < CHUNK {
            let file = Arc::clone(&self.file);
            let Some(row) = file.rows.get(self.next) else { break };
            self.next += 1;
            lines.extend(self.line(&file, row)?);
        }
        Ok(lines)
    }

    fn line(&mut self, file: &SealedFile, row: &Found) -> anyhow::Result<Vec<u8>> {
        let (export, entry) = (row.export.as_str(), &row.entry);
        let segment = entry.segment.as_deref().context("an entry without a file")?;
        let is_open = self
            .open
            .as_ref()
            .is_some_and(|(of, name, _)| of == export && name == segment);
        if !is_open {
            let sealed = file.vault.unseal(export, segment, &file.identities)?;
            self.open = Some((export.to_owned(), segment.to_owned(), sealed));
        }
        let Some((_, _, sealed)) = &mut self.open else {
            anyhow::bail!("no file is open")
        };
        while let Some((label, body)) = sealed.next_record()? {
            let is_wanted = label.line == entry.line
                && label.stage == entry.stage
                && label.part == entry.part;
            if !is_wanted {
                continue;
            }
            if let Some(source) = &label.source {
                let mut known = file.known.lock().unwrap_or_else(PoisonError::into_inner);
                known.insert(self.next as u64, (source.raw, source.content));
            }
            return Ok(label.replayed(&body));
        }
        let error = bulkhead_egress::Error::Damaged {
            path: segment.into(),
            why: format!("line {} is not in it", entry.line),
        };
        Err(error.into())
    }
}
