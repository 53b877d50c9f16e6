//! The rules that come with the plugin.
//!
//! A deny-list over FHIR R4: it names what HIPAA Safe Harbor (45 CFR 164.514(b)(2)(i), A to
//! R) wants gone and where R4 keeps it. Dates, references, extensions and element ids need no
//! rule; `walk` treats them wherever they are. The README repeats this list for operators.

use crate::{
    rule::{Act, Pattern, Rules},
    settings::{Ids, Preset},
};

/// Adds the rules of a preset, and those that pseudonymous ids need.
pub(crate) fn fill(rules: &mut Rules, preset: Preset, ids: Ids) -> Result<(), String> {
    let preset: &[(&str, Act)] = match preset {
        Preset::None => &[],
        Preset::SafeHarborAssist => SAFE_HARBOR_ASSIST,
    };
    let links: &[(&str, Act)] = match ids {
        Ids::Keep => &[],
        Ids::Pseudonym => LINKS,
    };
    for (path, act) in preset.iter().chain(links) {
        rules.push(Pattern::read(path)?, *act);
    }
    Ok(())
}

/// Whether three digits of a ZIP code stand for 20 000 people or fewer.
///
/// Source: HHS guidance on de-identification, "Safe Harbor", from the census of 2000.
pub(crate) fn is_sparse_zip3(prefix: &str) -> bool {
    SPARSE_ZIP3.contains(&prefix)
}

/// Extensions that say nothing of who someone is, in the shapes that US Core and R4 give them.
pub(crate) fn is_safe_extension(url: &str) -> bool {
    SAFE_EXTENSIONS.contains(&url)
}

const SPARSE_ZIP3: [&str; 17] = [
    "036", "059", "063", "102", "203", "556", "692", "790", "821", "823", "830", "831",
    "878", "879", "884", "890", "893",
];

const SAFE_EXTENSIONS: [&str; 5] = [
    "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
    "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex",
    "http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity",
    "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
    crate::walk::AGE_EXTENSION,
];

/// Where a Bundle repeats ids outside of references.
const LINKS: &[(&str, Act)] = &[
    ("Bundle.entry.fullUrl", Act::FullUrl),
    ("Bundle.entry.request.url", Act::Location),
    ("Bundle.entry.response.location", Act::Location),
];

#[rustfmt::skip]
const SAFE_HARBOR_ASSIST: &[(&str, Act)] = &[
    // Names
    ("Patient.name", Act::Remove),
    ("Person.name", Act::Remove),
    ("Practitioner.name", Act::Remove),
    ("RelatedPerson.name", Act::Remove),
    ("FamilyMemberHistory.name", Act::Remove),
    ("Patient.contact", Act::Remove),
    ("Organization.contact", Act::Remove),
    ("Organization.name", Act::RedactText),
    ("Organization.alias", Act::Remove),
    ("Location.name", Act::RedactText),
    ("Location.alias", Act::Remove),
    ("**.family", Act::Remove),
    ("**.given", Act::Remove),
    ("**.valueHumanName", Act::Remove),
    ("**.authorString", Act::Remove),
    // Telephone, fax, e-mail, web addresses, network addresses
    ("**.telecom", Act::Remove),
    ("**.valueContactPoint", Act::Remove),
    ("**.valueContactDetail", Act::Remove),
    ("**.valueUri", Act::Remove),
    ("**.valueUrl", Act::Remove),
    ("Endpoint.address", Act::RedactText),
    ("Endpoint.header", Act::Remove),
    ("MessageHeader.source.endpoint", Act::RedactText),
    ("MessageHeader.destination.endpoint", Act::RedactText),
    ("AuditEvent.agent.network", Act::Remove),
    ("AuditEvent.entity.query", Act::Remove),
    ("Bundle.link", Act::Remove),
    ("Bundle.entry.link", Act::Remove),
    ("Bundle.entry.request.ifNoneExist", Act::Remove),
    // Places smaller than a state
    ("**.address.line", Act::Remove),
    ("**.address.text", Act::Remove),
    ("**.locationAddress.line", Act::Remove),
    ("**.locationAddress.text", Act::Remove),
    ("**.valueAddress.line", Act::Remove),
    ("**.valueAddress.text", Act::Remove),
    ("**.city", Act::Remove),
    ("**.district", Act::Remove),
    ("**.postalCode", Act::Zip3),
    ("Location.position", Act::Remove),
    // Dates that tell an age, and ages
    ("**.birthDate", Act::Age),
    ("FamilyMemberHistory.bornDate", Act::Age),
    ("FamilyMemberHistory.bornPeriod", Act::Remove),
    ("**.ageAge", Act::Age),
    ("**.ageRange", Act::Age),
    ("**.deceasedAge", Act::Age),
    ("**.deceasedRange", Act::Age),
    ("**.onsetAge", Act::Age),
    ("**.onsetRange", Act::Age),
    ("**.abatementAge", Act::Age),
    ("**.abatementRange", Act::Age),
    ("**.performedAge", Act::Age),
    ("**.performedRange", Act::Age),
    ("**.valueAge", Act::Age),
    // Numbers that name someone or something of theirs
    ("**.accessionIdentifier", Act::Pseudonym),
    ("**.groupIdentifier", Act::Pseudonym),
    ("**.masterIdentifier", Act::Pseudonym),
    ("**.preAuthIdentifier", Act::Pseudonym),
    ("**.requisition", Act::Pseudonym),
    ("**.valueIdentifier", Act::Pseudonym),
    ("Claim.related.reference", Act::Pseudonym),
    ("ExplanationOfBenefit.related.reference", Act::Pseudonym),
    ("Coverage.subscriberId", Act::Pseudonym),
    ("Coverage.dependent", Act::Remove),
    ("Coverage.class.value", Act::Pseudonym),
    ("Coverage.class.name", Act::Remove),
    ("Group.name", Act::Remove),
    ("**.preAuthRef", Act::Remove),
    ("Device.udiCarrier", Act::Remove),
    ("Device.distinctIdentifier", Act::Remove),
    ("Device.serialNumber", Act::Remove),
    ("Device.url", Act::Remove),
    ("Device.deviceName.name", Act::RedactText),
    // Pictures, documents, signatures
    ("**.photo", Act::Remove),
    ("**.valueSampledData.data", Act::Keep),
    ("Consent.provision.data", Act::Keep),
    ("**.data", Act::Remove),
    ("**.valueAttachment", Act::Remove),
    ("**.valueBase64Binary", Act::Remove),
    ("**.attachment.url", Act::Remove),
    ("**.attachment.hash", Act::Remove),
    ("**.attachment.title", Act::Remove),
    ("**.contentAttachment.url", Act::Remove),
    ("**.contentAttachment.hash", Act::Remove),
    ("**.contentAttachment.title", Act::Remove),
    ("**.presentedForm.url", Act::Remove),
    ("**.presentedForm.hash", Act::Remove),
    ("**.presentedForm.title", Act::Remove),
    ("**.sourceAttachment", Act::Remove),
    ("Media.content.url", Act::Remove),
    ("Media.content.hash", Act::Remove),
    ("Media.content.title", Act::Remove),
    ("**.signature", Act::Remove),
    ("**.valueSignature", Act::Remove),
    // Narrative and free text
    ("*.text", Act::Remove),
    ("**.section.text", Act::Remove),
    ("**.div", Act::Remove),
    ("**.note", Act::RedactText),
    ("**.note.text", Act::RedactText),
    ("**.valueAnnotation.text", Act::RedactText),
    ("**.processNote.text", Act::RedactText),
    ("**.dosage.text", Act::RedactText),
    ("**.dosageInstruction.text", Act::RedactText),
    ("**.valueString", Act::RedactText),
    ("**.valueMarkdown", Act::RedactText),
    ("**.contentString", Act::RedactText),
    ("**.onsetString", Act::RedactText),
    ("**.abatementString", Act::RedactText),
    ("**.performedString", Act::RedactText),
    ("**.occurrenceString", Act::RedactText),
    ("**.bornString", Act::RedactText),
    ("**.ageString", Act::RedactText),
    ("**.deceasedString", Act::RedactText),
    ("**.conclusion", Act::RedactText),
    ("**.description", Act::RedactText),
    ("**.comment", Act::RedactText),
    ("**.comments", Act::RedactText),
    ("**.summary", Act::RedactText),
    ("**.detail", Act::RedactText),
    ("**.details", Act::RedactText),
    ("**.diagnostics", Act::RedactText),
    ("**.disposition", Act::RedactText),
    ("**.patientInstruction", Act::RedactText),
    ("**.instruction", Act::RedactText),
    ("**.title", Act::RedactText),
    // Where the record came from
    ("*.meta.lastUpdated", Act::Keep),
    ("*.meta.source", Act::Remove),
    ("*.meta.tag", Act::Remove),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_the_lists_can_be_read() {
        for preset in [Preset::None, Preset::SafeHarborAssist] {
            for ids in [Ids::Keep, Ids::Pseudonym] {
                assert_eq!(fill(&mut Rules::default(), preset, ids), Ok(()));
            }
        }
    }
}
