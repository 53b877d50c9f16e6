//! The codes and words that made-up resources are filled with.
//!
//! Names are common ones put together at random; no entry describes a person. Source of the
//! codes: SNOMED CT (US edition codes used in US Core examples), LOINC, `RxNorm`, CVX, ICD-10-CM.

use crate::data::json::Code;

const SNOMED: &str = "http://snomed.info/sct";
const LOINC: &str = "http://loinc.org";
const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";
const CVX: &str = "http://hl7.org/fhir/sid/cvx";

const fn code(system: &'static str, value: &'static str, display: &'static str) -> Code {
    Code { system, value, display }
}

/// A code of a terminology of HL7.
pub(super) const fn hl7(
    system: &'static str,
    value: &'static str,
    display: &'static str,
) -> Code {
    code(system, value, display)
}

pub(super) const FAMILIES: &[&str] = &[
    "Smith",
    "Johnson",
    "Garcia",
    "Müller",
    "O'Connor",
    "Nuñez",
    "Nguyen",
    "Łukasiewicz",
    "Ólafsdóttir",
    "Okafor",
    "Schröder",
    "李",
    "Al-Farsi",
    "Dvořák",
    "Brown",
    "Tremblay",
    "Ivanova",
    "Σαμαράς",
    "van der Berg",
    "Åkesson",
];
pub(super) const GIVEN_FEMALE: &[&str] = &[
    "Anna", "María", "Chloé", "Fatima", "Grace", "Ingrid", "Joan", "Mei", "Sofía", "Zoë",
];
pub(super) const GIVEN_MALE: &[&str] = &[
    "Aaron", "Björn", "Carlos", "David", "Émile", "Hassan", "José", "Liam", "Søren",
    "Wei",
];
pub(super) const STREETS: &[&str] =
    &["Main Street", "Oak Avenue", "Mill Road", "Elm Court", "Harbor Lane", "3rd Street"];

/// A place with its state and ZIP code; some ZIP areas are among the sparsely populated ones.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) city: &'static str,
    pub(super) state: &'static str,
    pub(super) zip: &'static str,
}

const fn place(city: &'static str, state: &'static str, zip: &'static str) -> Place {
    Place { city, state, zip }
}

pub(super) const PLACES: &[Place] = &[
    place("Boston", "MA", "02115"),
    place("Worcester", "MA", "01608-1234"),
    place("Springfield", "MA", "01103"),
    place("Keene", "NH", "03431"),
    place("Charlestown", "NH", "03603"),
    place("Valentine", "NE", "69201"),
    place("Truth or Consequences", "NM", "87901"),
    place("Chicago", "IL", "60612"),
    place("Coeur d'Alene", "ID", "83814"),
    place("Cañon City", "CO", "81212"),
];

pub(super) const CONDITIONS: &[Code] = &[
    code(SNOMED, "38341003", "Hypertensive disorder"),
    code(SNOMED, "44054006", "Diabetes mellitus type 2"),
    code(SNOMED, "195967001", "Asthma"),
    code(SNOMED, "55822004", "Hyperlipidemia"),
    code(SNOMED, "35489007", "Depressive disorder"),
    code(SNOMED, "13645005", "Chronic obstructive lung disease"),
    code(SNOMED, "396275006", "Osteoarthritis"),
    code(SNOMED, "40930008", "Hypothyroidism"),
    code(SNOMED, "271737000", "Anemia"),
    code(SNOMED, "86406008", "Human immunodeficiency virus infection"),
];
pub(super) const PROCEDURES: &[Code] = &[
    code(SNOMED, "73761001", "Colonoscopy"),
    code(SNOMED, "80146002", "Appendectomy"),
    code(SNOMED, "274474001", "Bone immobilization"),
    code(SNOMED, "430193006", "Medication reconciliation"),
    code(SNOMED, "29303009", "Electrocardiographic procedure"),
    code(SNOMED, "241615005", "Magnetic resonance imaging of breast"),
];
pub(super) const ALLERGENS: &[Code] = &[
    code(SNOMED, "91936005", "Allergy to penicillin"),
    code(SNOMED, "91935009", "Allergy to peanut"),
    code(SNOMED, "232347008", "Allergy to animal dander"),
    code(SNOMED, "300916003", "Allergy to latex"),
];
pub(super) const VACCINES: &[Code] = &[
    code(CVX, "140", "Influenza, seasonal, injectable, preservative free"),
    code(CVX, "113", "Td (adult) preservative free"),
    code(CVX, "121", "Zoster live"),
    code(CVX, "133", "Pneumococcal conjugate PCV 13"),
];
pub(super) const MEDICATIONS: &[Code] = &[
    code(RXNORM, "314076", "lisinopril 10 MG Oral Tablet"),
    code(RXNORM, "860975", "metformin hydrochloride 500 MG Extended Release Oral Tablet"),
    code(RXNORM, "617310", "atorvastatin 20 MG Oral Tablet"),
    code(RXNORM, "197361", "amlodipine 5 MG Oral Tablet"),
    code(RXNORM, "312961", "simvastatin 20 MG Oral Tablet"),
    code(RXNORM, "966222", "levothyroxine sodium 0.075 MG Oral Tablet"),
    code(RXNORM, "245314", "albuterol 5 MG/ML Inhalation Solution"),
    code(RXNORM, "310965", "ibuprofen 200 MG Oral Tablet"),
];
/// As many as [`MEDICATIONS`].
pub(super) const MEDICATION_COUNT: u32 = 8;

pub(super) const ENCOUNTERS: &[Code] = &[
    code(SNOMED, "185349003", "Encounter for check up"),
    code(SNOMED, "185345009", "Encounter for symptom"),
    code(SNOMED, "410620009", "Well child visit"),
    code(SNOMED, "50849002", "Emergency room admission"),
];
pub(super) const DEVICES: &[Code] = &[
    code(SNOMED, "706004007", "Implantable cardiac pacemaker"),
    code(SNOMED, "337414009", "Blood glucose meter"),
    code(SNOMED, "702172008", "Home nebulizer"),
];

/// Something measured: its code, unit, decimal places and the range of its last digit.
#[derive(Clone, Copy, Default)]
pub(super) struct Measure {
    pub(super) code: Code,
    pub(super) unit: &'static str,
    pub(super) places: u32,
    pub(super) least: u64,
    pub(super) span: u64,
}

const fn measure(
    code: Code,
    unit: &'static str,
    places: u32,
    least: u64,
    span: u64,
) -> Measure {
    Measure { code, unit, places, least, span }
}

pub(super) const LABORATORY_TESTS: &[Measure] = &[
    measure(
        code(LOINC, "4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood"),
        "%",
        1,
        45,
        60,
    ),
    measure(code(LOINC, "2339-0", "Glucose [Mass/volume] in Blood"), "mg/dL", 0, 65, 140),
    measure(
        code(LOINC, "2160-0", "Creatinine [Mass/volume] in Serum or Plasma"),
        "mg/dL",
        2,
        60,
        180,
    ),
    measure(code(LOINC, "718-7", "Hemoglobin [Mass/volume] in Blood"), "g/dL", 1, 90, 80),
    measure(
        code(LOINC, "2093-3", "Cholesterol [Mass/volume] in Serum or Plasma"),
        "mg/dL",
        0,
        120,
        160,
    ),
];
pub(super) const VITAL_SIGNS: &[Measure] = &[
    measure(code(LOINC, "29463-7", "Body weight"), "kg", 2, 4_500, 7_000),
    measure(code(LOINC, "8302-2", "Body height"), "cm", 1, 1_400, 600),
    measure(code(LOINC, "8867-4", "Heart rate"), "/min", 0, 50, 60),
    measure(code(LOINC, "8310-5", "Body temperature"), "Cel", 1, 360, 30),
    measure(
        code(LOINC, "39156-5", "Body mass index (BMI) [Ratio]"),
        "kg/m2",
        2,
        1_800,
        2_000,
    ),
];
pub(super) const BLOOD_PRESSURE: Code =
    code(LOINC, "85354-9", "Blood pressure panel with all children optional");
pub(super) const SYSTOLIC: Code = code(LOINC, "8480-6", "Systolic blood pressure");
pub(super) const DIASTOLIC: Code = code(LOINC, "8462-4", "Diastolic blood pressure");
pub(super) const SMOKING: Code = code(LOINC, "72166-2", "Tobacco smoking status");
pub(super) const SMOKING_STATES: &[Code] = &[
    code(SNOMED, "266919005", "Never smoked tobacco"),
    code(SNOMED, "8517006", "Ex-smoker"),
    code(SNOMED, "449868002", "Smokes tobacco daily"),
];
pub(super) const METABOLIC_PANEL: Code =
    code(LOINC, "51990-0", "Basic metabolic panel - Blood");
pub(super) const DISCHARGE_SUMMARY: Code =
    code(LOINC, "34133-9", "Summary of episode note");
pub(super) const CARE_PLANS: &[Code] = &[
    code(SNOMED, "734163000", "Care plan"),
    code(SNOMED, "443402002", "Lifestyle education regarding hypertension"),
    code(SNOMED, "698360004", "Diabetes self management plan"),
];
pub(super) const RACES: &[Code] = &[
    code("urn:oid:2.16.840.1.113883.6.238", "2106-3", "White"),
    code("urn:oid:2.16.840.1.113883.6.238", "2054-5", "Black or African American"),
    code("urn:oid:2.16.840.1.113883.6.238", "2028-9", "Asian"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_medication_has_its_resource() {
        assert_eq!(MEDICATIONS.len(), MEDICATION_COUNT as usize);
    }
}
