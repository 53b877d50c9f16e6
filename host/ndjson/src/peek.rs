//! Reads a line's envelope in one pass: full syntax check, no tree, no copy of what is not
//! asked for.
//!
//! The walk follows the whole resource, because a patient can be named anywhere; it knows
//! the compartment's paths of the type that the file announces, and walks again in the rare
//! case that the line turns out to be of another type. The walk itself is `walk.rs`, what it
//! gathers `found.rs`.
//!
//! Server-controlled: depth is bounded by the scanner (127), length by the framer.
//!
//! Source: FHIR R4 "Patient compartment"; the table is `bulkhead_model::compartment`.

mod found;
mod walk;

use bulkhead_model::ResourceType;

use crate::{
    content::Content,
    envelope::Envelope,
    path::{Node, tree},
    peek::{found::Found, walk::Walk},
    reference::Bases,
    scan::Observer,
};

/// Why a line is no resource. None of these carries any of the line's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// `resourceType` or `id` stands there more than once.
    #[error("an element that must be unique is repeated")]
    Duplicate,
    /// `id` is there and is no id.
    #[error("`id` is not a FHIR id")]
    Id,
    /// Not one JSON object.
    #[error("not a JSON object")]
    Json,
    /// No `resourceType`, or not the name of one.
    #[error("no `resourceType`")]
    ResourceType,
    /// Not UTF-8.
    #[error("not UTF-8")]
    Utf8,
}

impl Malformed {
    /// Short and stable, for quarantine.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate-element",
            Self::Id => "bad-id",
            Self::Json => "not-json",
            Self::ResourceType => "no-resource-type",
            Self::Utf8 => "not-utf8",
        }
    }
}

/// Reads envelopes of one file.
#[derive(Clone, Debug)]
pub struct Peek {
    bases: Bases,
    expected: Option<&'static Node>,
    expected_type: String,
}

impl Peek {
    /// For a file that announces resources of `expected` (a hint: any line may differ), from
    /// a server whose own bases are `bases`.
    pub fn new(expected: Option<&ResourceType>, bases: Bases) -> Self {
        let expected_type = expected.map_or_else(String::new, ToString::to_string);
        Self { bases, expected: tree(&expected_type), expected_type }
    }

    /// Reads the envelope of one line.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when the line is no resource.
    pub fn read(&self, line: &[u8]) -> Result<Envelope, Malformed> {
        let text = std::str::from_utf8(line).map_err(|_| Malformed::Utf8)?;
        self.read_str(text)
    }

    /// The same for text that is known to be UTF-8.
    ///
    /// # Errors
    ///
    /// As [`Peek::read`], but never [`Malformed::Utf8`].
    pub fn read_str(&self, line: &str) -> Result<Envelope, Malformed> {
        self.observed(line, &mut ())
    }

    /// The same, and the line's [`content_hash`](crate::content_hash), in one walk.
    ///
    /// # Errors
    ///
    /// As [`Peek::read_str`].
    pub fn read_content(&self, line: &str) -> Result<(Envelope, u64), Malformed> {
        let mut content = Content::default();
        let envelope = self.observed(line, &mut content)?;
        Ok((envelope, content.finish()))
    }

    fn observed<O: Observer>(
        &self,
        line: &str,
        observer: &mut O,
    ) -> Result<Envelope, Malformed> {
        let mut found = self.found(line);
        walk(line, &mut found, self.expected, observer)?;
        let kind = found.kind();
        if kind == self.expected_type {
            return found.finish();
        }
        match tree(kind) {
            None if self.expected.is_none() => found.finish(),
            other => {
                let mut found = self.found(line);
                *observer = O::default();
                walk(line, &mut found, other, observer)?;
                found.finish()
            }
        }
    }

    /// Checks a line and reads its type, id and moment in one walk, whatever its type. For
    /// bodies whose patients are known from elsewhere: paths are not told apart here.
    ///
    /// # Errors
    ///
    /// As [`Peek::read`].
    pub fn identify(&self, line: &[u8]) -> Result<Envelope, Malformed> {
        let text = std::str::from_utf8(line).map_err(|_| Malformed::Utf8)?;
        let mut found = self.found(text);
        walk(text, &mut found, None, &mut ())?;
        found.finish()
    }

    fn found<'a>(&'a self, line: &'a str) -> Found<'a> {
        Found::new(line, &self.expected_type, &self.bases)
    }
}

/// Gathers where it is: what a walk finds is large, and to hand it back would copy it.
fn walk<'l, O: Observer>(
    line: &'l str,
    found: &mut Found<'l>,
    root: Option<&'static Node>,
    observer: &mut O,
) -> Result<(), Malformed> {
    Walk::new(line, found, observer).resource(root).map_err(|_| Malformed::Json)
}

#[cfg(test)]
mod tests;
