//! Records judged together.

use std::{ops::Range, str, sync::Arc};

use bulkhead_ndjson::Envelope;
use bytes::Bytes;

/// What a record says has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// The server deleted the resource; the body is the bare key.
    Delete,
    /// The resource left the cohort; the body is the bare key.
    Retract,
    /// The resource is new or has changed.
    Upsert,
}

/// One resource, or one row that a transform made of it.
#[derive(Clone, Debug)]
pub struct Record {
    /// The source line, from 1. Records of one line share it.
    pub seq: u64,
    /// Index into the batch's [`Kinds`].
    pub kind: u16,
    /// What happened.
    pub change: Change,
    /// The line without its end, as it is now. A window into the block where unchanged.
    pub body: Bytes,
    /// What was read of the line as it came. Its spans point into the first body and are
    /// not valid after a change; the patients stay those whom the data is about.
    pub envelope: Arc<Envelope>,
    /// A row of a stream that a transform emitted, not a resource.
    pub is_row: bool,
    /// Whether some stage changed the body, or a retraction took its place.
    pub is_changed: bool,
    /// The destination holds the resource, as far as the lane's memory knows.
    pub delivered_before: bool,
    /// The first body, once there is another.
    pub original: Option<Bytes>,
}

impl Record {
    /// The line as it came, whatever a stage made of it; of a deletion, its key.
    pub fn source(&self) -> &Bytes {
        self.original.as_ref().unwrap_or(&self.body)
    }

    /// The resource's type as it came, of a row too.
    pub fn resource_type(&self) -> &str {
        self.at(&self.envelope.resource_type).unwrap_or_default()
    }

    /// The resource's id as it came, when it has one.
    pub fn id(&self) -> Option<&str> {
        self.at(self.envelope.id.as_ref()?)
    }

    fn at(&self, span: &Range<u32>) -> Option<&str> {
        let text = self.source().get(span.start as usize..span.end as usize)?;
        str::from_utf8(text).ok()
    }

    /// The same with another body.
    pub(crate) fn with_body(&self, body: Bytes) -> Self {
        let original = Some(self.source().clone());
        Self { body, is_changed: true, original, ..self.clone() }
    }
}

/// Kinds of one file that are told apart. R4 has 146 types; names are server-controlled.
const MOST_KINDS: usize = 1024;

/// Names of kinds: resource types, then the streams that transforms emit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kinds(Arc<Vec<Arc<str>>>);

impl Kinds {
    /// The index of `name`, which is added when it is new. `None` when 1,024 are known.
    pub fn intern(&mut self, name: &str) -> Option<u16> {
        if let Some(at) = self.0.iter().position(|known| &**known == name) {
            return u16::try_from(at).ok();
        }
        let at =
            u16::try_from(self.0.len()).ok().filter(|_| self.0.len() < MOST_KINDS)?;
        Arc::make_mut(&mut self.0).push(name.into());
        Some(at)
    }

    /// The name at `index`, or "" when there is none.
    pub fn name(&self, index: u16) -> &str {
        self.0.get(usize::from(index)).map_or("", |name| name)
    }

    /// The name at `index`, as it is held here.
    pub(crate) fn held(&self, index: u16) -> Option<Arc<str>> {
        self.0.get(usize::from(index)).map(Arc::clone)
    }

    /// `name` as it is held here, or a text of its own when it is not.
    pub(crate) fn shared(&self, name: &str) -> Arc<str> {
        let held = self.0.iter().find(|known| &***known == name);
        held.map_or_else(|| name.into(), Arc::clone)
    }

    /// All names in the order of their indexes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }
}

/// Records judged together, in file order. Cheap to clone: the records are shared.
#[derive(Clone, Debug)]
pub struct Batch {
    id: u64,
    attempt: u32,
    kinds: Kinds,
    records: Arc<Vec<Record>>,
    /// The lines that the records came from; their bodies are windows into it until a stage
    /// changes them.
    block: Bytes,
}

impl Batch {
    /// Of `records` of file `file`. The id is made of the file and the first line, so that
    /// the same records have the same id when they come again.
    ///
    /// `block` is what the records were read from; it only makes [`Batch::lines`] quicker.
    pub fn new(file: u32, kinds: Kinds, records: Vec<Record>, block: Bytes) -> Self {
        let first = records.first().map_or(0, |record| record.seq);
        let id = u64::from(file) << 40 | (first & ((1 << 40) - 1));
        Self { id, attempt: 1, kinds, records: Arc::new(records), block }
    }

    /// Stable across redelivery: an idempotency key.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// 1 at first, n at the nth time that these records are handed over.
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The names that the records' kinds index.
    pub const fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// The records.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes of all bodies.
    pub fn byte_len(&self) -> u64 {
        self.records.iter().map(|record| record.body.len() as u64).sum()
    }

    /// The first line of which a record is here; 0 for an empty batch.
    pub fn first_seq(&self) -> u64 {
        self.records.first().map_or(0, |record| record.seq)
    }

    /// The last line of which a record is here; 0 for an empty batch.
    pub fn last_seq(&self) -> u64 {
        self.records.last().map_or(0, |record| record.seq)
    }

    /// The kind of a record by name.
    pub fn kind_name(&self, record: &Record) -> &str {
        self.kinds.name(record.kind)
    }

    /// The same records, handed over once more.
    #[must_use]
    pub fn again(&self) -> Self {
        Self { attempt: self.attempt.saturating_add(1), ..self.clone() }
    }

    /// The records at `range`, as a batch of their own with the same id.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        let records = self.records.get(range).unwrap_or_default().to_vec();
        Self { records: Arc::new(records), ..self.clone() }
    }

    /// The records at which `chosen` says true, with the same id.
    #[must_use]
    pub fn select(&self, chosen: impl Fn(usize) -> bool) -> Self {
        let indexed = self.records.iter().enumerate();
        let records = indexed
            .filter(|(at, _)| chosen(*at))
            .map(|(_, record)| record.clone())
            .collect();
        Self { records: Arc::new(records), ..self.clone() }
    }

    /// The bodies of the records at which `chosen` says true, each with its line end, in as
    /// few pieces as can be had without a copy: neighbours that nothing has changed are one.
    pub fn lines(&self, chosen: impl Fn(usize) -> bool) -> impl Iterator<Item = &[u8]> {
        let indexed = self.records.iter().enumerate();
        let mut bodies = indexed
            .filter(move |(at, _)| chosen(*at))
            .map(|(_, record)| self.place(&record.body))
            .peekable();
        let mut owes_end = false;
        std::iter::from_fn(move || {
            if std::mem::take(&mut owes_end) {
                return Some(&b"\n"[..]);
            }
            match bodies.next()? {
                Place::Elsewhere(body) => {
                    owes_end = true;
                    Some(body)
                }
                Place::InBlock(Range { start, mut end }) => {
                    let follows = |end: usize| move |place: &Place<'_>| matches!(place, Place::InBlock(next) if next.start == end);
                    while self.block.get(end) == Some(&b'\n') {
                        end += 1;
                        match bodies.next_if(follows(end)) {
                            Some(Place::InBlock(next)) => end = next.end,
                            Some(Place::Elsewhere(_)) | None => {
                                return self.block.get(start..end);
                            }
                        }
                    }
                    owes_end = true;
                    self.block.get(start..end)
                }
            }
        })
    }

    /// Where a body stands in the block, found by its address.
    fn place<'a>(&self, body: &'a Bytes) -> Place<'a> {
        let start = body.as_ptr().addr().wrapping_sub(self.block.as_ptr().addr());
        match start.checked_add(body.len()) {
            Some(end) if end <= self.block.len() => Place::InBlock(start..end),
            Some(_) | None => Place::Elsewhere(body),
        }
    }

    /// Where to part the records at `range` into two halves, as near to the middle as lines
    /// allow: no batch ends between two records of one line. `None` when all are of one line.
    pub(crate) fn middle(&self, range: &Range<usize>) -> Option<usize> {
        let seq = |at: usize| self.records.get(at).map(|record| record.seq);
        let middle = range.start + range.len() / 2;
        let is_break = |at: &usize| *at > range.start && seq(*at) != seq(*at - 1);
        (middle..range.end)
            .find(is_break)
            .or_else(|| (range.start..middle).rev().find(is_break))
    }

    /// The parts; records are moved when no one else holds them.
    pub(crate) fn into_parts(self) -> (u64, Kinds, Vec<Record>, Bytes) {
        let records =
            Arc::try_unwrap(self.records).unwrap_or_else(|held| (*held).clone());
        (self.id, self.kinds, records, self.block)
    }

    pub(crate) fn from_parts(
        id: u64,
        kinds: Kinds,
        records: Vec<Record>,
        block: Bytes,
    ) -> Self {
        Self { id, attempt: 1, kinds, records: Arc::new(records), block }
    }
}

/// Where a body lies.
enum Place<'a> {
    /// In memory of its own.
    Elsewhere(&'a [u8]),
    /// At these bytes of the batch's block.
    InBlock(Range<usize>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_neighbours_in_one_piece_and_every_line_once() {
        // name, block, bodies (windows, or text of their own), chosen, pieces
        type Body = Result<Range<usize>, &'static str>;
        type Case<'a> = (&'a str, &'static str, &'a [Body], &'a [usize], &'a [&'a str]);
        let cases: &[Case<'_>] = &[
            (
                "all",
                "a\nbb\nc\n",
                &[Ok(0..1), Ok(2..4), Ok(5..6)],
                &[0, 1, 2],
                &["a\nbb\nc\n"],
            ),
            (
                "a gap",
                "a\nbb\nc\n",
                &[Ok(0..1), Ok(2..4), Ok(5..6)],
                &[0, 2],
                &["a\n", "c\n"],
            ),
            ("no last end", "a\nb", &[Ok(0..1), Ok(2..3)], &[0, 1], &["a\nb", "\n"]),
            (
                "a carriage return",
                "a\r\nb\n",
                &[Ok(0..1), Ok(3..4)],
                &[0, 1],
                &["a", "\n", "b\n"],
            ),
            (
                "an empty line between",
                "a\n\nb\n",
                &[Ok(0..1), Ok(3..4)],
                &[0, 1],
                &["a\n", "b\n"],
            ),
            (
                "changed",
                "a\nb\nc\n",
                &[Ok(0..1), Err("X"), Ok(4..5)],
                &[0, 1, 2],
                &["a\n", "X", "\n", "c\n"],
            ),
            ("out of order", "a\nb\n", &[Ok(2..3), Ok(0..1)], &[0, 1], &["b\n", "a\n"]),
            ("none", "a\n", &[Ok(0..1)], &[], &[]),
        ];
        for (name, block, bodies, chosen, pieces) in cases {
            let block = Bytes::from_static(block.as_bytes());
            let record = |body: &Body| Record {
                seq: 1,
                kind: 0,
                change: Change::Upsert,
                body: match body {
                    Ok(window) => block.slice(window.clone()),
                    Err(text) => Bytes::from(text.as_bytes().to_vec()),
                },
                envelope: Arc::default(),
                is_row: false,
                is_changed: false,
                delivered_before: false,
                original: None,
            };
            let records = bodies.iter().map(record).collect();
            let batch = Batch::new(0, Kinds::default(), records, block.clone());
            let found: Vec<&[u8]> = batch.lines(|at| chosen.contains(&at)).collect();
            let expected: Vec<&[u8]> =
                pieces.iter().map(|piece| piece.as_bytes()).collect();
            assert_eq!(found, expected, "case: {name}");
        }
    }
}
