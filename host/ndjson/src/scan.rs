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

mod observer;
mod scalar;
mod text;
mod wanted;

pub(crate) use observer::Observer;
use scalar::after_scalar;
use text::extent;
pub(crate) use text::{Extent, Text};
pub(crate) use wanted::Wanted;

/// Levels of objects and arrays. FHIR needs about 20; a bit is held for each, and a stack frame
/// for those that are not passed over.
pub(crate) const DEPTH: u32 = 127;

/// The key at which a walk over anything stops.
const REFERENCE: &str = "reference";

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

/// The objects and arrays that are open.
#[derive(Clone, Copy, Debug, Default)]
struct Nesting {
    depth: u32,
    /// One bit a level, the innermost lowest: 1 for an object.
    objects: u128,
}

/// A place in a line.
#[derive(Debug)]
pub(crate) struct Scanner<'l, 'o, O> {
    line: &'l [u8],
    rest: &'l [u8],
    nesting: Nesting,
    /// The key or text read last. Kept here, not handed through every result: moving it
    /// about costs more than reading it.
    text: Text<'l>,
    observer: &'o mut O,
}

impl<'l, 'o, O: Observer> Scanner<'l, 'o, O> {
    /// At the start of `line`, of which `observer` hears.
    pub(crate) const fn new(line: &'l [u8], observer: &'o mut O) -> Self {
        Self {
            line,
            rest: line,
            nesting: Nesting { depth: 0, objects: 0 },
            text: Text::NONE,
            observer,
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
            b'"' => {
                let extent = self.read_text()?;
                self.observer.text(rest, extent);
                Ok(Value::Text)
            }
            b'{' | b'[' => {
                self.nesting.open(*first)?;
                self.observer.open(*first);
                Ok(if *first == b'{' { Value::Object } else { Value::Array })
            }
            _ => {
                self.rest = after_scalar(from)?;
                self.observer.scalar(from, from.len() - self.rest.len());
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
        self.observer.item();
        true
    }

    /// Whether there is another item, after the one before.
    #[inline]
    pub(crate) fn next_item(&mut self) -> Result<bool, Syntax> {
        match self.token()? {
            b',' => {
                self.observer.item();
                Ok(true)
            }
            b']' => Ok(self.close()),
            _ => Err(Syntax),
        }
    }

    /// Passes over the object or array that has just begun, up to the first key `reference`
    /// in it, however deep; gives whether there is one. `outside` is the depth around it.
    #[inline]
    pub(crate) fn first_reference(&mut self, outside: u32) -> Result<bool, Syntax> {
        self.pass_over(outside, true, |_, name| name.says(REFERENCE))
    }

    /// Whether there is another key `reference`, after the value of the one before.
    #[inline]
    pub(crate) fn next_reference(&mut self, outside: u32) -> Result<bool, Syntax> {
        self.pass_over(outside, false, |_, name| name.says(REFERENCE))
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

    /// Passes over a whole value and what is in it.
    pub(crate) fn whole(&mut self) -> Result<(), Syntax> {
        if matches!(self.value()?, Value::Array | Value::Object) {
            self.pass_over(self.depth() - 1, true, |_, _| false)?;
        }
        Ok(())
    }

    /// Reads on until the depth is `outside` again or the value of a key is due of which, at its
    /// depth, `is_it` is true.
    ///
    /// Most of a resource is read here, in one loop whose state stays in registers: handed
    /// from call to call through memory it would take longer than all else.
    #[expect(clippy::inline_always, reason = "for each kind of key a loop of its own")]
    #[inline(always)]
    fn pass_over(
        &mut self,
        outside: u32,
        mut is_first: bool,
        is_it: impl Fn(u32, &Text<'_>) -> bool,
    ) -> Result<bool, Syntax> {
        let mut rest = self.rest;
        let mut nesting = self.nesting;
        loop {
            let mut from = after_blank(rest);
            let mut byte = *from.first().ok_or(Syntax)?;
            if byte == nesting.end() {
                rest = from.get(1..).unwrap_or_default();
                nesting.close();
                self.observer.close();
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
                let extent = extent(name)?;
                let Extent { len, is_escaped } = extent;
                from = after_colon(name.get(len + 1..).unwrap_or_default())?;
                let raw = name.get(..len).unwrap_or_default();
                self.observer.key(name, extent);
                if is_it(nesting.depth, &Text::new(raw, 0, is_escaped)) {
                    self.text = Text::new(raw, self.line.len() - name.len(), is_escaped);
                    (self.rest, self.nesting) = (from, nesting);
                    return Ok(true);
                }
                from = after_blank(from);
                byte = *from.first().ok_or(Syntax)?;
            } else {
                self.observer.item();
            }
            is_first = false;
            let behind = from.get(1..).unwrap_or_default();
            rest = match byte {
                b'"' => {
                    let extent = extent(behind)?;
                    self.observer.text(behind, extent);
                    behind.get(extent.len + 1..).unwrap_or_default()
                }
                b'{' | b'[' => {
                    nesting.open(byte)?;
                    self.observer.open(byte);
                    is_first = true;
                    behind
                }
                _ => {
                    let rest = after_scalar(from)?;
                    self.observer.scalar(from, from.len() - rest.len());
                    rest
                }
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
        let name = self.rest;
        let extent = self.read_text()?;
        self.observer.key(name, extent);
        self.rest = after_colon(self.rest)?;
        Ok(true)
    }

    #[inline]
    fn read_text(&mut self) -> Result<Extent, Syntax> {
        let from = self.rest;
        let extent = extent(from)?;
        let Extent { len, is_escaped } = extent;
        let raw = from.get(..len).unwrap_or_default();
        self.text = Text::new(raw, self.line.len() - from.len(), is_escaped);
        self.rest = from.get(len + 1..).unwrap_or_default();
        Ok(extent)
    }

    /// Ends an object or array: there is no further key or item.
    #[inline]
    fn close(&mut self) -> bool {
        self.nesting.close();
        self.observer.close();
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
