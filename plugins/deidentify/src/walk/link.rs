//! Ids, and everything that repeats one: references, fragments, URNs, a Bundle's URLs.
//!
//! One id has one pseudonym, whatever the type and the form, so that references, deletions
//! and retractions still find what they mean.

use super::{Fate, Walk};
use crate::{hashes::Slot, plan::Hashed, reference::Target, tree::Kind};

impl Walk<'_, '_> {
    /// `id`: a resource's becomes a pseudonym; an element's is of no use outside the
    /// narrative.
    pub(super) fn id(&mut self, parent: usize, at: usize) -> Fate {
        if self.tree.kind(parent) != Kind::Resource {
            return if self.is_preset() { Fate::Goes } else { Fate::Stays };
        }
        if !self.has_pseudonyms() {
            return Fate::Stays;
        }
        let Some(id) = self.tree.text(at) else { return Fate::Goes };
        let slot = self.id_slot(&id);
        self.plan.splice(self.span(at), &["\""], Hashed::Hex(slot), "\"");
        Fate::Stays
    }

    /// The text of `Reference.reference`.
    pub(super) fn reference(&mut self, parent: usize, at: usize) -> Fate {
        let Some(text) = self.tree.text(at) else { return Fate::Goes };
        if let Target::Conditional { resource_type } = Target::read(&text) {
            if !self.has_pseudonyms() && !self.is_preset() {
                return Fate::Stays;
            }
            // The query names someone; the type alone goes where a type belongs.
            if self.tree.member(parent, "type").is_some() {
                return Fate::Goes;
            }
            let lead = ["\"type\":\"", resource_type, "\""];
            self.plan.splice(self.whole(at), &lead, Hashed::Nothing, "");
            return Fate::Stays;
        }
        self.link(at, &text)
    }

    /// `Bundle.entry.request.url`, `response.location`: as a reference, without a place for
    /// a type of its own.
    pub(super) fn location(&mut self, at: usize) -> Fate {
        let Some(text) = self.tree.text(at) else { return Fate::Goes };
        match Target::read(&text) {
            Target::Conditional { resource_type } => {
                let lead = ["\"", resource_type, "\""];
                self.plan.splice(self.span(at), &lead, Hashed::Nothing, "");
                Fate::Stays
            }
            // `POST Patient` names a type and no one.
            Target::Other if crate::reference::is_type(&text) => Fate::Stays,
            Target::Container
            | Target::Fragment(_)
            | Target::Oid(_)
            | Target::Other
            | Target::Resource { .. }
            | Target::Uuid(_) => self.link(at, &text),
        }
    }

    /// `Bundle.entry.fullUrl`: must stay an absolute URL, and must not name the server.
    pub(super) fn full_url(&mut self, at: usize) -> Fate {
        let Some(text) = self.tree.text(at) else { return Fate::Goes };
        let slot = match Target::read(&text) {
            Target::Resource { id, .. } | Target::Uuid(id) | Target::Fragment(id) => {
                self.id_slot(id)
            }
            Target::Oid(_) => return self.link(at, &text),
            Target::Conditional { .. } | Target::Container | Target::Other => {
                self.id_slot(&text)
            }
        };
        self.plan.splice(self.span(at), &["\"urn:uuid:"], Hashed::Uuid(slot), "\"");
        Fate::Stays
    }

    fn link(&mut self, at: usize, text: &str) -> Fate {
        if !self.has_pseudonyms() {
            return Fate::Stays;
        }
        let span = self.span(at);
        match Target::read(text) {
            Target::Conditional { .. } => return Fate::Goes,
            Target::Container => {}
            Target::Fragment(id) => {
                let slot = self.id_slot(id);
                self.plan.splice(span, &["\"#"], Hashed::Hex(slot), "\"");
            }
            Target::Oid(id) => {
                let slot = self.id_slot(id);
                self.plan.splice(span, &["\"urn:oid:"], Hashed::Oid(slot), "\"");
            }
            // Of no known form, so all of it may name someone: still the same for the same.
            Target::Other => {
                let slot = self.id_slot(text);
                self.plan.splice(span, &["\"urn:uuid:"], Hashed::Uuid(slot), "\"");
            }
            Target::Resource { resource_type, id } => {
                let slot = self.id_slot(id);
                let lead = ["\"", resource_type, "/"];
                self.plan.splice(span, &lead, Hashed::Hex(slot), "\"");
            }
            Target::Uuid(id) => {
                let slot = self.id_slot(id);
                self.plan.splice(span, &["\"urn:uuid:"], Hashed::Uuid(slot), "\"");
            }
        }
        Fate::Stays
    }

    /// Whether an object is a Reference: it has a `reference` text, or an Identifier beside
    /// a display, or nothing that a Reference has not. Unknown members make it no less one.
    pub(super) fn is_reference(&self, at: usize) -> bool {
        let tree = self.tree;
        if tree.kind(at) != Kind::Object {
            return false;
        }
        let (mut is_display, mut is_identifier, mut is_other) = (false, false, false);
        for member in tree.children(at) {
            let (name, kind) = (tree.name(member), tree.kind(member));
            match name.strip_prefix('_').unwrap_or(name) {
                "reference" if kind == Kind::String => return true,
                "display" => is_display = true,
                "identifier" if kind == Kind::Object => is_identifier = true,
                "type" if kind == Kind::String => {}
                "extension" | "id" => {}
                _ => is_other = true,
            }
        }
        if is_identifier {
            return is_display || !is_other;
        }
        // With a display and nothing else it may be a Coding: then its place tells.
        !is_other && !self.is_coding(at)
    }

    fn is_coding(&self, at: usize) -> bool {
        let written = self.tree.name(at);
        // In an array the name is the array's: the last but the member now looked at.
        let name = if written.is_empty() {
            self.path.iter().rev().nth(1).copied().unwrap_or_default()
        } else {
            written
        };
        matches!(name, "coding" | "class" | "security" | "tag")
            || name.ends_with("Coding")
    }

    /// The slot that a patient's dates move by.
    pub(super) fn patient_of(&mut self, at: usize, resource_type: &str) -> Option<Slot> {
        let tree = self.tree;
        if resource_type == "Patient" {
            let id = tree.member_text(at, "id")?;
            return Some(self.hashes.slot(&["shift:", &id]));
        }
        // One pass for all names: each look-up by name would be one.
        let mut found = [None; PATIENT_ELEMENTS.len()];
        for member in tree.children(at) {
            let name = tree.name(member);
            let rank = PATIENT_ELEMENTS.iter().position(|known| *known == name);
            if let Some(place) = rank.and_then(|rank| found.get_mut(rank)) {
                place.get_or_insert(member);
            }
        }
        found.into_iter().flatten().find_map(|mut element| {
            if tree.kind(element) == Kind::Array {
                element = tree.children(element).next()?;
            }
            let text = tree.member_text(element, "reference")?;
            Some(self.hashes.slot(&["shift:", Target::read(&text).patient()?]))
        })
    }

    fn id_slot(&mut self, id: &str) -> Slot {
        self.hashes.slot(&["id:", id])
    }
}

/// Elements in which a resource names the one patient it is about, first come first.
const PATIENT_ELEMENTS: [&str; 7] =
    ["subject", "patient", "beneficiary", "individual", "for", "candidate", "deliverTo"];
