//! JSON, token by token: a full syntax check without a tree and without a copy.
//!
//! [`Scanner`] owns the grammar (RFC 8259): what may follow what, numbers, literals, nesting
//! up to [`DEPTH`]. Text is `text.rs`. What a token means is the caller's: it asks for a value
//! and, when one is opened, for its keys or items to the end. A caller that does not ask to
//! the end leaves the line unchecked, so every walk ends with [`Scanner::end`].
//!
//! Strictness is that of `serde_json`, which the tests hold it against.
//!
//! Source: RFC 8259 §2–7.

mod text;

pub(crate) use text::Text;

/// Levels of objects and arrays. FHIR needs about 20; a stack frame is held for each.
const DEPTH: u32 = 127;

/// The line is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Syntax;

/// What a value is that has begun; scalars and text have ended with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// `[`: ask [`Scanner::first_item`], then [`Scanner::next_item`] until there is none.
    Array,
    /// `{`: ask [`Scanner::first_key`], then [`Scanner::next_key`] until there is none.
    Object,
    /// A number, `true`, `false` or `null`.
    Scalar,
    /// A string: [`Scanner::text`] has it.
    Text,
}

/// A place in a line.
#[derive(Debug)]
pub(crate) struct Scanner<'l> {
    line: &'l str,
    rest: &'l [u8],
    depth: u32,
    /// The key or text read last. Kept here, not handed through every result: moving it
    /// about costs more than reading it.
    text: Text<'l>,
}

impl<'l> Scanner<'l> {
    pub(crate) const fn new(line: &'l str) -> Self {
        Self { line, rest: line.as_bytes(), depth: 0, text: Text::NONE }
    }

    /// The key or text read last.
    #[inline]
    pub(crate) const fn text(&self) -> &Text<'l> {
        &self.text
    }

    /// Begins a value.
    #[inline]
    pub(crate) fn value(&mut self) -> Result<Value, Syntax> {
        match self.token()? {
            b'"' => self.read_text().map(|()| Value::Text),
            b'{' => self.open().map(|()| Value::Object),
            b'[' => self.open().map(|()| Value::Array),
            first => self.scalar(first).map(|()| Value::Scalar),
        }
    }

    /// Whether the object that was just opened has a key; [`Scanner::text`] has it.
    #[inline]
    pub(crate) fn first_key(&mut self) -> Result<bool, Syntax> {
        match self.token()? {
            b'"' => self.key(),
            b'}' => Ok(self.close()),
            _ => Err(Syntax),
        }
    }

    /// Whether there is another key, after the value of the one before.
    #[inline]
    pub(crate) fn next_key(&mut self) -> Result<bool, Syntax> {
        match self.token()? {
            b',' if self.token()? == b'"' => self.key(),
            b'}' => Ok(self.close()),
            _ => Err(Syntax),
        }
    }

    /// Whether the array that was just opened has an item.
    #[inline]
    pub(crate) fn first_item(&mut self) -> bool {
        self.skip_blank();
        if let [b']', rest @ ..] = self.rest {
            self.rest = rest;
            return self.close();
        }
        true
    }

    /// Whether there is another item, after the one before.
    #[inline]
    pub(crate) fn next_item(&mut self) -> Result<bool, Syntax> {
        match self.token()? {
            b',' => Ok(true),
            b']' => Ok(self.close()),
            _ => Err(Syntax),
        }
    }

    /// Checks that nothing follows.
    pub(crate) fn end(&mut self) -> Result<(), Syntax> {
        self.skip_blank();
        if self.rest.is_empty() { Ok(()) } else { Err(Syntax) }
    }

    /// A key and its colon.
    #[inline]
    fn key(&mut self) -> Result<bool, Syntax> {
        self.read_text()?;
        if self.token()? == b':' { Ok(true) } else { Err(Syntax) }
    }

    #[inline]
    fn open(&mut self) -> Result<(), Syntax> {
        self.depth += 1;
        if self.depth > DEPTH { Err(Syntax) } else { Ok(()) }
    }

    /// Ends an object or array: there is no further key or item.
    #[inline]
    const fn close(&mut self) -> bool {
        self.depth = self.depth.saturating_sub(1);
        false
    }

    /// The next byte that is not blank.
    #[inline]
    fn token(&mut self) -> Result<u8, Syntax> {
        if let [first, rest @ ..] = self.rest
            && *first > b' '
        {
            self.rest = rest;
            return Ok(*first);
        }
        self.skip_blank();
        let (first, rest) = self.rest.split_first().ok_or(Syntax)?;
        self.rest = rest;
        Ok(*first)
    }

    #[inline]
    fn skip_blank(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// How many bytes of the line have been read.
    #[inline]
    const fn at(&self) -> usize {
        self.line.len() - self.rest.len()
    }

    fn scalar(&mut self, first: u8) -> Result<(), Syntax> {
        match first {
            b't' => self.literal(b"rue"),
            b'f' => self.literal(b"alse"),
            b'n' => self.literal(b"ull"),
            first => self.number(first),
        }
    }

    fn literal(&mut self, tail: &[u8]) -> Result<(), Syntax> {
        self.rest = self.rest.strip_prefix(tail).ok_or(Syntax)?;
        Ok(())
    }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`, and within what a double holds.
    fn number(&mut self, first: u8) -> Result<(), Syntax> {
        let start = self.at().checked_sub(1).ok_or(Syntax)?;
        let lead = if first == b'-' { self.byte()? } else { first };
        match lead {
            b'0' => {}
            b'1'..=b'9' => self.skip_digits(),
            _ => return Err(Syntax),
        }
        if let [b'.', rest @ ..] = self.rest {
            self.rest = rest;
            self.some_digits()?;
        }
        let mut has_exponent = false;
        if let [b'e' | b'E', rest @ ..] = self.rest {
            has_exponent = true;
            self.rest = rest;
            if let [b'+' | b'-', rest @ ..] = self.rest {
                self.rest = rest;
            }
            self.some_digits()?;
        }
        let end = self.at();
        if has_exponent || end - start > SURELY_FINITE {
            let number = self.line.get(start..end).ok_or(Syntax)?;
            if !number.parse().is_ok_and(f64::is_finite) {
                return Err(Syntax);
            }
        }
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, Syntax> {
        let (first, rest) = self.rest.split_first().ok_or(Syntax)?;
        self.rest = rest;
        Ok(*first)
    }

    fn some_digits(&mut self) -> Result<(), Syntax> {
        if !self.byte()?.is_ascii_digit() {
            return Err(Syntax);
        }
        self.skip_digits();
        Ok(())
    }

    fn skip_digits(&mut self) {
        while let [b'0'..=b'9', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }
}

/// A number of this many bytes without an exponent is below 10³⁰⁰; a double ends above 10³⁰⁸.
const SURELY_FINITE: usize = 300;

#[cfg(test)]
mod tests;
