//! What lands: how it is written down what the destination has now, and what becomes of two
//! versions of one resource that two files of an export bring.
//!
//! Within an export an older version does not take the place of a newer one, in whatever order
//! they land; so the entry of the newer one must stand. Of which is newer, or what the destination
//! has in the end, cannot always be told: then the entry is written without a digest, so that
//! whatever an export of everything shows of the resource is delivered.

use std::{
    collections::{BTreeMap, HashSet},
    sync::PoisonError,
};

use bulkhead_ledger::{
    Error,
    delivered::{Draft, Durable, Entry, EntryRef, KeyHash, ResourceKey, State},
};
use bulkhead_pipeline::{Change, Handled};

use super::{Holdings, file_of};

/// In place of a digest: it is not known what the destination has.
pub(in crate::export) const NO_DIGEST: u64 = 0;

/// How one record is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Landing {
    /// As it came.
    Plain,
    /// Not at all: what another file brought is newer, and stands.
    Behind,
    /// As something that the destination may or may not have.
    Unclear,
}

impl Holdings {
    /// Writes down what the sink made durable of a file up to line `through`, and makes durable
    /// what was written ahead. Before the file's checkpoint is written, never after.
    pub(crate) fn commit(
        &self,
        file: u32,
        through: u64,
        handled: &[Handled],
    ) -> Result<(), Error> {
        self.write_ahead(file, through, handled)?;
        self.sync()
    }

    /// Makes durable what was written ahead, without holding others up.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.delivered.put(Draft::default(), Durable::Now)
    }

    /// [`Holdings::write_ahead`] where nothing need be waited for: nearly always in a first
    /// export. `None`, and nothing is written, where something must. So a lane's own thread
    /// frees what it read of its records.
    pub(crate) fn write_at_once(
        &self,
        file: u32,
        through: u64,
        handled: &[Handled],
    ) -> Option<Result<(), Error>> {
        if self.compares() || self.flight().has_seen(file, through) {
            return None;
        }
        let draft = self.draft(file, handled, &BTreeMap::new());
        let mut landings = self.landings.try_write().ok()?;
        let mut flight = self.flight();
        if flight.has_contested() || !self.delivered.has_room(&draft) {
            return None;
        }
        flight.let_go(file, through);
        drop(flight);
        let written = self.delivered.put(draft, Durable::Later);
        *landings += 1;
        Some(written)
    }

    /// Whether what comes is held against what was there: a first export of everything has
    /// nothing to be held against.
    pub(super) fn compares(&self) -> bool {
        self.is_comparable && !self.marks.is_empty()
    }

    /// Writes down what is not durable yet; if it never is, the next try tells it apart.
    pub(crate) fn write_ahead(
        &self,
        file: u32,
        through: u64,
        handled: &[Handled],
    ) -> Result<(), Error> {
        let mut seen = Draft::default();
        let keys = self.flight().take_seen(file, through);
        if !keys.is_empty() {
            self.mark_seen(&keys, &mut seen)?;
        }
        if self.compares() {
            let (keys, of): (Vec<ResourceKey>, Vec<&Handled>) = handled
                .iter()
                .filter_map(|of| Some((ResourceKey::new(&of.kind, &of.id).ok()?, of)))
                .unzip();
            self.compare(file, &of, &self.delivered.get_many(&keys)?);
        }
        let plain = self.draft(file, handled, &BTreeMap::new());
        self.delivered.put(seen, Durable::Later)?;
        let mut landings = self.landings.write().unwrap_or_else(PoisonError::into_inner);
        let contested = self.flight().let_go(file, through);
        let draft = if contested.is_empty() {
            plain
        } else {
            self.draft(file, handled, &self.settled(file, handled, &contested)?)
        };
        self.delivered.put(draft, Durable::Later)?;
        *landings += 1;
        Ok(())
    }

    fn draft(
        &self,
        file: u32,
        handled: &[Handled],
        landings: &BTreeMap<usize, Landing>,
    ) -> Draft {
        let mut draft = Draft::default();
        let tag = self.tag(file);
        for (at, of) in handled.iter().enumerate() {
            let entry: EntryRef<'_> = self.entry(tag, of);
            let entry = match landings.get(&at) {
                None | Some(Landing::Plain) => entry,
                Some(Landing::Behind) => continue,
                Some(Landing::Unclear) => {
                    let (raw, content) = (NO_DIGEST, NO_DIGEST);
                    Entry { state: State::Live, raw, content, ..entry }
                }
            };
            // What is no key is not asked about either.
            let _ = draft.add(&of.kind, &of.id, &entry);
        }
        draft
    }

    /// How those of contested resources are written down, by their place.
    fn settled(
        &self,
        file: u32,
        handled: &[Handled],
        contested: &HashSet<KeyHash>,
    ) -> Result<BTreeMap<usize, Landing>, Error> {
        let is_it = |of: &Handled| {
            KeyHash::new(&of.kind, &of.id).is_ok_and(|hash| contested.contains(&hash))
        };
        let keyed = handled.iter().enumerate().filter(|(_, of)| is_it(of));
        let (keys, at): (Vec<ResourceKey>, Vec<(usize, &Handled)>) = keyed
            .filter_map(|(at, of)| {
                Some((ResourceKey::new(&of.kind, &of.id).ok()?, (at, of)))
            })
            .unzip();
        let present = self.delivered.get_many(&keys)?;
        let is_beside = |entry: &Entry| {
            entry.export == self.setting.export
                && file_of(entry) != file
                && !self.is_void(entry)
        };
        let settled = at.into_iter().zip(present).map(|((at, of), present)| {
            (at, settle(of, present.filter(is_beside).as_ref()))
        });
        Ok(settled.collect())
    }

    /// Adds the entries of `keys`, as they stand now, marked as seen by this export.
    fn mark_seen(
        &self,
        keys: &[ResourceKey],
        draft: &mut Draft,
    ) -> Result<(), bulkhead_ledger::Error> {
        let seen = self.setting.export;
        for (key, entry) in keys.iter().zip(self.delivered.get_many(keys)?) {
            let entry = entry.filter(|of| of.state == State::Live && of.seen != seen);
            if let Some(entry) = entry {
                draft.add_key(key, &Entry { seen, ..entry }.borrowed());
            }
        }
        Ok(())
    }
}

/// How a record is written down beside what another file of the same export brought.
fn settle(of: &Handled, beside: Option<&Entry>) -> Landing {
    let Some(beside) = beside else { return Landing::Plain };
    let is_there = beside.state == State::Live;
    match of.change {
        // What is there may have come before or after this took it back: it is to be taken back
        // once more.
        Change::Retract if is_there => Landing::Unclear,
        Change::Delete | Change::Retract => Landing::Plain,
        // What took it back may have come after it.
        Change::Upsert if !is_there => Landing::Unclear,
        Change::Upsert => match (of.envelope.last_updated, beside.last_updated) {
            (Some(own), Some(other)) if own < other => Landing::Behind,
            (Some(own), Some(other)) if own > other => Landing::Plain,
            (Some(_) | None, _) if of.raw == beside.raw => Landing::Plain,
            (Some(_) | None, _) => Landing::Unclear,
        },
    }
}

#[cfg(test)]
mod tests;
