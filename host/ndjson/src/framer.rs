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
//! Memory: two blocks that take turns, one unfinished line up to the limit, and the chunk
//! pushed last. Every byte is copied once, into the block, and looked at once.
//!
//! Source: NDJSON 1.0 §3.1–3.2; RFC 8259 §8.1.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use memchr::memchr;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Room is made for a whole block up to this size, in bytes: the usual one.
const MOST_ROOM: usize = 1 << 20;

/// Where blocks and lines end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramerLimits {
    /// A block ends with the line that brings it to this many bytes, line ends and empty
    /// lines included.
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
    /// What arrived and is in no block yet.
    pending: Bytes,
    buffer: BytesMut,
    /// The memory of the block before. When whoever had that block is done with it, the next
    /// one is gathered there: fresh memory costs a page fault every 4 KiB.
    spare: BytesMut,
    /// Where in `buffer` the search for the next line end goes on.
    scanned: usize,
    at_start: bool,
    open: OpenBlock,
}

/// The block that is being filled.
#[derive(Debug)]
struct OpenBlock {
    limits: FramerLimits,
    lines: Vec<Line>,
    /// Where in the buffer the unfinished line begins.
    line_start: usize,
    next_number: u64,
    /// Bytes thrown away of a line that is too long and has not ended yet.
    discarded: u64,
    /// Bytes of the lines of the block so far, as the file has them: what was thrown away
    /// counts, and so do line ends and empty lines.
    taken: usize,
    passed: Passed,
}

/// What a framer passed over, so that it can be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Lines on which nothing stood.
    pub empty_lines: u64,
    /// Lines that ended with `\r\n`, empty ones aside.
    pub crlf_lines: u64,
}

impl Framer {
    /// At the start of a file.
    pub fn new(limits: FramerLimits) -> Self {
        let open = OpenBlock {
            limits,
            lines: Vec::new(),
            line_start: 0,
            next_number: 1,
            discarded: 0,
            taken: 0,
            passed: Passed::default(),
        };
        Self {
            pending: Bytes::new(),
            buffer: BytesMut::new(),
            spare: BytesMut::new(),
            scanned: 0,
            at_start: true,
            open,
        }
    }

    /// What was passed over so far.
    pub const fn passed(&self) -> Passed {
        self.open.passed
    }

    /// Takes what arrived. Call [`Framer::next_block`] until it gives nothing before the next.
    pub fn push(&mut self, chunk: Bytes) {
        // None when the caller has asked to the end.
        let left = std::mem::replace(&mut self.pending, chunk);
        self.copy(&left);
    }

    /// The next whole block, if enough has arrived.
    pub fn next_block(&mut self) -> Option<Block> {
        loop {
            if self.has_begun() {
                while self.end_next_line() {
                    if self.open.is_full()
                        && let Some(block) = self.cut(self.scanned)
                    {
                        return Some(block);
                    }
                }
                self.discard_overlong();
            }
            if self.pending.is_empty() {
                return None;
            }
            // What the block surely lacks, then little by little: what is copied beyond its end is
            // copied once more, into the next.
            let lacks = self.open.limits.block_bytes.saturating_sub(self.buffer.len());
            let step = lacks.max(STEP).min(self.pending.len());
            let next = self.pending.split_to(step);
            self.copy(&next);
        }
    }

    /// The last block, and what was passed over in all. A last line needs no line end.
    ///
    /// To be called when the bytes have ended and [`Framer::next_block`] has given `None`. If
    /// it has not, nothing is lost: the last block then holds all that is left, whatever the
    /// limits say.
    pub fn finish(mut self) -> (Option<Block>, Passed) {
        let left = std::mem::take(&mut self.pending);
        self.copy(&left);
        if self.at_start {
            self.skip_bom();
        }
        while self.end_next_line() {}
        let end = self.buffer.len();
        if end > self.open.line_start || self.open.discarded > 0 {
            self.open.end_line(&self.buffer, end);
        }
        let bytes = self.buffer.split_to(end).freeze();
        let lines = self.open.next(end);
        let block = (!lines.is_empty()).then_some(Block { bytes, lines });
        (block, self.open.passed)
    }

    fn copy(&mut self, bytes: &[u8]) {
        if self.buffer.capacity() - self.buffer.len() < bytes.len() {
            // Room for the rest of a block at once: grown bit by bit, it would be copied again
            // and again. Memory that is not written to is only promised.
            let missing = self.room().saturating_sub(self.buffer.len());
            self.buffer.reserve(missing.max(bytes.len()));
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes that a usual block takes up.
    fn room(&self) -> usize {
        self.open.limits.block_bytes.min(MOST_ROOM).saturating_add(SLACK)
    }

    /// Whether it is known if the file begins with a byte order mark, which is cut off then.
    fn has_begun(&mut self) -> bool {
        if self.at_start {
            if self.buffer.len() < BOM.len() && BOM.starts_with(&self.buffer) {
                return false;
            }
            self.skip_bom();
        }
        true
    }

    fn skip_bom(&mut self) {
        self.at_start = false;
        if self.buffer.starts_with(BOM) {
            self.open.line_start = BOM.len();
            self.scanned = BOM.len();
        }
    }

    /// Ends one line, if its end has arrived. Looks only at what has not been looked at.
    fn end_next_line(&mut self) -> bool {
        let fresh = self.buffer.get(self.scanned..).unwrap_or_default();
        if let Some(at) = memchr(b'\n', fresh) {
            let end = self.scanned + at;
            self.open.end_line(&self.buffer, end);
            self.scanned = end + 1;
            true
        } else {
            self.scanned = self.buffer.len();
            false
        }
    }

    /// Cuts the block that ends at `end`; what follows stays. `None` when it has no lines.
    fn cut(&mut self, end: usize) -> Option<Block> {
        let bytes = self.buffer.split_to(end);
        // What follows is little: less than a step. It moves to where the next block will be.
        let room = self.room();
        let mut next = std::mem::take(&mut self.spare);
        if !next.try_reclaim(room) {
            next = BytesMut::with_capacity(room.max(self.buffer.len()));
        }
        next.extend_from_slice(&self.buffer);
        self.buffer.clear();
        self.spare = std::mem::replace(&mut self.buffer, next);
        self.scanned = self.scanned.saturating_sub(end);
        let lines = self.open.next(end);
        self.open.lines.reserve(lines.len());
        (!lines.is_empty()).then(|| Block { bytes: bytes.freeze(), lines })
    }

    /// Throws away the start of a line that is already over the limit, so that memory stays
    /// bounded whatever the server sends.
    fn discard_overlong(&mut self) {
        let unfinished = self.buffer.len() - self.open.line_start;
        let is_overlong = unfinished > self.open.limits.line_bytes;
        if is_overlong || (self.open.discarded > 0 && unfinished > 0) {
            self.open.discarded += unfinished as u64;
            self.buffer.truncate(self.open.line_start);
            self.scanned = self.open.line_start;
        }
    }
}

/// Bytes that are copied at a time once a block lacks only the end of a line.
const STEP: usize = 4 << 10;

/// Bytes of room beyond a block: for the line that fills it, and the step that brings its end.
const SLACK: usize = 64 << 10;

impl OpenBlock {
    const fn is_full(&self) -> bool {
        self.taken >= self.limits.block_bytes
            || self.lines.len() >= self.limits.block_lines
    }

    /// Notes the line that ends before `end`. Its length counts a `\r`, so that it does not
    /// depend on how much of an overlong line was already thrown away.
    fn end_line(&mut self, buffer: &[u8], end: usize) {
        let start = std::mem::replace(&mut self.line_start, end + 1);
        let line = buffer.get(start..end).unwrap_or_default();
        let number = self.next_number;
        self.next_number += 1;
        let len = std::mem::take(&mut self.discarded) + line.len() as u64;
        self.taken =
            self.taken.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
        self.taken = self.taken.saturating_add(1);
        if len > self.limits.line_bytes as u64 {
            self.lines.push(Line::TooLong { number, len });
        } else if line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
            self.passed.empty_lines += 1;
        } else {
            // Only the `\r` of `\r\n` goes; other white space belongs to the line.
            let has_cr = line.ends_with(b"\r");
            self.passed.crlf_lines += u64::from(has_cr);
            self.lines
                .push(Line::Whole { number, span: start..end - usize::from(has_cr) });
        }
    }

    /// Gives the lines and begins the next block, which starts at `end` of this one.
    fn next(&mut self, end: usize) -> Vec<Line> {
        self.line_start = self.line_start.saturating_sub(end);
        self.taken = 0;
        std::mem::take(&mut self.lines)
    }
}

#[cfg(test)]
mod tests;
