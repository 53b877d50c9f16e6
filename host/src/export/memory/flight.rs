//! What lanes have taken in and not yet made durable.

use std::{
    collections::{HashMap, VecDeque},
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
    /// There is one for every record between intake and checkpoint.
    versions: HashMap<KeyHash, InFlight, BuildHasherDefault<Hashed>>,
    /// By file, in the order of lines: what a checkpoint lets go.
    order: HashMap<u32, VecDeque<(u64, KeyHash)>>,
    /// By file: what to mark with the next checkpoint as seen by this export.
    seen: HashMap<u32, VecDeque<(u64, ResourceKey)>>,
}

impl Flight {
    /// What a lane has taken in of a resource.
    pub(super) fn of(&self, key: KeyHash) -> Option<&InFlight> {
        self.versions.get(&key)
    }

    /// Takes in a record of file `file`.
    pub(super) fn take_in(
        &mut self,
        file: u32,
        record: &Candidate,
        key: KeyHash,
        recall: Recall,
    ) {
        let Candidate { change, last_updated, raw, file: tag, line } = *record;
        if change == Change::Upsert && matches!(recall, Recall::Pass { .. }) {
            self.order.entry(file).or_default().push_back((line, key));
            self.versions.insert(key, InFlight { last_updated, raw, file: tag, line });
        }
    }

    /// Notes that the export has what the destination has.
    pub(super) fn see(&mut self, file: u32, line: u64, key: ResourceKey) {
        self.seen.entry(file).or_default().push_back((line, key));
    }

    /// Lets go of what is durable; gives what is to be marked as seen.
    pub(super) fn let_go(&mut self, file: u32, through: u64) -> Vec<ResourceKey> {
        let Self { versions, order, seen } = self;
        if let Some(lines) = order.get_mut(&file) {
            while let Some((_, key)) = lines.pop_front_if(|(line, _)| *line <= through) {
                let is_of_here = versions.get(&key).is_some_and(|known| {
                    index(known.file) == file && known.line <= through
                });
                if is_of_here {
                    versions.remove(&key);
                }
            }
        }
        let mut keys = Vec::new();
        if let Some(lines) = seen.get_mut(&file) {
            while let Some((_, key)) = lines.pop_front_if(|(line, _)| *line <= through) {
                keys.push(key);
            }
        }
        keys
    }

    /// Forgets all of a file.
    pub(super) fn forget(&mut self, file: u32) {
        let Self { versions, order, seen } = self;
        for (_, key) in order.remove(&file).unwrap_or_default() {
            if versions.get(&key).is_some_and(|known| index(known.file) == file) {
                versions.remove(&key);
            }
        }
        seen.remove(&file);
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

/// Hashes what is a hash already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Not taken for a `KeyHash`, which is one number.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
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
