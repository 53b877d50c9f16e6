//! The values at one path of a resource, in one walk from its first byte to its last.
//!
//! What is walked was read as JSON before: this is no check of its grammar, and what is not
//! JSON after all is an error somewhere. No byte is looked at twice, however deep it lies, and
//! nothing is copied but text with escapes in it.

use std::fmt;

/// A walk over one resource.
pub(super) struct Walk<'j> {
    json: &'j str,
    at: usize,
    /// Levels that may still be entered. A stack frame is held for each on the path.
    deeper: u32,
}

/// What is walked is no JSON, or a value could not be taken.
#[derive(Debug)]
pub(super) enum Lost {
    /// A value could not be taken.
    Taking(wasmtime::Error),
    /// It is no JSON.
    Syntax,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taking(error) => error.fmt(f),
            Self::Syntax => f.write_str("a body that is no JSON"),
        }
    }
}

impl std::error::Error for Lost {}

/// Levels that are walked: more than `bulkhead_ndjson` lets in.
const DEPTH: u32 = 128;

impl<'j> Walk<'j> {
    pub(super) const fn of(json: &'j str) -> Self {
        Self { json, at: 0, deeper: DEPTH }
    }

    /// Bytes that were walked.
    #[cfg(test)]
    pub(super) const fn steps(&self) -> usize {
        self.at
    }

    /// Gives the values at `path`, through arrays, to `take`, in order. Objects and `null` are
    /// no values; numbers come digit for digit: in FHIR `1.10` is not `1.1`.
    pub(super) fn values(
        &mut self,
        path: &[&str],
        take: &mut impl FnMut(&str) -> wasmtime::Result<()>,
    ) -> Result<(), Lost> {
        self.blank();
        match self.peek()? {
            b'[' => {
                self.enter()?;
                loop {
                    match self.next_of(b']')? {
                        Some(_) => self.values(path, take)?,
                        None => return Ok(()),
                    }
                }
            }
            b'{' => {
                let Some((name, rest)) = path.split_first() else { return self.skip() };
                self.enter()?;
                while self.next_of(b'}')?.is_some() {
                    let key = self.text()?;
                    self.blank();
                    self.expect(b':')?;
                    if plain(key).ok_or(Lost::Syntax)? == **name {
                        self.values(rest, take)?;
                    } else {
                        self.blank();
                        self.skip()?;
                    }
                }
                Ok(())
            }
            b'"' => {
                let text = self.text()?;
                if path.is_empty() {
                    take(&plain(text).ok_or(Lost::Syntax)?).map_err(Lost::Taking)?;
                }
                Ok(())
            }
            first => {
                let scalar = self.scalar()?;
                if path.is_empty() && first != b'n' {
                    take(scalar).map_err(Lost::Taking)?;
                }
                Ok(())
            }
        }
    }

    fn rest(&self) -> &'j [u8] {
        self.json.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Result<u8, Lost> {
        self.rest().first().copied().ok_or(Lost::Syntax)
    }

    fn blank(&mut self) {
        let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        self.at += self.rest().iter().take_while(is_blank).count();
    }

    fn expect(&mut self, byte: u8) -> Result<(), Lost> {
        if self.peek()? != byte {
            return Err(Lost::Syntax);
        }
        self.at += 1;
        Ok(())
    }

    /// Enters an array or an object, whose bracket is next.
    fn enter(&mut self) -> Result<(), Lost> {
        self.at += 1;
        self.deeper = self.deeper.checked_sub(1).ok_or(Lost::Syntax)?;
        Ok(())
    }

    /// The first byte of the next item or key; `None`, and left, when `end` comes.
    fn next_of(&mut self, end: u8) -> Result<Option<u8>, Lost> {
        self.blank();
        if self.peek()? == b',' {
            self.at += 1;
            self.blank();
        }
        let next = self.peek()?;
        if next == end {
            self.at += 1;
            self.deeper += 1;
            return Ok(None);
        }
        Ok(Some(next))
    }

    /// A string without its quotes, with its escapes.
    fn text(&mut self) -> Result<&'j str, Lost> {
        self.expect(b'"')?;
        let from = self.at;
        loop {
            let is_end = |byte: &u8| matches!(byte, b'"' | b'\\');
            self.at += self.rest().iter().position(is_end).ok_or(Lost::Syntax)?;
            match self.peek()? {
                b'"' => break,
                _ => self.at += 2,
            }
        }
        let text = self.json.get(from..self.at).ok_or(Lost::Syntax)?;
        self.at += 1;
        Ok(text)
    }

    /// A number, `true`, `false` or `null`.
    fn scalar(&mut self) -> Result<&'j str, Lost> {
        let is_scalar = |byte: &&u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
        };
        let from = self.at;
        self.at += self.rest().iter().take_while(is_scalar).count();
        if self.at == from {
            return Err(Lost::Syntax);
        }
        self.json.get(from..self.at).ok_or(Lost::Syntax)
    }

    /// Passes over one value, whose first byte is next.
    fn skip(&mut self) -> Result<(), Lost> {
        let mut open = 0_u32;
        loop {
            match self.peek()? {
                b'"' => {
                    self.text()?;
                }
                b'[' | b'{' => {
                    open += 1;
                    self.at += 1;
                }
                b']' | b'}' => {
                    open = open.checked_sub(1).ok_or(Lost::Syntax)?;
                    self.at += 1;
                }
                b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                _ => {
                    self.scalar()?;
                }
            }
            if open == 0 {
                return Ok(());
            }
        }
    }
}

/// Text as it is meant.
fn plain(text: &str) -> Option<std::borrow::Cow<'_, str>> {
    if text.contains('\\') {
        return serde_json::from_str::<String>(&format!("\"{text}\""))
            .ok()
            .map(Into::into);
    }
    Some(text.into())
}
