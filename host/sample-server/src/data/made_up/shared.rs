//! What patients share: staff, places, medications, and the groups they are members of.
//!
//! Source: US Core Organization, Practitioner and Location, in shape; R4 Group.

use super::{
    catalogue::{FAMILIES, GIVEN_FEMALE, MEDICATIONS, PLACES, STREETS, hl7},
    person::{Page, phone},
    world::{Item, Kind, NOBODY},
};
use crate::data::{
    json::Object,
    random::{Random, mix},
};

impl Page<'_> {
    pub(super) fn organization(&self) -> String {
        let mut random = self.random();
        let place = random.pick(PLACES);
        self.open(Some("us-core-organization"))
            .objects("identifier", [npi(&mut random)])
            .raw("active", true)
            .text(
                "name",
                format!(
                    "{} General Hospital & Clinics #{}",
                    place.city, self.item.number
                ),
            )
            .objects("telecom", [phone(&mut random, "work")])
            .objects("address", [address(&mut random)])
            .end()
    }

    pub(super) fn practitioner(&self) -> String {
        let mut random = self.random();
        let name = Object::new()
            .text("family", random.pick(FAMILIES))
            .texts("given", &[random.pick(GIVEN_FEMALE)])
            .texts("prefix", &["Dr."]);
        self.open(Some("us-core-practitioner"))
            .objects("identifier", [npi(&mut random)])
            .raw("active", true)
            .objects("name", [name])
            .text("gender", "female")
            .end()
    }

    pub(super) fn practitioner_role(&self) -> String {
        let mut random = self.random();
        self.open(Some("us-core-practitionerrole"))
            .raw("active", true)
            .reference(
                "practitioner",
                self.world.reference(Kind::Practitioner, NOBODY, self.item.number),
            )
            .reference("organization", self.world.shared(Kind::Organization, &mut random))
            .concepts(
                "code",
                hl7(
                    "http://nucc.org/provider-taxonomy",
                    "208D00000X",
                    "General Practice Physician",
                ),
            )
            .end()
    }

    pub(super) fn location(&self) -> String {
        let mut random = self.random();
        let position = Object::new()
            .raw("longitude", format_args!("-71.{:06}", random.below(1_000_000)))
            .raw("latitude", format_args!("42.{:06}", random.below(1_000_000)));
        self.open(Some("us-core-location"))
            .text("status", "active")
            .text("name", format!("Ward {}", self.item.number + 1))
            .object("address", address(&mut random))
            .object("position", position)
            .reference(
                "managingOrganization",
                self.world.reference(Kind::Organization, NOBODY, self.item.number),
            )
            .end()
    }

    pub(super) fn medication(&self) -> String {
        let code =
            MEDICATIONS.get(self.item.number as usize).copied().unwrap_or_default();
        self.open(Some("us-core-medication"))
            .concept("code", code)
            .text("status", "active")
            .end()
    }

    /// `cohort-a` holds the first half of the patients and every newcomer, `cohort-nested`
    /// that cohort and a patient of its own, `panel-2` a third of the patients, one of them
    /// no longer.
    pub(super) fn group(&self) -> String {
        let world = self.world;
        let (name, members) = match self.item.number {
            0 => {
                let newcomers =
                    world.patients..world.patients + self.edits() * world.newcomers();
                let first = (0..world.patients.div_ceil(2)).take(MOST_MEMBERS);
                let members =
                    first.chain(newcomers).map(|owner| member(world.patient(owner)));
                ("Cohort A", members.collect::<Vec<_>>())
            }
            1 => {
                let inner = world.reference(Kind::Group, NOBODY, 0);
                let last =
                    world.patients.checked_sub(1).map(|owner| world.patient(owner));
                (
                    "Cohort A and more",
                    std::iter::once(inner).chain(last).map(member).collect(),
                )
            }
            _ => {
                let chosen = (0..world.patients)
                    .filter(|owner| {
                        mix(&[world.seed, 7, u64::from(*owner)]).is_multiple_of(3)
                    })
                    .take(MOST_MEMBERS);
                let members = chosen.enumerate().map(|(at, owner)| {
                    let member = member(world.patient(owner));
                    if at == 0 { member.raw("inactive", true) } else { member }
                });
                ("Payer panel", members.collect())
            }
        };
        let item: Item = self.item;
        self.open(None)
            .objects(
                "identifier",
                [Object::identifier(
                    "https://hospital.example.org/group",
                    world.id(item),
                )],
            )
            .raw("active", true)
            .text("type", "person")
            .raw("actual", true)
            .text("name", name)
            .raw("quantity", members.len())
            .objects("member", members)
            .end()
    }
}

fn member(entity: String) -> Object {
    Object::new().reference("entity", entity)
}

fn npi(random: &mut Random) -> Object {
    let number = format!("9{:09}", random.below(1_000_000_000));
    Object::identifier("http://hl7.org/fhir/sid/us-npi", number)
}

fn address(random: &mut Random) -> Object {
    let place = random.pick(PLACES);
    let street = format!("{} {}", 1 + random.below(999), random.pick(STREETS));
    Object::new()
        .texts("line", &[&street])
        .text("city", place.city)
        .text("state", place.state)
        .text("postalCode", place.zip)
        .text("country", "US")
}

/// Keeps the line of a group below a megabyte.
const MOST_MEMBERS: usize = 10_000;
