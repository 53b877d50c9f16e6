//! What lanes have taken in and not yet made durable.

use std::collections::{HashMap, VecDeque};

use bulkhead_ledger::{
    Voids,
    delivered::{Entry, ResourceKey, State},
};
use bulkhead_pipeline::{Change, Recall};

use super::{
    Span,
    decide::{Candidate, InFlight},
};

/// What lanes have taken in and not yet made durable.
#[derive(Debug, Default)]
pub(super) struct Flight {
    pub(super) versions: HashMap<ResourceKey, InFlight>,
    /// By file, in the order of lines: what a checkpoint lets go.
    order: HashMap<u32, VecDeque<(u64, ResourceKey)>>,
    /// By file: entries to write with the next checkpoint because an export of everything has
    /// seen them.
    seen: HashMap<u32, VecDeque<(u64, ResourceKey, Entry)>>,
}

impl Flight {
    /// Takes in what is known of a record, and what becomes of it.
    pub(super) fn take_in(
        &mut self,
        file: u32,
        record: &Candidate,
        key: ResourceKey,
        entry: Option<Entry>,
        recall: Recall,
        span: Span,
        export: u64,
    ) {
        let Candidate { change, last_updated, raw, file: tag, line } = *record;
        if span == Span::Whole
            && let Some(entry) = entry
            && entry.state == State::Live
            && entry.seen != export
        {
            let entry = Entry { seen: export, ..entry };
            self.seen.entry(file).or_default().push_back((line, key.clone(), entry));
        }
        if change == Change::Upsert && matches!(recall, Recall::Pass { .. }) {
            self.order.entry(file).or_default().push_back((line, key.clone()));
            self.versions.insert(key, InFlight { last_updated, raw, file: tag, line });
        }
    }

    /// Lets go of what is durable; gives what is to be marked as seen.
    pub(super) fn let_go(
        &mut self,
        file: u32,
        through: u64,
    ) -> Vec<(ResourceKey, Entry)> {
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
        let mut entries = Vec::new();
        if let Some(lines) = seen.get_mut(&file) {
            while let Some((_, key, entry)) =
                lines.pop_front_if(|(line, ..)| *line <= through)
            {
                entries.push((key, entry));
            }
        }
        entries
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
const GENERATION: u32 = 1 << 20;

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

const fn index(tag: u32) -> u32 {
    tag % GENERATION
}
