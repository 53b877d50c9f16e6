//! What a walk over a resource has found, and what follows from it.
//!
//! Owns the judgement of references and contained resources; the walk owns where they stand.

use std::{borrow::Cow, collections::HashSet, ops::Range};

use bulkhead_model::{Instant, PatientKey, ResourceType};

use super::Malformed;
use crate::{
    envelope::{Envelope, FEW, PatientList, Patients},
    path::Role,
    reference::{Bases, Target, target},
};

/// What a walk has found so far.
pub(super) struct Found<'l> {
    line: &'l str,
    /// The type that the file announces, which is one; "" when it announces none.
    announced: &'l str,
    bases: &'l Bases,
    has_type: bool,
    resource_type: Option<Range<u32>>,
    has_id: bool,
    id: Option<Range<u32>>,
    bad: Option<Malformed>,
    last_updated: Option<Instant>,
    patients: Patients,
    contained: Vec<Contained<'l>>,
    /// References to contained resources, with the role of their path.
    to_contained: Vec<(String, Option<Role>)>,
}

/// A contained resource.
#[derive(Default)]
pub(super) struct Contained<'l> {
    pub(super) id: Cow<'l, str>,
    pub(super) is_patient: bool,
}

/// A reference by identifier alone.
#[derive(Default)]
pub(super) struct Logical {
    pub(super) has_reference: bool,
    pub(super) has_identifier: bool,
    names: Named,
}

/// What a reference says of the type that it points at.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Named {
    #[default]
    Nothing,
    Other,
    Patient,
}

impl<'l> Found<'l> {
    pub(super) fn new(line: &'l str, announced: &'l str, bases: &'l Bases) -> Self {
        Self {
            line,
            announced,
            bases,
            has_type: false,
            resource_type: None,
            has_id: false,
            id: None,
            bad: None,
            last_updated: None,
            patients: Patients::default(),
            contained: Vec::new(),
            to_contained: Vec::new(),
        }
    }

    /// The type, "" when there is none.
    pub(super) fn kind(&self) -> &'l str {
        self.text(self.resource_type.as_ref()).unwrap_or_default()
    }

    /// Notes `resourceType`; `None` when it is no text, or text with an escape: legal JSON
    /// and no legal value.
    pub(super) fn resource_type(&mut self, span: Option<Range<u32>>) {
        self.once(self.has_type);
        self.has_type = true;
        self.resource_type = span;
    }

    /// Notes `id`; `None` as for the type.
    pub(super) fn id(&mut self, span: Option<Range<u32>>) {
        if !self.text(span.as_ref()).is_some_and(is_id) {
            self.bad = self.bad.or(Some(Malformed::Id));
        }
        self.once(self.has_id);
        self.has_id = true;
        self.id = span;
    }

    /// Notes `meta.lastUpdated`.
    pub(super) fn last_updated(&mut self, text: &str) {
        self.last_updated = text.parse().ok();
    }

    /// Notes a literal reference at a path of `role`.
    pub(super) fn reference(&mut self, reference: &str, role: Option<Role>) {
        match target(reference, self.bases) {
            Target::Contained(id) => self.to_contained.push((id.to_owned(), role)),
            Target::Other => {}
            Target::Patient(key) => self.patient(key, role),
            Target::Unresolved => self.unresolved(role),
        }
    }

    /// Notes an object at a path of `role` that was read to its end.
    pub(super) fn logical(&mut self, logical: &Logical, role: Option<Role>) {
        if logical.may_be_patient(role) {
            self.unresolved(role);
        }
    }

    pub(super) fn contained(&mut self, contained: Contained<'l>) {
        self.contained.push(contained);
    }

    pub(super) fn finish(mut self) -> Result<Envelope, Malformed> {
        if let Some(bad) = self.bad {
            return Err(bad);
        }
        let kind = self.kind();
        let is_announced = kind == self.announced && !kind.is_empty();
        if !is_announced && !ResourceType::is_valid(kind) {
            return Err(Malformed::ResourceType);
        }
        if let (true, Some(id)) = (kind == "Patient", self.text(self.id.as_ref())) {
            self.patient(PatientKey::of(id), Some(Role::Primary));
        }
        for (id, role) in std::mem::take(&mut self.to_contained) {
            // A contained patient is nobody that a cohort could know; a dangling one might be.
            let mut namesakes =
                self.contained.iter().filter(|one| one.id == id).peekable();
            if namesakes.peek().is_none() || namesakes.any(|one| one.is_patient) {
                self.unresolved(role);
            }
        }
        let Patients { primary, linked, mentioned, .. } = &mut self.patients;
        [primary, linked, mentioned].into_iter().for_each(distinct);
        Ok(Envelope {
            resource_type: self.resource_type.unwrap_or_default(),
            id: self.id,
            last_updated: self.last_updated,
            patients: self.patients,
        })
    }

    fn text(&self, span: Option<&Range<u32>>) -> Option<&'l str> {
        let span = span?;
        self.line.get(span.start as usize..span.end as usize)
    }

    fn once(&mut self, is_repeated: bool) {
        if is_repeated {
            self.bad = self.bad.or(Some(Malformed::Duplicate));
        }
    }

    fn patient(&mut self, key: PatientKey, role: Option<Role>) {
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
}

impl Logical {
    /// Notes the reference's `type`.
    pub(super) fn names(&mut self, kind: &str) {
        self.names = match kind {
            "" => Named::Nothing,
            "Patient" => Named::Patient,
            _ => Named::Other,
        };
    }

    /// At the primary path, unless it says that it is something else; elsewhere only when it
    /// says that it is a patient, for performers and authors are mostly not.
    fn may_be_patient(&self, role: Option<Role>) -> bool {
        self.has_identifier
            && !self.has_reference
            && match role {
                Some(Role::Primary) => self.names != Named::Other,
                Some(Role::Linked | Role::Other) => self.names == Named::Patient,
                None => false,
            }
    }
}

/// Adds a patient. Beyond a few, repetitions wait for [`distinct`]: a Group can have a member
/// for every patient of the server, and comparing each with all would take hours.
fn add(keys: &mut PatientList, key: PatientKey) {
    if keys.len() >= FEW || !keys.contains(&key) {
        keys.push(key);
    }
}

/// Leaves every patient once, in the order of first mention.
fn distinct(keys: &mut PatientList) {
    if keys.len() >= FEW {
        let mut seen = HashSet::with_capacity(keys.len());
        keys.retain(|key| seen.insert(*key));
    }
}

/// R4 says 1 to 64 of `[A-Za-z0-9.-]`; live servers also use `_` and longer ones.
fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 256
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b'\\')
}
