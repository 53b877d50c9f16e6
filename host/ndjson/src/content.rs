//! What a resource says, as a number: the same for two lines that say the same.
//!
//! What does not count: the order of members, blanks, how a string is escaped, and what servers
//! change without changing the resource: `meta.versionId`, `meta.lastUpdated`, and in a URL all
//! from `?` on, where signatures of attachments stand. What counts: the order of items, and the
//! lexical form of numbers, for in FHIR `1.0` and `1.00` differ.
//!
//! One pass over [`Scanner`], no tree: members combine by a sum, items by a chain. Not keyed:
//! who can forge content can as well deliver it.
//!
//! Source: FHIR R4 "JSON Representation" and `decimal`.

use std::borrow::Cow;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::scan::{Scanner, Syntax, Value};

/// Hashes what the resource of a line says; `None` when the line is not JSON.
pub fn content_hash(line: &str) -> Option<u64> {
    let mut content = Content { line, scanner: Scanner::new(line), passed: 0 };
    let hash = content.value(Place::Root).ok()?;
    content.scanner.end().ok()?;
    Some(hash)
}

/// Where a value stands, as far as it decides what counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// `meta` of the resource itself.
    Meta,
    /// Anywhere else.
    Other,
    /// The resource itself.
    Root,
    /// A member that holds a URL.
    Url,
}

/// A walk over one line.
struct Content<'l> {
    line: &'l str,
    scanner: Scanner<'l>,
    /// Everything before this byte belongs to tokens that were read. The scanner tells where
    /// texts stand and not where numbers do; between two tokens are only brackets, commas,
    /// colons and blanks.
    passed: usize,
}

impl Content<'_> {
    fn value(&mut self, place: Place) -> Result<u64, Syntax> {
        match self.scanner.value()? {
            Value::Array => self.array(place),
            Value::Object => Ok(self.object(place)?.unwrap_or(EMPTY)),
            Value::Scalar => Ok(self.scalar()),
            Value::Text => Ok(self.text(place)),
        }
    }

    /// `None` when nothing is left of it that counts.
    fn object(&mut self, place: Place) -> Result<Option<u64>, Syntax> {
        let (mut sum, mut members) = (0_u64, 0_u64);
        let mut has_key = self.scanner.first_key()?;
        while has_key {
            self.pass_text();
            let key = self.scanner.text().said_bytes();
            let (counts, inner) = match (place, &*key) {
                (Place::Meta, b"lastUpdated" | b"versionId") => (false, Place::Other),
                (Place::Root, b"meta") => (true, Place::Meta),
                (_, b"contentUrl" | b"url") => (true, Place::Url),
                (Place::Meta | Place::Other | Place::Root | Place::Url, _) => {
                    (true, Place::Other)
                }
            };
            let key = xxh3_64_with_seed(&key, KEY);
            let value = match self.scanner.value()? {
                Value::Array => Some(self.array(inner)?),
                // A `meta` of which nothing counts is as good as none.
                Value::Object if inner == Place::Meta => self.object(inner)?,
                Value::Object => Some(self.object(inner)?.unwrap_or(EMPTY)),
                Value::Scalar => Some(self.scalar()),
                Value::Text => Some(self.text(inner)),
            };
            if let Some(value) = value.filter(|_| counts) {
                sum = sum.wrapping_add(pair(key, value));
                members += 1;
            }
            has_key = self.scanner.next_key()?;
        }
        Ok((members > 0).then(|| pair(sum, members ^ OBJECT)))
    }

    fn array(&mut self, place: Place) -> Result<u64, Syntax> {
        // A list of URLs is one as each of them is.
        let inner = if place == Place::Url { Place::Url } else { Place::Other };
        let mut chain = ARRAY;
        let mut has_item = self.scanner.first_item();
        while has_item {
            chain = pair(chain, self.value(inner)?);
            has_item = self.scanner.next_item()?;
        }
        Ok(chain)
    }

    fn text(&mut self, place: Place) -> u64 {
        self.pass_text();
        let said: Cow<'_, [u8]> = self.scanner.text().said_bytes();
        let mut counts = &*said;
        if place == Place::Url
            && let Some(query) = memchr::memchr(b'?', counts)
        {
            counts = counts.get(..query).unwrap_or_default();
        }
        xxh3_64_with_seed(counts, TEXT)
    }

    /// A number or a literal, by its letters.
    fn scalar(&mut self) -> u64 {
        let start = self.token();
        let rest = self.line.as_bytes().get(start..).unwrap_or_default();
        let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']') || *byte <= b' ';
        let len = rest.iter().position(ends).unwrap_or(rest.len());
        self.passed = start + len;
        xxh3_64_with_seed(rest.get(..len).unwrap_or_default(), SCALAR)
    }

    /// Passes the key or text that the scanner read last.
    fn pass_text(&mut self) {
        // And its closing quote.
        self.passed = self.scanner.text().end() + 1;
    }

    /// Where the next token begins.
    fn token(&self) -> usize {
        let rest = self.line.as_bytes().get(self.passed..).unwrap_or_default();
        let begins = |byte: &u8| {
            *byte > b' ' && !matches!(byte, b',' | b':' | b'[' | b']' | b'{' | b'}')
        };
        self.passed + rest.iter().position(begins).unwrap_or(rest.len())
    }
}

fn pair(one: u64, other: u64) -> u64 {
    xxh3_64(&(u128::from(one) << 64 | u128::from(other)).to_le_bytes())
}

/// What sets kinds of values apart that look alike: `"1"` and `1`, `[]` and `{}`. Any
/// different numbers do.
const ARRAY: u64 = 0xA1;
const EMPTY: u64 = 0xE2;
const KEY: u64 = 0xC3;
const OBJECT: u64 = 0xB4 << 56;
const SCALAR: u64 = 0x55;
const TEXT: u64 = 0x76;

#[cfg(test)]
mod tests;
