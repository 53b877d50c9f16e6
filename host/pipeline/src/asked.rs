//! What an export asked for, held against what comes: a server may pass over a parameter
//! without a word, and then sends more than anybody asked for.
//!
//! Resources are judged before any stage, by type and by whose they are. Deletions are not: one
//! too many does no harm, and the host knows what was delivered.
//!
//! Source: Bulk Data IG, "Query Parameters" (`_type`, `_since`, `patient`).

use bulkhead_model::{Instant, PatientSet, ResourceType};
use bulkhead_ndjson::Patients;

/// What an export asked for. The default: everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Sorted; empty for whatever the server has.
    types: Vec<ResourceType>,
    patients: Option<PatientSet>,
    since: Option<Instant>,
}

/// Why a resource was not asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unasked {
    /// It is of other patients alone.
    Patient,
    /// It is of another type.
    Type,
}

impl Unasked {
    /// The parameter that the server passed over.
    pub const fn parameter(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Type => "_type",
        }
    }
}

impl Asked {
    /// These types alone; none of them stands for all.
    pub fn new(types: impl IntoIterator<Item = ResourceType>) -> Self {
        let mut types: Vec<ResourceType> = types.into_iter().collect();
        types.sort_unstable();
        types.dedup();
        Self { types, ..Self::default() }
    }

    /// Of these patients alone.
    #[must_use]
    pub fn of_patients(self, patients: PatientSet) -> Self {
        Self { patients: Some(patients), ..self }
    }

    /// Only what changed after this.
    #[must_use]
    pub fn since(self, since: Option<Instant>) -> Self {
        Self { since, ..self }
    }

    /// Whether a type was asked for.
    pub fn covers(&self, name: &str) -> bool {
        self.types.is_empty()
            || self.types.binary_search_by(|known| known.as_str().cmp(name)).is_ok()
    }

    /// Whether everything of some types was asked for: then what refers to one of which none comes
    /// says something.
    pub(crate) fn is_of_listed_types(&self) -> bool {
        !self.types.is_empty() && self.patients.is_none() && self.since.is_none()
    }

    /// Why a resource was not asked for, if it was not. A resource of nobody, or of somebody who
    /// cannot be told, may belong to any patient.
    pub fn against(&self, name: &str, about: &Patients) -> Option<Unasked> {
        if self.covers(name) { self.stranger(about) } else { Some(Unasked::Type) }
    }

    /// The same of a resource whose type was asked for.
    pub(crate) fn stranger(&self, about: &Patients) -> Option<Unasked> {
        let patients = self.patients.as_ref()?;
        let is_open = about.linked.is_empty() || about.unresolved;
        (!is_open && about.members(patients) == 0).then_some(Unasked::Patient)
    }

    /// Whether a resource is older than what was asked for. No reason to pass it over: servers
    /// may add what others refer to, however old it is.
    pub fn is_before(&self, last_updated: Option<Instant>) -> bool {
        matches!((self.since, last_updated), (Some(since), Some(at)) if at <= since)
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_model::PatientKey;

    use super::*;

    /// Faults: F35.
    #[test]
    fn what_was_not_asked_for_is_told_by_type_and_by_whose_it_is() {
        let kind = |name: &str| name.parse::<ResourceType>().unwrap();
        let key = |id: &str| PatientKey::of(id);
        let about = |linked: &[&str], unresolved| Patients {
            linked: linked.iter().map(|id| key(id)).collect(),
            unresolved,
            ..Patients::default()
        };
        let types = || Asked::new([kind("Patient"), kind("Condition")]);
        let patients = || types().of_patients([key("a"), key("b")].into_iter().collect());
        // name, asked, type, whose, expected
        let cases = [
            ("everything", Asked::default(), "Task", about(&["z"], false), None),
            ("a type", types(), "Condition", about(&["z"], false), None),
            ("another", types(), "Task", about(&[], false), Some(Unasked::Type)),
            ("a patient", patients(), "Condition", about(&["a"], false), None),
            ("one of two", patients(), "Condition", about(&["z", "b"], false), None),
            (
                "a stranger",
                patients(),
                "Condition",
                about(&["z"], false),
                Some(Unasked::Patient),
            ),
            ("nobody", patients(), "Condition", about(&[], false), None),
            ("who knows", patients(), "Condition", about(&["z"], true), None),
        ];
        for (name, asked, resource_type, about, expected) in cases {
            assert_eq!(asked.against(resource_type, &about), expected, "case: {name}");
        }
    }

    /// Items: 135.
    #[test]
    fn what_is_older_than_since_is_noted_and_is_no_reason() {
        let at = |ms| Some(Instant::from_unix_ms(ms));
        let asked = Asked::default().since(at(5));
        assert!(asked.is_before(at(5)) && asked.is_before(at(4)));
        assert!(!asked.is_before(at(6)) && !asked.is_before(None));
        assert!(!Asked::default().is_before(at(4)));
        assert_eq!(asked.against("Patient", &Patients::default()), None);
    }
}
