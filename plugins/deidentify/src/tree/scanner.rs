//! Reads JSON text into nodes, once, front to back.
//!
//! Source: RFC 8259. Strings are skipped eight bytes at a time.

use super::{Flaw, Kind, Node, Span};

/// Deeper than the deepest nesting seen in FHIR (questionnaires, two levels an item), and
/// shallow enough for a guest's stack.
const DEPTH_LIMIT: u32 = 128;

const TYPE_NAME: &[u8] = b"resourceType";

/// A place in the text, and the nodes found before it.
pub(super) struct Scanner<'s> {
    bytes: &'s [u8],
    at: usize,
    depth: u32,
    pub(super) nodes: Vec<Node>,
}

impl<'s> Scanner<'s> {
    pub(super) fn new(source: &'s str, nodes: Vec<Node>) -> Self {
        Self { bytes: source.as_bytes(), at: 0, depth: 0, nodes }
    }

    /// Reads one value and nothing behind it.
    pub(super) fn document(&mut self) -> Result<(), Flaw> {
        // Spans are 32 bits wide. The host's line limit is far below; this proves it.
        if u32::try_from(self.bytes.len()).is_err() {
            return Err(Flaw::NotJson);
        }
        self.value(Span::default())?;
        self.blank();
        if self.at == self.bytes.len() { Ok(()) } else { Err(Flaw::NotJson) }
    }

    /// Reads a value and returns its position.
    fn value(&mut self, name: Span) -> Result<usize, Flaw> {
        self.blank();
        let position = self.nodes.len();
        let start = self.offset();
        let node = |kind| Node {
            kind,
            is_escaped: false,
            name,
            span: Span { start, end: start },
            next: 0,
        };
        match self.peek() {
            Some(b'{') => {
                self.nodes.push(node(Kind::Object));
                self.deeper(|scanner| scanner.object(position))?;
            }
            Some(b'[') => {
                self.nodes.push(node(Kind::Array));
                self.deeper(Self::array)?;
            }
            Some(b'"') => {
                let is_escaped = self.string()?;
                self.nodes.push(Node { is_escaped, ..node(Kind::String) });
            }
            Some(b't') => self.literal(b"true", node(Kind::Literal))?,
            Some(b'f') => self.literal(b"false", node(Kind::Literal))?,
            Some(b'n') => self.literal(b"null", node(Kind::Literal))?,
            _ => {
                self.number()?;
                self.nodes.push(node(Kind::Number));
            }
        }
        let (end, next) = (self.offset(), self.count());
        if let Some(node) = self.nodes.get_mut(position) {
            node.span.end = end;
            node.next = next;
        }
        Ok(position)
    }

    fn deeper(
        &mut self,
        read: impl Fn(&mut Self) -> Result<(), Flaw>,
    ) -> Result<(), Flaw> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(Flaw::TooDeep);
        }
        self.at += 1;
        read(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn object(&mut self, position: usize) -> Result<(), Flaw> {
        self.blank();
        if self.take(b'}') {
            return Ok(());
        }
        let mut has_type = false;
        loop {
            self.blank();
            if self.peek() != Some(b'"') {
                return Err(Flaw::NotJson);
            }
            let start = self.at + 1;
            if self.string()? {
                return Err(Flaw::EscapedName);
            }
            let end = self.at - 1;
            let is_type = self.bytes.get(start..end) == Some(TYPE_NAME);
            if is_type && has_type {
                return Err(Flaw::RepeatedType);
            }
            has_type |= is_type;
            self.blank();
            if !self.take(b':') {
                return Err(Flaw::NotJson);
            }
            let value = self.value(Span { start: narrow(start), end: narrow(end) })?;
            let is_text =
                self.nodes.get(value).is_some_and(|node| node.kind == Kind::String);
            if is_type
                && is_text
                && let Some(object) = self.nodes.get_mut(position)
            {
                object.kind = Kind::Resource;
            }
            self.blank();
            if self.take(b'}') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err(Flaw::NotJson);
            }
        }
    }

    fn array(&mut self) -> Result<(), Flaw> {
        self.blank();
        if self.take(b']') {
            return Ok(());
        }
        loop {
            self.value(Span::default())?;
            self.blank();
            if self.take(b']') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err(Flaw::NotJson);
            }
        }
    }

    fn literal(&mut self, word: &[u8], node: Node) -> Result<(), Flaw> {
        if !self.rest().starts_with(word) {
            return Err(Flaw::NotJson);
        }
        self.at += word.len();
        self.nodes.push(node);
        Ok(())
    }

    fn number(&mut self) -> Result<(), Flaw> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Flaw> {
        let count = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(Flaw::NotJson) } else { Ok(()) }
    }

    /// Reads a string from its opening quote and says whether it holds an escape.
    fn string(&mut self) -> Result<bool, Flaw> {
        self.at += 1;
        let mut is_escaped = false;
        loop {
            self.plain();
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(is_escaped);
                }
                Some(b'\\') => {
                    is_escaped = true;
                    self.escape()?;
                }
                _ => return Err(Flaw::NotJson),
            }
        }
    }

    /// Skips to the next quote, backslash or control character.
    fn plain(&mut self) {
        while let Some(word) = self.rest().first_chunk::<8>() {
            let found = special(u64::from_le_bytes(*word));
            if found != 0 {
                // At most 7: the lowest marked byte of eight.
                self.at += (found.trailing_zeros() / 8) as usize;
                return;
            }
            self.at += 8;
        }
        let is_plain = |byte: &&u8| !matches!(**byte, b'"' | b'\\' | 0..0x20);
        self.at += self.rest().iter().take_while(is_plain).count();
    }

    fn escape(&mut self) -> Result<(), Flaw> {
        self.at += 1;
        let kind = self.peek().ok_or(Flaw::NotJson)?;
        self.at += 1;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => match self.hex()? {
                0xD800..=0xDBFF => {
                    let is_pair = self.take(b'\\')
                        && self.take(b'u')
                        && matches!(self.hex()?, 0xDC00..=0xDFFF);
                    if is_pair { Ok(()) } else { Err(Flaw::NotJson) }
                }
                0xDC00..=0xDFFF => Err(Flaw::NotJson),
                _ => Ok(()),
            },
            _ => Err(Flaw::NotJson),
        }
    }

    fn hex(&mut self) -> Result<u32, Flaw> {
        let digits = self.rest().first_chunk::<4>().ok_or(Flaw::NotJson)?;
        self.at += 4;
        digits.iter().try_fold(0, |sum, digit| {
            let digit = char::from(*digit).to_digit(16).ok_or(Flaw::NotJson)?;
            Ok(sum * 16 + digit)
        })
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn rest(&self) -> &'s [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn offset(&self) -> u32 {
        narrow(self.at)
    }

    fn count(&self) -> u32 {
        narrow(self.nodes.len())
    }
}

/// Never clamps: `document` proved that the text, and so the node count, fits.
fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// Marks the highest bit of bytes that are a quote, a backslash or below 0x20. The lowest
/// mark is exact; a borrow can only make false ones above it.
fn special(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let quote = zero(word ^ (ONES * 0x22));
    let backslash = zero(word ^ (ONES * 0x5C));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (quote | backslash | control) & HIGH
}
