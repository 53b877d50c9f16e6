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

use crate::{
    poll::StatusSource,
    safe_headers::SafeHeaders,
    settings::{FilterCommas, SinceStyle, Version},
};

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
    /// Codes of further resources to include (`LatestProvenanceResources`).
    #[serde(default)]
    pub include_associated_data: Vec<String>,
    /// Organises output by this type instead of by resource type (version 3 on). Servers
    /// need not obey; see [`crate::Manifest::ignored`].
    #[serde(default)]
    pub organize_output_by: Option<String>,
    /// Whether the server may tell of files before all are ready (version 3 on).
    #[serde(default)]
    pub allow_partial_manifests: bool,
    /// How it is asked for.
    #[serde(default)]
    pub way: Way,
    /// Whether the state of the job shall be told in `X-Export-Status` (version 3 on). Only
    /// [`Accepted::status_source`] says whether it is.
    #[serde(default)]
    pub separate_export_status: bool,
}

/// How an export is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// With one `$everything` for each of its patients; there is no job.
    Everything,
    /// With `$export`.
    #[default]
    Export,
}

/// The server took the export on.
#[derive(Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Where to ask how it goes. May be a capability: show it as `SafeUrl`.
    pub status_url: Url,
    /// The response's `Date`.
    pub date: Option<Instant>,
    /// Parameters that were left out, by name: because the server refused them, or because
    /// the settings say that it does not know `_since`.
    pub left_out: Vec<String>,
    /// Where the server tells the state of the job.
    pub status_source: StatusSource,
    /// What may be shown of the answer's headers.
    pub headers: SafeHeaders,
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
            organize_output_by: None,
            allow_partial_manifests: false,
            way: Way::Export,
            separate_export_status: false,
        }
    }

    /// Leaves out what only saves work, by the name in which servers refuse it. Gives
    /// whether there was something to leave out.
    pub(crate) fn leave_out(&mut self, parameter: &str) -> bool {
        match parameter {
            "_elements" => !std::mem::take(&mut self.elements).is_empty(),
            "allowPartialManifests" => std::mem::take(&mut self.allow_partial_manifests),
            "organizeOutputBy" => self.organize_output_by.take().is_some(),
            "separate-export-status" => std::mem::take(&mut self.separate_export_status),
            // All others bound what is exported.
            _ => false,
        }
    }

    /// Why this cannot be asked for, whatever the server.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        if !self.patients.is_empty() && self.level == Level::System {
            return Some("a kick-off of the whole system cannot name patients");
        }
        let in_order = match (self.since, self.until) {
            (Some(since), Some(until)) => since < until,
            (None, _) | (_, None) => true,
        };
        (!in_order)
            .then_some("a kick-off must end after it begins: until is before since")
    }

    /// Writes the parameters into the query of `url`.
    ///
    /// Lists are joined by commas, which all editions before 4 understand and some servers
    /// insist on. Filters are repeated from version 2 on; their own commas, which would be taken
    /// for separators, are escaped before version 4.
    pub(crate) fn write_query(&self, url: &mut Url, style: Style) {
        let parameters = self.parameters(style);
        if parameters.is_empty() {
            return;
        }
        let mut query = url.query_pairs_mut();
        for (name, value) in parameters {
            query.append_pair(name, &value.text());
        }
    }

    /// The parameters as a `Parameters` resource.
    pub(crate) fn body(&self, style: Style) -> Value {
        let mut list: Vec<Value> = self
            .parameters(style)
            .into_iter()
            .map(|(name, value)| value.json(name, style.version))
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

    fn parameters(&self, style: Style) -> Vec<(&'static str, Parameter)> {
        let version = style.version;
        let mut list = Vec::new();
        let since = self.since.and_then(|time| style.since.write(time));
        list.extend(since.map(|text| ("_since", Parameter::Time(text))));
        let until = self.until.map(Instant::floor_seconds).map(|time| time.to_string());
        list.extend(until.map(|text| ("_until", Parameter::Time(text))));
        let types: Vec<String> = self.types.iter().map(ToString::to_string).collect();
        push(&mut list, "_type", &types, Lists::of(version));
        let filters = match version {
            Version::V1 => Lists::Joined,
            Version::Auto | Version::V2 | Version::V3 | Version::V4 => Lists::Repeated,
        };
        let is_escaped = match (version, style.commas) {
            // There a comma cannot be meant otherwise.
            (Version::V4, _) => false,
            // Joined by commas, no other comma may stand.
            (Version::V1, _) => true,
            (Version::Auto | Version::V2 | Version::V3, commas) => {
                commas == FilterCommas::Escaped
            }
        };
        let escape = |filter: &String| filter.replace(',', "%2C");
        let written: Vec<String> = if is_escaped {
            self.type_filters.iter().map(escape).collect()
        } else {
            self.type_filters.clone()
        };
        push(&mut list, "_typeFilter", &written, filters);
        push(&mut list, "_elements", &self.elements, Lists::of(version));
        list.extend(
            self.include_associated_data
                .iter()
                .map(|code| ("includeAssociatedData", Parameter::Code(code.clone()))),
        );
        let organize = self.organize_output_by.clone().map(Parameter::Text);
        list.extend(organize.map(|name| ("organizeOutputBy", name)));
        if self.allow_partial_manifests {
            list.push(("allowPartialManifests", Parameter::Yes));
        }
        list
    }
}

/// How a server wants things written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) version: Version,
    pub(crate) since: SinceStyle,
    pub(crate) commas: FilterCommas,
}

impl SinceStyle {
    /// Always whole seconds, cut off: earlier is harmless, later loses what lies between.
    fn write(self, time: Instant) -> Option<String> {
        let text = time.floor_seconds().to_string();
        let bare = text.strip_suffix('Z').unwrap_or(&text);
        match self {
            Self::Millis => Some(format!("{bare}.000Z")),
            Self::Offset => Some(format!("{bare}+00:00")),
            Self::Seconds => Some(text),
            Self::Unsupported => None,
        }
    }
}

/// How an edition writes lists.
#[derive(Clone, Copy)]
enum Lists {
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
    Time(String),
    Yes,
}

impl Parameter {
    fn text(&self) -> String {
        match self {
            Self::Code(text) | Self::Text(text) | Self::Time(text) => text.clone(),
            Self::Yes => "true".to_owned(),
        }
    }

    fn json(&self, name: &str, version: Version) -> Value {
        match (self, version) {
            (Self::Time(time), _) => json!({ "name": name, "valueInstant": time }),
            (Self::Yes, _) => json!({ "name": name, "valueBoolean": true }),
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
            .field("status_source", &self.status_source)
            .field("headers", &self.headers)
            .finish()
    }
}

#[cfg(test)]
mod tests;
