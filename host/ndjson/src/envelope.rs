//! What is known of a line without its body.

use std::{collections::HashSet, ops::Range};

use bulkhead_model::{Instant, PatientKey, PatientSet};
use smallvec::SmallVec;

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

/// Patients at one kind of path. Nearly every resource names one at the most, which then needs no
/// memory of its own.
pub type PatientList = SmallVec<[PatientKey; 1]>;

/// The patients that a resource points at. Each list holds distinct patients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patients {
    /// At the primary path; a Patient's own id counts as one.
    pub primary: PatientList,
    /// Along the compartment paths and the known paths beside the compartment, primary
    /// ones included.
    pub linked: PatientList,
    /// Anywhere else in the resource.
    pub mentioned: PatientList,
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

    /// Who of the patients is in `cohort`.
    pub fn membership(&self, cohort: &PatientSet) -> Membership {
        let members = self.members(cohort);
        // A look-up is a wait for memory, so nobody is looked up twice without need: in most
        // resources the one patient is the primary one.
        let primary_is_member = !self.primary.is_empty()
            && if self.primary == self.linked {
                members == self.linked.len()
            } else {
                self.primary.iter().all(|key| cohort.contains(*key))
            };
        let outsiders = self.linked.len() - members + self.outsiders_elsewhere(cohort);
        Membership { members, outsiders, primary_is_member }
    }

    /// How many patients are mentioned only and are not in `cohort`.
    fn outsiders_elsewhere(&self, cohort: &PatientSet) -> usize {
        let is_outside = |key: &&PatientKey| !cohort.contains(**key);
        // Server-controlled: when both are long, one is not searched through for the other.
        if self.linked.len().min(self.mentioned.len()) < FEW {
            let unknown = self.mentioned.iter().filter(|key| !self.linked.contains(key));
            unknown.filter(is_outside).count()
        } else {
            let known: HashSet<&PatientKey> = self.linked.iter().collect();
            let unknown = self.mentioned.iter().filter(|key| !known.contains(key));
            unknown.filter(is_outside).count()
        }
    }
}

/// Who of a resource's patients is in a cohort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// How many of the linked patients are.
    pub members: usize,
    /// How many of the patients named anywhere are not.
    pub outsiders: usize,
    /// Whether there is a primary patient and all of them are.
    pub primary_is_member: bool,
}
