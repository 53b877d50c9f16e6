//! Who and what exists: the kinds of resources, their ids and numbers, and their first
//! versions. What is in them is the business of the neighbouring files.

use std::time::Duration;

use bulkhead_model::Instant;

use crate::data::random::{Random, mix};

/// The kinds of resources that are made up, in the order of their files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    AllergyIntolerance,
    CarePlan,
    Condition,
    Coverage,
    Device,
    DiagnosticReport,
    DocumentReference,
    Encounter,
    ExplanationOfBenefit,
    Group,
    Immunization,
    Location,
    Medication,
    MedicationRequest,
    Observation,
    Organization,
    Patient,
    Practitioner,
    PractitionerRole,
    Procedure,
    Provenance,
    RelatedPerson,
    Task,
}

impl Kind {
    pub(super) const ALL: &'static [Self] = &[
        Self::AllergyIntolerance,
        Self::CarePlan,
        Self::Condition,
        Self::Coverage,
        Self::Device,
        Self::DiagnosticReport,
        Self::DocumentReference,
        Self::Encounter,
        Self::ExplanationOfBenefit,
        Self::Group,
        Self::Immunization,
        Self::Location,
        Self::Medication,
        Self::MedicationRequest,
        Self::Observation,
        Self::Organization,
        Self::Patient,
        Self::Practitioner,
        Self::PractitionerRole,
        Self::Procedure,
        Self::Provenance,
        Self::RelatedPerson,
        Self::Task,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::AllergyIntolerance => "AllergyIntolerance",
            Self::CarePlan => "CarePlan",
            Self::Condition => "Condition",
            Self::Coverage => "Coverage",
            Self::Device => "Device",
            Self::DiagnosticReport => "DiagnosticReport",
            Self::DocumentReference => "DocumentReference",
            Self::Encounter => "Encounter",
            Self::ExplanationOfBenefit => "ExplanationOfBenefit",
            Self::Group => "Group",
            Self::Immunization => "Immunization",
            Self::Location => "Location",
            Self::Medication => "Medication",
            Self::MedicationRequest => "MedicationRequest",
            Self::Observation => "Observation",
            Self::Organization => "Organization",
            Self::Patient => "Patient",
            Self::Practitioner => "Practitioner",
            Self::PractitionerRole => "PractitionerRole",
            Self::Procedure => "Procedure",
            Self::Provenance => "Provenance",
            Self::RelatedPerson => "RelatedPerson",
            Self::Task => "Task",
        }
    }
}

/// One resource, before it is written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Item {
    pub(super) kind: Kind,
    /// The number of the patient, or [`NOBODY`].
    pub(super) owner: u32,
    pub(super) number: u32,
}

/// The version of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) version: u32,
    pub(super) updated: Instant,
}

/// The owner of what belongs to no patient.
pub(super) const NOBODY: u32 = u32::MAX;

/// Before this instant the world was made; round 1 ends a day later. 2026-01-05T00:00:00Z.
pub(super) const EPOCH: Instant = Instant::from_unix_ms(1_767_571_200_000);

pub(super) const DAY: Duration = Duration::from_hours(24);

/// Laboratory observations come first; reports point at them, so they are never deleted.
pub(super) const LABORATORY: u32 = 8;

/// The made-up world.
pub(super) struct World {
    pub(super) patients: u32,
    pub(super) seed: u64,
    pub(super) base_url: String,
}

impl World {
    pub(super) fn new(patients: u32, seed: u64, base_url: &str) -> Self {
        Self { patients, seed, base_url: base_url.to_owned() }
    }

    /// How many patients come new in every round: one in 200, at least one.
    pub(super) fn newcomers(&self) -> u32 {
        (self.patients / 200).max(1)
    }

    /// How many resources of a kind belong to one owner when it comes into being.
    fn count(&self, kind: Kind, owner: u32) -> u32 {
        let many = |least: u64, span: u64| {
            let drawn = mix(&[self.seed, 1, kind as u64, owner.into()]) % span;
            u32::try_from(least + drawn).unwrap_or(0)
        };
        if owner == NOBODY {
            return match kind {
                Kind::Device | Kind::Group => 3,
                Kind::Location | Kind::Organization => 3 + self.patients / 100,
                Kind::Medication => super::catalogue::MEDICATION_COUNT,
                Kind::Practitioner | Kind::PractitionerRole => 5 + self.patients / 50,
                Kind::AllergyIntolerance
                | Kind::CarePlan
                | Kind::Condition
                | Kind::Coverage
                | Kind::DiagnosticReport
                | Kind::DocumentReference
                | Kind::Encounter
                | Kind::ExplanationOfBenefit
                | Kind::Immunization
                | Kind::MedicationRequest
                | Kind::Observation
                | Kind::Patient
                | Kind::Procedure
                | Kind::Provenance
                | Kind::RelatedPerson
                | Kind::Task => 0,
            };
        }
        match kind {
            Kind::Patient | Kind::Coverage | Kind::CarePlan | Kind::DocumentReference => {
                1
            }
            Kind::AllergyIntolerance => many(0, 3),
            Kind::Condition | Kind::Encounter => many(2, 4),
            Kind::Device | Kind::RelatedPerson => many(0, 4) / 3,
            Kind::DiagnosticReport | Kind::Procedure | Kind::ExplanationOfBenefit => {
                many(1, 3)
            }
            Kind::Immunization | Kind::MedicationRequest => many(1, 4),
            Kind::Observation => many(LABORATORY.into(), 14),
            Kind::Provenance => 2,
            Kind::Task => many(0, 3) / 2,
            Kind::Group
            | Kind::Location
            | Kind::Medication
            | Kind::Organization
            | Kind::Practitioner
            | Kind::PractitionerRole => 0,
        }
    }

    /// All resources of a kind before the first round, in the order of their file.
    pub(super) fn base_items(&self, kind: Kind) -> impl Iterator<Item = Item> + '_ {
        let owners = (0..self.patients).chain([NOBODY]);
        owners.flat_map(move |owner| self.items_of(kind, owner))
    }

    /// What of a kind one owner has from the beginning.
    pub(super) fn items_of(
        &self,
        kind: Kind,
        owner: u32,
    ) -> impl Iterator<Item = Item> + use<> {
        (0..self.count(kind, owner)).map(move |number| Item { kind, owner, number })
    }

    /// The first version of a resource of the base: some time in the two years before.
    pub(super) fn born(&self, item: Item) -> Stamp {
        let back = self.random(item, 2).below(2 * 365 * 24 * 3600 * 1000);
        Stamp { version: 1, updated: EPOCH.minus(Duration::from_millis(1 + back)) }
    }

    /// The id of a resource.
    pub(super) fn id(&self, item: Item) -> String {
        if item.kind == Kind::Group {
            return match item.number {
                0 => "cohort-a".to_owned(),
                1 => "cohort-nested".to_owned(),
                number => format!("panel-{number}"),
            };
        }
        let mut random = self.random(item, 0);
        let (high, low) = (random.next(), random.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }

    /// A relative reference to a resource.
    pub(super) fn reference(&self, kind: Kind, owner: u32, number: u32) -> String {
        format!("{}/{}", kind.name(), self.id(Item { kind, owner, number }))
    }

    pub(super) fn patient(&self, owner: u32) -> String {
        self.reference(Kind::Patient, owner, 0)
    }

    /// A reference to one of the shared resources of a kind.
    pub(super) fn shared(&self, kind: Kind, random: &mut Random) -> String {
        let count = self.count(kind, NOBODY).max(1);
        let number = u32::try_from(random.below(count.into())).unwrap_or(0);
        self.reference(kind, NOBODY, number)
    }

    /// The stream of choices for one purpose of one resource.
    pub(super) fn random(&self, item: Item, purpose: u64) -> Random {
        let Item { kind, owner, number } = item;
        Random::of(&[self.seed, kind as u64, owner.into(), number.into(), purpose])
    }

    /// Writes out one version of a resource, without a newline.
    pub(super) fn render(&self, item: Item, stamp: Stamp) -> String {
        let page = super::person::Page { world: self, item, stamp };
        match item.kind {
            Kind::Patient => page.patient(),
            Kind::RelatedPerson => page.related_person(),
            Kind::AllergyIntolerance => page.allergy(),
            Kind::CarePlan => page.care_plan(),
            Kind::Condition => page.condition(),
            Kind::DiagnosticReport => page.diagnostic_report(),
            Kind::Encounter => page.encounter(),
            Kind::Immunization => page.immunization(),
            Kind::MedicationRequest => page.medication_request(),
            Kind::Observation => page.observation(),
            Kind::Procedure => page.procedure(),
            Kind::Coverage => page.coverage(),
            Kind::ExplanationOfBenefit => page.explanation_of_benefit(),
            Kind::Device => page.device(),
            Kind::DocumentReference => page.document(),
            Kind::Provenance => page.provenance(),
            Kind::Task => page.task(),
            Kind::Group => page.group(),
            Kind::Location => page.location(),
            Kind::Medication => page.medication(),
            Kind::Organization => page.organization(),
            Kind::Practitioner => page.practitioner(),
            Kind::PractitionerRole => page.practitioner_role(),
        }
    }
}
