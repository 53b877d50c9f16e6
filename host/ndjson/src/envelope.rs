//! What is known of a line without its body.

use std::{collections::HashSet, ops::Range};

use bulkhead_model::{Instant, PatientKey, PatientSet};

/// What is known of one resource without its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// Where `resourceType` stands in the line, quotes excluded.
    pub resource_type: Range<u32>,
    /// Where `id` stands in the line, quotes excluded.
    pub id: Option<Range<u32>>,
    /// `meta.lastUpdated`, when there is one and it is an instant.
    pub last_updated: Option<Instant>,
    /// The patients that the resource points at.
    pub patients: Patients,
}

/// The patients that a resource points at. Each list holds distinct patients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patients {
    /// At the primary path; a Patient's own id counts as one.
    pub primary: Vec<PatientKey>,
    /// Along the compartment paths and the known paths beside the compartment, primary
    /// ones included.
    pub linked: Vec<PatientKey>,
    /// Anywhere else in the resource.
    pub mentioned: Vec<PatientKey>,
    /// A reference at the primary path could not be resolved to a patient of this server.
    pub primary_unresolved: bool,
    /// A reference at any known path could not.
    pub unresolved: bool,
}

/// So many patients are compared one by one: cheaper than hashing, and nearly all resources
/// name fewer.
pub(crate) const FEW: usize = 16;

impl Patients {
    /// How many of the linked patients are in `cohort`.
    pub fn members(&self, cohort: &PatientSet) -> usize {
        self.linked.iter().filter(|key| cohort.contains(**key)).count()
    }

    /// How many patients named anywhere are not in `cohort`.
    pub fn outsiders(&self, cohort: &PatientSet) -> usize {
        let is_outside = |key: &&PatientKey| !cohort.contains(**key);
        let linked = self.linked.iter().filter(is_outside).count();
        // Server-controlled: when both are long, one is not searched through for the other.
        let elsewhere = if self.linked.len().min(self.mentioned.len()) < FEW {
            let known = |key: &&PatientKey| self.linked.contains(key);
            self.mentioned.iter().filter(is_outside).filter(|key| !known(key)).count()
        } else {
            let known: HashSet<&PatientKey> = self.linked.iter().collect();
            let unknown = self.mentioned.iter().filter(|key| !known.contains(key));
            unknown.filter(is_outside).count()
        };
        linked + elsewhere
    }

    /// Whether there is a primary patient and all of them are in `cohort`.
    pub fn primary_is_member(&self, cohort: &PatientSet) -> bool {
        !self.primary.is_empty() && self.primary.iter().all(|key| cohort.contains(*key))
    }
}
