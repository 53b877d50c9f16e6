//! The rounds of change: what is created, updated and deleted on each virtual day.
//!
//! Every answer is a function of seed, resource and round; no round needs the one before.
//! Only resources of the base are deleted, so a deletion always concerns something that a
//! client of any earlier round has seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bulkhead_model::{Instant, ResourceType};

use super::world::{DAY, EPOCH, Item, Kind, LABORATORY, NOBODY, Stamp, World};
use crate::data::random::mix;

/// What one round does to one type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Resources that were not there before.
    pub created: u64,
    /// Resources with a new version.
    pub updated: u64,
    /// Resources that are gone.
    pub deleted: u64,
}

/// What of one type an incremental export between two rounds must carry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Ids of resources that are new or changed, and still there.
    pub upserts: BTreeSet<String>,
    /// Ids of resources that are gone.
    pub deletes: BTreeSet<String>,
}

/// The script of a made-up world.
#[derive(Clone, Debug)]
pub struct Script {
    patients: u32,
    seed: u64,
}

/// The resources that one round touches.
pub(super) struct Round {
    pub(super) created: Vec<Item>,
    pub(super) updated: Vec<Item>,
    pub(super) deleted: Vec<Item>,
}

impl Script {
    /// The script of the world with these numbers.
    pub fn new(patients: u32, seed: u64) -> Self {
        Self { patients, seed }
    }

    /// When a round is over, by the virtual clock. Round 0 is the base.
    pub fn time_of(round: u32) -> Instant {
        EPOCH.plus(DAY.saturating_mul(round))
    }

    /// What a round does, by type. Types that it leaves alone are absent.
    pub fn summary(&self, round: u32) -> BTreeMap<ResourceType, Changes> {
        let mut summary: BTreeMap<ResourceType, Changes> = BTreeMap::new();
        let Round { created, updated, deleted } = self.round(round);
        let mut count = |items: &[Item], add: fn(&mut Changes)| {
            for item in items {
                if let Ok(name) = item.kind.name().parse() {
                    add(summary.entry(name).or_default());
                }
            }
        };
        count(&created, |changes| changes.created += 1);
        count(&updated, |changes| changes.updated += 1);
        count(&deleted, |changes| changes.deleted += 1);
        summary
    }

    /// What a client that has seen round `from` must learn to stand at round `to`, by type.
    pub fn changes_between(
        &self,
        from: u32,
        to: u32,
    ) -> BTreeMap<ResourceType, Difference> {
        let world = self.world("");
        let mut differences: BTreeMap<ResourceType, Difference> = BTreeMap::new();
        for (item, birth) in self.items(to) {
            let gone = self.gone(item, birth);
            let deleted = gone.is_some_and(|round| (from < round) && (round <= to));
            let alive = gone.is_none_or(|round| round > to);
            let fresh = birth > from
                || (from + 1..=to).any(|round| self.is_updated(item, birth, round));
            let Ok(name) = item.kind.name().parse() else { continue };
            if deleted {
                differences.entry(name).or_default().deletes.insert(world.id(item));
            } else if alive && fresh {
                differences.entry(name).or_default().upserts.insert(world.id(item));
            }
        }
        differences
    }

    /// The ids of all resources that are there after a round, by type, in no order.
    pub fn ids(&self, round: u32) -> BTreeMap<ResourceType, Vec<String>> {
        let world = self.world("");
        let mut ids: BTreeMap<ResourceType, Vec<String>> = BTreeMap::new();
        for (item, birth) in self.items(round) {
            let alive = self.gone(item, birth).is_none_or(|gone| gone > round);
            if let (true, Ok(name)) = (alive, item.kind.name().parse()) {
                ids.entry(name).or_default().push(world.id(item));
            }
        }
        ids
    }

    pub(super) fn world(&self, base_url: &str) -> World {
        World::new(self.patients, self.seed, base_url)
    }

    /// The resources that a round touches.
    pub(super) fn round(&self, round: u32) -> Round {
        let mut touched =
            Round { created: Vec::new(), updated: Vec::new(), deleted: Vec::new() };
        if round == 0 {
            return touched;
        }
        for (item, birth) in self.items(round) {
            if birth == round {
                touched.created.push(item);
            } else if self.gone(item, birth) == Some(round) {
                touched.deleted.push(item);
            } else if self.is_updated(item, birth, round) {
                touched.updated.push(item);
            }
        }
        touched
    }

    /// The version of a resource after a round that touched it.
    pub(super) fn stamp(&self, item: Item, round: u32) -> Stamp {
        let birth = self.birth(item);
        let updates =
            (birth + 1..=round).filter(|at| self.is_updated(item, birth, *at)).count();
        Stamp {
            version: u32::try_from(updates).unwrap_or(u32::MAX).saturating_add(1),
            updated: self.change_time(item, round),
        }
    }

    /// When within a round a resource changes: in the six hours before its end, to the
    /// millisecond, never at the end itself.
    pub(super) fn change_time(&self, item: Item, round: u32) -> Instant {
        let before = 60_000 + self.draw(item, 3, round) % (6 * 3600 * 1000);
        Self::time_of(round).minus(Duration::from_millis(before))
    }

    /// All resources that ever were up to a round, with the round they came in.
    fn items(&self, round: u32) -> Vec<(Item, u32)> {
        let world = self.world("");
        let mut items = Vec::new();
        for kind in Kind::ALL {
            items.extend(world.base_items(*kind).map(|item| (item, 0)));
        }
        for birth in 1..=round {
            for newcomer in 0..self.newcomers() {
                let owner = self.patients + (birth - 1) * self.newcomers() + newcomer;
                for kind in Kind::ALL {
                    items.extend(world.items_of(*kind, owner).map(|item| (item, birth)));
                }
            }
            for visit in 0..self.visits() {
                let number = FIRST_EXTRA + birth * MOST_VISITS + visit;
                let drawn = mix(&[self.seed, 4, birth.into(), visit.into()]);
                let owner = drawn.checked_rem(self.patients.into()).unwrap_or(0);
                let owner = u32::try_from(owner).unwrap_or(0);
                for kind in [Kind::Encounter, Kind::Observation] {
                    items.push((Item { kind, owner, number }, birth));
                }
            }
        }
        items
    }

    fn newcomers(&self) -> u32 {
        self.world("").newcomers()
    }

    /// Visits of known patients a round: one in 50, at least one.
    fn visits(&self) -> u32 {
        if self.patients == 0 {
            0
        } else {
            (self.patients / 50).clamp(1, MOST_VISITS - 1)
        }
    }

    /// The round in which a resource came; 0 for the base.
    fn birth(&self, item: Item) -> u32 {
        if item.owner != NOBODY && item.owner >= self.patients {
            1 + (item.owner - self.patients) / self.newcomers()
        } else if item.number >= FIRST_EXTRA {
            (item.number - FIRST_EXTRA) / MOST_VISITS
        } else {
            0
        }
    }

    /// The round in which a resource is deleted: one in a hundred of the deletable a round.
    fn gone(&self, item: Item, birth: u32) -> Option<u32> {
        let deletable = match item.kind {
            Kind::AllergyIntolerance
            | Kind::Immunization
            | Kind::MedicationRequest
            | Kind::Task => true,
            Kind::Observation => item.number >= LABORATORY,
            Kind::CarePlan
            | Kind::Condition
            | Kind::Coverage
            | Kind::Device
            | Kind::DiagnosticReport
            | Kind::DocumentReference
            | Kind::Encounter
            | Kind::ExplanationOfBenefit
            | Kind::Group
            | Kind::Location
            | Kind::Medication
            | Kind::Organization
            | Kind::Patient
            | Kind::Practitioner
            | Kind::PractitionerRole
            | Kind::Procedure
            | Kind::Provenance
            | Kind::RelatedPerson => false,
        };
        let round = u32::try_from(1 + self.draw(item, 5, 0) % 100).unwrap_or(u32::MAX);
        (deletable && birth == 0).then_some(round)
    }

    /// Whether a round gives a resource a new version.
    fn is_updated(&self, item: Item, birth: u32, round: u32) -> bool {
        if round <= birth || self.gone(item, birth).is_some_and(|gone| gone <= round) {
            return false;
        }
        let per_thousand = match item.kind {
            // The first cohort takes in every round's new patients.
            Kind::Group => return item.number == 0,
            Kind::Condition
            | Kind::MedicationRequest
            | Kind::Patient
            | Kind::CarePlan => 20,
            Kind::Coverage | Kind::Encounter | Kind::Observation => 10,
            Kind::Task => 50,
            Kind::AllergyIntolerance
            | Kind::Device
            | Kind::DiagnosticReport
            | Kind::DocumentReference
            | Kind::ExplanationOfBenefit
            | Kind::Immunization
            | Kind::Location
            | Kind::Medication
            | Kind::Organization
            | Kind::Practitioner
            | Kind::PractitionerRole
            | Kind::Procedure
            | Kind::Provenance
            | Kind::RelatedPerson => 0,
        };
        self.draw(item, 6, round) % 1000 < per_thousand
    }

    fn draw(&self, item: Item, purpose: u64, round: u32) -> u64 {
        let Item { kind, owner, number } = item;
        mix(&[self.seed, purpose, kind as u64, owner.into(), number.into(), round.into()])
    }
}

/// Numbers from here on are visits that came in a round.
const FIRST_EXTRA: u32 = 1_000_000;
/// Keeps the numbers of different rounds apart.
const MOST_VISITS: u32 = 1_000;
