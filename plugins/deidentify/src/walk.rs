//! Walks one resource and plans what is to change.
//!
//! This file owns the walk itself: which element is looked at by which part, and what
//! remains of a container when parts of it go. What an act does to a value is in `act`, ids
//! and references are in `link`, dates in `time`, extensions in `extension`.
//!
//! A resource within another (contained, in a Bundle, in Parameters) is judged by the rules
//! of its own type. An element left with nothing goes with its contents: FHIR allows neither
//! `{}` nor `[]`.

mod act;
mod extension;
mod link;
mod time;

use crate::{
    hashes::{Hashes, Slot},
    plan::Plan,
    reference,
    rule::{Element, Entry},
    settings::{Ids, Policy, Preset},
    tree::{Flaw, Kind, Span, Tree},
};

/// The mark that stands where a birth date told an age over 89.
pub(crate) const AGE_EXTENSION: &str = "urn:bulkhead:deidentify:age";

/// Why a record cannot pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// An element name is written with an escape.
    EscapedName,
    /// A modifier extension that is not known: what is left could mean the opposite.
    ModifierExtension,
    /// No resource type where one must be.
    NoResourceType,
    /// Not one JSON object.
    NotJson,
    /// Two resource types in one object.
    RepeatedType,
    /// Nested deeper than FHIR is.
    TooDeep,
}

impl From<Flaw> for Refusal {
    fn from(flaw: Flaw) -> Self {
        match flaw {
            Flaw::EscapedName => Self::EscapedName,
            Flaw::NotJson => Self::NotJson,
            Flaw::RepeatedType => Self::RepeatedType,
            Flaw::TooDeep => Self::TooDeep,
        }
    }
}

/// Plans the changes of one record.
///
/// # Errors
///
/// [`Refusal`] when the record must not pass.
pub(crate) fn plan_record(
    tree: &Tree<'_>,
    policy: &Policy,
    plan: &mut Plan,
    hashes: &mut Hashes,
) -> Result<(), Refusal> {
    match tree.kind(0) {
        Kind::Array | Kind::Literal | Kind::Number | Kind::String => {
            Err(Refusal::NotJson)
        }
        Kind::Object => Err(Refusal::NoResourceType),
        Kind::Resource => {
            let mut walk = Walk { tree, policy, plan, hashes, path: Vec::new() };
            walk.resource(0, None, Owner::Own).map(|_| ())
        }
    }
}

/// One record's walk.
struct Walk<'w, 's> {
    tree: &'w Tree<'s>,
    policy: &'w Policy,
    plan: &'w mut Plan,
    hashes: &'w mut Hashes,
    /// Element names from the outermost resource to here.
    path: Vec<&'s str>,
}

/// Where an element stands.
#[derive(Clone, Copy)]
struct Place<'s> {
    resource_type: &'s str,
    /// Where the nearest resource's own path begins in the whole path.
    base: usize,
    /// Where the nearest resource stands in the tree.
    resource: usize,
    /// Whose dates these are.
    patient: Option<Slot>,
    dates: Dates,
}

/// What becomes of dates that no rule names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dates {
    Keep,
    Shift,
    Year,
}

/// What becomes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The container leaves it out.
    Goes,
    /// It stays, perhaps changed.
    Stays,
}

/// What stands where an array's element went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gap {
    /// Nothing.
    Closed,
    /// `null`: the array is paired with another, element by element.
    Null,
}

/// Whose patient counts for a resource within another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// The outer one's, if it has one: `contained` is part of it.
    Outer,
    /// Its own, if it has one.
    Own,
}

type Step = Result<Fate, Refusal>;

impl<'s> Walk<'_, 's> {
    fn resource(&mut self, at: usize, outer: Option<Place<'s>>, owner: Owner) -> Step {
        let resource_type = self
            .tree
            .member(at, "resourceType")
            .and_then(|member| self.tree.raw(member).strip_prefix('"')?.strip_suffix('"'))
            .filter(|name| reference::is_type(name))
            .ok_or(Refusal::NoResourceType)?;
        let own = self.patient_of(at, resource_type);
        let outer_patient = outer.and_then(|place| place.patient);
        let patient = match owner {
            Owner::Outer => outer_patient.or(own),
            Owner::Own => own.or(outer_patient),
        };
        let dates = match (outer, self.policy.preset) {
            (Some(place), _) => place.dates,
            (None, Preset::None) => Dates::Keep,
            (None, Preset::SafeHarborAssist) => Dates::Shift,
        };
        let base = self.path.len();
        let place = Place { resource_type, base, resource: at, patient, dates };
        self.members(at, place)
    }

    /// Every member of an object.
    fn members(&mut self, at: usize, place: Place<'s>) -> Step {
        self.each(at, Gap::Closed, &mut |walk, member| walk.member(at, member, place))
    }

    fn member(&mut self, parent: usize, at: usize, place: Place<'s>) -> Step {
        let written = self.tree.name(at);
        let (name, is_sibling) = match written.strip_prefix('_') {
            Some(name) => (name, true),
            None => (written, false),
        };
        self.path.push(name);
        let step = match self.policy.rules.find(name) {
            None => self.value(at, self.gap(parent, at), place),
            Some(entry) => self.named(entry, is_sibling, parent, at, place),
        };
        self.path.pop();
        step
    }

    /// A member whose name a rule or this plugin knows.
    fn named(
        &mut self,
        entry: &Entry,
        is_sibling: bool,
        parent: usize,
        at: usize,
        place: Place<'s>,
    ) -> Step {
        let path = self.path.get(place.base..).unwrap_or_default();
        let gap = self.gap(parent, at);
        if let Some(act) = entry.act(place.resource_type, path) {
            return if is_sibling {
                self.sibling(act, at, gap, place)
            } else {
                self.act(act, at, gap, place)
            };
        }
        let Some(element) = entry.element else {
            return self.value(at, gap, place);
        };
        if is_sibling {
            // What a changed element's sibling says of it would be its old value.
            return match element {
                Element::Id | Element::Identifier | Element::Reference => Ok(Fate::Goes),
                Element::Display if self.is_reference(parent) => Ok(Fate::Goes),
                Element::Contained
                | Element::Display
                | Element::Extension
                | Element::ModifierExtension
                | Element::ResourceType
                | Element::Technical => self.value(at, gap, place),
            };
        }
        let is_preset = self.is_preset();
        let is_text = self.tree.kind(at) == Kind::String;
        match element {
            Element::Contained => self.contained(at, place),
            Element::Display if is_preset && self.is_reference(parent) => Ok(Fate::Goes),
            Element::Extension if is_preset => self.extensions(at, place),
            Element::Id => Ok(self.id(parent, at)),
            Element::Identifier if is_preset && self.is_reference(parent) => {
                Ok(Fate::Goes)
            }
            Element::Identifier if is_preset => self.pseudonyms(at, gap, place),
            Element::ModifierExtension if is_preset => {
                self.modifier_extensions(at, place)
            }
            Element::Reference if is_text => Ok(self.reference(parent, at)),
            Element::ResourceType | Element::Technical if is_text => Ok(Fate::Stays),
            Element::Display
            | Element::Extension
            | Element::Identifier
            | Element::ModifierExtension
            | Element::Reference
            | Element::ResourceType
            | Element::Technical => self.value(at, gap, place),
        }
    }

    /// A value that no rule names.
    fn value(&mut self, at: usize, gap: Gap, place: Place<'s>) -> Step {
        match self.tree.kind(at) {
            Kind::Array => {
                self.each(at, gap, &mut |walk, item| walk.value(item, Gap::Closed, place))
            }
            Kind::Literal | Kind::Number => Ok(Fate::Stays),
            Kind::Object => {
                // A Bundle's resources are judged by their own type: one without any cannot be.
                let is_entry = self.path.ends_with(&["entry", "resource"]);
                if is_entry {
                    Err(Refusal::NoResourceType)
                } else {
                    self.members(at, place)
                }
            }
            Kind::Resource => self.resource(at, Some(place), Owner::Own),
            Kind::String => match place.dates {
                Dates::Keep => Ok(Fate::Stays),
                Dates::Shift | Dates::Year => Ok(self.date(at, place)),
            },
        }
    }

    fn contained(&mut self, at: usize, place: Place<'s>) -> Step {
        self.each(at, Gap::Closed, &mut |walk, item| match walk.tree.kind(item) {
            Kind::Resource => walk.resource(item, Some(place), Owner::Outer),
            Kind::Array | Kind::Literal | Kind::Number | Kind::Object | Kind::String => {
                Err(Refusal::NoResourceType)
            }
        })
    }

    /// Asks for the fate of each part of a container, and closes the gaps.
    ///
    /// Parts that go one after the other are cut as one run, with the comma that leads to the
    /// next part, or, at the end, with the one that led from the last that stays.
    fn each(
        &mut self,
        at: usize,
        gap: Gap,
        judge: &mut dyn FnMut(&mut Self, usize) -> Step,
    ) -> Step {
        let before_all = self.plan.mark();
        let tree = self.tree;
        let mut run: Option<u32> = None;
        let mut kept_end: Option<u32> = None;
        let mut end: Option<u32> = None;
        let mut has_value = false;
        for part in tree.children(at) {
            let span = tree.node(part).span;
            let start = tree.outset(part);
            let before = self.plan.mark();
            if let Some(from) = run {
                self.plan.cut(from, start);
            }
            let is_void = gap == Gap::Null && tree.raw(part) == "null";
            let fate = judge(self, part)?;
            end = Some(span.end);
            match (fate, gap) {
                (Fate::Stays, _) => {
                    run = None;
                    kept_end = end;
                    has_value |= !is_void;
                }
                (Fate::Goes, Gap::Null) => {
                    self.plan.rewind(before);
                    self.plan.splice(span, &["null"], crate::plan::Hashed::Nothing, "");
                    kept_end = end;
                }
                (Fate::Goes, Gap::Closed) => {
                    self.plan.rewind(before);
                    run = run.or(Some(start));
                }
            }
        }
        let Some(end) = end else {
            return Ok(Fate::Stays);
        };
        if !has_value {
            self.plan.rewind(before_all);
            return Ok(Fate::Goes);
        }
        if let (Some(_), Some(kept_end)) = (run, kept_end) {
            self.plan.cut(kept_end, end);
        }
        Ok(Fate::Stays)
    }

    /// How an array's gaps are closed: `given` and `_given` are paired by position.
    fn gap(&self, parent: usize, at: usize) -> Gap {
        let tree = self.tree;
        if tree.kind(at) != Kind::Array {
            return Gap::Closed;
        }
        let name = tree.name(at);
        if name.starts_with('_') {
            return Gap::Null;
        }
        let is_plain = tree.children(at).all(|item| match tree.kind(item) {
            Kind::Array | Kind::Object | Kind::Resource => false,
            Kind::Literal | Kind::Number | Kind::String => true,
        });
        let is_pair = |other: usize| tree.name(other).strip_prefix('_') == Some(name);
        if is_plain && tree.children(parent).any(is_pair) {
            Gap::Null
        } else {
            Gap::Closed
        }
    }

    fn is_preset(&self) -> bool {
        match self.policy.preset {
            Preset::None => false,
            Preset::SafeHarborAssist => true,
        }
    }

    fn has_pseudonyms(&self) -> bool {
        match self.policy.ids {
            Ids::Keep => false,
            Ids::Pseudonym => true,
        }
    }

    fn span(&self, at: usize) -> Span {
        self.tree.node(at).span
    }

    /// The member with its name.
    fn whole(&self, at: usize) -> Span {
        Span { start: self.tree.outset(at), end: self.span(at).end }
    }
}
