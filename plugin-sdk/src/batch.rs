//! A batch of records: a window over bytes that stay with the host.

use std::ops::Range;

use crate::{
    cohort::{CohortError, Memberships},
    host,
};

/// What a record says has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// The resource is new or has changed.
    Upsert,
    /// The server deleted it; the body is the bare key.
    Delete,
    /// It left the cohort: take it back; the body is the bare key.
    Retract,
}

impl Change {
    pub(crate) fn from_column(value: u8) -> Self {
        match value {
            1 => Self::Delete,
            2 => Self::Retract,
            _ => Self::Upsert,
        }
    }
}

/// Records judged together. Lent for one call.
///
/// Each method is one call to the host and copies one column, so ask once a batch, not once
/// a record.
#[derive(Clone, Copy)]
pub struct Batch<'a>(pub(crate) host::Handle<'a>);

impl Batch<'_> {
    /// How many records there are.
    pub fn len(&self) -> usize {
        host::len(self.0)
    }

    /// Whether there are none. The host never sends such a batch.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all bodies together.
    pub fn byte_len(&self) -> u64 {
        host::byte_len(self.0)
    }

    /// Stable across redelivery: an idempotency key.
    pub fn id(&self) -> u64 {
        host::id(self.0)
    }

    /// 1 at first, n at the nth time that these same records are handed over.
    pub fn attempt(&self) -> u32 {
        host::attempt(self.0)
    }

    /// The source line of each record, never falling.
    pub fn seqs(&self) -> Vec<u64> {
        host::seqs(self.0)
    }

    /// The kind of each record, as an index into [`Batch::kind_names`].
    pub fn kinds(&self) -> Vec<u16> {
        host::kinds(self.0)
    }

    /// The names that [`Batch::kinds`] indexes: resource types, then streams of transforms.
    pub fn kind_names(&self) -> Vec<String> {
        host::kind_names(self.0)
    }

    /// What happened to each record.
    pub fn changes(&self) -> Vec<Change> {
        host::changes(self.0).into_iter().map(Change::from_column).collect()
    }

    /// Bytes of each body.
    pub fn byte_lens(&self) -> Vec<u32> {
        host::byte_lens(self.0)
    }

    /// `meta.lastUpdated` of each record in Unix milliseconds; 0 when absent.
    pub fn last_updated(&self) -> Vec<i64> {
        host::last_updated(self.0)
    }

    /// Whose each record is, as seen from `cohort`. Imports `cohorts`.
    ///
    /// # Errors
    ///
    /// [`CohortError`] when the cohort is not granted or does not exist.
    pub fn memberships(&self, cohort: &str) -> Result<Memberships, CohortError> {
        host::memberships(self.0, cohort)
    }

    /// One field of every record. Imports `projection`; the manifest must declare the field.
    ///
    /// `field` is `id`, `versionId`, or element names joined by dots:
    /// `code.coding.code`.
    ///
    /// # Errors
    ///
    /// Says so when the field is not declared in the manifest or not granted.
    pub fn text(&self, field: &str) -> Result<TextColumn, String> {
        host::text(self.0, field)
    }

    /// Whole resources. Imports `bodies`, for which the operator must trust this plugin.
    pub fn bodies(&self) -> Bodies {
        let (data, ends) = host::bodies(self.0);
        Bodies { data, ends }
    }
}

/// The bodies of a batch: one allocation of text, one of ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bodies {
    pub(crate) data: Vec<u8>,
    pub(crate) ends: Vec<u32>,
}

impl Bodies {
    /// The bodies in order, without line ends.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        ranges(&self.ends).map(|range| self.data.get(range).unwrap_or_default())
    }
}

/// One field of every record: no value, one, or several each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextColumn {
    pub(crate) data: Vec<u8>,
    pub(crate) ends: Vec<u32>,
    pub(crate) rows: Vec<u32>,
}

impl TextColumn {
    /// The values of each record, in order.
    pub fn iter(&self) -> impl Iterator<Item = Vec<&str>> {
        let bounds: Vec<Range<usize>> = ranges(&self.ends).collect();
        self.rows.windows(2).map(move |pair| {
            let (start, end) = match pair {
                [start, end] => (*start as usize, *end as usize),
                _ => (0, 0),
            };
            let values = bounds.get(start..end).unwrap_or_default().iter();
            values
                .map(|range| self.data.get(range.clone()).unwrap_or_default())
                .map(|bytes| std::str::from_utf8(bytes).unwrap_or_default())
                .collect()
        })
    }
}

fn ranges(ends: &[u32]) -> impl Iterator<Item = Range<usize>> {
    ends.iter().scan(0, |start, end| {
        let range = *start..*end as usize;
        *start = range.end;
        Some(range)
    })
}
