//! What lanes have taken in and not yet made durable.

use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map},
    hash::{BuildHasherDefault, Hasher},
};

use bulkhead_ledger::{
    Voids,
    delivered::{Entry, KeyHash, ResourceKey},
};
use bulkhead_pipeline::{Change, Recall};

use super::decide::{Candidate, InFlight};

/// What lanes have taken in and not yet made durable.
#[derive(Debug, Default)]
pub(super) struct Flight {
    /// There is one for every resource between intake and checkpoint.
    versions: HashMap<KeyHash, Flying, BuildHasherDefault<Hashed>>,
    /// How many of them are contested.
    contested: usize,
    /// By file, in the order of lines: what a checkpoint lets go.
    order: HashMap<u32, VecDeque<(u64, KeyHash)>, BuildHasherDefault<Hashed>>,
    /// By file: what to mark with the next checkpoint as seen by this export.
    seen: HashMap<u32, VecDeque<(u64, ResourceKey)>>,
}

/// A resource of which lanes have taken something in.
#[derive(Debug, Default)]
struct Flying {
    /// What was taken in last, while it is in flight.
    latest: Option<InFlight>,
    /// How many records of it are in flight.
    pieces: u32,
    /// Whether two files of this export brought it: which of them lands last says nothing of
    /// which is newer.
    is_contested: bool,
}

impl Flight {
    /// What a lane has taken in of a resource.
    pub(super) fn of(&self, key: KeyHash) -> Option<&InFlight> {
        self.versions.get(&key)?.latest.as_ref()
    }

    /// Takes in a record of file `file`, beside what file `written_by` of this export has written
    /// down of the same resource, if one has.
    pub(super) fn take_in(
        &mut self,
        file: u32,
        record: &Candidate,
        key: KeyHash,
        recall: Recall,
        written_by: Option<u32>,
    ) {
        let Candidate { change, last_updated, raw, file: tag, line } = *record;
        if change == Change::Upsert && matches!(recall, Recall::Pass { .. }) {
            self.order.entry(file).or_default().push_back((line, key));
            let flying = self.versions.entry(key).or_default();
            let is_of_another = match flying.latest {
                Some(latest) => index(latest.file) != file,
                None => flying.pieces > 0,
            };
            let is_beside = is_of_another || written_by.is_some_and(|of| of != file);
            if is_beside && !flying.is_contested {
                flying.is_contested = true;
                self.contested += 1;
            }
            flying.pieces += 1;
            flying.latest = Some(InFlight { last_updated, raw, file: tag, line });
        }
    }

    /// Notes that the export has what the destination has.
    pub(super) fn see(&mut self, file: u32, line: u64, key: ResourceKey) {
        self.seen.entry(file).or_default().push_back((line, key));
    }

    /// Whether something up to a line is to be marked as seen.
    pub(super) fn has_seen(&self, file: u32, through: u64) -> bool {
        let first = self.seen.get(&file).and_then(VecDeque::front);
        first.is_some_and(|(line, _)| *line <= through)
    }

    /// Whether two files brought some resource that is in flight.
    pub(super) const fn has_contested(&self) -> bool {
        self.contested > 0
    }

    /// What is to be marked as seen with a checkpoint at line `through`.
    pub(super) fn take_seen(&mut self, file: u32, through: u64) -> Vec<ResourceKey> {
        let mut keys = Vec::new();
        if let Some(lines) = self.seen.get_mut(&file) {
            while let Some((_, key)) = lines.pop_front_if(|(line, _)| *line <= through) {
                keys.push(key);
            }
        }
        keys
    }

    /// Lets go of what lands; gives what of it is contested.
    pub(super) fn let_go(&mut self, file: u32, through: u64) -> HashSet<KeyHash> {
        let mut contested = HashSet::new();
        let Some(mut lines) = self.order.remove(&file) else { return contested };
        while let Some((_, key)) = lines.pop_front_if(|(line, _)| *line <= through) {
            if self.is_contested(key) {
                contested.insert(key);
            }
            self.let_go_of(key, |known| {
                index(known.file) == file && known.line <= through
            });
        }
        self.order.insert(file, lines);
        contested
    }

    /// Forgets all of a file.
    pub(super) fn forget(&mut self, file: u32) {
        for (_, key) in self.order.remove(&file).unwrap_or_default() {
            self.let_go_of(key, |known| index(known.file) == file);
        }
        self.seen.remove(&file);
    }

    fn is_contested(&self, key: KeyHash) -> bool {
        self.contested > 0
            && self.versions.get(&key).is_some_and(|flying| flying.is_contested)
    }

    /// Lets go of one record, which is the latest if `is_of_here` says so of it.
    fn let_go_of(&mut self, key: KeyHash, is_of_here: impl FnOnce(&InFlight) -> bool) {
        let hash_map::Entry::Occupied(mut flying) = self.versions.entry(key) else {
            return;
        };
        let of = flying.get_mut();
        of.pieces -= 1;
        if of.latest.as_ref().is_some_and(is_of_here) {
            of.latest = None;
        }
        if of.pieces == 0 && flying.remove().is_contested {
            self.contested -= 1;
        }
    }
}

/// Files of an export are numbered below this; above it counts how often one was begun anew.
pub(super) const GENERATION: u32 = 1 << 20;

/// The number under which entries of file `file` are written: its own, or of a generation that
/// nothing has made void. So what a try delivered that came to nothing is not taken for what the
/// next one delivers.
pub(super) fn tag(voids: &Voids, export: u64, file: u32) -> u32 {
    let mut tag = file;
    while voids.contains_key(&(export, tag)) {
        tag = tag.wrapping_add(GENERATION);
    }
    tag
}

/// Hashes what is a hash already, or the number of a file.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Not taken: both are one number.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u32(&mut self, number: u32) {
        // The highest bits are looked at first.
        self.0 = u64::from(number) << 57 | u64::from(number);
    }

    #[expect(clippy::cast_possible_truncation, reason = "the other bits are not wanted")]
    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }
}

/// The file by which an entry was written, whichever try of it.
pub(in crate::export) const fn file_of(entry: &Entry) -> u32 {
    index(entry.file)
}

const fn index(tag: u32) -> u32 {
    tag % GENERATION
}
