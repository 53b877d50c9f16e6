//! Plans, tasks, documents, devices and where things came from: among them the types that
//! carry patient data outside the Patient compartment.
//!
//! Source: US Core `CarePlan`, `DocumentReference` and Provenance, in shape.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    catalogue::{CARE_PLANS, DEVICES, DISCHARGE_SUMMARY, hl7},
    person::{Page, date, is_patient},
    world::Kind,
};
use crate::data::json::Object;

impl Page<'_> {
    pub(super) fn care_plan(&self) -> String {
        let mut random = self.random();
        let on_hold = self.edits() % 2 == 1;
        let start = self.when(&mut random);
        let plan = random.pick(CARE_PLANS);
        let detail =
            Object::new().concept("code", plan).text("status", "in-progress").references(
                "performer",
                [self.world.shared(Kind::Practitioner, &mut random)],
            );
        self.open(Some("us-core-careplan"))
            .narrative(&format!("<p>{}</p>", plan.display))
            .text("status", if on_hold { "on-hold" } else { "active" })
            .text("intent", "plan")
            .concepts(
                "category",
                hl7(
                    "http://hl7.org/fhir/us/core/CodeSystem/careplan-category",
                    "assess-plan",
                    "Assessment and Plan of Treatment",
                ),
            )
            .reference("subject", self.owner())
            .reference("encounter", self.encounter_of())
            .object("period", Object::new().text("start", date(start)))
            .references("addresses", [self.own(Kind::Condition, 0)])
            .objects("activity", [Object::new().object("detail", detail)])
            .end()
    }

    pub(super) fn task(&self) -> String {
        let mut random = self.random();
        let status = match self.edits() % 3 {
            0 => "requested",
            1 => "in-progress",
            _ => "completed",
        };
        self.open(None)
            .text("status", status)
            .text("intent", "order")
            .text("description", "Call the patient about the new plan")
            .reference("focus", self.own(Kind::CarePlan, 0))
            .reference("for", self.owner())
            .text("authoredOn", self.when(&mut random).to_string())
            .reference("owner", self.world.shared(Kind::Practitioner, &mut random))
            .end()
    }

    pub(super) fn device(&self) -> String {
        let mut random = self.random();
        let serial = format!("SN{:08}", random.below(100_000_000));
        let carrier = Object::new()
            .text("deviceIdentifier", "00844588003288")
            .text("carrierHRF", format!("(01)00844588003288(21){serial}"));
        let device = self
            .open(None)
            .objects("udiCarrier", [carrier])
            .text("status", "active")
            .text("serialNumber", &serial)
            .concept("type", random.pick(DEVICES));
        // A device on the shelf belongs to nobody yet.
        if is_patient(self.item.owner) {
            device.reference("patient", self.owner())
        } else {
            device
        }
        .end()
    }

    pub(super) fn document(&self) -> String {
        let mut random = self.random();
        let at = self.when(&mut random);
        let note = format!(
            "Visit of {}.\r\nThe patient was seen, is “well” and will come back. Room {}.\r\n",
            date(at),
            random.below(40)
        );
        let attachment = Object::new()
            .text("contentType", "text/plain; charset=utf-8")
            .text("data", STANDARD.encode(&note))
            .raw("size", note.len());
        self.open(Some("us-core-documentreference"))
            .text("status", "current")
            .concept("type", DISCHARGE_SUMMARY)
            .reference("subject", self.owner())
            .text("date", at.to_string())
            .references("author", [self.world.shared(Kind::Practitioner, &mut random)])
            .objects("content", [Object::new().object("attachment", attachment)])
            .object(
                "context",
                Object::new().references("encounter", [self.encounter_of()]),
            )
            .end()
    }

    /// The first is about an encounter and the patient; the second about a report only, so
    /// that its patient is found in two hops.
    pub(super) fn provenance(&self) -> String {
        let mut random = self.random();
        let targets = if self.item.number == 0 {
            vec![self.own(Kind::Encounter, 0), self.owner()]
        } else {
            vec![self.own(Kind::DiagnosticReport, 0)]
        };
        let agent = Object::new()
            .concept(
                "type",
                hl7(
                    "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
                    "author",
                    "Author",
                ),
            )
            .reference("who", self.world.shared(Kind::Practitioner, &mut random))
            .reference("onBehalfOf", self.world.shared(Kind::Organization, &mut random));
        self.open(Some("us-core-provenance"))
            .references("target", targets)
            .text("recorded", self.when(&mut random).to_string())
            .objects("agent", [agent])
            .end()
    }
}
