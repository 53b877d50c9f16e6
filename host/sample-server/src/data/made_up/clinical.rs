//! What was found, done and prescribed.
//!
//! Source: US Core profiles of the types below, in shape.

use super::{
    catalogue::{
        ALLERGENS, BLOOD_PRESSURE, CONDITIONS, DIASTOLIC, ENCOUNTERS, LABORATORY_TESTS,
        MEDICATION_COUNT, MEDICATIONS, METABOLIC_PANEL, Measure, PROCEDURES, SMOKING,
        SMOKING_STATES, SYSTOLIC, VACCINES, VITAL_SIGNS, hl7,
    },
    person::{Page, date},
    world::{Kind, LABORATORY},
};
use crate::data::{
    json::{Code, Object, concept, decimal},
    random::Random,
};

impl Page<'_> {
    pub(super) fn encounter(&self) -> String {
        let mut random = self.random();
        let start = self.when(&mut random);
        let minutes = 15 + random.below(120);
        let end = start.plus(std::time::Duration::from_secs(minutes * 60));
        let length = Object::new()
            .raw("value", minutes + u64::from(self.edits()))
            .text("unit", "min");
        self.open(Some("us-core-encounter"))
            .text("status", "finished")
            .coding("class", hl7(ACT_CODES, "AMB", "ambulatory"))
            .concepts("type", random.pick(ENCOUNTERS))
            .reference("subject", self.owner_in_any_form())
            .objects(
                "participant",
                [Object::new().reference(
                    "individual",
                    self.world.shared(Kind::Practitioner, &mut random),
                )],
            )
            .period("period", &start.to_string(), &end.to_string())
            .object("length", length)
            .objects(
                "location",
                [Object::new().reference(
                    "location",
                    self.world.shared(Kind::Location, &mut random),
                )],
            )
            .reference(
                "serviceProvider",
                self.world.shared(Kind::Organization, &mut random),
            )
            .end()
    }

    pub(super) fn condition(&self) -> String {
        let mut random = self.random();
        let onset = self.when(&mut random);
        // Every new version turns the problem from active to resolved or back.
        let resolved = self.edits() % 2 == 1;
        let status =
            if resolved { ("resolved", "Resolved") } else { ("active", "Active") };
        let code = random.pick(CONDITIONS);
        let mut condition = self
            .open(Some("us-core-condition-problems-health-concerns"))
            .concept("clinicalStatus", hl7(CLINICAL_STATUS, status.0, status.1))
            .concept(
                "verificationStatus",
                hl7(VERIFICATION_STATUS, "confirmed", "Confirmed"),
            )
            .concepts(
                "category",
                hl7(CONDITION_CATEGORY, "problem-list-item", "Problem List Item"),
            )
            .concept("code", code)
            .reference("subject", self.owner_in_any_form())
            .reference("encounter", self.encounter_of())
            .text("onsetDateTime", onset.to_string())
            .text("recordedDate", date(onset));
        if resolved {
            condition =
                condition.text("abatementDateTime", self.stamp.updated.to_string());
        }
        if random.one_in(20) {
            let note = format!(
                "Patient says: \"worse in winter\".\nSee C:\\notes\\{}.",
                code.value
            );
            condition = condition.objects("note", [Object::new().text("text", note)]);
        }
        condition.end()
    }

    pub(super) fn observation(&self) -> String {
        let mut random = self.random();
        let at = self.when(&mut random);
        let laboratory = self.item.number < LABORATORY;
        let smoking = self.item.number == LABORATORY;
        let (category, display) = if laboratory {
            ("laboratory", "Laboratory")
        } else if smoking {
            ("social-history", "Social History")
        } else {
            ("vital-signs", "Vital Signs")
        };
        // One in 400 was measured by another patient, who thereby gets it into their
        // compartment too.
        let performer = if random.one_in(400) && self.world.patients > 1 {
            self.world.patient((self.item.owner + 1) % self.world.patients)
        } else {
            self.world.shared(Kind::Practitioner, &mut random)
        };
        let open = self
            .open(None)
            .text("status", if self.edits() == 0 { "final" } else { "corrected" })
            .concepts("category", hl7(OBSERVATION_CATEGORY, category, display));
        let panel = !laboratory && !smoking && random.one_in(6);
        let measure =
            random.pick(if laboratory { LABORATORY_TESTS } else { VITAL_SIGNS });
        let code = if smoking {
            SMOKING
        } else if panel {
            BLOOD_PRESSURE
        } else {
            measure.code
        };
        let open = open
            .concept("code", code)
            .reference("subject", self.owner_in_any_form())
            .reference("encounter", self.encounter_of())
            .text("effectiveDateTime", in_some_zone(at, &mut random))
            .text("issued", at.plus(std::time::Duration::from_millis(1_234)).to_string())
            .references("performer", [performer]);
        let edits = u64::from(self.edits());
        if smoking {
            let at = edits + random.below(3);
            let state =
                SMOKING_STATES.iter().cycle().nth(usize::try_from(at).unwrap_or(0));
            open.concept("valueCodeableConcept", state.copied().unwrap_or_default()).end()
        } else if panel {
            let part = |code, value: u64| {
                Object::new().concept("code", code).quantity(
                    "valueQuantity",
                    &value.to_string(),
                    "mm[Hg]",
                )
            };
            let systolic = part(SYSTOLIC, 95 + random.below(70) + edits);
            let diastolic = part(DIASTOLIC, 55 + random.below(45));
            open.objects("component", [systolic, diastolic]).end()
        } else {
            let Measure { unit, places, least, span, .. } = measure;
            let number = least + random.below(span) + edits;
            let value =
                if places == 0 { number.to_string() } else { decimal(number, places) };
            open.quantity("valueQuantity", &value, unit).end()
        }
    }

    pub(super) fn diagnostic_report(&self) -> String {
        let mut random = self.random();
        let at = self.when(&mut random);
        let first = random.below(u64::from(LABORATORY - 3));
        let results = (first..first + 3).map(|number| {
            self.own(Kind::Observation, u32::try_from(number).unwrap_or(0))
        });
        self.open(Some("us-core-diagnosticreport-lab"))
            .text("status", "final")
            .concepts(
                "category",
                hl7("http://terminology.hl7.org/CodeSystem/v2-0074", "LAB", "Laboratory"),
            )
            .concept("code", METABOLIC_PANEL)
            .reference("subject", self.owner())
            .reference("encounter", self.encounter_of())
            .text("effectiveDateTime", at.to_string())
            .text("issued", at.to_string())
            .references("performer", [self.world.shared(Kind::Organization, &mut random)])
            .references("result", results)
            .end()
    }

    pub(super) fn procedure(&self) -> String {
        let mut random = self.random();
        let start = self.when(&mut random);
        let end =
            start.plus(std::time::Duration::from_secs(60 * (10 + random.below(170))));
        let performer = Object::new()
            .reference("actor", self.world.shared(Kind::Practitioner, &mut random));
        self.open(Some("us-core-procedure"))
            .text("status", "completed")
            .concept("code", random.pick(PROCEDURES))
            .reference("subject", self.owner())
            .reference("encounter", self.encounter_of())
            .period("performedPeriod", &start.to_string(), &end.to_string())
            .objects("performer", [performer])
            .end()
    }

    pub(super) fn immunization(&self) -> String {
        let mut random = self.random();
        self.open(Some("us-core-immunization"))
            .text("status", "completed")
            .concept("vaccineCode", random.pick(VACCINES))
            .reference("patient", self.owner())
            .text("occurrenceDateTime", self.when(&mut random).to_string())
            .raw("primarySource", true)
            .text("lotNumber", format!("LOT{:06}", random.below(1_000_000)))
            .end()
    }

    pub(super) fn allergy(&self) -> String {
        let mut random = self.random();
        let code = random.pick(ALLERGENS);
        let reaction = Object::new()
            .objects(
                "manifestation",
                [concept(hl7("http://snomed.info/sct", "247472004", "Wheal"))],
            )
            .text("severity", "mild");
        self.open(Some("us-core-allergyintolerance"))
            .concept("clinicalStatus", hl7(ALLERGY_CLINICAL, "active", "Active"))
            .text("type", "allergy")
            .texts("category", &["environment"])
            .text("criticality", "low")
            .concept("code", code)
            .reference("patient", self.owner())
            .text("recordedDate", date(self.when(&mut random)))
            .objects("reaction", [reaction])
            .end()
    }

    pub(super) fn medication_request(&self) -> String {
        let mut random = self.random();
        let number = random.below(MEDICATION_COUNT.into());
        let code = MEDICATIONS
            .get(usize::try_from(number).unwrap_or(0))
            .copied()
            .unwrap_or_else(Code::default);
        let number = u32::try_from(number).unwrap_or(0);
        let stopped = self.edits() % 2 == 1;
        let open = self.open(Some("us-core-medicationrequest"));
        // The medication in its three forms: contained, shared resource, mere code.
        let form = random.below(5);
        let open = if form == 0 {
            let medication = Object::new()
                .text("resourceType", "Medication")
                .text("id", "med")
                .concept("code", code);
            open.objects("contained", [medication])
        } else {
            open
        };
        let open = open
            .text("status", if stopped { "stopped" } else { "active" })
            .text("intent", "order");
        let open = match form {
            0 => open.reference("medicationReference", "#med"),
            1 | 2 => open.reference(
                "medicationReference",
                self.world.reference(Kind::Medication, super::world::NOBODY, number),
            ),
            _ => open.concept("medicationCodeableConcept", code),
        };
        let dose = Object::new().text("text", "Take 1 tablet by mouth, 2× daily").object(
            "timing",
            Object::new().object(
                "repeat",
                Object::new()
                    .raw("frequency", 2)
                    .raw("period", "1.0")
                    .text("periodUnit", "d"),
            ),
        );
        open.reference("subject", self.owner_in_any_form())
            .reference("encounter", self.encounter_of())
            .text("authoredOn", self.when(&mut random).to_string())
            .reference("requester", self.world.shared(Kind::Practitioner, &mut random))
            .objects("dosageInstruction", [dose])
            .end()
    }
}

/// The instant in UTC, or once in four times with an offset.
fn in_some_zone(at: bulkhead_model::Instant, random: &mut Random) -> String {
    if !random.one_in(4) {
        return at.to_string();
    }
    let east = bulkhead_model::Instant::from_unix_ms(at.unix_ms() - 5 * 3_600_000);
    east.to_string().replace('Z', "-05:00")
}

const ACT_CODES: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const CLINICAL_STATUS: &str = "http://terminology.hl7.org/CodeSystem/condition-clinical";
const VERIFICATION_STATUS: &str =
    "http://terminology.hl7.org/CodeSystem/condition-ver-status";
const CONDITION_CATEGORY: &str =
    "http://terminology.hl7.org/CodeSystem/condition-category";
const OBSERVATION_CATEGORY: &str =
    "http://terminology.hl7.org/CodeSystem/observation-category";
const ALLERGY_CLINICAL: &str =
    "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical";
