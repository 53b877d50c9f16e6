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
//! Whether it is gone is the server's: it is asked for by id, and only 404 and 410 count.
//!
//! Source: the project's checklist, §3.4 (who leaves), §3.5 (silent deletions); FHIR R4, "read".

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use bulkhead_bulk::{Error as BulkError, Manifest};
use bulkhead_ledger::{
    ExportRecord, FileArray, FileState, NewFile,
    delivered::{Delivered, Entries, Entry, ResourceKey},
};
use bulkhead_model::{PatientSet, ResourceType};
use bulkhead_ndjson::{Envelope, Patients};
use bulkhead_pipeline::{
    Batch, Change, Kinds, Recalled, Record, RejectClass, Stage, Verdict as Judgement,
};
use bulkhead_sandbox::{PluginStage, Role};
use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    Export, file, listed,
    memory::{Holdings, Span},
    new_files,
};
use crate::{
    config::{Config, LeftPolicy},
    output::Event,
};

/// Entries of the ledger looked at together.
const CHUNK: usize = 1_000;

/// Resources asked for by id before many are taken for gone: all of them up to here, and
/// evenly spread ones beyond. If 200 of many are gone, fewer than 1.5 % of all are not, at a
/// confidence of 95 %.
const ASKED: usize = 200;

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
        if self.config.sync.left == LeftPolicy::Retract && self.members.may_have_left() {
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
        let guess = is_guess.then_some(&*cohorts);
        find_left(holdings, &mut filters, guess, spool).await
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
        for name in self.complete_types(record, manifest).await? {
            let gone = unseen(holdings, &name).await?;
            if gone.missing.is_empty() {
                continue;
            }
            let count = gone.missing.len() as u64;
            let percent = self.config.sync.most_deletions;
            let is_much = gone.is_much(percent);
            let is_there =
                if is_much { None } else { self.some_are_there(&gone).await? };
            if is_much || is_there != Some(false) {
                holdings.note(file, name.as_str(), |drift| drift.left_out += count);
                let why = match (is_much, is_there) {
                    (true, _) => format!(
                        "more than `sync.most-deletions` ({percent} %) allows: raise it if that is right"
                    ),
                    (false, Some(_)) => {
                        "some are still there when asked for by id".to_owned()
                    }
                    (false, None) => "they could not be asked for by id".to_owned(),
                };
                self.output.event(Event::Remark(format!(
                    "{name}: {count} of {} delivered resources are not in this export of everything; \
                     they are not deleted: {why}",
                    gone.live
                )));
                continue;
            }
            holdings.note(file, name.as_str(), |drift| drift.deleted_silently += count);
            for key in &gone.missing {
                spool.add(key, true)?;
            }
        }
        Ok(())
    }

    /// Whether the server still has one of these: `None` when it did not say.
    async fn some_are_there(&self, gone: &Unseen) -> anyhow::Result<Option<bool>> {
        for key in gone.asked() {
            let path = format!("{}/{}", key.resource_type(), key.id());
            let read = tokio::select! {
                read = self.client.read(&path) => read,
                () = self.stop.requested() => return Err(super::stopped()),
            };
            match read {
                Ok(_) => return Ok(Some(true)),
                Err(BulkError::Refused { status: 404 | 410, .. }) => {}
                Err(error) => {
                    tracing::info!(%error, "asking for a resource by id");
                    return Ok(None);
                }
            }
        }
        Ok(Some(false))
    }
}

/// What of one type was delivered and not seen.
pub(super) struct Unseen {
    pub(super) missing: Vec<ResourceKey>,
    live: u64,
}

impl Unseen {
    /// Whether it is more than `percent` of all. A handful is no sign of a fault, whatever
    /// share it is.
    pub(super) fn is_much(&self, percent: u64) -> bool {
        let count = self.missing.len() as u64;
        count > 20 && count * 100 > self.live * percent
    }

    /// Those to ask for by id.
    pub(super) fn asked(&self) -> impl Iterator<Item = &ResourceKey> {
        let step = self.missing.len().div_ceil(ASKED).max(1);
        self.missing.iter().step_by(step)
    }
}

/// Finds what of one type was delivered and not seen by this export of everything.
pub(super) async fn unseen(
    holdings: &Arc<Holdings>,
    name: &ResourceType,
) -> anyhow::Result<Unseen> {
    let (export, entries) = (holdings.export(), holdings.delivered().of_type(Some(name)));
    let holdings = Arc::clone(holdings);
    let read = move || -> Result<Unseen, bulkhead_ledger::Error> {
        let mut found = Unseen { missing: Vec::new(), live: 0 };
        for entry in entries {
            let (key, entry) = entry?;
            if holdings.may_hold(&entry) {
                found.live += 1;
                if entry.seen != export {
                    found.missing.push(key);
                }
            }
        }
        Ok(found)
    };
    Ok(tokio::task::spawn_blocking(read).await??)
}

/// Spools what `filters` would no longer let pass; with a `guess`, also what is about nobody in
/// those cohorts.
pub(super) async fn find_left(
    holdings: &Arc<Holdings>,
    filters: &mut [Box<dyn Stage>],
    guess: Option<&[&PatientSet]>,
    spool: &mut Spool,
) -> anyhow::Result<()> {
    let mut entries = holdings.delivered().of_type(None);
    loop {
        let (rest, chunk) = next_held(holdings, entries).await?;
        entries = rest;
        if chunk.is_empty() {
            return Ok(());
        }
        let mut stays = judged(filters, &chunk).await?;
        if let Some(cohorts) = guess {
            for (stays, (_, entry)) in stays.iter_mut().zip(&chunk) {
                *stays = *stays && is_of_someone(entry, cohorts);
            }
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

/// Whether each would pass the filters today.
async fn judged(
    filters: &mut [Box<dyn Stage>],
    chunk: &[(ResourceKey, Entry)],
) -> anyhow::Result<Vec<bool>> {
    let mut kinds = Kinds::default();
    let mut records = Vec::with_capacity(chunk.len());
    for ((key, entry), line) in chunk.iter().zip(1..) {
        let Some(kind) = kinds.intern(key.resource_type()) else {
            anyhow::bail!("the ledger of resources holds too many types");
        };
        records.push(shown(line, kind, key, entry)?);
    }
    let batch = Batch::new(0, kinds, records, Bytes::new());
    let mut stays = vec![true; chunk.len()];
    for filter in filters {
        let verdicts = filter.judge(&batch).await.with_context(|| {
            format!("asking `{}` who has left the cohort", filter.name())
        })?;
        for (stays, verdict) in stays.iter_mut().zip(verdicts) {
            let is_out = match verdict {
                Judgement::Drop => true,
                Judgement::Reject(reject) => reject.class == RejectClass::Policy,
                Judgement::Keep | Judgement::Replace(_) | Judgement::Emit(_) => false,
            };
            *stays = *stays && !is_out;
        }
    }
    Ok(stays)
}

/// A record as a filter may know it: whose it is, and of what type.
fn shown(
    line: u64,
    kind: u16,
    key: &ResourceKey,
    entry: &Entry,
) -> anyhow::Result<Record> {
    let head = r#"{"resourceType":""#.len();
    let type_end = head + key.resource_type().len();
    let id = type_end + r#"","id":""#.len();
    let at = |start: usize, end: usize| -> anyhow::Result<_> {
        Ok(u32::try_from(start)?..u32::try_from(end)?)
    };
    let body =
        format!(r#"{{"resourceType":"{}","id":"{}"}}"#, key.resource_type(), key.id());
    let of = &entry.patients;
    let envelope = Envelope {
        resource_type: at(head, type_end)?,
        id: Some(at(id, id + key.id().len())?),
        last_updated: entry.last_updated,
        patients: Patients {
            primary: of.primary.clone(),
            linked: of.linked.clone(),
            mentioned: of.mentioned.clone(),
            primary_unresolved: of.primary_unresolved,
            unresolved: of.unresolved,
        },
    };
    Ok(Record {
        seq: line,
        kind,
        change: Change::Upsert,
        body: Bytes::from(body),
        envelope: Arc::new(envelope),
        is_row: false,
        is_changed: false,
        delivered_before: true,
        original: None,
    })
}

/// Whether a resource is about nobody, or about someone in one of the cohorts. For filters that
/// cannot be asked without the body.
fn is_of_someone(entry: &Entry, cohorts: &[&PatientSet]) -> bool {
    let of = &entry.patients;
    let about = if of.primary.is_empty() { &of.linked } else { &of.primary };
    about.is_empty()
        || cohorts.is_empty()
        || about
            .iter()
            .any(|patient| cohorts.iter().any(|cohort| cohort.contains(*patient)))
}

/// The file of keys in the making.
pub(super) struct Spool {
    file: std::io::BufWriter<tempfile::NamedTempFile>,
    lines: u64,
}

impl Spool {
    pub(super) fn create(folder: &Path) -> anyhow::Result<Self> {
        // Readable by its owner alone: it names patients' resources.
        let file = tempfile::NamedTempFile::new_in(folder)
            .with_context(|| format!("writing to {}", folder.display()))?;
        Ok(Self { file: std::io::BufWriter::new(file), lines: 0 })
    }

    pub(super) fn add(&mut self, key: &ResourceKey, gone: bool) -> anyhow::Result<()> {
        let resource_type = key.resource_type().parse()?;
        let recalled = Recalled { resource_type, id: key.id().to_owned(), gone };
        // What has no id that a line may have was never delivered by one.
        if let Some(line) = recalled.line() {
            writeln!(self.file, "{line}").context("writing what is called back")?;
            self.lines += 1;
        }
        Ok(())
    }

    pub(super) fn publish(self, to: &Path) -> anyhow::Result<u64> {
        let file = self.file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist(to).with_context(|| format!("writing {}", to.display()))?;
        Ok(self.lines)
    }
}

fn private_folder(folder: &Path) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(folder).with_context(|| format!("making {}", folder.display()))
}

fn remove(spool: &PathBuf) -> anyhow::Result<()> {
    match fs_err::remove_file(spool) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
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
