//! What the destination holds, as one export sees it.
//!
//! [`Holdings`] stands between the lanes and the ledger of resources. A lane asks before its
//! chain what is known of each record, and tells afterwards what the sink made durable. What
//! lanes have taken in and not yet made durable is kept beside the ledger, so that two files of
//! one export do not bring an older version after a newer one.
//!
//! Order in a crash: entries are committed before the file's checkpoint. An entry beyond the
//! checkpoint is of this very file's earlier try, and is told apart by export, file and line.
//! When a try is given up, what it wrote beyond its last checkpoint is void, and the next try
//! writes under another number: see [`Holdings::give_up`] and [`tag`].
//!
//! Memory: one version for each record between intake and what is written ahead, at most
//! some 4,000 a lane, at about 90 bytes each.

mod contest;
mod decide;
mod drift;
mod flight;
mod incomplete;
mod lane;
mod looks;

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use bulkhead_ledger::{
    ExportRecord, Ledger, Look, Voids,
    delivered::{self, Delivered, Entry, EntryRef, State},
};
use bulkhead_model::Instant;
use bulkhead_pipeline::{Batch, Change, Digests, Handled, Memory, Recall};

pub(super) use contest::NO_DIGEST;
use decide::{Candidate, Setting};
pub(super) use decide::{OLDER, UNCHANGED};
use drift::{Arrival, classify};
pub(crate) use drift::{Drift, Span, advised_interval, longest_late, with_unchanged};
pub(super) use flight::file_of;
use flight::{Flight, GENERATION, tag};
use lane::{Asked, LaneMemory, patients};
use looks::{looked_at, looks};

use self::incomplete::{INCOMPLETE, Shape, is_incomplete};
use super::{Export, kickoff_of};
use crate::config::Incomplete;

/// What the destination of one chain holds, during one export.
#[derive(Debug)]
pub(crate) struct Holdings {
    delivered: Delivered,
    ledger: Ledger,
    voids: Mutex<Voids>,
    setting: Setting,
    /// When other exports of the stream looked, by fingerprint.
    looks: HashMap<u64, Instant>,
    /// The time at its kick-off: the server's, or else ours.
    clock: Instant,
    span: Span,
    /// Whether drift says anything: not when only some patients were asked for.
    is_comparable: bool,
    /// Whether nothing was ever delivered before it.
    is_first: bool,
    /// Whether whole resources were asked for, or some of their elements.
    shape: Shape,
    /// The watermarks that the export began with.
    marks: BTreeMap<String, Instant>,
    /// The mark that stands for all types.
    mark_of_all: Option<Instant>,
    flight: Mutex<Flight>,
    /// How often something landed. Read while one looks what is known, written while what flew is
    /// written down: it is always seen in one of both places.
    landings: RwLock<u64>,
    /// By file, then by type.
    drift: Mutex<BTreeMap<u32, BTreeMap<String, Drift>>>,
}

impl Export {
    /// What the destination holds, as the export of `record` sees it. `None` when nothing is
    /// remembered.
    pub(super) fn holdings(
        &self,
        record: &ExportRecord,
        is_comparable: bool,
    ) -> anyhow::Result<Option<Arc<Holdings>>> {
        let Some(delivered) = &self.delivered else { return Ok(None) };
        let mut holdings = Holdings::new(delivered, &self.ledger, record, is_comparable)?;
        holdings.shape = if !kickoff_of(record)?.elements.is_empty() {
            Shape::Elements
        } else if self.config.sync.incomplete == Incomplete::Deliver {
            Shape::Any
        } else {
            Shape::Whole
        };
        Ok(Some(Arc::new(holdings)))
    }
}

impl Holdings {
    /// What `delivered` holds, as the export of `record` sees it.
    pub(crate) fn new(
        delivered: &Delivered,
        ledger: &Ledger,
        record: &ExportRecord,
        is_comparable: bool,
    ) -> Result<Self, bulkhead_ledger::Error> {
        let marks = ledger.watermarks(&record.stream)?;
        let marks: BTreeMap<String, Instant> = marks
            .into_iter()
            .map(|(name, mark)| (name.to_string(), mark.effective))
            .collect();
        let mark_of_all = marks.get(crate::watermark::all_types().as_str()).copied();
        Ok(Self {
            delivered: delivered.clone(),
            ledger: ledger.clone(),
            voids: Mutex::new(ledger.voids()?),
            setting: Setting {
                epoch: delivered::fingerprint(&record.stream),
                export: delivered::fingerprint(record.id.as_str()),
                snapshot: looked_at(&Look::of(record)),
                entry_looked: Ordering::Less,
            },
            looks: looks(ledger, record)?,
            clock: record.server_date.unwrap_or(record.kickoff_instant),
            span: if record.since.is_none() { Span::Whole } else { Span::Changes },
            is_comparable,
            is_first: delivered.is_empty(),
            shape: Shape::Whole,
            marks,
            mark_of_all,
            flight: Mutex::default(),
            landings: RwLock::default(),
            drift: Mutex::default(),
        })
    }

    /// The ledger of resources.
    pub(crate) const fn delivered(&self) -> &Delivered {
        &self.delivered
    }

    /// Whether the export asked for everything.
    pub(crate) const fn span(&self) -> Span {
        self.span
    }

    /// Whether it asked for all patients, so that absence says something.
    pub(crate) const fn is_comparable(&self) -> bool {
        self.is_comparable
    }

    /// Whether the destination held nothing when it began, so that nothing can be missing.
    pub(crate) const fn is_first(&self) -> bool {
        self.is_first
    }

    /// Adds to what was found of a type in a file.
    pub(crate) fn note(&self, file: u32, name: &str, add: impl FnOnce(&mut Drift)) {
        let mut drift = self.drift.lock().unwrap_or_else(PoisonError::into_inner);
        add(drift.entry(file).or_default().entry(name.to_owned()).or_default());
    }

    /// The export's fingerprint, as entries name it.
    pub(crate) const fn export(&self) -> u64 {
        self.setting.export
    }

    /// What was found in one file so far, by type.
    pub(crate) fn drift(&self, file: u32) -> BTreeMap<String, Drift> {
        let drift = self.drift.lock().unwrap_or_else(PoisonError::into_inner);
        drift.get(&file).cloned().unwrap_or_default()
    }

    /// Takes up what an earlier run found in a file.
    pub(crate) fn resume_drift(&self, file: u32, found: BTreeMap<String, Drift>) {
        let mut drift = self.drift.lock().unwrap_or_else(PoisonError::into_inner);
        drift.insert(file, found);
    }

    /// The memory of one file's lane.
    pub(crate) fn memory(self: &Arc<Self>, file: u32) -> Box<dyn Memory> {
        // What an earlier lane of it took in and did not make durable comes again.
        self.flight().forget(file);
        Box::new(LaneMemory { holdings: Arc::clone(self), file })
    }

    /// Makes void what was written down of a file beyond line `through`: the try that wrote
    /// it came to nothing.
    pub(crate) fn give_up(
        &self,
        file: u32,
        through: u64,
    ) -> Result<(), bulkhead_ledger::Error> {
        self.flight().forget(file);
        let export = self.setting.export;
        let current = self.tag(file);
        let mut voids = self.voids.lock().unwrap_or_else(PoisonError::into_inner);
        // An earlier try may have left more lines than are to stand now.
        let mut tag = file;
        loop {
            let known = voids.get(&(export, tag)).copied();
            let stands = known.map_or(through, |known| known.min(through));
            if known != Some(stands) {
                self.ledger.void(export, tag, stands)?;
                voids.insert((export, tag), stands);
            }
            if tag == current {
                return Ok(());
            }
            tag = tag.wrapping_add(GENERATION);
        }
    }

    /// The number under which entries of a file are written now.
    fn tag(&self, file: u32) -> u32 {
        let voids = self.voids.lock().unwrap_or_else(PoisonError::into_inner);
        tag(&voids, self.setting.export, file)
    }

    fn compare(&self, file: u32, handled: &[&Handled], before: &[Option<Entry>]) {
        let mut drift = self.drift.lock().unwrap_or_else(PoisonError::into_inner);
        let drift = drift.entry(file).or_default();
        for (of, before) in handled.iter().zip(before) {
            // Written by this export already: a second try, or a second version.
            let is_repeat =
                before.as_ref().is_some_and(|entry| entry.export == self.setting.export);
            if of.change != Change::Upsert || is_repeat {
                continue;
            }
            let mark = self.marks.get(&*of.kind).copied().or(self.mark_of_all);
            // Of what came to nothing the destination has nothing.
            let comparable = before.as_ref().filter(|entry| {
                entry.epoch == self.setting.epoch && !self.is_void(entry)
            });
            let arrival = Arrival {
                last_updated: of.envelope.last_updated,
                raw: of.raw,
                content: of.content,
            };
            let of_type = drift.entry(of.kind.to_string()).or_default();
            classify(of_type, self.span, comparable, &arrival, mark);
        }
    }

    fn entry<'h>(&self, tag: u32, of: &'h Handled) -> EntryRef<'h> {
        let (state, last_updated) = match of.change {
            Change::Upsert => (State::Live, of.envelope.last_updated),
            // The version that says so is the snapshot that told it.
            Change::Delete => (State::Deleted, Some(self.setting.snapshot)),
            Change::Retract => (State::Retracted, of.envelope.last_updated),
        };
        Entry {
            state,
            epoch: self.setting.epoch,
            export: self.setting.export,
            file: tag,
            line: of.seq,
            seen: match self.span {
                Span::Whole => self.setting.export,
                Span::Changes => 0,
            },
            last_updated,
            raw: of.raw,
            content: of.content,
            patients: patients(&of.envelope),
        }
    }

    fn flight(&self) -> MutexGuard<'_, Flight> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of the records of a batch; `entries` are those of the keys that were asked
    /// about.
    fn recall(
        &self,
        file: u32,
        batch: &Batch,
        digests: &Digests,
        asked: &Asked,
        entries: Vec<Option<Entry>>,
    ) -> Vec<Recall> {
        let mut entries = entries.into_iter();
        let mut keys = asked.keys.iter();
        let mut may_be_known = asked.may_be_known.iter();
        let mut after: BTreeMap<&str, Drift> = BTreeMap::new();
        let mut incomplete: BTreeMap<&str, Drift> = BTreeMap::new();
        let (tag, snapshot) = (self.tag(file), self.setting.snapshot);
        let mut flight = self.flight();
        let mut recalls = Vec::with_capacity(batch.len());
        for (record, hash) in batch.records().iter().zip(&asked.hashes) {
            let last_updated = record.envelope.last_updated;
            if record.change == Change::Upsert
                && last_updated.is_some_and(|updated| updated > snapshot)
            {
                let of_type = after.entry(record.resource_type()).or_default();
                of_type.note_time(last_updated, snapshot);
            }
            let Some(hash) = *hash else {
                recalls.push(Recall::Pass { delivered_before: false });
                continue;
            };
            let (key, entry) = match may_be_known.next() {
                Some(true) => (keys.next(), entries.next().flatten()),
                Some(false) | None => (None, None),
            };
            let candidate = Candidate {
                change: record.change,
                last_updated,
                raw: digests.raw(record),
                file: tag,
                line: record.seq,
            };
            let is_void = entry.as_ref().is_some_and(|entry| self.is_void(entry));
            let flying = flight.of(hash);
            let recall =
                self.decided(record, &candidate, entry.as_ref(), is_void, flying);
            let own = self.setting.export;
            let written = entry.as_ref().filter(|entry| entry.export == own);
            let whole = entry.as_ref().filter(|entry| self.may_be_whole(entry));
            let is_pass = matches!(recall, Recall::Pass { .. });
            let recall = if is_pass && whole.is_some() && is_incomplete(record) {
                incomplete.entry(record.resource_type()).or_default().incomplete += 1;
                Recall::Skip(INCOMPLETE)
            } else {
                recall
            };
            flight.take_in(file, &candidate, hash, recall, written.map(file_of));
            // An export of everything tells by it what is gone; any, which deletions not to
            // believe.
            let is_there = entry.is_some_and(|entry| {
                entry.state == State::Live && entry.seen != self.setting.export
            });
            if let Some(key) = key
                && record.change == Change::Upsert
                && is_there
            {
                flight.see(file, record.seq, key.clone());
            }
            recalls.push(recall);
        }
        drop(flight);
        if !after.is_empty() || !incomplete.is_empty() {
            let mut all = self.drift.lock().unwrap_or_else(PoisonError::into_inner);
            let all = all.entry(file).or_default();
            for (name, found) in after.into_iter().chain(incomplete) {
                all.entry(name.to_owned()).or_default().add(&found);
            }
        }
        recalls
    }

    /// Whether the destination may hold the resource of `entry`: it was delivered, or what took
    /// it away came to nothing.
    pub(crate) fn may_hold(&self, entry: &Entry) -> bool {
        entry.state == State::Live || self.is_void(entry)
    }

    pub(super) fn is_void(&self, entry: &Entry) -> bool {
        let voids = self.voids.lock().unwrap_or_else(PoisonError::into_inner);
        voids
            .get(&(entry.export, entry.file))
            .is_some_and(|through| entry.line > *through)
    }
}
