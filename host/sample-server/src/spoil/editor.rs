//! Edits and shapes lines on their way. Holds one line, however long the file is.

use std::{collections::VecDeque, io};

use bulkhead_model::Instant;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use serde_json::Value;

use super::{
    Piece, Pieces,
    monster::{self, Chunks},
};
use crate::{
    scenario::{At, BodyFault, Insert, LineEdit, Packing, Shape, Shift, Stain},
    store::restamp,
};

/// Whether a fault looks at lines.
pub(super) fn is_needed(fault: &BodyFault, packing: &Packing) -> bool {
    let by_line =
        super::places(fault).any(|at| matches!(at, At::LineEnd(_) | At::MidLine(_)));
    !fault.lines.is_empty()
        || !fault.shapes.is_empty()
        || by_line
        || matches!(packing, Packing::Members(_))
}

/// Passes the lines of a body through the edits of a fault.
pub(super) fn edit(
    bytes: BoxStream<'static, io::Result<Bytes>>,
    fault: &BodyFault,
    transaction_time: Instant,
) -> Pieces {
    let editor = Editor {
        bytes: Some(bytes),
        buffer: BytesMut::new(),
        fault: fault.clone(),
        transaction_time,
        row: 0,
        sent: 0,
        ready: VecDeque::new(),
        owes_end: false,
    };
    stream::try_unfold(editor, |mut editor| async move {
        Ok(editor.next().await?.map(|piece| (piece, editor)))
    })
    .boxed()
}

enum Out {
    Chunks(Chunks),
    Piece(Piece),
}

struct Editor {
    bytes: Option<BoxStream<'static, io::Result<Bytes>>>,
    buffer: BytesMut,
    fault: BodyFault,
    transaction_time: Instant,
    /// Lines read.
    row: u64,
    /// Lines written.
    sent: u64,
    ready: VecDeque<Out>,
    /// Whether the last line still lacks its end.
    owes_end: bool,
}

impl Editor {
    async fn next(&mut self) -> io::Result<Option<Piece>> {
        loop {
            match self.ready.pop_front() {
                Some(Out::Piece(piece)) => return Ok(Some(piece)),
                Some(Out::Chunks(mut chunks)) => {
                    if let Some(chunk) = chunks.next() {
                        self.ready.push_front(Out::Chunks(chunks));
                        return Ok(Some(Piece::Bytes(chunk)));
                    }
                    continue;
                }
                None => {}
            }
            if let Some(at) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let mut line = self.buffer.split_to(at + 1);
                line.truncate(at);
                self.line(&line.freeze());
                continue;
            }
            let Some(bytes) = &mut self.bytes else { return Ok(None) };
            if let Some(chunk) = bytes.try_next().await? {
                self.buffer.extend_from_slice(&chunk);
                continue;
            }
            self.bytes = None;
            let rest = std::mem::take(&mut self.buffer).freeze();
            if !rest.is_empty() {
                self.line(&rest);
            }
            self.end();
        }
    }

    fn has(&self, shape: Shape) -> bool {
        self.fault.shapes.contains(&shape)
    }

    /// Takes one line of the file.
    fn line(&mut self, line: &Bytes) {
        self.row += 1;
        let row = self.row;
        let edits = std::mem::take(&mut self.fault.lines);
        let mut text = line.clone();
        let mut again: Vec<Bytes> = Vec::new();
        let mut is_dropped = false;
        for edit in &edits {
            match edit {
                LineEdit::Insert { at, what } if *at == row => self.write_made(what),
                LineEdit::Drop(at) => is_dropped |= *at == row,
                LineEdit::DropAfter(last) => is_dropped |= row > *last,
                LineEdit::Duplicate(at) if *at == row => again.push(line.clone()),
                LineEdit::Older(at) if *at == row => again.push(older(line)),
                LineEdit::Replace { row: at, text: other } if *at == row => {
                    text = Bytes::from(other.clone());
                }
                LineEdit::Stain { row: at, with } if *at == row => {
                    text = stained(&text, *with);
                }
                LineEdit::Updated { row: at, shift } if *at == row => {
                    text = self.updated(&text, *shift);
                }
                LineEdit::WithoutMeta(at) if *at == row => text = without_meta(&text),
                // A copy has become an insert before it comes here.
                LineEdit::Copy { .. }
                | LineEdit::Duplicate(_)
                | LineEdit::Insert { .. }
                | LineEdit::Older(_)
                | LineEdit::Replace { .. }
                | LineEdit::Stain { .. }
                | LineEdit::Updated { .. }
                | LineEdit::WithoutMeta(_) => {}
            }
        }
        self.fault.lines = edits;
        if !is_dropped {
            self.write(text);
            for line in again {
                self.write(line);
            }
        }
    }

    fn end(&mut self) {
        let edits = std::mem::take(&mut self.fault.lines);
        for edit in &edits {
            if let LineEdit::Insert { at, what } = edit
                && *at > self.row
            {
                self.write_made(what);
            }
        }
        self.fault.lines = edits;
        if self.has(Shape::NoFinalNewline) {
            self.owes_end = false;
        }
        self.end_line();
        if self.has(Shape::BlankLast) {
            self.push(self.newline());
            self.push(self.newline());
        }
    }

    fn write_made(&mut self, what: &Insert) {
        let chunks = monster::line(what);
        self.begin();
        self.ready.push_back(Out::Chunks(chunks));
        self.finish();
    }

    /// Writes a line, with the marks that lie in it.
    fn write(&mut self, line: Bytes) {
        let mut line = if self.has(Shape::Pretty) { pretty(&line) } else { line };
        self.begin();
        let this = self.sent + 1;
        let mut marks: Vec<Piece> = Vec::new();
        if self.fault.pace.is_some_and(|pace| is_mid(pace.at, this)) {
            marks.push(Piece::Pace);
        }
        if self.fault.cut.is_some_and(|cut| is_mid(cut.at, this)) {
            marks.push(Piece::Cut);
        }
        if !marks.is_empty() {
            let half = line.split_to(line.len() / 2);
            self.push(half);
            self.ready.extend(marks.into_iter().map(Out::Piece));
        }
        self.push(line);
        self.finish();
    }

    fn begin(&mut self) {
        self.end_line();
        if self.sent == 0 {
            if self.has(Shape::Bom) {
                self.push(Bytes::from_static("\u{feff}".as_bytes()));
            }
            if self.has(Shape::BlankFirst) {
                self.push(self.newline());
                self.push(self.newline());
            }
        }
    }

    fn finish(&mut self) {
        self.sent += 1;
        self.owes_end = true;
        let this = self.sent;
        let paces = self.fault.pace.is_some_and(|pace| pace.at == At::LineEnd(this));
        let cuts = self.fault.cut.is_some_and(|cut| cut.at == At::LineEnd(this));
        if paces || cuts {
            self.end_line();
        }
        if paces {
            self.ready.push_back(Out::Piece(Piece::Pace));
        }
        if cuts {
            self.ready.push_back(Out::Piece(Piece::Cut));
        }
    }

    fn end_line(&mut self) {
        if !std::mem::take(&mut self.owes_end) {
            return;
        }
        self.push(self.newline());
        if self.has(Shape::BlankBetween) {
            self.push(self.newline());
        }
        if self.has(Shape::Spaces) {
            self.push(Bytes::from_static(b"   "));
            self.push(self.newline());
        }
    }

    fn newline(&self) -> Bytes {
        Bytes::from_static(if self.has(Shape::Crlf) { b"\r\n" } else { b"\n" })
    }

    fn push(&mut self, bytes: Bytes) {
        self.ready.push_back(Out::Piece(Piece::Bytes(bytes)));
    }

    fn updated(&self, line: &Bytes, shift: Shift) -> Bytes {
        let text = String::from_utf8_lossy(line);
        restamp(&text, version(&text), shift.of(self.transaction_time))
            .map_or_else(|| line.clone(), Bytes::from)
    }
}

fn is_mid(at: At, row: u64) -> bool {
    at == At::MidLine(row)
}

/// The version before, a day older and with a member that the newer one has not.
fn older(line: &Bytes) -> Bytes {
    let text = String::from_utf8_lossy(line);
    let before = version(&text).saturating_sub(1);
    let updated = serde_json::from_str::<Value>(&text)
        .ok()
        .and_then(|value| value.pointer("/meta/lastUpdated")?.as_str()?.parse().ok())
        .unwrap_or(Instant::from_unix_ms(0));
    let a_day = std::time::Duration::from_hours(24);
    let older = restamp(&text, before, Instant::minus(updated, a_day));
    older.map_or_else(|| line.clone(), |older| insert_member(&older, OLDER))
}

fn version(text: &str) -> u32 {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let version = value.pointer("/meta/versionId").and_then(Value::as_str);
    version.and_then(|version| version.parse().ok()).unwrap_or(1)
}

fn without_meta(line: &Bytes) -> Bytes {
    let Ok(mut value) = serde_json::from_slice::<Value>(line) else {
        return line.clone();
    };
    if let Some(object) = value.as_object_mut() {
        object.remove("meta");
    }
    Bytes::from(value.to_string())
}

fn pretty(line: &Bytes) -> Bytes {
    let value = serde_json::from_slice::<Value>(line);
    let text = value.and_then(|value| serde_json::to_string_pretty(&value));
    text.map_or_else(|_| line.clone(), Bytes::from)
}

fn stained(line: &Bytes, stain: Stain) -> Bytes {
    let bytes: &[u8] = match stain {
        Stain::EscapedReturn => b"\\r",
        Stain::EscapedNul => b"\\u0000",
        Stain::InvalidUtf8 => b"\xff\xfe",
        Stain::LineSeparator => "\u{2028}".as_bytes(),
        Stain::Multibyte => "é€😀".as_bytes(),
        Stain::Nul => b"\0",
    };
    let member = [b"\"language\":\"".as_slice(), bytes, b"\","].concat();
    splice(line, &member)
}

fn insert_member(text: &str, member: &str) -> Bytes {
    splice(&Bytes::copy_from_slice(text.as_bytes()), member.as_bytes())
}

/// Puts a member first in an object.
fn splice(line: &Bytes, member: &[u8]) -> Bytes {
    match line.iter().position(|byte| *byte == b'{') {
        Some(at) => {
            let (head, rest) = line.split_at(at + 1);
            [head, member, rest].concat().into()
        }
        None => line.clone(),
    }
}

const OLDER: &str = "\"language\":\"older\",";
