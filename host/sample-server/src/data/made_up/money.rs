//! Who pays: coverage and what was claimed under it.
//!
//! Source: CARIN Blue Button profiles, in shape.

use super::{
    catalogue::{CONDITIONS, hl7},
    person::{Page, date},
    world::{EPOCH, Kind},
};
use crate::data::json::{Object, concept};

impl Page<'_> {
    pub(super) fn coverage(&self) -> String {
        let mut random = self.random();
        let start =
            EPOCH.minus(std::time::Duration::from_secs(random.below(1_500) * 86_400));
        // Every new version prolongs the contract by a year.
        let end = format!("{}-12-31", 2026 + self.edits());
        self.open(Some("us-core-coverage"))
            .objects(
                "identifier",
                [Object::identifier(
                    "https://payer.example.org/member",
                    format!("M{:09}", random.below(1_000_000_000)),
                )],
            )
            .text("status", "active")
            .concept(
                "type",
                hl7("https://nahdo.org/sopt", "512", "Commercial Managed Care - PPO"),
            )
            .reference("subscriber", self.owner())
            .text("subscriberId", format!("S{:09}", random.below(1_000_000_000)))
            .reference("beneficiary", self.owner())
            .concept(
                "relationship",
                hl7(
                    "http://terminology.hl7.org/CodeSystem/subscriber-relationship",
                    "self",
                    "Self",
                ),
            )
            .period("period", &date(start), &end)
            .references("payor", [self.world.shared(Kind::Organization, &mut random)])
            .end()
    }

    pub(super) fn explanation_of_benefit(&self) -> String {
        let mut random = self.random();
        let at = self.when(&mut random);
        let charged = 5_000 + random.below(200_000);
        let paid = charged / 10 * 8;
        let category = |code, display| {
            concept(hl7(
                "http://terminology.hl7.org/CodeSystem/adjudication",
                code,
                display,
            ))
        };
        let adjudication = [
            ("submitted", "Submitted Amount", charged),
            ("benefit", "Benefit Amount", paid),
        ]
        .map(|(code, display, cents)| {
            Object::new()
                .object("category", category(code, display))
                .dollars("amount", cents)
        });
        let item = Object::new()
            .raw("sequence", 1)
            .concept(
                "productOrService",
                hl7("http://www.ama-assn.org/go/cpt", "99213", "Office visit"),
            )
            .text("servicedDate", date(at))
            .references("encounter", [self.encounter_of()])
            .dollars("net", charged)
            .objects("adjudication", adjudication);
        let diagnosis = Object::new()
            .raw("sequence", 1)
            .concept("diagnosisCodeableConcept", random.pick(CONDITIONS));
        self.open(None)
            .objects(
                "identifier",
                [Object::identifier(
                    "https://payer.example.org/claim",
                    format!("{:012}", random.below(1_000_000_000_000)),
                )],
            )
            .text("status", "active")
            .concept(
                "type",
                hl7(
                    "http://terminology.hl7.org/CodeSystem/claim-type",
                    "professional",
                    "Professional",
                ),
            )
            .text("use", "claim")
            .reference("patient", self.owner())
            .period("billablePeriod", &date(at), &date(at))
            .text("created", at.to_string())
            .reference("insurer", self.world.shared(Kind::Organization, &mut random))
            .reference("provider", self.world.shared(Kind::Practitioner, &mut random))
            .text("outcome", "complete")
            .objects("diagnosis", [diagnosis])
            .objects(
                "insurance",
                [Object::new()
                    .raw("focal", true)
                    .reference("coverage", self.own(Kind::Coverage, 0))],
            )
            .objects("item", [item])
            .objects(
                "total",
                [Object::new()
                    .object("category", category("submitted", "Submitted Amount"))
                    .dollars("amount", charged)],
            )
            .object("payment", Object::new().dollars("amount", paid))
            .end()
    }
}
