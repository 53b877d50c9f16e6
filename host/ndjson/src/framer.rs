//! Cuts a byte stream into blocks of whole NDJSON lines.
//!
//! [`Framer`] does no I/O and keeps no clock: push what arrived, take what is whole. JSON
//! escapes a newline inside a string, so `\n` always ends a line, and cutting happens before
//! any decoding: a character split between two chunks stays whole.
//!
//! Blocks end where the *content* says (bytes or lines taken since the last block), never
//! where a chunk happened to end. So the same file always gives the same blocks, and a
//! delivery that is repeated after a crash lands on the same boundaries.
//!
//! Empty lines are passed over and counted; a byte order mark at the start of the file and
//! the `\r` of `\r\n` are cut off. A line over the limit is not kept: its place is.
//! Memory: one block, plus one unfinished line up to the limit, plus the chunk pushed last.
//!
//! Source: NDJSON 1.0 §3.1–3.2; RFC 8259 §8.1.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use memchr::memchr_iter;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Where blocks and lines end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramerLimits {
    /// A block ends with the line that brings it to this many bytes.
    pub block_bytes: usize,
    /// A block ends with this many lines.
    pub block_lines: usize,
    /// A line longer than this is not kept, in bytes.
    pub line_bytes: usize,
}

impl Default for FramerLimits {
    /// 1 MiB or 4,096 lines a block: a batch then costs far more than the call that carries
    /// it. 16 MiB a line: the largest inline attachments seen are about ten.
    fn default() -> Self {
        Self { block_bytes: 1 << 20, block_lines: 4096, line_bytes: 16 << 20 }
    }
}

/// One line of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Not kept, because it was longer than the limit.
    TooLong {
        /// Its number in the file, from 1.
        number: u64,
        /// How long it was, in bytes.
        len: u64,
    },
    /// Kept.
    Whole {
        /// Its number in the file, from 1.
        number: u64,
        /// Where its bytes are in the block, without the line end.
        span: Range<usize>,
    },
}

impl Line {
    /// The line's number in the file, from 1. Empty lines count.
    pub const fn number(&self) -> u64 {
        match self {
            Self::TooLong { number, .. } | Self::Whole { number, .. } => *number,
        }
    }
}

/// Whole lines in one piece of memory. Never empty of lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The bytes, line ends included.
    pub bytes: Bytes,
    /// The lines, in file order.
    pub lines: Vec<Line>,
}

/// Cuts a byte stream into blocks.
#[derive(Debug)]
pub struct Framer {
    limits: FramerLimits,
    buffer: BytesMut,
    /// Where in `buffer` the search for the next line end goes on.
    scanned: usize,
    /// Where in `buffer` the unfinished line begins.
    line_start: usize,
    lines: Vec<Line>,
    next_number: u64,
    /// Bytes thrown away of a line that is too long and has not ended yet.
    discarded: u64,
    /// Content bytes of the lines of the block so far; what was thrown away counts.
    taken: usize,
    empty_lines: u64,
    at_start: bool,
}

impl Framer {
    /// At the start of a file.
    pub fn new(limits: FramerLimits) -> Self {
        Self {
            limits,
            buffer: BytesMut::new(),
            scanned: 0,
            line_start: 0,
            lines: Vec::new(),
            next_number: 1,
            discarded: 0,
            taken: 0,
            empty_lines: 0,
            at_start: true,
        }
    }

    /// Lines passed over because nothing stood on them.
    pub const fn empty_lines(&self) -> u64 {
        self.empty_lines
    }

    /// Takes what arrived. Call [`Framer::next_block`] until it gives nothing before the next.
    pub fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// The next whole block, if enough has arrived.
    pub fn next_block(&mut self) -> Option<Block> {
        if self.at_start {
            if self.buffer.len() < BOM.len() && BOM.starts_with(&self.buffer) {
                return None;
            }
            self.skip_bom();
        }
        // Line ends are looked for in what has not been looked at, once.
        while self.scanned < self.buffer.len() {
            let found = self.scan();
            if let Some(end) = found {
                return Some(self.cut(end));
            }
        }
        self.discard_overlong();
        None
    }

    /// The last block: what is left when the bytes have ended. A last line needs no line end.
    pub fn finish(mut self) -> (Option<Block>, u64) {
        if self.at_start {
            self.skip_bom();
        }
        while self.scanned < self.buffer.len() {
            if let Some(end) = self.scan() {
                // `next_block` was not called to its end; nothing may be lost for that.
                let cut = self.cut(end);
                return self.merge_rest(cut);
            }
        }
        let end = self.buffer.len();
        if end > self.line_start || self.discarded > 0 {
            self.end_line(end);
        }
        let block = (!self.lines.is_empty()).then(|| self.cut(end));
        (block, self.empty_lines)
    }

    fn merge_rest(mut self, mut first: Block) -> (Option<Block>, u64) {
        let mut bytes = BytesMut::from(first.bytes.as_ref());
        let mut append = |block: Block, lines: &mut Vec<Line>| {
            let offset = bytes.len();
            bytes.extend_from_slice(&block.bytes);
            lines.extend(block.lines.into_iter().map(|line| match line {
                Line::TooLong { .. } => line,
                Line::Whole { number, span } => {
                    Line::Whole { number, span: span.start + offset..span.end + offset }
                }
            }));
        };
        while let Some(block) = self.next_block() {
            append(block, &mut first.lines);
        }
        let (last, empty_lines) = self.finish();
        if let Some(block) = last {
            append(block, &mut first.lines);
        }
        (Some(Block { bytes: bytes.freeze(), lines: first.lines }), empty_lines)
    }

    fn skip_bom(&mut self) {
        self.at_start = false;
        if self.buffer.starts_with(BOM) {
            self.line_start = BOM.len();
            self.scanned = BOM.len();
        }
    }

    /// Looks at what is new until a block is full; gives where that block ends.
    fn scan(&mut self) -> Option<usize> {
        let from = self.scanned;
        let fresh = self.buffer.split_off(from);
        let mut full = None;
        for at in memchr_iter(b'\n', &fresh) {
            let end = from + at;
            self.end_line_in(end, from, &fresh);
            self.line_start = end + 1;
            if self.is_full() {
                full = Some(end + 1);
                break;
            }
        }
        self.scanned = full.unwrap_or(from + fresh.len());
        self.buffer.unsplit(fresh);
        full
    }

    fn is_full(&self) -> bool {
        self.taken >= self.limits.block_bytes || self.lines.len() >= self.limits.block_lines
    }

    /// Ends the line that began at `line_start`; `end` is where its `\n` stands. Looks at the
    /// bytes in `buffer` up to `from` and in `fresh` after it.
    fn end_line_in(&mut self, end: usize, from: usize, fresh: &[u8]) {
        let byte = |at: usize| {
            if at < from { self.buffer.get(at) } else { fresh.get(at - from) }.copied()
        };
        let is_space = |at: usize| matches!(byte(at), Some(b'\r' | b' ' | b'\t'));
        let is_blank = (self.line_start..end).rev().all(is_space);
        let has_cr = end > self.line_start && byte(end - 1) == Some(b'\r');
        self.record(end, has_cr, is_blank);
    }

    /// Ends the last line, which has no line end.
    fn end_line(&mut self, end: usize) {
        let line = self.buffer.get(self.line_start..end).unwrap_or_default();
        let is_blank = line.trim_ascii().is_empty();
        let has_cr = line.ends_with(b"\r");
        self.record(end, has_cr, is_blank);
        self.line_start = end;
    }

    /// Notes the line that ends before `end`. Its length counts a `\r`, so that it does not
    /// depend on how much of an overlong line was already thrown away.
    fn record(&mut self, end: usize, has_cr: bool, is_blank: bool) {
        let number = self.next_number;
        self.next_number += 1;
        let len = std::mem::take(&mut self.discarded) + (end - self.line_start) as u64;
        let is_too_long = len > self.limits.line_bytes as u64;
        if is_blank && !is_too_long {
            self.empty_lines += 1;
            return;
        }
        self.taken += usize::try_from(len).unwrap_or(usize::MAX);
        self.lines.push(if is_too_long {
            Line::TooLong { number, len }
        } else {
            // Only the `\r` of `\r\n` goes; other white space belongs to the line.
            Line::Whole { number, span: self.line_start..end - usize::from(has_cr) }
        });
    }

    /// Cuts the block that ends at `end`; what follows stays.
    fn cut(&mut self, end: usize) -> Block {
        let bytes = self.buffer.split_to(end).freeze();
        self.scanned = self.scanned.saturating_sub(end);
        self.line_start = self.line_start.saturating_sub(end);
        self.taken = 0;
        Block { bytes, lines: std::mem::take(&mut self.lines) }
    }

    /// Throws away the start of a line that is already over the limit, so that memory stays
    /// bounded whatever the server sends.
    fn discard_overlong(&mut self) {
        let unfinished = self.buffer.len() - self.line_start;
        if unfinished > self.limits.line_bytes || (self.discarded > 0 && unfinished > 0) {
            self.discarded += unfinished as u64;
            self.buffer.truncate(self.line_start);
            self.scanned = self.line_start;
        }
    }
}

#[cfg(test)]
mod tests;
