//! Persons: patients and those related to them.
//!
//! Source: US Core Patient and `RelatedPerson`, in shape; identifiers are from ranges that are
//! never issued (social security numbers above 899).

use bulkhead_model::Instant;

use super::{
    catalogue::{FAMILIES, GIVEN_FEMALE, GIVEN_MALE, PLACES, RACES, STREETS, hl7},
    world::{EPOCH, Item, Kind, NOBODY, Stamp, World},
};
use crate::data::{
    json::{Object, coding},
    random::Random,
};

/// One resource about to be written.
pub(super) struct Page<'w> {
    pub(super) world: &'w World,
    pub(super) item: Item,
    pub(super) stamp: Stamp,
}

impl Page<'_> {
    /// The stream of choices that fills this resource, whatever its version.
    pub(super) fn random(&self) -> Random {
        self.world.random(self.item, 10)
    }

    /// How many versions came before this one; 0 for the first.
    pub(super) fn edits(&self) -> u32 {
        self.stamp.version - 1
    }

    /// The resource with its type, id and meta.
    pub(super) fn open(&self, profile: Option<&str>) -> Object {
        let meta = Object::new()
            .text("versionId", self.stamp.version.to_string())
            .text("lastUpdated", self.stamp.updated.to_string());
        let meta = match profile {
            Some(name) => meta.texts("profile", &[&format!("{US_CORE}{name}")]),
            None => meta,
        };
        Object::new()
            .text("resourceType", self.item.kind.name())
            .text("id", self.world.id(self.item))
            .object("meta", meta)
    }

    /// A reference to the patient whose resource this is.
    pub(super) fn owner(&self) -> String {
        self.world.patient(self.item.owner)
    }

    /// The same, as an absolute URL once in 50 resources.
    pub(super) fn owner_in_any_form(&self) -> String {
        if self.world.random(self.item, 11).one_in(50) {
            format!("{}/{}", self.world.base_url, self.owner())
        } else {
            self.owner()
        }
    }

    /// A reference to another resource of the same patient.
    pub(super) fn own(&self, kind: Kind, number: u32) -> String {
        self.world.reference(kind, self.item.owner, number)
    }

    /// One of the patient's first two encounters, which every patient has.
    pub(super) fn encounter_of(&self) -> String {
        self.own(Kind::Encounter, self.item.number % 2)
    }

    /// A point in time of the five years before the world began, or shortly before the
    /// resource came when it came in a round.
    pub(super) fn when(&self, random: &mut Random) -> Instant {
        let minutes = random.below(5 * 365 * 24 * 60);
        if self.item.owner >= self.world.patients || self.item.number >= 1_000_000 {
            let days = i64::from(self.item.number.saturating_sub(1_000_000) / 1_000);
            let hour = i64::try_from(minutes % 600).unwrap_or(0);
            return Instant::from_unix_ms(
                EPOCH.unix_ms() + (days - 1) * 86_400_000 + hour * 60_000,
            );
        }
        EPOCH.minus(std::time::Duration::from_secs(minutes * 60))
    }

    pub(super) fn patient(&self) -> String {
        let mut random = self.random();
        let female = random.one_in(2);
        let family = random.pick(FAMILIES);
        let given = random.pick(if female { GIVEN_FEMALE } else { GIVEN_MALE });
        let birth = self.birth(&mut random);
        let record_number = format!("MRN-{:07}", random.below(10_000_000));
        let security_number = format!(
            "{}-{:02}-{:04}",
            900 + random.below(100),
            1 + random.below(99),
            1 + random.below(9999)
        );
        let race = random.pick(RACES);
        let sex = if female { ("F", "female") } else { ("M", "male") };
        let mut patient = self
            .open(Some("us-core-patient"))
            .narrative(&format!(
                "<p>{given} {family}, born {birth}, &quot;made up&quot; \\ test</p>"
            ))
            .objects(
                "extension",
                [
                    Object::new().text("url", format!("{US_CORE}us-core-race")).objects(
                        "extension",
                        [
                            Object::new()
                                .text("url", "ombCategory")
                                .coding("valueCoding", race),
                            Object::new()
                                .text("url", "text")
                                .text("valueString", race.display),
                        ],
                    ),
                    Object::new()
                        .text("url", format!("{US_CORE}us-core-birthsex"))
                        .text("valueCode", sex.0),
                ],
            )
            .objects(
                "identifier",
                [
                    identifier("MR", "Medical Record Number", MRN_SYSTEM, &record_number),
                    identifier(
                        "SS",
                        "Social Security number",
                        SSN_SYSTEM,
                        &security_number,
                    ),
                ],
            )
            .raw("active", true)
            .objects("name", self.names(family, given, &mut random))
            .objects("telecom", self.telecom(given, &mut random))
            .text("gender", sex.1)
            .text("birthDate", &birth)
            .objects("address", [self.address(&mut random)])
            .object("maritalStatus", marital(&mut random))
            .objects(
                "communication",
                [Object::new().object(
                    "language",
                    Object::new().objects(
                        "coding",
                        [coding(hl7("urn:ietf:bcp:47", "en-US", "English"))],
                    ),
                )],
            )
            .references(
                "generalPractitioner",
                [self.world.shared(Kind::Practitioner, &mut random)],
            )
            .reference(
                "managingOrganization",
                self.world.shared(Kind::Organization, &mut random),
            );
        if self.item.owner % 13 == 5 {
            patient = patient.text("deceasedDateTime", "2025-11-30T04:20:00-05:00");
        }
        if self.item.owner % 97 == 96 {
            patient = patient.objects(
                "link",
                [Object::new()
                    .reference("other", self.world.patient(self.item.owner - 1))
                    .text("type", "seealso")],
            );
        }
        patient.end()
    }

    pub(super) fn related_person(&self) -> String {
        let mut random = self.random();
        let name = Object::new()
            .text("family", random.pick(FAMILIES))
            .texts("given", &[random.pick(GIVEN_FEMALE)]);
        self.open(None)
            .raw("active", true)
            .reference("patient", self.owner())
            .concepts("relationship", hl7(ROLE_SYSTEM, "MTH", "mother"))
            .objects("name", [name])
            .objects("telecom", [phone(&mut random, "mobile")])
            .text("gender", "female")
            .end()
    }

    /// A birth date; every 17th patient is over 89 years old, every 11th a child, and every
    /// 29th is known by year and month only.
    fn birth(&self, random: &mut Random) -> String {
        let owner = self.item.owner;
        let years = if owner % 17 == 3 {
            90 + random.below(14)
        } else if owner % 11 == 4 {
            random.below(18)
        } else {
            18 + random.below(70)
        };
        let days =
            i64::try_from(years * 365 + years / 4 + random.below(360)).unwrap_or(0);
        let birth = Instant::from_unix_ms(EPOCH.unix_ms() - days * 86_400_000);
        date(birth).chars().take(if owner % 29 == 7 { 7 } else { 10 }).collect()
    }

    fn names(&self, family: &str, given: &str, random: &mut Random) -> Vec<Object> {
        let middle: String =
            char::from(b'A' + u8::try_from(random.below(26)).unwrap_or(0)).into();
        let official = Object::new()
            .text("use", "official")
            .text("family", family)
            .texts("given", &[given, &format!("{middle}.")]);
        let mut names = vec![official];
        if self.item.owner % 7 == 2 {
            names.push(
                Object::new()
                    .text("use", "nickname")
                    .text("text", format!("\"{given}\"")),
            );
        }
        names
    }

    fn telecom(&self, given: &str, random: &mut Random) -> Vec<Object> {
        // Every new version moves the patient to another number.
        let home = phone(
            &mut self.world.random(self.item, 20 + u64::from(self.edits())),
            "home",
        );
        let handle: String = given.chars().filter(char::is_ascii_alphabetic).collect();
        let mail =
            format!("{}{}@example.org", handle.to_lowercase(), random.below(10_000));
        vec![home, Object::new().text("system", "email").text("value", mail)]
    }

    fn address(&self, random: &mut Random) -> Object {
        let place = random.pick(PLACES);
        let house = 1 + random.below(9_999) + u64::from(self.edits());
        let street = format!("{house} {}", random.pick(STREETS));
        let second = if random.one_in(10) { "Unit \"B\"\t2nd floor" } else { "Apt 4" };
        Object::new()
            .text("use", "home")
            .texts("line", &[&street, second])
            .text("city", place.city)
            .text("state", place.state)
            .text("postalCode", place.zip)
            .text("country", "US")
    }
}

/// The first ten letters of an instant.
pub(super) fn date(instant: Instant) -> String {
    instant.to_string().chars().take(10).collect()
}

/// A telephone number from the block kept for fiction.
pub(super) fn phone(random: &mut Random, usage: &str) -> Object {
    let number = format!("({}) 555-01{:02}", 201 + random.below(700), random.below(100));
    Object::new().text("system", "phone").text("value", number).text("use", usage)
}

fn identifier(
    code: &'static str,
    display: &'static str,
    system: &str,
    value: &str,
) -> Object {
    let kind = Object::new()
        .objects("coding", [coding(hl7(IDENTIFIER_TYPES, code, display))])
        .text("text", display);
    Object::new().object("type", kind).text("system", system).text("value", value)
}

fn marital(random: &mut Random) -> Object {
    let (code, display) =
        if random.one_in(2) { ("M", "Married") } else { ("S", "Never Married") };
    let system = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus";
    Object::new().objects("coding", [coding(hl7(system, code, display))])
}

/// Whether an owner is a patient at all.
pub(super) fn is_patient(owner: u32) -> bool {
    owner != NOBODY
}

const US_CORE: &str = "http://hl7.org/fhir/us/core/StructureDefinition/";
const IDENTIFIER_TYPES: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";
const ROLE_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";
const MRN_SYSTEM: &str = "https://hospital.example.org/mrn";
const SSN_SYSTEM: &str = "http://hl7.org/fhir/sid/us-ssn";
