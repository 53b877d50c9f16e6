//! Whose a resource is, told a second time and in the plainest way: a JSON tree and one
//! element a type. Shares nothing with the program.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::Value;

use super::lake::gunzip;

/// What a cohort filter with `mode = "primary"` and no quarantine must keep.
pub(crate) struct Walk {
    pub(crate) members: BTreeSet<String>,
    /// Absolute references below it are the server's own.
    pub(crate) base: String,
}

impl Walk {
    pub(crate) fn keeps(&self, line: &[u8]) -> bool {
        let resource: Value = serde_json::from_slice(line).unwrap();
        match self.owner(&resource) {
            Owner::Everybody => true,
            Owner::Nobody => false,
            Owner::Patient(id) => self.members.contains(&id),
        }
    }

    pub(crate) fn owner(&self, resource: &Value) -> Owner {
        let element = match resource["resourceType"].as_str().unwrap() {
            "Location" | "Medication" | "Organization" | "Practitioner"
            | "PractitionerRole" => return Owner::Everybody,
            "Patient" => {
                return Owner::Patient(resource["id"].as_str().unwrap().to_owned());
            }
            "CarePlan" | "Condition" | "DiagnosticReport" | "DocumentReference"
            | "Encounter" | "MedicationRequest" | "Observation" | "Procedure" => {
                "subject"
            }
            "AllergyIntolerance"
            | "Device"
            | "ExplanationOfBenefit"
            | "Immunization"
            | "RelatedPerson" => "patient",
            "Coverage" => "beneficiary",
            "Task" => "for",
            other => panic!("the walk does not know {other}"),
        };
        let Some(reference) = resource[element]["reference"].as_str() else {
            return Owner::Nobody;
        };
        let own = reference.strip_prefix(&format!("{}/", self.base)).unwrap_or(reference);
        match own.split('/').collect::<Vec<_>>()[..] {
            ["Patient", id] | ["Patient", id, "_history", _] => {
                Owner::Patient(id.to_owned())
            }
            _ => Owner::Nobody,
        }
    }
}

/// Whose a resource is.
pub(crate) enum Owner {
    Everybody,
    Nobody,
    Patient(String),
}

/// The lines of all NDJSON files of a folder by type.
pub(crate) fn read_folder(folder: &Path) -> BTreeMap<String, Vec<Vec<u8>>> {
    let mut lines: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs_err::read(&path).unwrap();
        let is_gzip = path.extension() == Some("gz".as_ref());
        let bytes = if is_gzip { gunzip(&bytes) } else { bytes };
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let resource: Value = serde_json::from_slice(line).unwrap();
            let kind = resource["resourceType"].as_str().unwrap().to_owned();
            lines.entry(kind).or_default().push(line.to_vec());
        }
    }
    lines
}
