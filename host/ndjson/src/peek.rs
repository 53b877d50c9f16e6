//! Reads a line's envelope in one pass: full syntax check, no tree, no copy of what is not
//! asked for.
//!
//! The walk follows the whole resource, because a patient can be named anywhere; it knows
//! the compartment's paths of the type that the file announces, and walks again in the rare
//! case that the line turns out to be of another type.
//!
//! Server-controlled: depth is bounded by the JSON reader (128), length by the framer.
//!
//! Source: FHIR R4 "Patient compartment"; the table is `bulkhead_model::compartment`.

use std::{borrow::Cow, fmt, ops::Range};

use bulkhead_model::{Instant, PatientKey, ResourceType};
use serde::{
    Deserializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::{
    envelope::{Envelope, Patients},
    path::{Node, Role, tree},
    reference::{Bases, Target, target},
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
        let walk = Walk::over(line, self.expected, &self.bases)?;
        let kind = walk.text(walk.resource_type.as_ref()).unwrap_or_default();
        if kind == self.expected_type {
            return walk.finish();
        }
        match tree(kind) {
            None if self.expected.is_none() => walk.finish(),
            other => Walk::over(line, other, &self.bases)?.finish(),
        }
    }
}

/// What a walk has found so far.
struct Walk<'l, 'b> {
    line: &'l str,
    bases: &'b Bases,
    resource_type: Option<Range<u32>>,
    id: Option<Range<u32>>,
    is_bad: Option<Malformed>,
    last_updated: Option<Instant>,
    patients: Patients,
    /// Ids and types of contained resources.
    contained: Vec<(Cow<'l, str>, bool)>,
    /// References to contained resources, with the role of their path.
    to_contained: Vec<(String, Option<Role>)>,
}

impl<'l, 'b> Walk<'l, 'b> {
    fn over(
        line: &'l str,
        root: Option<&'static Node>,
        bases: &'b Bases,
    ) -> Result<Self, Malformed> {
        let mut walk = Self {
            line,
            bases,
            resource_type: None,
            id: None,
            is_bad: None,
            last_updated: None,
            patients: Patients::default(),
            contained: Vec::new(),
            to_contained: Vec::new(),
        };
        let mut json = serde_json::Deserializer::from_str(line);
        json.deserialize_map(Root { walk: &mut walk, node: root })
            .and_then(|()| json.end())
            .map_err(|_| Malformed::Json)?;
        walk.is_bad.map_or(Ok(walk), Err)
    }

    fn text(&self, span: Option<&Range<u32>>) -> Option<&'l str> {
        let span = span?;
        self.line.get(span.start as usize..span.end as usize)
    }

    fn finish(mut self) -> Result<Envelope, Malformed> {
        let kind = self.text(self.resource_type.as_ref()).unwrap_or_default();
        if !ResourceType::is_valid(kind) {
            return Err(Malformed::ResourceType);
        }
        if let (true, Some(id)) = (kind == "Patient", self.text(self.id.as_ref())) {
            self.note(PatientKey::of(id), Some(Role::Primary));
        }
        for (id, role) in std::mem::take(&mut self.to_contained) {
            let found = self.contained.iter().find(|(contained, _)| *contained == id);
            // A contained patient is nobody that a cohort could know; a dangling one might be.
            if found.is_none_or(|(_, is_patient)| *is_patient) {
                self.unresolved(role);
            }
        }
        Ok(Envelope {
            resource_type: self.resource_type.unwrap_or_default(),
            id: self.id,
            last_updated: self.last_updated,
            patients: self.patients,
        })
    }

    /// Where borrowed text stands in the line.
    fn span(&self, text: &str) -> Option<Range<u32>> {
        let start = (text.as_ptr() as usize).checked_sub(self.line.as_ptr() as usize)?;
        let start = u32::try_from(start).ok()?;
        let end = start.checked_add(u32::try_from(text.len()).ok()?)?;
        (end as usize <= self.line.len()).then_some(start..end)
    }

    fn reference(&mut self, reference: &str, role: Option<Role>) {
        match target(reference, self.bases) {
            Target::Contained(id) => self.to_contained.push((id.to_owned(), role)),
            Target::Other => {}
            Target::Patient(key) => self.note(key, role),
            Target::Unresolved => self.unresolved(role),
        }
    }

    fn note(&mut self, key: PatientKey, role: Option<Role>) {
        let patients = &mut self.patients;
        match role {
            Some(Role::Primary) => {
                add(&mut patients.primary, key);
                add(&mut patients.linked, key);
            }
            Some(Role::Linked) => add(&mut patients.linked, key),
            Some(Role::Other) | None => add(&mut patients.mentioned, key),
        }
    }

    fn unresolved(&mut self, role: Option<Role>) {
        self.patients.primary_unresolved |= role == Some(Role::Primary);
        self.patients.unresolved |= role.is_some();
    }

    fn once(&mut self, slot: fn(&mut Self) -> &mut Option<Range<u32>>, text: &Text<'l>) {
        let found = match text {
            Text::Borrowed(text) => self.span(text),
            // An escape in a type or an id is legal JSON and no legal value.
            Text::Owned(_) | Text::Other => None,
        };
        if slot(self).is_some() {
            self.is_bad = self.is_bad.or(Some(Malformed::Duplicate));
        }
        *slot(self) = found;
    }
}

fn add(keys: &mut Vec<PatientKey>, key: PatientKey) {
    if !keys.contains(&key) {
        keys.push(key);
    }
}

/// The resource itself.
struct Root<'w, 'l, 'b> {
    walk: &'w mut Walk<'l, 'b>,
    node: Option<&'static Node>,
}

impl<'l> Visitor<'l> for Root<'_, 'l, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a resource")
    }

    fn visit_map<A: MapAccess<'l>>(self, mut map: A) -> Result<(), A::Error> {
        let walk = self.walk;
        while let Some(key) = map.next_key_seed(TextSeed)? {
            match key.as_str() {
                "resourceType" => {
                    let text = map.next_value_seed(TextSeed)?;
                    walk.once(|walk| &mut walk.resource_type, &text);
                }
                "id" => {
                    let text = map.next_value_seed(TextSeed)?;
                    let is_id = matches!(&text, Text::Borrowed(id) if is_id(id));
                    if !is_id {
                        walk.is_bad = walk.is_bad.or(Some(Malformed::Id));
                    }
                    walk.once(|walk| &mut walk.id, &text);
                }
                "meta" => map.next_value_seed(Meta { walk })?,
                "contained" => {
                    map.next_value_seed(Element { walk, node: None, is_contained: true })?;
                }
                name => {
                    let node = self.node.and_then(|node| node.child(name));
                    map.next_value_seed(Element { walk, node, is_contained: false })?;
                }
            }
        }
        Ok(())
    }
}

/// R4 says 1 to 64 of `[A-Za-z0-9.-]`; live servers also use `_` and longer ones.
fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 256
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b'\\')
}

/// Any value below the root: looks for references, whatever surrounds them.
struct Element<'w, 'l, 'b> {
    walk: &'w mut Walk<'l, 'b>,
    node: Option<&'static Node>,
    /// The value is a contained resource, or the list of them.
    is_contained: bool,
}

impl<'l> DeserializeSeed<'l> for Element<'_, 'l, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'l>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

macro_rules! ignore_scalars {
    () => {
        fn visit_bool<E>(self, _: bool) -> Result<(), E> {
            Ok(())
        }

        fn visit_i64<E>(self, _: i64) -> Result<(), E> {
            Ok(())
        }

        fn visit_u64<E>(self, _: u64) -> Result<(), E> {
            Ok(())
        }

        fn visit_f64<E>(self, _: f64) -> Result<(), E> {
            Ok(())
        }

        fn visit_str<E>(self, _: &str) -> Result<(), E> {
            Ok(())
        }

        fn visit_unit<E>(self) -> Result<(), E> {
            Ok(())
        }
    };
}

impl<'l> Visitor<'l> for Element<'_, 'l, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    ignore_scalars!();

    fn visit_seq<A: SeqAccess<'l>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { walk, node, is_contained } = self;
        while items.next_element_seed(Element { walk, node, is_contained })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'l>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { walk, node, is_contained } = self;
        let role = node.and_then(|node| node.role);
        let mut logical = Logical::default();
        let mut contained = (Cow::Borrowed(""), false);
        while let Some(key) = map.next_key_seed(TextSeed)? {
            match key.as_str() {
                "reference" => match map.next_value_seed(TextSeed)? {
                    Text::Other => {}
                    text @ (Text::Borrowed(_) | Text::Owned(_)) => {
                        logical.has_reference = true;
                        walk.reference(text.as_str(), role);
                    }
                },
                "type" if role.is_some() => {
                    let kind = map.next_value_seed(TextSeed)?;
                    logical.names_other = !matches!(kind.as_str(), "" | "Patient");
                    logical.names_patient = kind.as_str() == "Patient";
                }
                "identifier" if role.is_some() => {
                    logical.has_identifier = true;
                    map.next_value_seed(Element { walk, node: None, is_contained: false })?;
                }
                "resourceType" if is_contained => {
                    contained.1 = map.next_value_seed(TextSeed)?.as_str() == "Patient";
                }
                "id" if is_contained => {
                    contained.0 = map.next_value_seed(TextSeed)?.into_cow();
                }
                name => {
                    let node = node.and_then(|node| node.child(name));
                    map.next_value_seed(Element { walk, node, is_contained: false })?;
                }
            }
        }
        if is_contained {
            walk.contained.push(contained);
        }
        if logical.may_be_patient(role) {
            walk.unresolved(role);
        }
        Ok(())
    }
}

/// A reference by identifier alone.
#[derive(Default)]
struct Logical {
    has_reference: bool,
    has_identifier: bool,
    names_other: bool,
    names_patient: bool,
}

impl Logical {
    /// At the primary path, unless it says that it is something else; elsewhere only when it
    /// says that it is a patient, for performers and authors are mostly not.
    fn may_be_patient(&self, role: Option<Role>) -> bool {
        let is_logical = self.has_identifier && !self.has_reference && !self.names_other;
        is_logical
            && match role {
                Some(Role::Primary) => true,
                Some(Role::Linked | Role::Other) => self.names_patient,
                None => false,
            }
    }
}

/// `meta`: the moment of the last change, and no references but in extensions.
struct Meta<'w, 'l, 'b> {
    walk: &'w mut Walk<'l, 'b>,
}

impl<'l> DeserializeSeed<'l> for Meta<'_, 'l, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'l>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'l> Visitor<'l> for Meta<'_, 'l, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("meta")
    }

    ignore_scalars!();

    fn visit_seq<A: SeqAccess<'l>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'l>>(self, mut map: A) -> Result<(), A::Error> {
        let walk = self.walk;
        while let Some(key) = map.next_key_seed(TextSeed)? {
            if key.as_str() == "lastUpdated" {
                walk.last_updated = map.next_value_seed(TextSeed)?.as_str().parse().ok();
            } else {
                map.next_value_seed(Element { walk, node: None, is_contained: false })?;
            }
        }
        Ok(())
    }
}

/// Text that stays in the line where it can.
enum Text<'l> {
    Borrowed(&'l str),
    Other,
    Owned(String),
}

impl<'l> Text<'l> {
    fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Other => "",
            Self::Owned(text) => text,
        }
    }

    fn into_cow(self) -> Cow<'l, str> {
        match self {
            Self::Borrowed(text) => Cow::Borrowed(text),
            Self::Other => Cow::Borrowed(""),
            Self::Owned(text) => Cow::Owned(text),
        }
    }
}

/// Reads text, and takes anything else for no text.
struct TextSeed;

impl<'l> DeserializeSeed<'l> for TextSeed {
    type Value = Text<'l>;

    fn deserialize<D: Deserializer<'l>>(self, json: D) -> Result<Text<'l>, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'l> Visitor<'l> for TextSeed {
    type Value = Text<'l>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_borrowed_str<E>(self, text: &'l str) -> Result<Text<'l>, E> {
        Ok(Text::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'l>, E> {
        Ok(Text::Owned(text.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Text<'l>, E> {
        Ok(Text::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Text<'l>, E> {
        Ok(Text::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Text<'l>, E> {
        Ok(Text::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Text<'l>, E> {
        Ok(Text::Other)
    }

    fn visit_unit<E>(self) -> Result<Text<'l>, E> {
        Ok(Text::Other)
    }

    fn visit_seq<A: SeqAccess<'l>>(self, mut items: A) -> Result<Text<'l>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text::Other)
    }

    fn visit_map<A: MapAccess<'l>>(self, mut map: A) -> Result<Text<'l>, A::Error> {
        // An object where text belongs, for example `"reference": {…}`: it could hide a
        // patient from the walk, so the line is refused.
        if map.next_key::<IgnoredAny>()?.is_some() {
            return Err(A::Error::custom("an object where text belongs"));
        }
        Ok(Text::Other)
    }
}

#[cfg(test)]
mod tests;
