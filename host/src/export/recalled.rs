//! What the host calls back itself: what left the cohort, and what an export of everything no
//! longer has.
//!
//! Both are found by reading the ledger of resources after the server's own files, written to a
//! private file of bare keys, and sent through the chain like any other file: with checkpoints,
//! through the transforms that made the keys what the destination knows, to the sink. The file
//! is gone when the export is through.
//!
//! Whether a resource has left is the chain's filters' word: each is shown the patients that
//! the resource was about, as it stood when it was delivered, and the cohort as it is now.
//! Whether it is gone is the server's: it is asked for by id, and only 404 and 410 count, and
//! those only of a server that has been seen to know by id what it has just exported. Many
//! servers know nothing but exports.
//!
//! Source: the project's checklist, §3.4 (who leaves), §3.5 (silent deletions); FHIR R4, "read".

mod gone;
mod left;
mod spool;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use bulkhead_bulk::Manifest;
use bulkhead_ledger::{
    ExportRecord, FileArray, FileState, NewFile,
    delivered::{Delivered, Entries, Entry, ResourceKey},
};
use bulkhead_model::{PatientSet, ResourceType};
use bulkhead_pipeline::Stage;
use bulkhead_sandbox::{PluginStage, Role};
use xxhash_rust::xxh3::xxh3_64;

pub(super) use self::{gone::unseen, spool::Spool};
use self::{
    left::{about, is_of_someone, judged},
    spool::{private_folder, remove},
};
use super::{
    Export, file,
    journalled::export_time,
    kickoff_of, listed,
    memory::{Holdings, Span},
    new_files,
};
use crate::{
    config::{Config, LeftPolicy},
    output::Event,
};

/// Entries of the ledger looked at together.
const CHUNK: usize = 1_000;

impl Export {
    /// Calls back what has left or is gone. After every file of the server.
    pub(super) async fn call_back(
        self: &Arc<Self>,
        record: &ExportRecord,
        manifest: &Manifest,
        holdings: &Arc<Holdings>,
    ) -> anyhow::Result<()> {
        let index = u32::try_from(listed(manifest).count())?;
        let files = self.ledger.files(&record.id)?;
        let known = files.into_iter().find(|file| file.array == FileArray::Recalled);
        if known.as_ref().is_some_and(|file| file.state == FileState::Closed) {
            return Ok(());
        }
        let folder = self.config.state.join("recalled");
        let spool = folder.join(format!("{}.ndjson", record.id));
        if known.is_none() || !spool.is_file() {
            let lines = self.spool(record, manifest, holdings, &folder, &spool).await?;
            if lines == 0 && known.is_none() {
                remove(&spool)?;
                return Ok(());
            }
            if known.is_none() {
                let mut files = new_files(manifest);
                let (array, resource_type, count) = (FileArray::Recalled, None, None);
                files.push(NewFile { index, array, resource_type, count });
                let json = serde_json::to_string(manifest)?;
                let time = record.transaction_time;
                self.ledger.manifested(&record.id, &json, time, &files)?;
            }
        }
        let work = file::FileWork {
            export: Arc::clone(self),
            id: record.id.clone(),
            index,
            array: FileArray::Recalled,
            origin: file::Origin::Local(spool.clone()),
            asked: Arc::default(),
            export_time: export_time(record),
            holdings: Some(Arc::clone(holdings)),
        };
        work.process().await?;
        remove(&spool)
    }

    /// Writes the keys to call back, and says how many.
    async fn spool(
        &self,
        record: &ExportRecord,
        manifest: &Manifest,
        holdings: &Arc<Holdings>,
        folder: &Path,
        spool: &Path,
    ) -> anyhow::Result<u64> {
        private_folder(folder)?;
        let mut written = Spool::create(folder)?;
        // What came with a first export was just tested against the cohort as it is.
        let has_earlier = !holdings.is_first();
        let retracts = self.config.sync.left == LeftPolicy::Retract;
        if has_earlier && retracts && self.members.may_have_left() {
            self.find_left(holdings, &mut written).await?;
        }
        if holdings.span() == Span::Whole && holdings.is_comparable() {
            self.find_gone(record, manifest, holdings, &mut written).await?;
        }
        written.publish(spool)
    }

    /// Finds what the filters would no longer let pass.
    async fn find_left(
        &self,
        holdings: &Arc<Holdings>,
        spool: &mut Spool,
    ) -> anyhow::Result<()> {
        let mut filters: Vec<Box<dyn Stage>> = Vec::new();
        let mut is_guess = false;
        for plugin in &self.loaded.stages {
            let manifest = plugin.manifest();
            if manifest.role != Role::Filter {
                continue;
            }
            if plugin.grants().bodies || !manifest.fields.is_empty() {
                is_guess = true;
            } else {
                filters.push(Box::new(PluginStage::new(plugin.clone())));
            }
        }
        let cohorts: Vec<&PatientSet> = self.members.now().collect();
        let members = &self.members;
        let also_left = |entry: &Entry| {
            (is_guess && !is_of_someone(entry, &cohorts))
                || members.left_source(about(entry))
        };
        find_left(holdings, &mut filters, &also_left, spool).await
    }

    /// Finds what was delivered and is not in this export of everything, of types whose export
    /// is complete.
    async fn find_gone(
        &self,
        record: &ExportRecord,
        manifest: &Manifest,
        holdings: &Arc<Holdings>,
        spool: &mut Spool,
    ) -> anyhow::Result<()> {
        let file = u32::try_from(listed(manifest).count())?;
        let mut lacking = Vec::new();
        for name in asked(record, manifest)? {
            let gone = unseen(holdings, &name).await?;
            if !gone.missing.is_empty() {
                lacking.push((name, gone));
            }
        }
        if lacking.is_empty() {
            return Ok(());
        }
        let complete = self.complete_types(record, manifest).await?;
        for (name, gone) in lacking {
            if !complete.contains(&name) {
                continue;
            }
            let count = gone.missing.len() as u64;
            let percent = self.config.sync.most_deletions;
            let is_much = gone.is_much(percent);
            let there = if is_much { None } else { self.still_there(&gone).await? };
            let Some(there) = there.filter(|there| gone.is_told_by(there)) else {
                holdings.note(file, name.as_str(), |drift| drift.left_out += count);
                let why = if is_much {
                    format!(
                        "more than `sync.most-deletions` ({percent} %) allows: raise it if that is right"
                    )
                } else {
                    "some are still there when asked for by id, or they could not be asked for: \
                     the server may know nothing but exports"
                        .to_owned()
                };
                self.output.event(Event::Remark(format!(
                    "{name}: {count} of {} delivered resources are not in this export of everything; \
                     they are not deleted: {why}",
                    gone.live
                )));
                continue;
            };
            let left = there.len() as u64;
            if left > 0 {
                self.output.event(Event::Remark(format!(
                    "{name}: {left} delivered resources are not in this export of everything, and \
                     still there when asked for by id: they are not deleted"
                )));
            }
            holdings.note(file, name.as_str(), |drift| {
                drift.left_out += left;
                drift.deleted_silently += count - left;
            });
            for key in gone.missing.iter().filter(|key| !there.contains(key)) {
                spool.add(key, true)?;
            }
        }
        Ok(())
    }
}

/// The types that the export asked for, or that came.
fn asked(
    record: &ExportRecord,
    manifest: &Manifest,
) -> anyhow::Result<BTreeSet<ResourceType>> {
    let kickoff = kickoff_of(record)?;
    let wanted = super::asked::asked(&kickoff);
    let listed = manifest.output.iter().filter_map(|file| file.resource_type.clone());
    let listed = listed.filter(|name| wanted.covers(name.as_str()));
    Ok(kickoff.types.into_iter().chain(listed).collect())
}

/// Spools what `filters` would no longer let pass, and what `also_left` says of.
pub(super) async fn find_left(
    holdings: &Arc<Holdings>,
    filters: &mut [Box<dyn Stage>],
    also_left: &(dyn Fn(&Entry) -> bool + Sync),
    spool: &mut Spool,
) -> anyhow::Result<()> {
    let mut entries = holdings.delivered().of_type(None);
    let mut first = 1;
    loop {
        let (rest, chunk) = next_held(holdings, entries).await?;
        entries = rest;
        if chunk.is_empty() {
            return Ok(());
        }
        let mut stays = judged(filters, &chunk, first).await?;
        first += chunk.len() as u64;
        for (stays, (_, entry)) in stays.iter_mut().zip(&chunk) {
            *stays = *stays && !also_left(entry);
        }
        for ((key, _), _) in chunk.iter().zip(&stays).filter(|(_, stays)| !**stays) {
            spool.add(key, false)?;
        }
    }
}

/// The next entries of what the destination may hold, at most [`CHUNK`]; none at the end.
async fn next_held(
    holdings: &Arc<Holdings>,
    mut entries: Entries,
) -> anyhow::Result<(Entries, Vec<(ResourceKey, Entry)>)> {
    let holdings = Arc::clone(holdings);
    let read = move || -> Result<_, bulkhead_ledger::Error> {
        let mut chunk = Vec::new();
        while chunk.len() < CHUNK {
            match entries.next().transpose()? {
                Some((key, entry)) if holdings.may_hold(&entry) => {
                    chunk.push((key, entry));
                }
                Some(_) => {}
                None => break,
            }
        }
        Ok((entries, chunk))
    };
    Ok(tokio::task::spawn_blocking(read).await??)
}

/// Where the ledger of resources of a chain lies: one for each source it was ever fed from.
pub(crate) fn delivered_folder(config: &Config, chain: &str) -> PathBuf {
    let plain = |byte: u8| {
        let is_plain = byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        char::from(if is_plain { byte } else { b'_' })
    };
    let name = &config.source.name;
    let source: String = name.bytes().take(64).map(plain).collect();
    let tag = xxh3_64(name.as_bytes()) & 0xFFFF_FFFF;
    config.state.join("delivered").join(format!("{chain}@{source}-{tag:08x}"))
}

/// Opens the ledger of resources of a chain.
///
/// # Errors
///
/// When another process has it, or it cannot be read.
pub(crate) fn open(folder: &Path) -> anyhow::Result<Delivered> {
    Ok(Delivered::open(folder)?)
}
