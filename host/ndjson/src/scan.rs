//! JSON, token by token: a full syntax check without a tree and without a copy.
//!
//! [`Scanner`] owns the grammar (RFC 8259): what may follow what, nesting up to [`DEPTH`].
//! Text is `text.rs`, numbers and literals are `scalar.rs`. What a token means is the caller's: it asks for a value
//! and, when one is opened, for its keys or items to the end. A caller that does not ask to
//! the end leaves the line unchecked, so every walk ends with [`Scanner::end`].
//!
//! Strictness is that of `serde_json`, which the tests hold it against.
//!
//! Source: RFC 8259 §2–7.

mod scalar;
mod text;

pub(crate) use scalar::after_scalar;
pub(crate) use text::{Extent, Text, extent};

/// Levels of objects and arrays. FHIR needs about 20; a bit is held for each, and a stack frame
/// for those that are not passed over.
pub(crate) const DEPTH: u32 = 127;

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

/// Names of members, as a filter: what is wanted is always found, and little else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted(u64);

impl Wanted {
    /// These names.
    pub(crate) fn new<'n>(names: impl IntoIterator<Item = &'n [u8]>) -> Self {
        Self(names.into_iter().fold(0, |bits, name| bits | Self::bit(name)))
    }

    /// Whether a key is to be stopped at.
    #[inline]
    fn at(self, depth: u32, name: &[u8]) -> bool {
        if depth > 1 { name == b"reference" } else { self.0 & Self::bit(name) != 0 }
    }

    /// Names of one length that begin alike share one.
    #[inline]
    fn bit(name: &[u8]) -> u64 {
        let first = name.first().map_or(0, |first| usize::from(*first));
        1 << (name.len().wrapping_mul(5).wrapping_add(first) & 63)
    }
}

/// The objects and arrays that are open.
#[derive(Clone, Copy, Debug, Default)]
struct Nesting {
    depth: u32,
    /// One bit a level, the innermost lowest: 1 for an object.
    objects: u128,
}

/// A place in a line.
#[derive(Debug)]
pub(crate) struct Scanner<'l> {
    line: &'l str,
    rest: &'l [u8],
    nesting: Nesting,
    /// The key or text read last. Kept here, not handed through every result: moving it
    /// about costs more than reading it.
    text: Text<'l>,
}

impl<'l> Scanner<'l> {
    pub(crate) const fn new(line: &'l str) -> Self {
        Self {
            line,
            rest: line.as_bytes(),
            nesting: Nesting { depth: 0, objects: 0 },
            text: Text::NONE,
        }
    }

    /// The key or text read last.
    #[inline]
    pub(crate) const fn text(&self) -> &Text<'l> {
        &self.text
    }

    /// How many objects and arrays are open.
    #[inline]
    pub(crate) const fn depth(&self) -> u32 {
        self.nesting.depth
    }

    /// Begins a value.
    #[inline]
    pub(crate) fn value(&mut self) -> Result<Value, Syntax> {
        let from = after_blank(self.rest);
        let (first, rest) = from.split_first().ok_or(Syntax)?;
        self.rest = rest;
        match first {
            b'"' => self.read_text().map(|()| Value::Text),
            b'{' => self.nesting.open(b'{').map(|()| Value::Object),
            b'[' => self.nesting.open(b'[').map(|()| Value::Array),
            _ => {
                self.rest = after_scalar(from)?;
                Ok(Value::Scalar)
            }
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
        if let [b']', rest @ ..] = after_blank(self.rest) {
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

    /// Passes over the object or array that has just begun, up to the first key `reference`
    /// in it, however deep; gives whether there is one. `outside` is the depth around it.
    #[inline]
    pub(crate) fn first_reference(&mut self, outside: u32) -> Result<bool, Syntax> {
        self.pass_over(outside, true, |_, name| name == b"reference")
    }

    /// Whether there is another key `reference`, after the value of the one before.
    #[inline]
    pub(crate) fn next_reference(&mut self, outside: u32) -> Result<bool, Syntax> {
        self.pass_over(outside, false, |_, name| name == b"reference")
    }

    /// Passes over the outermost object, which has just begun, up to its first key that may be
    /// `wanted`, or to a key `reference` deeper in it; gives whether there is one.
    /// [`Scanner::depth`] tells which it is, [`Scanner::text`] has it.
    #[inline]
    pub(crate) fn first_wanted(&mut self, wanted: Wanted) -> Result<bool, Syntax> {
        self.pass_over(0, true, |depth, name| wanted.at(depth, name))
    }

    /// Whether there is another such key, after the value of the one before.
    #[inline]
    pub(crate) fn next_wanted(&mut self, wanted: Wanted) -> Result<bool, Syntax> {
        self.pass_over(0, false, |depth, name| wanted.at(depth, name))
    }

    /// Reads on until the depth is `outside` again or the value of a key is due of which, at its
    /// depth, `is_it` is true. A key with an escape is taken for one.
    ///
    /// Most of a resource is read here, in one loop whose state stays in registers: handed
    /// from call to call through memory it would take longer than all else.
    #[expect(clippy::inline_always, reason = "for each kind of key a loop of its own")]
    #[inline(always)]
    fn pass_over(
        &mut self,
        outside: u32,
        mut is_first: bool,
        is_it: impl Fn(u32, &[u8]) -> bool,
    ) -> Result<bool, Syntax> {
        let mut rest = self.rest;
        let mut nesting = self.nesting;
        loop {
            let mut from = after_blank(rest);
            let mut byte = *from.first().ok_or(Syntax)?;
            if byte == nesting.end() {
                rest = from.get(1..).unwrap_or_default();
                nesting.close();
                is_first = false;
                if nesting.depth <= outside {
                    (self.rest, self.nesting) = (rest, nesting);
                    return Ok(false);
                }
                continue;
            }
            if !is_first {
                if byte != b',' {
                    return Err(Syntax);
                }
                from = after_blank(from.get(1..).unwrap_or_default());
                byte = *from.first().ok_or(Syntax)?;
            }
            if nesting.is_object() {
                if byte != b'"' {
                    return Err(Syntax);
                }
                let name = from.get(1..).unwrap_or_default();
                let Extent { len, is_escaped } = extent(name)?;
                from = after_colon(name.get(len + 1..).unwrap_or_default())?;
                let raw = name.get(..len).unwrap_or_default();
                if is_escaped || is_it(nesting.depth, raw) {
                    self.text = Text::new(raw, self.line.len() - name.len(), is_escaped);
                    (self.rest, self.nesting) = (from, nesting);
                    return Ok(true);
                }
                from = after_blank(from);
                byte = *from.first().ok_or(Syntax)?;
            }
            is_first = false;
            let behind = from.get(1..).unwrap_or_default();
            rest = match byte {
                b'"' => behind.get(extent(behind)?.len + 1..).unwrap_or_default(),
                b'{' | b'[' => {
                    nesting.open(byte)?;
                    is_first = true;
                    behind
                }
                _ => after_scalar(from)?,
            };
        }
    }

    /// Checks that nothing follows.
    pub(crate) fn end(&mut self) -> Result<(), Syntax> {
        if after_blank(self.rest).is_empty() { Ok(()) } else { Err(Syntax) }
    }

    /// A key and its colon.
    #[inline]
    fn key(&mut self) -> Result<bool, Syntax> {
        self.read_text()?;
        self.rest = after_colon(self.rest)?;
        Ok(true)
    }

    #[inline]
    fn read_text(&mut self) -> Result<(), Syntax> {
        let from = self.rest;
        let Extent { len, is_escaped } = extent(from)?;
        let raw = from.get(..len).unwrap_or_default();
        self.text = Text::new(raw, self.line.len() - from.len(), is_escaped);
        self.rest = from.get(len + 1..).unwrap_or_default();
        Ok(())
    }

    /// Ends an object or array: there is no further key or item.
    #[inline]
    const fn close(&mut self) -> bool {
        self.nesting.close();
        false
    }

    /// The next byte that is not blank.
    #[inline]
    fn token(&mut self) -> Result<u8, Syntax> {
        let (first, rest) = after_blank(self.rest).split_first().ok_or(Syntax)?;
        self.rest = rest;
        Ok(*first)
    }
}

impl Nesting {
    #[inline]
    fn open(&mut self, bracket: u8) -> Result<(), Syntax> {
        self.objects = self.objects << 1 | u128::from(bracket == b'{');
        self.depth += 1;
        if self.depth > DEPTH { Err(Syntax) } else { Ok(()) }
    }

    #[inline]
    const fn close(&mut self) {
        self.objects >>= 1;
        self.depth = self.depth.saturating_sub(1);
    }

    /// Whether what is open innermost is an object.
    #[inline]
    const fn is_object(self) -> bool {
        self.objects & 1 == 1
    }

    /// What ends the innermost.
    #[inline]
    const fn end(self) -> u8 {
        if self.is_object() { b'}' } else { b']' }
    }
}

/// What is left behind blanks.
#[inline]
pub(crate) fn after_blank(mut rest: &[u8]) -> &[u8] {
    if let [first, ..] = rest
        && *first > b' '
    {
        return rest;
    }
    while let [b' ' | b'\t' | b'\n' | b'\r', after @ ..] = rest {
        rest = after;
    }
    rest
}

/// What is left behind a key's colon.
#[inline]
pub(crate) fn after_colon(rest: &[u8]) -> Result<&[u8], Syntax> {
    after_blank(rest).strip_prefix(b":").ok_or(Syntax)
}

#[cfg(test)]
mod tests;
