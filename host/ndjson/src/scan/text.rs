//! JSON strings: where they end, whether they are legal, and what they say.
//!
//! Eight bytes are looked at in one step, for most strings of FHIR are short; long ones (inline
//! attachments) go by 32. A string without an escape is never copied.
//!
//! Source: RFC 8259 §7.

use std::{borrow::Cow, ops::Range};

use super::{Scanner, Syntax};

/// A string as it stands in the line, quotes excluded. Its syntax has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text<'l> {
    raw: &'l [u8],
    start: usize,
    has_escape: bool,
}

impl<'l> Text<'l> {
    /// What it says.
    pub(crate) fn said(&self) -> Cow<'l, str> {
        // Whole characters of a `str` between two ASCII quotes: always UTF-8.
        let raw = std::str::from_utf8(self.raw).unwrap_or_default();
        if self.has_escape { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) }
    }

    /// Whether it says `name`.
    #[inline]
    pub(crate) fn says(&self, name: &str) -> bool {
        if self.has_escape { self.said() == name } else { self.raw == name.as_bytes() }
    }

    /// Where it stands in the line when it has no escape; `None` beyond 4 GiB too.
    pub(crate) fn plain_span(&self) -> Option<Range<u32>> {
        if self.has_escape {
            return None;
        }
        let end = self.start.checked_add(self.raw.len())?;
        Some(u32::try_from(self.start).ok()?..u32::try_from(end).ok()?)
    }
}

impl<'l> Scanner<'l> {
    /// Reads a string whose opening quote has been read.
    #[inline]
    pub(super) fn text(&mut self) -> Result<Text<'l>, Syntax> {
        let (start, from) = (self.at(), self.rest);
        let has_escape = self.skip_text()?;
        let len = from.len() - self.rest.len() - 1;
        let raw = from.get(..len).ok_or(Syntax)?;
        Ok(Text { raw, start, has_escape })
    }

    /// The same without keeping it; gives whether it has an escape.
    #[inline]
    pub(super) fn skip_text(&mut self) -> Result<bool, Syntax> {
        match plain_end(self.rest) {
            [b'"', rest @ ..] => {
                self.rest = rest;
                Ok(false)
            }
            rest => self.skip_escaped(rest).map(|()| true),
        }
    }

    /// The rest of a string in which something special has come that is no quote.
    #[cold]
    fn skip_escaped(&mut self, mut rest: &'l [u8]) -> Result<(), Syntax> {
        loop {
            match rest {
                [b'"', rest @ ..] => {
                    self.rest = rest;
                    return Ok(());
                }
                [b'\\', escaped @ ..] => {
                    rest = plain_end(escape(escaped).ok_or(Syntax)?.1);
                }
                // A control character, or the line has ended.
                _ => return Err(Syntax),
            }
        }
    }
}

/// What is left from the next quote, backslash or control character on.
#[inline]
fn plain_end(mut rest: &[u8]) -> &[u8] {
    let mut words = 0;
    while let Some((word, after)) = rest.split_first_chunk() {
        let special = special(u64::from_le_bytes(*word));
        if special != 0 {
            let plain = (special.trailing_zeros() / 8) as usize;
            return rest.get(plain..).unwrap_or_default();
        }
        rest = after;
        words += 1;
        if words == SHORT_WORDS {
            rest = plain_chunks(rest);
        }
    }
    while let [first, after @ ..] = rest
        && !is_special(*first)
    {
        rest = after;
    }
    rest
}

/// What is left after all chunks of 32 bytes without anything special.
#[inline(never)]
fn plain_chunks(mut rest: &[u8]) -> &[u8] {
    while let Some((chunk, after)) = rest.split_first_chunk::<32>() {
        if chunk.iter().fold(false, |found, byte| found | is_special(*byte)) {
            break;
        }
        rest = after;
    }
    rest
}

/// Eight-byte steps before a string counts as long. A UUID reference has 44 bytes, a system
/// URL up to 70.
const SHORT_WORDS: u32 = 10;

#[inline]
const fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < b' '
}

/// The high bit of every byte that is special; above the lowest one others may be set wrongly,
/// for a subtraction borrows upwards. The lowest is always right.
#[inline]
const fn special(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    const QUOTES: u64 = u64::from_le_bytes([b'"'; 8]);
    const BACKSLASHES: u64 = u64::from_le_bytes([b'\\'; 8]);
    const SPACES: u64 = u64::from_le_bytes([b' '; 8]);
    let quote = (word ^ QUOTES).wrapping_sub(ONES) & !(word ^ QUOTES);
    let backslash = (word ^ BACKSLASHES).wrapping_sub(ONES) & !(word ^ BACKSLASHES);
    let control = word.wrapping_sub(SPACES) & !word;
    (quote | backslash | control) & HIGH
}

/// Reads what follows a backslash: the character and what is left.
fn escape(rest: &[u8]) -> Option<(char, &[u8])> {
    let (first, rest) = rest.split_first()?;
    let short = match first {
        b'"' | b'\\' | b'/' => char::from(*first),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode_escape(rest),
        _ => return None,
    };
    Some((short, rest))
}

/// Reads what follows `\u`. A surrogate must be one of a pair.
fn unicode_escape(rest: &[u8]) -> Option<(char, &[u8])> {
    let (unit, rest) = hex(rest)?;
    // Only a leading surrogate is no character and may go on.
    if !(0xD800..0xDC00).contains(&unit) {
        return Some((char::from_u32(unit)?, rest));
    }
    let (trailing, rest) = hex(rest.strip_prefix(br"\u")?)?;
    if !(0xDC00..0xE000).contains(&trailing) {
        return None;
    }
    let code = 0x1_0000 + ((unit - 0xD800) << 10) + (trailing - 0xDC00);
    Some((char::from_u32(code)?, rest))
}

fn hex(rest: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = rest.split_first_chunk::<4>()?;
    let unit = digits
        .iter()
        .try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))?;
    Some((unit, rest))
}

/// What a checked string says. An escape that were not legal would end it.
fn unescape(raw: &str) -> String {
    let mut said = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        said.push_str(plain);
        let Some((meant, after)) = escape(escaped.as_bytes()) else { return said };
        said.push(meant);
        // An escape is ASCII, so what follows it begins a character.
        rest = escaped.get(escaped.len() - after.len()..).unwrap_or_default();
    }
    said.push_str(rest);
    said
}
