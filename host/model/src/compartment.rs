//! Which resource is whose: the R4 Patient compartment, and what lies outside it and is
//! patient data all the same.
//!
//! A table, no logic: for every type the element paths that make a resource a patient's.
//! Paths are element names joined by dots; arrays are walked through. `ndjson` reads
//! references along them, `cohort-filter` judges what was found.
//!
//! Source: CompartmentDefinition/patient 4.0.1 (66 types) with the R4 `SearchParameter`
//! expressions; the second table is every R4 type outside that compartment whose elements
//! can still point at a patient. `Basic`-like extensions are found by value, not by path.

/// What is known of a resource type's ties to patients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// In the R4 Patient compartment.
    Compartment,
    /// Outside the compartment, but able to carry patient data (`Task`, `Device`, …).
    Linked,
    /// Shared by all patients and about none (`Practitioner`, `Organization`, …).
    Shared,
    /// In no table. Treated as able to carry patient data.
    Unknown,
}

/// How one resource type points at patients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linkage {
    /// The resource type.
    pub resource_type: &'static str,
    /// The path of the one patient whom the resource is about, when there is such a path.
    pub primary: Option<&'static str>,
    /// Paths that put the resource into a patient's compartment, the primary one included.
    pub paths: &'static [&'static str],
    /// Further paths that R4 lets point at a patient.
    pub other: &'static [&'static str],
}

/// What is known of `resource_type`.
pub fn class(resource_type: &str) -> Class {
    if find(COMPARTMENT, resource_type).is_some() {
        Class::Compartment
    } else if find(LINKED, resource_type).is_some() {
        Class::Linked
    } else if SHARED.binary_search(&resource_type).is_ok() {
        Class::Shared
    } else {
        Class::Unknown
    }
}

/// The paths of `resource_type`, or `None` when no table names it.
pub fn linkage(resource_type: &str) -> Option<&'static Linkage> {
    find(COMPARTMENT, resource_type).or_else(|| find(LINKED, resource_type))
}

/// Every type that the tables give paths for, compartment first.
pub fn linkages() -> impl Iterator<Item = &'static Linkage> {
    COMPARTMENT.iter().chain(LINKED)
}

fn find(table: &'static [Linkage], resource_type: &str) -> Option<&'static Linkage> {
    let at = table.binary_search_by(|row| row.resource_type.cmp(resource_type)).ok()?;
    table.get(at)
}

const fn row(
    resource_type: &'static str,
    primary: Option<&'static str>,
    paths: &'static [&'static str],
    other: &'static [&'static str],
) -> Linkage {
    Linkage { resource_type, primary, paths, other }
}

/// The R4 Patient compartment. A `Patient` is in its own compartment by its id, not by a path.
#[rustfmt::skip]
static COMPARTMENT: &[Linkage] = &[
    row("Account", Some("subject"), &["subject"], &["guarantor.party"]),
    row("AdverseEvent", Some("subject"), &["subject"], &["recorder"]),
    row("AllergyIntolerance", Some("patient"), &["patient", "recorder", "asserter"], &[]),
    row("Appointment", None, &["participant.actor"], &[]),
    row("AppointmentResponse", None, &["actor"], &[]),
    row("AuditEvent", None, &["agent.who", "entity.what"], &["source.observer"]),
    row("Basic", Some("subject"), &["subject", "author"], &[]),
    row("BodyStructure", Some("patient"), &["patient"], &[]),
    row("CarePlan", Some("subject"), &["subject", "activity.detail.performer"], &["author", "contributor"]),
    row("CareTeam", Some("subject"), &["subject", "participant.member"], &[]),
    row("ChargeItem", Some("subject"), &["subject"], &["performer.actor", "enterer"]),
    row("Claim", Some("patient"), &["patient", "payee.party"], &[]),
    row("ClaimResponse", Some("patient"), &["patient"], &[]),
    row("ClinicalImpression", Some("subject"), &["subject"], &[]),
    row("Communication", Some("subject"), &["subject", "sender", "recipient"], &[]),
    row("CommunicationRequest", Some("subject"), &["subject", "sender", "recipient", "requester"], &[]),
    row("Composition", Some("subject"), &["subject", "author", "attester.party"], &["section.author"]),
    row("Condition", Some("subject"), &["subject", "asserter"], &["recorder"]),
    row("Consent", Some("patient"), &["patient"], &["performer", "verification.verifiedWith", "provision.actor.reference"]),
    row("Coverage", Some("beneficiary"), &["policyHolder", "subscriber", "beneficiary", "payor"], &[]),
    row("CoverageEligibilityRequest", Some("patient"), &["patient"], &[]),
    row("CoverageEligibilityResponse", Some("patient"), &["patient"], &[]),
    row("DetectedIssue", Some("patient"), &["patient"], &[]),
    row("DeviceRequest", Some("subject"), &["subject", "performer"], &[]),
    row("DeviceUseStatement", Some("subject"), &["subject"], &["source"]),
    row("DiagnosticReport", Some("subject"), &["subject"], &[]),
    row("DocumentManifest", Some("subject"), &["subject", "author", "recipient"], &[]),
    row("DocumentReference", Some("subject"), &["subject", "author"], &["context.sourcePatientInfo"]),
    row("Encounter", Some("subject"), &["subject"], &[]),
    row("EnrollmentRequest", Some("candidate"), &["candidate"], &[]),
    row("EpisodeOfCare", Some("patient"), &["patient"], &[]),
    row("ExplanationOfBenefit", Some("patient"), &["patient", "payee.party"], &[]),
    row("FamilyMemberHistory", Some("patient"), &["patient"], &[]),
    row("Flag", Some("subject"), &["subject"], &["author"]),
    row("Goal", Some("subject"), &["subject"], &["expressedBy"]),
    row("Group", None, &["member.entity"], &[]),
    row("ImagingStudy", Some("subject"), &["subject"], &["series.performer.actor"]),
    row("Immunization", Some("patient"), &["patient"], &[]),
    row("ImmunizationEvaluation", Some("patient"), &["patient"], &[]),
    row("ImmunizationRecommendation", Some("patient"), &["patient"], &[]),
    row("Invoice", Some("subject"), &["subject", "recipient"], &["participant.actor"]),
    row("List", Some("subject"), &["subject", "source"], &[]),
    row("MeasureReport", Some("subject"), &["subject"], &[]),
    row("Media", Some("subject"), &["subject"], &["operator"]),
    row("MedicationAdministration", Some("subject"), &["subject", "performer.actor"], &[]),
    row("MedicationDispense", Some("subject"), &["subject", "receiver"], &["performer.actor"]),
    row("MedicationRequest", Some("subject"), &["subject"], &["reportedReference", "requester", "performer"]),
    row("MedicationStatement", Some("subject"), &["subject"], &["informationSource"]),
    row("MolecularSequence", Some("patient"), &["patient"], &[]),
    row("NutritionOrder", Some("patient"), &["patient"], &[]),
    row("Observation", Some("subject"), &["subject", "performer"], &[]),
    row("Patient", None, &["link.other"], &[]),
    row("Person", None, &["link.target"], &[]),
    row("Procedure", Some("subject"), &["subject", "performer.actor"], &["recorder", "asserter"]),
    row("Provenance", None, &["target"], &["agent.who", "agent.onBehalfOf"]),
    row("QuestionnaireResponse", Some("subject"), &["subject", "author"], &["source"]),
    row("RelatedPerson", Some("patient"), &["patient"], &[]),
    row("RequestGroup", Some("subject"), &["subject", "action.participant"], &[]),
    row("ResearchSubject", Some("individual"), &["individual"], &[]),
    row("RiskAssessment", Some("subject"), &["subject"], &[]),
    row("Schedule", None, &["actor"], &[]),
    row("ServiceRequest", Some("subject"), &["subject", "performer"], &["requester"]),
    row("Specimen", Some("subject"), &["subject"], &[]),
    row("SupplyDelivery", Some("patient"), &["patient"], &[]),
    row("SupplyRequest", Some("deliverTo"), &["deliverTo"], &["requester"]),
    row("VisionPrescription", Some("patient"), &["patient"], &[]),
];

/// In no patient compartment, yet able to carry patient data.
#[rustfmt::skip]
static LINKED: &[Linkage] = &[
    row("Binary", Some("securityContext"), &["securityContext"], &[]),
    row("BiologicallyDerivedProduct", Some("collection.source"), &["collection.source"], &[]),
    row("Bundle", None, &[], &[]),
    row("Contract", Some("subject"), &["subject", "signer.party"], &[]),
    row("Device", Some("patient"), &["patient"], &[]),
    row("EnrollmentResponse", None, &["request"], &[]),
    row("GuidanceResponse", Some("subject"), &["subject"], &["performer"]),
    row("Linkage", None, &["item.resource"], &[]),
    row("MessageHeader", None, &["focus"], &[]),
    row("Parameters", None, &[], &[]),
    row("PaymentNotice", None, &["request", "response"], &[]),
    row("PaymentReconciliation", None, &["request", "detail.request", "detail.response"], &[]),
    row("Task", Some("for"), &["for", "focus", "requester", "owner", "restriction.recipient"], &[]),
    row("VerificationResult", None, &["target"], &[]),
];

/// R4 types that are about no patient.
#[rustfmt::skip]
static SHARED: &[&str] = &[
    "ActivityDefinition",
    "CapabilityStatement",
    "CatalogEntry",
    "ChargeItemDefinition",
    "CodeSystem",
    "CompartmentDefinition",
    "ConceptMap",
    "DeviceDefinition",
    "DeviceMetric",
    "EffectEvidenceSynthesis",
    "Endpoint",
    "EventDefinition",
    "Evidence",
    "EvidenceVariable",
    "ExampleScenario",
    "GraphDefinition",
    "HealthcareService",
    "ImplementationGuide",
    "InsurancePlan",
    "Library",
    "Location",
    "Measure",
    "Medication",
    "MedicationKnowledge",
    "MedicinalProduct",
    "MedicinalProductAuthorization",
    "MedicinalProductContraindication",
    "MedicinalProductIndication",
    "MedicinalProductIngredient",
    "MedicinalProductInteraction",
    "MedicinalProductManufactured",
    "MedicinalProductPackaged",
    "MedicinalProductPharmaceutical",
    "MedicinalProductUndesirableEffect",
    "MessageDefinition",
    "NamingSystem",
    "ObservationDefinition",
    "OperationDefinition",
    "Organization",
    "OrganizationAffiliation",
    "PlanDefinition",
    "Practitioner",
    "PractitionerRole",
    "Questionnaire",
    "ResearchDefinition",
    "ResearchElementDefinition",
    "ResearchStudy",
    "RiskEvidenceSynthesis",
    "SearchParameter",
    "Slot",
    "SpecimenDefinition",
    "StructureDefinition",
    "StructureMap",
    "Subscription",
    "Substance",
    "SubstanceNucleicAcid",
    "SubstancePolymer",
    "SubstanceProtein",
    "SubstanceReferenceInformation",
    "SubstanceSourceMaterial",
    "SubstanceSpecification",
    "TerminologyCapabilities",
    "TestReport",
    "TestScript",
    "ValueSet",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_and_disjoint() {
        assert!(COMPARTMENT.is_sorted_by_key(|row| row.resource_type));
        assert!(LINKED.is_sorted_by_key(|row| row.resource_type));
        assert!(SHARED.is_sorted());
        assert!(SHARED.iter().all(|name| linkage(name).is_none()));
        assert!(LINKED.iter().all(|row| find(COMPARTMENT, row.resource_type).is_none()));
    }

    /// Items: S10.
    #[test]
    fn holds_the_66_types_of_the_r4_compartment() {
        assert_eq!(COMPARTMENT.len(), 66);
    }

    #[test]
    fn a_primary_path_is_one_of_the_paths() {
        for row in linkages() {
            assert!(
                row.primary.is_none_or(|primary| row.paths.contains(&primary)),
                "{}",
                row.resource_type
            );
        }
    }

    /// Items: 115.
    #[test]
    fn classes_what_a_cohort_filter_must_tell_apart() {
        let cases = [
            ("Observation", Class::Compartment),
            ("Task", Class::Linked),
            ("Device", Class::Linked),
            ("Binary", Class::Linked),
            ("Practitioner", Class::Shared),
            ("Medication", Class::Shared),
            ("SomethingOfR6", Class::Unknown),
        ];
        for (name, expected) in cases {
            assert_eq!(class(name), expected, "case: {name}");
        }
    }
}
