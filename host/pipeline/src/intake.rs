//! From blocks of lines to batches of records: envelopes are read, lines that are no
//! resource are refused, lines delivered before a crash are passed over.

mod bare;
mod wanted;

use std::sync::Arc;

use bare::bare;
use bulkhead_model::ResourceType;
use bulkhead_ndjson::{Bases, Block, Line, Malformed, Peek};
use bytes::Bytes;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::{
    Asked, Batch, Change, Digests, Kept, Kinds, Quarantined, Record, Reject, RejectClass,
    Tally, deletion::keys, recalled, replayed,
};

/// The name under which lines are refused before any stage saw them.
const READ: &str = "read";

/// The type of the lines that head the blocks of an organised file.
const HEAD: &str = "Parameters";

/// What the lines of a file are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Bundles that say what was deleted.
    Deleted,
    /// Resources of all types, in blocks that a `Parameters` line heads: the server was asked
    /// to organise its output, or does so by itself. The heads are no records.
    ///
    /// Source: Bulk Data IG 3.0, "Response - Output Files", `organizeOutputBy`.
    Organised,
    /// Resources, of one type where the manifest says so.
    Output(Option<ResourceType>),
    /// Bare keys that the host itself calls back: see [`Recalled`](crate::Recalled).
    Recalled,
    /// Records out of quarantine: see [`Label::replayed`](crate::Label::replayed).
    Replayed,
}

/// Why a file cannot be resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IntakeError {
    /// The file is not the one that was delivered in part.
    #[error("the file has changed since its first {lines} lines were delivered")]
    Changed {
        /// How many lines were delivered.
        lines: u64,
    },
}

/// A batch and what was refused on the way to it.
#[derive(Debug)]
pub struct Taken {
    /// `None` when no record was left of the block.
    pub batch: Option<Batch>,
    /// Of each line that was not delivered before.
    pub digests: Digests,
    /// Lines that are no resource.
    pub refused: Vec<Quarantined>,
    /// The last line of the block that was not delivered before; 0 when all were.
    pub last_line: u64,
}

/// Turns blocks into batches.
pub struct Intake {
    file: u32,
    kind: FileKind,
    peek: Peek,
    kinds: Kinds,
    hash: Xxh3,
    asked: Arc<Asked>,
    /// Whether what each line says is hashed on the way.
    hashes_content: bool,
    /// Whether the type that the file announces was asked for.
    is_wanted: bool,
    /// Lines up to here were delivered before, and their hash.
    delivered: Option<(u64, [u8; 16])>,
}

impl Intake {
    /// For file `file`, from its start.
    pub fn new(file: u32, kind: FileKind, bases: Bases) -> Self {
        let expected =
            if let FileKind::Output(expected) = &kind { expected.as_ref() } else { None };
        let peek = Peek::new(expected, bases);
        let (kinds, hash) = (Kinds::default(), Xxh3::new());
        let asked = Arc::default();
        let (hashes_content, is_wanted, delivered) = (false, true, None);
        Self {
            file,
            kind,
            peek,
            kinds,
            hash,
            asked,
            hashes_content,
            is_wanted,
            delivered,
        }
    }

    /// The same, passing over what was not asked for.
    #[must_use]
    pub fn asking(self, asked: Arc<Asked>) -> Self {
        let announced = self.announced();
        let is_wanted = announced.is_empty() || asked.covers(&announced);
        Self { asked, is_wanted, ..self }
    }

    /// The same, for a memory that will ask what each line says.
    #[must_use]
    pub(crate) fn hashing_content(self) -> Self {
        Self { hashes_content: true, ..self }
    }

    /// The same, passing over the lines up to `through`, whose hash must be `prefix_hash`.
    #[must_use]
    pub fn resuming(self, through: u64, prefix_hash: [u8; 16]) -> Self {
        Self { delivered: (through > 0).then_some((through, prefix_hash)), ..self }
    }

    /// Hash of all lines so far.
    pub(crate) fn prefix_hash(&self) -> [u8; 16] {
        self.hash.digest128().to_be_bytes()
    }

    /// Turns one block into a batch. Counts what it reads and refuses in `tally`.
    ///
    /// # Errors
    ///
    /// [`IntakeError::Changed`] when the lines that were delivered before are not these.
    pub fn take(
        &mut self,
        block: &Block,
        tally: &mut Tally,
    ) -> Result<Taken, IntakeError> {
        let mut records = Vec::with_capacity(block.lines.len());
        let mut digests = Digests::with_capacity(block.lines.len());
        let mut refused = Vec::new();
        let mut last_line = 0;
        // One check for the whole block is far cheaper than one a line.
        let text = simdutf8::basic::from_utf8(&block.bytes).ok();
        for line in &block.lines {
            let Some(raw) = self.pass_over(line, block)? else { continue };
            last_line = line.number();
            // A replayed line holds more than the record.
            if self.kind != FileKind::Replayed {
                digests.push(last_line, raw);
            }
            let into = (&mut records, &mut digests);
            if let Err((kind, reject)) = self.read(line, block, text, into, tally) {
                tally.of(&kind).read += 1;
                tally.quarantine(&kind, READ, reject.class, &reject.code);
                let (line, stage) = (line.number(), READ.to_owned());
                let Reject { class, code } = reject;
                // No filter has seen it: nothing of it may be kept.
                let kept = Kept::Nothing;
                refused.push(Quarantined { line, kind, stage, class, code, kept });
            }
        }
        let read = |a: &Record, b: &Record| a.kind == b.kind && a.is_row == b.is_row;
        for alike in records.chunk_by(read) {
            // Rows count on delivery alone.
            if alike.first().is_some_and(|record| record.is_row) {
                continue;
            }
            let deletions = alike.iter().filter(|record| record.change != Change::Upsert);
            let kind = alike.first().map_or("", |record| self.kinds.name(record.kind));
            let counts = tally.of(kind);
            counts.read_deletions += deletions.count() as u64;
            counts.read += alike.len() as u64;
        }
        self.note_references(&records, tally);
        let batch = (!records.is_empty()).then(|| {
            Batch::new(self.file, self.kinds.clone(), records, block.bytes.clone())
        });
        Ok(Taken { batch, digests, refused, last_line })
    }

    /// Whether the file ended before the lines that were delivered of it.
    pub(crate) fn finish(&self) -> Result<(), IntakeError> {
        self.delivered.map_or(Ok(()), |(lines, _)| Err(IntakeError::Changed { lines }))
    }

    /// Hashes the line; gives its hash unless it was delivered before.
    fn pass_over(
        &mut self,
        line: &Line,
        block: &Block,
    ) -> Result<Option<u64>, IntakeError> {
        if let Some((through, expected)) = self.delivered
            && line.number() > through
        {
            if self.prefix_hash() != expected {
                return Err(IntakeError::Changed { lines: through });
            }
            self.delivered = None;
        }
        let (raw, len) = match line {
            Line::TooLong { len, .. } => (0, *len),
            Line::Whole { span, .. } => {
                let line = block.bytes.get(span.clone()).unwrap_or_default();
                (xxh3_64(line), line.len() as u64)
            }
        };
        // Of each line its hash counts, which others need as well: one pass over its bytes.
        let mut head = [0; 24];
        let parts = [line.number(), len, raw].map(u64::to_be_bytes);
        for (to, from) in head.iter_mut().zip(parts.as_flattened()) {
            *to = *from;
        }
        self.hash.update(&head);
        if let Some((through, expected)) = self.delivered
            && line.number() == through
        {
            if self.prefix_hash() != expected {
                return Err(IntakeError::Changed { lines: through });
            }
            self.delivered = None;
            return Ok(None);
        }
        Ok(self.delivered.is_none().then_some(raw))
    }

    /// Adds the records of one line, or says which kind it claimed to be and why it is refused.
    fn read(
        &mut self,
        line: &Line,
        block: &Block,
        text: Option<&str>,
        (records, digests): (&mut Vec<Record>, &mut Digests),
        tally: &mut Tally,
    ) -> Result<(), (String, Reject)> {
        let (number, span) = match line {
            Line::TooLong { .. } => {
                let reject = Reject::new(RejectClass::TooLarge, "line-too-long");
                return Err((self.announced(), reject));
            }
            Line::Whole { number, span } => (*number, span.clone()),
        };
        let body = block.bytes.slice(span.clone());
        match &self.kind {
            FileKind::Deleted => {
                return self.read_deletions(number, &body, records, tally);
            }
            FileKind::Recalled => {
                let (key, change) =
                    recalled::key(&body).map_err(|reject| (String::new(), reject))?;
                let kind = self.intern(key.resource_type.as_str())?;
                records.push(bare(number, kind, &key, change));
                return Ok(());
            }
            FileKind::Replayed => {
                let replayed = replayed::read(number, &body, &self.peek)
                    .map_err(|reject| (String::new(), reject))?;
                let kind = self.intern(&replayed.kind)?;
                records.push(Record { kind, ..replayed.record });
                return Ok(());
            }
            FileKind::Organised | FileKind::Output(_) => {}
        }
        let envelope = match text.and_then(|text| text.get(span)) {
            Some(text) if self.hashes_content => {
                self.peek.read_content(text).map(|(envelope, content)| {
                    digests.says(content);
                    envelope
                })
            }
            Some(text) => self.peek.read_str(text),
            None => self.peek.read(&body),
        };
        let envelope = envelope.map_err(|malformed: Malformed| {
            (self.announced(), Reject::new(RejectClass::Malformed, malformed.code()))
        })?;
        let name = text_at(&body, &envelope.resource_type);
        if self.kind == FileKind::Organised && name == HEAD {
            // Under no type: nobody asked for any of this one.
            tally.of("").heads += 1;
            return Ok(());
        }
        if let Some(reject) = self.misplaced(name) {
            // Counted under what the file announces: a made-up name adds no row to a report.
            return Err((self.announced(), reject));
        }
        if let Some(why) = self.unasked(name, &envelope.patients) {
            // A made-up name adds no row to a report.
            let is_type =
                ResourceType::is_valid(name) && self.kinds.intern(name).is_some();
            tally.not_asked(if is_type { name } else { "" }, why);
            return Ok(());
        }
        if self.asked.is_before(envelope.last_updated) {
            tally.of(name).before_since += 1;
        }
        let kind = self.intern(name)?;
        records.push(Record {
            seq: number,
            kind,
            change: Change::Upsert,
            body,
            envelope: Arc::new(envelope),
            is_row: false,
            is_changed: false,
            delivered_before: false,
            original: None,
        });
        Ok(())
    }

    fn read_deletions(
        &mut self,
        number: u64,
        line: &Bytes,
        records: &mut Vec<Record>,
        tally: &mut Tally,
    ) -> Result<(), (String, Reject)> {
        let keys = keys(line).map_err(|reject| (String::new(), reject))?;
        let mut refused = None;
        for key in keys {
            match key {
                Ok(key) => {
                    let kind = self.intern(key.resource_type.as_str())?;
                    records.push(bare(number, kind, &key, Change::Delete));
                }
                Err(entry) => {
                    let of = entry.of.map_or_else(String::new, |of| of.to_string());
                    // A made-up name adds no row to a report.
                    let is_known = of.is_empty() || self.kinds.intern(&of).is_some();
                    let of = if is_known { of } else { String::new() };
                    // One line, one place in quarantine: the first reason stands for all.
                    if refused.is_none() {
                        refused = Some((of, entry.reject));
                    } else {
                        tally.of(&of).read += 1;
                        tally.quarantine(
                            &of,
                            READ,
                            entry.reject.class,
                            &entry.reject.code,
                        );
                    }
                }
            }
        }
        refused.map_or(Ok(()), Err)
    }

    fn intern(&mut self, name: &str) -> Result<u16, (String, Reject)> {
        let too_many =
            || (String::new(), Reject::new(RejectClass::Other, "too-many-types"));
        self.kinds.intern(name).ok_or_else(too_many)
    }

    fn announced(&self) -> String {
        match &self.kind {
            FileKind::Deleted
            | FileKind::Organised
            | FileKind::Output(None)
            | FileKind::Recalled
            | FileKind::Replayed => String::new(),
            FileKind::Output(Some(announced)) => announced.to_string(),
        }
    }

    /// A type that does not belong into this file.
    fn misplaced(&self, name: &str) -> Option<Reject> {
        match &self.kind {
            FileKind::Output(Some(announced)) if announced.as_str() == name => None,
            FileKind::Organised | FileKind::Output(_) if name == "OperationOutcome" => {
                Some(Reject::new(RejectClass::Malformed, "outcome-in-output"))
            }
            FileKind::Output(Some(_)) => {
                Some(Reject::new(RejectClass::Malformed, "wrong-type-in-file"))
            }
            FileKind::Deleted
            | FileKind::Organised
            | FileKind::Output(None)
            | FileKind::Recalled
            | FileKind::Replayed => None,
        }
    }
}

fn text_at<'a>(body: &'a Bytes, span: &std::ops::Range<u32>) -> &'a str {
    let bytes = body.get(span.start as usize..span.end as usize).unwrap_or_default();
    std::str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests;
