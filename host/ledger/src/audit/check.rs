//! Whether the lines of a log are a chain, and where they are not.
//!
//! Needs nothing but the lines: a copy can be checked anywhere. Memory: one line of at most
//! [`LONGEST_LINE`], and at most [`MOST`] breaks.

use std::io::{self, BufRead, Read};

use super::line::{AuditHead, AuditLine, GENESIS, LONGEST_LINE, hash};

/// Breaks that are told one by one; the rest is counted.
const MOST: usize = 20;

/// What is wrong at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The line does not name the hash of the line before it: one of the two is not what was
    /// written.
    Previous,
    /// The line's number is another: lines are missing, doubled or in another order.
    Sequence {
        /// The number that should be here.
        expected: u64,
        /// The number that is.
        found: u64,
    },
    /// The last line has no end: a crash while writing, or a cut.
    Torn {
        /// How much there is of it.
        bytes: u64,
    },
    /// No line that this program writes.
    Unreadable,
}

/// A place where the chain does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// The line in the file or files, from 1.
    pub line: u64,
    /// What is wrong.
    pub flaw: Flaw,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Whole lines.
    pub lines: u64,
    /// The last line that can be read.
    pub head: Option<AuditHead>,
    /// Where the chain does not hold, at most 20 places.
    pub breaks: Vec<Break>,
    /// Further places.
    pub more: u64,
    /// The number of the line whose hash was looked for.
    pub found: Option<u64>,
}

impl Checked {
    /// Whether every line follows the one before, from the first; a torn last line is none.
    pub fn is_whole(&self) -> bool {
        self.breaks.iter().all(|of| matches!(of.flaw, Flaw::Torn { .. }))
    }

    /// Whether the last line has no end.
    pub fn is_torn(&self) -> bool {
        self.breaks.iter().any(|of| matches!(of.flaw, Flaw::Torn { .. }))
    }
}

/// Checks a log, one file after the other.
#[derive(Debug)]
pub struct Checker {
    /// What the next line must name and be.
    next: AuditHead,
    wanted: Option<String>,
    checked: Checked,
}

impl Checker {
    /// Begins with line 1. `wanted` is the hash of a line that must be there.
    pub fn new(wanted: Option<&str>) -> Self {
        Self {
            next: AuditHead { seq: 1, hash: GENESIS.to_owned() },
            wanted: wanted.map(str::to_ascii_lowercase),
            checked: Checked::default(),
        }
    }

    /// Reads the next file of the log to its end.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn read(&mut self, mut file: impl BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        if self.checked.is_torn() {
            // Not the last line after all.
            self.note(self.checked.lines, Flaw::Unreadable);
        }
        loop {
            line.clear();
            let limit = crate::column::wide(LONGEST_LINE) + 1;
            let taken = (&mut file).take(limit).read_until(b'\n', &mut line)?;
            if taken == 0 {
                return Ok(());
            }
            if line.last() == Some(&b'\n') {
                line.pop();
                self.take(&line);
            } else if line.len() > LONGEST_LINE {
                skip_line(&mut file)?;
                self.take(b"");
            } else {
                let bytes = crate::column::wide(line.len());
                self.note(self.checked.lines + 1, Flaw::Torn { bytes });
            }
        }
    }

    /// What was found.
    pub fn finish(self) -> Checked {
        self.checked
    }

    /// Takes a whole line, without its end.
    fn take(&mut self, line: &[u8]) {
        self.checked.lines += 1;
        let at = self.checked.lines;
        let hash = hash(line);
        let Ok(told) = AuditLine::decode(line) else {
            self.note(at, Flaw::Unreadable);
            // What follows can still be bound to it, and be numbered on.
            self.next = AuditHead { seq: self.next.seq.saturating_add(1), hash };
            return;
        };
        if told.seq != self.next.seq {
            let (expected, found) = (self.next.seq, told.seq);
            self.note(at, Flaw::Sequence { expected, found });
        } else if told.previous != self.next.hash {
            self.note(at, Flaw::Previous);
        }
        if self.wanted.as_ref() == Some(&hash) {
            self.checked.found = Some(told.seq);
        }
        self.next = AuditHead { seq: told.seq.saturating_add(1), hash: hash.clone() };
        self.checked.head = Some(AuditHead { seq: told.seq, hash });
    }

    fn note(&mut self, line: u64, flaw: Flaw) {
        if self.checked.breaks.len() < MOST {
            self.checked.breaks.push(Break { line, flaw });
        } else {
            self.checked.more += 1;
        }
    }
}

fn skip_line(file: &mut impl BufRead) -> io::Result<()> {
    loop {
        let (used, is_end) = {
            let buffer = file.fill_buf()?;
            match buffer.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            }
        };
        file.consume(used);
        if is_end {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests;
