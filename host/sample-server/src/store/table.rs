//! All resources of one type: an immutable base with an index, and the changes since.

use std::{collections::BTreeMap, io, sync::Arc};

use bulkhead_model::Instant;
use bytes::Bytes;

use super::Source;
use crate::error::Error;

/// One resource of the base, before it is packed.
pub(crate) struct Row<'a> {
    pub(crate) id: &'a str,
    pub(crate) updated: Instant,
    pub(crate) source: &'a Arc<Source>,
    pub(crate) offset: u64,
    pub(crate) length: u32,
    pub(crate) patients: &'a [u32],
}

/// The resources that were there at the start: about 40 bytes and the id for each.
#[derive(Default)]
pub(crate) struct Base {
    sources: Vec<Arc<Source>>,
    ids: String,
    patients: Vec<u32>,
    rows: Vec<Packed>,
    by_id: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Packed {
    updated: Instant,
    offset: u64,
    length: u32,
    source: u32,
    id_end: u32,
    patients_end: u32,
}

/// Builds a [`Base`], in the order of the files.
#[derive(Default)]
pub(crate) struct BaseBuilder(Base);

impl BaseBuilder {
    /// Adds one resource.
    pub(crate) fn push(&mut self, row: &Row<'_>) -> Result<(), Error> {
        let Self(base) = self;
        if base.sources.last().is_none_or(|last| !Arc::ptr_eq(last, row.source)) {
            base.sources.push(Arc::clone(row.source));
        }
        base.ids.push_str(row.id);
        base.patients.extend_from_slice(row.patients);
        base.rows.push(Packed {
            updated: row.updated,
            offset: row.offset,
            length: row.length,
            source: small(base.sources.len() - 1)?,
            id_end: small(base.ids.len())?,
            patients_end: small(base.patients.len())?,
        });
        Ok(())
    }

    /// Sorts the index.
    pub(crate) fn build(self) -> Result<Base, Error> {
        let Self(mut base) = self;
        let mut by_id: Vec<u32> = (0..small(base.rows.len())?).collect();
        by_id.retain(|at| !base.id(*at as usize).is_empty());
        by_id.sort_by(|a, b| base.id(*a as usize).cmp(base.id(*b as usize)));
        base.by_id = by_id;
        Ok(base)
    }
}

fn small(number: usize) -> Result<u32, Error> {
    u32::try_from(number).map_err(|_| Error::IndexFull)
}

impl Base {
    fn id(&self, at: usize) -> &str {
        let end = |row: &Packed| row.id_end as usize;
        let start =
            at.checked_sub(1).and_then(|before| self.rows.get(before)).map_or(0, end);
        self.rows
            .get(at)
            .and_then(|row| self.ids.get(start..end(row)))
            .unwrap_or_default()
    }

    fn line(&self, at: usize) -> Option<Line<'_>> {
        let row = self.rows.get(at)?;
        let end = |row: &Packed| row.patients_end as usize;
        let start =
            at.checked_sub(1).and_then(|before| self.rows.get(before)).map_or(0, end);
        Some(Line {
            id: self.id(at),
            updated: row.updated,
            version: None,
            patients: self.patients.get(start..end(row))?,
            source: self.sources.get(row.source as usize)?,
            offset: row.offset,
            length: row.length,
        })
    }

    /// The last resource with this id.
    fn find(&self, id: &str) -> Option<Line<'_>> {
        let after = self.by_id.partition_point(|at| self.id(*at as usize) <= id);
        let at = *self.by_id.get(after.checked_sub(1)?)?;
        self.line(at as usize).filter(|line| line.id == id)
    }

    /// The same with other patients, one list a row.
    pub(crate) fn with_patients(&self, patients: &[Vec<u32>]) -> Result<Self, Error> {
        let mut builder = BaseBuilder::default();
        for (at, patients) in patients.iter().enumerate() {
            let Some(line) = self.line(at) else { break };
            builder.push(&Row {
                id: line.id,
                updated: line.updated,
                source: line.source,
                offset: line.offset,
                length: line.length,
                patients,
            })?;
        }
        builder.build()
    }
}

/// One resource as it stands.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) id: &'a str,
    pub(crate) updated: Instant,
    /// Known for resources that were put; else it stands in the line.
    pub(crate) version: Option<u32>,
    pub(crate) patients: &'a [u32],
    pub(crate) source: &'a Arc<Source>,
    pub(crate) offset: u64,
    pub(crate) length: u32,
}

impl Line<'_> {
    /// The bytes, as they are stored.
    pub(crate) fn read(&self) -> io::Result<Bytes> {
        self.source.read(self.offset, self.length as usize)
    }
}

/// A resource created or replaced since the start.
pub(crate) struct Put {
    pub(crate) source: Arc<Source>,
    pub(crate) updated: Instant,
    pub(crate) version: u32,
    pub(crate) patients: Vec<u32>,
}

/// A resource that was deleted.
pub(crate) struct Tombstone {
    pub(crate) at: Instant,
    pub(crate) version: u32,
    pub(crate) patients: Vec<u32>,
}

enum Change {
    Deleted(Tombstone),
    /// Not to be seen, as if it never was.
    Hidden,
    Put(Put),
}

/// What was known of an id before it was hidden.
pub(crate) struct Kept(Option<Arc<Change>>);

/// What is known of an id.
pub(crate) enum State<'a> {
    Deleted(&'a Tombstone),
    Live(Line<'a>),
}

impl State<'_> {
    /// Whose it is or was.
    pub(crate) fn patients(&self) -> &[u32] {
        match self {
            Self::Deleted(tombstone) => &tombstone.patients,
            Self::Live(line) => line.patients,
        }
    }
}

/// All resources of one type. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Table {
    base: Arc<Base>,
    changes: Arc<BTreeMap<Box<str>, Arc<Change>>>,
}

impl Table {
    pub(crate) fn new(base: Base) -> Self {
        Self { base: Arc::new(base), changes: Arc::default() }
    }

    pub(crate) fn base(&self) -> &Base {
        &self.base
    }

    /// Every live resource: those of the base in their order, then the changed by id.
    pub(crate) fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let kept = (0..self.base.rows.len()).filter_map(|at| self.base.line(at)).filter(
            |line| self.changes.is_empty() || !self.changes.contains_key(line.id),
        );
        let changed =
            self.changes.iter().filter_map(|(id, change)| match change.as_ref() {
                Change::Deleted(_) | Change::Hidden => None,
                Change::Put(put) => Some(put.line(id)),
            });
        kept.chain(changed)
    }

    /// Every deleted resource, by id.
    pub(crate) fn tombstones(&self) -> impl Iterator<Item = (&str, &Tombstone)> {
        self.changes.iter().filter_map(|(id, change)| match change.as_ref() {
            Change::Deleted(tombstone) => Some((id.as_ref(), tombstone)),
            Change::Hidden | Change::Put(_) => None,
        })
    }

    pub(crate) fn find(&self, id: &str) -> Option<State<'_>> {
        match self.changes.get_key_value(id) {
            Some((id, change)) => match change.as_ref() {
                Change::Deleted(tombstone) => Some(State::Deleted(tombstone)),
                Change::Hidden => None,
                Change::Put(put) => Some(State::Live(put.line(id))),
            },
            None => self.base.find(id).map(State::Live),
        }
    }

    pub(crate) fn put(&mut self, id: &str, put: Put) {
        Arc::make_mut(&mut self.changes).insert(id.into(), Arc::new(Change::Put(put)));
    }

    /// Hides `id`; `None` when there is no such live resource.
    pub(crate) fn hide(&mut self, id: &str) -> Option<Kept> {
        match self.find(id) {
            Some(State::Live(_)) => {}
            Some(State::Deleted(_)) | None => return None,
        }
        let hidden = Arc::new(Change::Hidden);
        Some(Kept(Arc::make_mut(&mut self.changes).insert(id.into(), hidden)))
    }

    /// Shows what was hidden.
    pub(crate) fn reveal(&mut self, id: &str, kept: Kept) {
        let changes = Arc::make_mut(&mut self.changes);
        match kept.0 {
            Some(change) => changes.insert(id.into(), change),
            None => changes.remove(id),
        };
    }

    /// Deletes `id`; false when there is no such live resource.
    pub(crate) fn delete(&mut self, id: &str, at: Instant) -> bool {
        let tombstone = match self.find(id) {
            Some(State::Live(line)) => Tombstone {
                at,
                version: line.version.unwrap_or(1).saturating_add(1),
                patients: line.patients.to_vec(),
            },
            Some(State::Deleted(_)) | None => return false,
        };
        Arc::make_mut(&mut self.changes)
            .insert(id.into(), Arc::new(Change::Deleted(tombstone)));
        true
    }
}

impl Put {
    fn line<'a>(&'a self, id: &'a str) -> Line<'a> {
        let length = match self.source.as_ref() {
            Source::Memory(bytes) => u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            Source::Disk { length, .. } => u32::try_from(*length).unwrap_or(u32::MAX),
        };
        Line {
            id,
            updated: self.updated,
            version: Some(self.version),
            patients: &self.patients,
            source: &self.source,
            offset: 0,
            length,
        }
    }
}
