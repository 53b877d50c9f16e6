//! The walk over a resource: every object to its end, at every step knowing where it stands.
//!
//! Looks for references whatever surrounds them: nothing that can hold a patient's name is
//! passed over unread.
//!
//! Source: FHIR R4 "References" and "Contained Resources"; R5 `CodeableReference`.

use std::borrow::Cow;

use super::found::{Contained, Found, Logical};
use crate::{
    path::{Node, OF_ANY},
    scan::{Observer, Scanner, Syntax, Text, Value},
};

/// A walk over one line.
pub(super) struct Walk<'l, 'f, O> {
    line: &'l str,
    scan: Scanner<'l, 'f, O>,
    found: &'f mut Found<'l>,
}

/// Where a value stands.
#[derive(Clone, Copy)]
struct Place {
    /// Its step of a known path.
    node: Option<&'static Node>,
    shape: Shape,
}

/// What an object at a place is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Anything.
    Any,
    /// A contained resource.
    Contained,
    /// The value of `reference`: the Reference within an R5 `CodeableReference`, or an
    /// element that happens to have that name (`Consent.provision.actor.reference`).
    Reference,
}

impl Place {
    /// On no known path.
    const ELSEWHERE: Self = Self { node: None, shape: Shape::Any };
    /// In `contained`.
    const CONTAINED: Self = Self { node: None, shape: Shape::Contained };
}

impl<'l, 'f, O: Observer> Walk<'l, 'f, O> {
    /// Over `line`; what is found goes to `found`, and `observer` hears of all.
    pub(super) const fn new(
        line: &'l str,
        found: &'f mut Found<'l>,
        observer: &'f mut O,
    ) -> Self {
        Self { line, scan: Scanner::new(line.as_bytes(), observer), found }
    }

    /// Walks over the whole line, which is a resource whose paths are `root`'s.
    pub(super) fn resource(mut self, root: Option<&'static Node>) -> Result<(), Syntax> {
        if self.scan.value()? != Value::Object {
            return Err(Syntax);
        }
        let wanted = root.map_or(*OF_ANY, |root| root.wanted);
        let mut has_key = self.scan.first_wanted(wanted)?;
        while has_key {
            if self.scan.depth() > 1 {
                self.reference(None)?;
                has_key = self.scan.next_wanted(wanted)?;
                continue;
            }
            match self.scan.text().said_bytes().as_ref() {
                b"resourceType" => {
                    let span = self.text()?.and_then(Text::plain_span);
                    self.found.resource_type(span);
                }
                b"id" => {
                    let span = self.text()?.and_then(Text::plain_span);
                    self.found.id(span);
                }
                b"meta" => self.meta()?,
                b"contained" => self.value(Place::CONTAINED)?,
                name => {
                    let node = root.and_then(|root| root.child(name));
                    self.value(Place { node, shape: Shape::Any })?;
                }
            }
            has_key = self.scan.next_wanted(wanted)?;
        }
        self.scan.end()
    }

    /// `meta`: the moment of the last change, and no references but in extensions.
    fn meta(&mut self) -> Result<(), Syntax> {
        let value = self.scan.value()?;
        if value != Value::Object {
            return self.elsewhere(value);
        }
        let mut has_key = self.scan.first_key()?;
        while has_key {
            if self.scan.text().says("lastUpdated") {
                let said = self.said()?;
                self.found.last_updated(&said);
            } else {
                self.value(Place::ELSEWHERE)?;
            }
            has_key = self.scan.next_key()?;
        }
        Ok(())
    }

    /// A value where text belongs; anything else is walked over like any value.
    fn text(&mut self) -> Result<Option<&Text<'l>>, Syntax> {
        let value = self.scan.value()?;
        if value != Value::Text {
            self.elsewhere(value)?;
            return Ok(None);
        }
        Ok(Some(self.scan.text()))
    }

    /// What such text says; nothing when it is none.
    fn said(&mut self) -> Result<Cow<'l, str>, Syntax> {
        let line = self.line;
        Ok(self.text()?.map(|text| text.said(line)).unwrap_or_default())
    }

    fn value(&mut self, place: Place) -> Result<(), Syntax> {
        let value = self.scan.value()?;
        if place.node.is_none() && place.shape == Shape::Any {
            return self.elsewhere(value);
        }
        match value {
            Value::Array => {
                let mut has_item = self.scan.first_item();
                while has_item {
                    self.value(place)?;
                    has_item = self.scan.next_item()?;
                }
                Ok(())
            }
            Value::Scalar | Value::Text => Ok(()),
            Value::Object => self.object(place),
        }
    }

    /// What is left of a value on no known path, where most of a resource is: only
    /// references count.
    fn elsewhere(&mut self, value: Value) -> Result<(), Syntax> {
        if matches!(value, Value::Array | Value::Object) {
            let outside = self.scan.depth().saturating_sub(1);
            let mut has_reference = self.scan.first_reference(outside)?;
            while has_reference {
                self.reference(None)?;
                has_reference = self.scan.next_reference(outside)?;
            }
        }
        Ok(())
    }

    fn object(&mut self, place: Place) -> Result<(), Syntax> {
        let Place { node, shape } = place;
        let role = node.and_then(|node| node.role);
        let mut logical = Logical::default();
        let mut contained = Contained::default();
        let mut has_key = self.scan.first_key()?;
        while has_key {
            let name = self.scan.text().said_bytes();
            if shape == Shape::Reference && !IN_REFERENCE.contains(&name.as_ref()) {
                return Err(Syntax);
            }
            match name.as_ref() {
                b"reference" => logical.has_reference |= self.reference(node)?,
                b"type" if role.is_some() => {
                    logical.names(&self.said()?);
                }
                b"identifier" if role.is_some() => {
                    logical.has_identifier = true;
                    self.value(Place::ELSEWHERE)?;
                }
                b"resourceType" if shape == Shape::Contained => {
                    let text = self.text()?;
                    contained.is_patient |= text.is_some_and(|text| text.says("Patient"));
                }
                b"id" if shape == Shape::Contained => {
                    contained.id = self.said()?;
                }
                name => {
                    let node = node.and_then(|node| node.child(name));
                    self.value(Place { node, shape: Shape::Any })?;
                }
            }
            has_key = self.scan.next_key()?;
        }
        if shape == Shape::Contained {
            self.found.contained(contained);
        }
        self.found.logical(&logical, role);
        Ok(())
    }

    /// The value of `reference` in an object at `node`; gives whether it was text.
    fn reference(&mut self, node: Option<&'static Node>) -> Result<bool, Syntax> {
        match self.scan.value()? {
            Value::Scalar => Ok(false),
            Value::Text => {
                let role = node.and_then(|node| node.role);
                self.found.reference(&self.scan.text().said(self.line), role);
                Ok(true)
            }
            Value::Array => {
                let mut is_text = false;
                let mut has_item = self.scan.first_item();
                while has_item {
                    is_text |= self.reference(node)?;
                    has_item = self.scan.next_item()?;
                }
                Ok(is_text)
            }
            Value::Object => {
                // A CodeableReference stands for the Reference within.
                let node = node.and_then(|node| node.child("reference")).or(node);
                self.object(Place { node, shape: Shape::Reference })?;
                Ok(false)
            }
        }
    }
}

/// The elements of a Reference. An object at `reference` with any other is not taken for one,
/// and the line is refused: whom it points at could not be told.
const IN_REFERENCE: [&[u8]; 9] = [
    b"reference",
    b"type",
    b"identifier",
    b"display",
    b"id",
    b"extension",
    b"_reference",
    b"_type",
    b"_display",
];
