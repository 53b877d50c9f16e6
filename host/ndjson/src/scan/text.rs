//! JSON strings: where they end, whether they are legal, and what they say.
//!
//! Sixteen bytes are looked at in one step, for most strings of FHIR are short; what is longer
//! goes to `memchr`. A string without an escape is never copied.
//!
//! Source: RFC 8259 §7.

use std::{borrow::Cow, ops::Range};

use memchr::memchr2;
use wide::u8x16;

use super::Syntax;

/// A string as it stands in the line, quotes excluded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'l> {
    pub(super) raw: &'l [u8],
    /// Where in the line it begins.
    start: usize,
    pub(super) is_escaped: bool,
}

impl<'l> Text<'l> {
    pub(super) const NONE: Self = Self { raw: &[], start: 0, is_escaped: false };

    #[inline]
    pub(crate) const fn new(raw: &'l [u8], start: usize, is_escaped: bool) -> Self {
        Self { raw, start, is_escaped }
    }

    /// What it says; `line` is the line in which it stands.
    #[inline]
    pub(crate) fn said(&self, line: &'l str) -> Cow<'l, str> {
        if self.is_escaped {
            return Cow::Owned(self.unescaped());
        }
        let end = self.start.saturating_add(self.raw.len());
        Cow::Borrowed(line.get(self.start..end).unwrap_or_default())
    }

    /// What it says, as bytes.
    #[inline]
    pub(crate) fn said_bytes(&self) -> Cow<'l, [u8]> {
        if self.is_escaped {
            Cow::Owned(self.unescaped().into_bytes())
        } else {
            Cow::Borrowed(self.raw)
        }
    }

    /// Whether it says `name`.
    #[inline]
    pub(crate) fn says(&self, name: &str) -> bool {
        if self.is_escaped {
            self.unescaped() == name
        } else {
            self.raw == name.as_bytes()
        }
    }

    /// Where it stands in the line when it has no escape; `None` beyond 4 GiB too.
    pub(crate) fn plain_span(&self) -> Option<Range<u32>> {
        if self.is_escaped {
            return None;
        }
        let end = self.start.checked_add(self.raw.len())?;
        Some(u32::try_from(self.start).ok()?..u32::try_from(end).ok()?)
    }

    fn unescaped(&self) -> String {
        // Whole characters of a `str` between two ASCII quotes: always UTF-8.
        unescape(std::str::from_utf8(self.raw).unwrap_or_default())
    }
}

/// How long a string is whose opening quote has been read, and whether it has escapes.
///
/// Small enough to be handed over in registers: what goes through memory in pieces and comes
/// back whole stalls the processor, and there is a string every ten bytes.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) len: usize,
    pub(crate) is_escaped: bool,
}

/// Reads a string whose opening quote has been read.
#[inline]
pub(crate) fn extent(from: &[u8]) -> Result<Extent, Syntax> {
    let (special, seen) =
        from.first_chunk::<16>().map_or((0, 0), |bytes| (special(*bytes), 16));
    let len = if special == 0 {
        plain_len(from, seen)
    } else {
        special.trailing_zeros() as usize
    };
    if from.get(len) == Some(&b'"') {
        return Ok(Extent { len, is_escaped: false });
    }
    let len = escaped_len(from, len).ok_or(Syntax)?;
    Ok(Extent { len, is_escaped: true })
}

/// How many bytes there are before the next quote, backslash or control character, of which
/// there is none in the first `seen`.
#[inline(never)]
fn plain_len(from: &[u8], seen: usize) -> usize {
    from.len() - plain_end(from.get(seen..).unwrap_or_default()).len()
}

/// The length of a string that has something special after `len` bytes that is no quote.
#[cold]
fn escaped_len(from: &[u8], len: usize) -> Option<usize> {
    let mut rest = from.get(len..)?;
    loop {
        match rest {
            [b'"', ..] => return Some(from.len() - rest.len()),
            [b'\\', after @ ..] => rest = plain_end(escape(after)?.1),
            // A control character, or the line has ended.
            _ => return None,
        }
    }
}

/// What is left from the next quote, backslash or control character on.
#[inline]
fn plain_end(mut rest: &[u8]) -> &[u8] {
    let mut steps = 0;
    while let Some((bytes, after)) = rest.split_first_chunk() {
        let special = special(*bytes);
        if special != 0 {
            let plain = special.trailing_zeros() as usize;
            return rest.get(plain..).unwrap_or_default();
        }
        rest = after;
        steps += 1;
        if steps == SHORT_STEPS {
            return long_plain_end(rest);
        }
    }
    while let [first, after @ ..] = rest
        && !is_special(*first)
    {
        rest = after;
    }
    rest
}

/// The same for a string that is long: an inline attachment, a narrative.
#[inline(never)]
fn long_plain_end(rest: &[u8]) -> &[u8] {
    let end = memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
    let Some((plain, after)) = rest.split_at_checked(end) else { return rest };
    // Without an early end the check runs on many bytes at once.
    if plain.iter().fold(u8::MAX, |least, byte| least.min(*byte)) >= b' ' {
        return after;
    }
    let control = rest.iter().position(|byte| is_special(*byte));
    rest.get(control.unwrap_or(end)..).unwrap_or_default()
}

/// Steps before a string counts as long: from there on a call of `memchr` pays.
const SHORT_STEPS: u32 = 8;

#[inline]
const fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < b' '
}

/// One bit for every byte that is special, the lowest for the first.
#[inline]
fn special(bytes: [u8; 16]) -> u32 {
    let bytes = u8x16::from(bytes);
    // Turning bit 1 round puts the quote right above the control characters.
    let turned = bytes ^ u8x16::splat(2);
    let low = turned.min(u8x16::splat(b'"' ^ 2)).simd_eq(turned);
    (low | bytes.simd_eq(u8x16::splat(b'\\'))).to_bitmask()
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one_by_one(bytes: [u8; 16]) -> u32 {
        bytes.iter().rev().fold(0, |bits, byte| bits << 1 | u32::from(is_special(*byte)))
    }

    #[test]
    fn knows_every_byte_at_every_place() {
        for byte in 0..=u8::MAX {
            for at in 0..16 {
                for around in [b'a', b' ', b'"', 0x7f, 0x80, 0xff] {
                    let mut bytes = [around; 16];
                    bytes[at] = byte;
                    assert_eq!(special(bytes), one_by_one(bytes), "{byte} at {at}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn knows_any_sixteen_bytes(bytes: [u8; 16]) {
            prop_assert_eq!(special(bytes), one_by_one(bytes));
        }
    }
}
