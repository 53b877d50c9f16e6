//! What is asked for, and how it is written.
//!
//! Pure: a [`Kickoff`] becomes a GET query or a POST `Parameters` resource in the dialect of
//! an edition of the IG. Sending is `client`'s.
//!
//! Source: Bulk Data IG 1.0 to 4.0, "Bulk Data Kick-off Request".

use std::fmt;

use bulkhead_model::{Instant, Level, ResourceType};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use crate::settings::Version;

/// What an export is to hold.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Kickoff {
    /// Of whom.
    pub level: Level,
    /// Only what changed after this; sent in whole seconds, cut off.
    #[serde(default)]
    pub since: Option<Instant>,
    /// Only what changed before this (version 3 on).
    #[serde(default)]
    pub until: Option<Instant>,
    /// Only these types. Empty asks for whatever the server gives.
    #[serde(default)]
    pub types: Vec<ResourceType>,
    /// Search expressions (`Observation?category=laboratory`), of which one must hold for
    /// its type.
    #[serde(default)]
    pub type_filters: Vec<String>,
    /// Only these elements. Servers need not obey.
    #[serde(default)]
    pub elements: Vec<String>,
    /// Only these patients, by id; forces POST. Patient data.
    #[serde(default)]
    pub patients: Vec<String>,
    /// Codes of further resources to include.
    #[serde(default)]
    pub include_associated_data: Vec<String>,
}

/// The server took the export on.
#[derive(Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Where to ask how it goes. May be a capability: show it as `SafeUrl`.
    pub status_url: Url,
    /// The response's `Date`.
    pub date: Option<Instant>,
    /// Parameters that the server refused and that were left out, by name.
    pub left_out: Vec<String>,
}

impl Kickoff {
    /// An export of everything at `level`.
    pub fn new(level: Level) -> Self {
        Self {
            level,
            since: None,
            until: None,
            types: Vec::new(),
            type_filters: Vec::new(),
            elements: Vec::new(),
            patients: Vec::new(),
            include_associated_data: Vec::new(),
        }
    }

    /// Writes the parameters into the query of `url`.
    ///
    /// Lists are joined by commas, which all editions before 4 understand and some servers
    /// insist on. Filters are repeated from version 2 on, because their own commas would be
    /// taken for separators; in version 1 those are escaped.
    pub(crate) fn write_query(&self, url: &mut Url, version: Version) {
        let parameters = self.parameters(version);
        if parameters.is_empty() {
            return;
        }
        let mut query = url.query_pairs_mut();
        for (name, value) in parameters {
            query.append_pair(name, &value.text());
        }
    }

    /// The parameters as a `Parameters` resource.
    pub(crate) fn body(&self, version: Version) -> Value {
        let mut list: Vec<Value> = self
            .parameters(version)
            .into_iter()
            .map(|(name, value)| value.json(name, version))
            .collect();
        list.extend(self.patients.iter().map(|id| {
            let reference = if id.starts_with("Patient/") {
                id.clone()
            } else {
                format!("Patient/{id}")
            };
            json!({ "name": "patient", "valueReference": { "reference": reference } })
        }));
        json!({ "resourceType": "Parameters", "parameter": list })
    }

    fn parameters(&self, version: Version) -> Vec<(&'static str, Parameter)> {
        let mut list = Vec::new();
        let mut time = |name, time: Option<Instant>| {
            list.extend(time.map(|time| (name, Parameter::Time(time.floor_seconds()))));
        };
        time("_since", self.since);
        time("_until", self.until);
        let types: Vec<String> = self.types.iter().map(ToString::to_string).collect();
        push(&mut list, "_type", &types, Lists::of(version));
        let filters = match version {
            Version::V1 => Lists::Escaped,
            Version::Auto | Version::V2 | Version::V3 | Version::V4 => Lists::Repeated,
        };
        push(&mut list, "_typeFilter", &self.type_filters, filters);
        push(&mut list, "_elements", &self.elements, Lists::of(version));
        list.extend(
            self.include_associated_data
                .iter()
                .map(|code| ("includeAssociatedData", Parameter::Code(code.clone()))),
        );
        list
    }
}

/// How an edition writes lists.
#[derive(Clone, Copy)]
enum Lists {
    Escaped,
    Joined,
    Repeated,
}

impl Lists {
    fn of(version: Version) -> Self {
        match version {
            Version::Auto | Version::V1 | Version::V2 | Version::V3 => Self::Joined,
            Version::V4 => Self::Repeated,
        }
    }
}

enum Parameter {
    Code(String),
    Text(String),
    Time(Instant),
}

impl Parameter {
    fn text(&self) -> String {
        match self {
            Self::Code(text) | Self::Text(text) => text.clone(),
            Self::Time(time) => time.to_string(),
        }
    }

    fn json(&self, name: &str, version: Version) -> Value {
        match (self, version) {
            (Self::Time(time), _) => {
                json!({ "name": name, "valueInstant": time.to_string() })
            }
            (Self::Text(text), _) => json!({ "name": name, "valueString": text }),
            (Self::Code(code), Version::V4) => {
                json!({ "name": name, "valueCoding": { "code": code } })
            }
            (
                Self::Code(code),
                Version::Auto | Version::V1 | Version::V2 | Version::V3,
            ) => {
                json!({ "name": name, "valueCode": code })
            }
        }
    }
}

fn push(
    list: &mut Vec<(&'static str, Parameter)>,
    name: &'static str,
    values: &[String],
    lists: Lists,
) {
    if values.is_empty() {
        return;
    }
    match lists {
        Lists::Repeated => {
            list.extend(
                values.iter().map(|value| (name, Parameter::Text(value.clone()))),
            );
        }
        Lists::Joined => list.push((name, Parameter::Text(values.join(",")))),
        Lists::Escaped => {
            let escaped: Vec<String> =
                values.iter().map(|value| value.replace(',', "%2C")).collect();
            list.push((name, Parameter::Text(escaped.join(","))));
        }
    }
}

impl fmt::Debug for Kickoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kickoff")
            .field("level", &self.level)
            .field("since", &self.since)
            .field("types", &self.types)
            .field("patients", &self.patients.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepted")
            .field("status_url", &bulkhead_model::SafeUrl::of(&self.status_url))
            .field("date", &self.date)
            .field("left_out", &self.left_out)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kickoff() -> Kickoff {
        Kickoff {
            since: "2026-11-22T10:00:00.9+01:00".parse().ok(),
            types: vec!["Patient".parse().unwrap(), "Observation".parse().unwrap()],
            type_filters: vec![
                "Observation?code=a,b".to_owned(),
                "Patient?active=true".to_owned(),
            ],
            include_associated_data: vec!["LatestProvenanceResources".to_owned()],
            ..Kickoff::new(Level::System)
        }
    }

    #[test]
    fn writes_queries_in_the_dialect_of_the_edition() {
        let cases = [
            (
                "version 1",
                Version::V1,
                "_since=2026-11-22T09%3A00%3A00Z&_type=Patient%2CObservation\
                 &_typeFilter=Observation%3Fcode%3Da%252Cb%2CPatient%3Factive%3Dtrue\
                 &includeAssociatedData=LatestProvenanceResources",
            ),
            (
                "version 2",
                Version::V2,
                "_since=2026-11-22T09%3A00%3A00Z&_type=Patient%2CObservation\
                 &_typeFilter=Observation%3Fcode%3Da%2Cb&_typeFilter=Patient%3Factive%3Dtrue\
                 &includeAssociatedData=LatestProvenanceResources",
            ),
        ];
        for (name, version, expected) in cases {
            let mut url = Url::parse("https://ehr.example/fhir/$export").unwrap();
            kickoff().write_query(&mut url, version);
            assert_eq!(url.query(), Some(expected), "case: {name}");
            assert_eq!(url.path(), "/fhir/$export", "case: {name}");
        }
    }

    #[test]
    fn writes_nothing_for_an_export_of_everything() {
        let mut url = Url::parse("https://ehr.example/fhir/$export").unwrap();
        Kickoff::new(Level::System).write_query(&mut url, Version::V2);
        assert_eq!(url.as_str(), "https://ehr.example/fhir/$export");
    }

    #[test]
    fn writes_bodies_in_the_dialect_of_the_edition() {
        let kickoff = Kickoff {
            patients: vec!["p1".to_owned(), "Patient/p2".to_owned()],
            ..kickoff()
        };
        let since = json!({"name": "_since", "valueInstant": "2026-11-22T09:00:00Z"});
        let filters = [
            json!({"name": "_typeFilter", "valueString": "Observation?code=a,b"}),
            json!({"name": "_typeFilter", "valueString": "Patient?active=true"}),
        ];
        let patients = [
            json!({"name": "patient", "valueReference": {"reference": "Patient/p1"}}),
            json!({"name": "patient", "valueReference": {"reference": "Patient/p2"}}),
        ];
        let code = "LatestProvenanceResources";
        let cases = [
            (
                "version 3",
                Version::V3,
                vec![json!({"name": "_type", "valueString": "Patient,Observation"})],
                json!({"name": "includeAssociatedData", "valueCode": code}),
            ),
            (
                "version 4",
                Version::V4,
                vec![
                    json!({"name": "_type", "valueString": "Patient"}),
                    json!({"name": "_type", "valueString": "Observation"}),
                ],
                json!({"name": "includeAssociatedData", "valueCoding": {"code": code}}),
            ),
        ];
        for (name, version, types, code) in cases {
            let mut expected = vec![since.clone()];
            expected.extend(types);
            expected.extend(filters.clone());
            expected.push(code);
            expected.extend(patients.clone());
            let expected = json!({"resourceType": "Parameters", "parameter": expected});
            assert_eq!(kickoff.body(version), expected, "case: {name}");
        }
    }

    #[test]
    fn survives_the_journal_and_hides_patients() {
        let kickoff = Kickoff { patients: vec!["jane-roe".to_owned()], ..kickoff() };
        let text = serde_json::to_string(&kickoff).unwrap();
        assert_eq!(serde_json::from_str::<Kickoff>(&text).unwrap(), kickoff);
        assert!(!format!("{kickoff:?}").contains("jane"));
    }
}
