//! What a server's capability statement says about export.
//!
//! Source: FHIR R4 `CapabilityStatement`; Bulk Data IG, "Server Capability Documentation".

use std::collections::BTreeSet;

use bulkhead_model::{Level, ResourceType};
use serde::Deserialize;

use crate::{operation_outcome::clean, settings::Version};

/// What a capability statement says about export. Absence of anything proves nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capability {
    /// The FHIR version, as stated.
    pub fhir_version: Option<String>,
    /// The server software, cleaned.
    pub software_name: Option<String>,
    /// Its version, cleaned.
    pub software_version: Option<String>,
    /// Its release date, cleaned.
    pub software_release: Option<String>,
    /// The export operations announced.
    pub exports: Vec<ExportOperation>,
    /// The resource types offered, without those that export leaves out.
    pub types: BTreeSet<ResourceType>,
    /// Whether the server says that it follows the Bulk Data IG.
    pub follows_ig: bool,
    /// The token endpoint, as servers older than SMART configuration state it.
    pub token_endpoint: Option<String>,
}

/// One export operation announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportOperation {
    /// For which level.
    pub level: ExportLevel,
    /// Its name, which is the path segment after `$` unless it is an old alias.
    pub name: String,
    /// The version of its definition, as stated after `|`.
    pub definition_version: Option<String>,
}

/// The levels, without the group's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportLevel {
    /// One group.
    Group,
    /// All patients.
    Patient,
    /// Everything.
    System,
}

impl From<&Level> for ExportLevel {
    fn from(level: &Level) -> Self {
        match level {
            Level::Group(_) => Self::Group,
            Level::Patient => Self::Patient,
            Level::System => Self::System,
        }
    }
}

impl Capability {
    /// Reads a capability statement.
    ///
    /// # Errors
    ///
    /// The JSON error when it is none.
    pub fn read(body: &[u8]) -> Result<Self, serde_json::Error> {
        let raw: RawCapability = serde_json::from_slice(body)?;
        let mut capability = Self {
            fhir_version: raw.fhir_version.as_deref().and_then(clean),
            follows_ig: raw.instantiates.iter().any(|url| without_version(url).0 == IG),
            ..Self::default()
        };
        if let Some(software) = raw.software {
            capability.software_name = software.name.as_deref().and_then(clean);
            capability.software_version = software.version.as_deref().and_then(clean);
            capability.software_release =
                software.release_date.as_deref().and_then(clean);
        }
        for rest in raw.rest {
            capability.add(rest);
        }
        Ok(capability)
    }

    fn add(&mut self, rest: RawRest) {
        for operation in rest.operation {
            self.exports.extend(operation.export(ExportLevel::System));
        }
        for resource in rest.resource {
            let level = match resource.kind.as_str() {
                "Group" => Some(ExportLevel::Group),
                "Patient" => Some(ExportLevel::Patient),
                _ => None,
            };
            if let Some(level) = level {
                self.exports.extend(
                    resource
                        .operation
                        .into_iter()
                        .filter_map(|operation| operation.export(level)),
                );
            }
            let left_out = resource.extension.iter().any(|extension| {
                UNSUPPORTED.contains(&extension.url.as_str())
                    && extension.value_canonical.as_deref().is_none_or(forbids_all)
            });
            if !left_out {
                self.types.extend(resource.kind.parse());
            }
        }
        let oauth = rest.security.into_iter().flat_map(|security| security.extension);
        for extension in oauth.flat_map(|extension| extension.extension) {
            if extension.url == "token" {
                self.token_endpoint = extension.value_uri;
            }
        }
    }

    /// The path segment after `$` for an export of this level.
    pub(crate) fn segment(&self, level: &Level, version: Version) -> String {
        let wanted = ExportLevel::from(level);
        let major = match version {
            Version::V4 => "4.",
            Version::Auto | Version::V1 | Version::V2 | Version::V3 => {
                return EXPORT.to_owned();
            }
        };
        self.exports
            .iter()
            .filter(|operation| operation.level == wanted)
            .find(|operation| {
                // Only `export` and `export-…` are path segments; `group-export` is not.
                operation.name.starts_with(EXPORT)
                    && operation
                        .definition_version
                        .as_deref()
                        .is_some_and(|version| version.starts_with(major))
            })
            .map_or_else(|| EXPORT.to_owned(), |operation| operation.name.clone())
    }

    /// The edition to speak with this level: 4 when it is the only one announced.
    pub(crate) fn version(&self, level: &Level) -> Version {
        let wanted = ExportLevel::from(level);
        let mut announced =
            self.exports.iter().filter(|operation| operation.level == wanted).peekable();
        let is_4 = |operation: &ExportOperation| {
            operation.definition_version.as_deref().is_some_and(|v| v.starts_with("4."))
        };
        if announced.peek().is_some() && announced.all(is_4) {
            Version::V4
        } else {
            Version::V2
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawCapability {
    fhir_version: Option<String>,
    #[serde(default)]
    instantiates: Vec<String>,
    software: Option<RawSoftware>,
    #[serde(default)]
    rest: Vec<RawRest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSoftware {
    name: Option<String>,
    version: Option<String>,
    release_date: Option<String>,
}

#[derive(Deserialize)]
struct RawRest {
    security: Option<RawSecurity>,
    #[serde(default)]
    resource: Vec<RawResource>,
    #[serde(default)]
    operation: Vec<RawOperation>,
}

#[derive(Deserialize)]
struct RawSecurity {
    #[serde(default)]
    extension: Vec<RawExtension>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawExtension {
    #[serde(default)]
    url: String,
    value_canonical: Option<String>,
    value_uri: Option<String>,
    #[serde(default)]
    extension: Vec<RawExtension>,
}

#[derive(Deserialize)]
struct RawResource {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    operation: Vec<RawOperation>,
    #[serde(default)]
    extension: Vec<RawExtension>,
}

#[derive(Deserialize)]
struct RawOperation {
    #[serde(default)]
    name: String,
    #[serde(default)]
    definition: String,
}

impl RawOperation {
    /// Version 1.0 announced all levels at the system level, and names changed twice:
    /// definition and name are both looked at.
    fn export(self, at: ExportLevel) -> Option<ExportOperation> {
        let (definition, version) = without_version(&self.definition);
        let words =
            [definition.rsplit('/').next().unwrap_or_default(), self.name.as_str()];
        let level = words.iter().find_map(|word| match *word {
            "group-export" => Some(ExportLevel::Group),
            "patient-export" => Some(ExportLevel::Patient),
            word if word == EXPORT || word.starts_with("export-") => Some(at),
            _ => None,
        })?;
        Some(ExportOperation {
            level,
            definition_version: version.and_then(clean),
            name: clean(&self.name)?,
        })
    }
}

fn without_version(canonical: &str) -> (&str, Option<&str>) {
    match canonical.split_once('|') {
        Some((url, version)) => (url, Some(version)),
        None => (canonical, None),
    }
}

/// The value names one operation, or the IG for all of them. A type that only one level
/// leaves out is still offered.
fn forbids_all(canonical: &str) -> bool {
    without_version(canonical).0 == IG
}

const EXPORT: &str = "export";
const IG: &str = "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data";
/// The narrative and the definition of the IG disagree on the URL.
const UNSUPPORTED: [&str; 2] = [
    "http://hl7.org/fhir/uv/bulkdata/Extension/operation-not-supported",
    "http://hl7.org/fhir/uv/bulkdata/StructureDefinition/operation-not-supported",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_export_however_it_is_announced() {
        let definition = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/";
        let cases = [
            (
                "version 1.0",
                json!([]),
                json!([{"name": "x", "definition": format!("{definition}group-export")}]),
                "export",
                Version::V2,
            ),
            (
                "version 2",
                json!([{"name": "group-export", "definition": format!("{definition}group-export|2.0.0")}]),
                json!([]),
                "export",
                Version::V2,
            ),
            (
                "version 4 only",
                json!([{"name": "export-v4", "definition": format!("{definition}group-export|4.0.0")}]),
                json!([]),
                "export-v4",
                Version::V4,
            ),
            (
                "versions 3 and 4",
                json!([
                    {"name": "export", "definition": format!("{definition}group-export|3.0.0")},
                    {"name": "export-v4", "definition": format!("{definition}group-export|4.0.0")},
                ]),
                json!([]),
                "export",
                Version::V2,
            ),
            ("nothing", json!([]), json!([]), "export", Version::V2),
        ];
        let level = Level::Group("1".to_owned());
        for (name, group, system, segment, version) in cases {
            let body = json!({"rest": [{"resource": [{"type": "Group", "operation": group}], "operation": system}]});
            let capability = Capability::read(body.to_string().as_bytes()).unwrap();
            let found = capability.version(&level);
            assert_eq!(found, version, "case: {name}");
            assert_eq!(capability.segment(&level, found), segment, "case: {name}");
        }
    }

    #[test]
    fn leaves_out_types_that_export_does_not_offer() {
        let body = json!({
            "fhirVersion": "4.0.1",
            "software": {"name": "S\n1", "version": "2"},
            "instantiates": [format!("{IG}|2.0.0")],
            "rest": [{
                "security": {"extension": [{"url": "oauth-uris", "extension": [{"url": "token", "valueUri": "https://as/t"}]}]},
                "resource": [
                    {"type": "Patient"},
                    {"type": "AuditEvent", "extension": [{"url": UNSUPPORTED[0], "valueCanonical": IG}]},
                    {"type": "Binary", "extension": [{"url": UNSUPPORTED[1], "valueCanonical": IG}]},
                    {"type": "Device", "extension": [{"url": UNSUPPORTED[1], "valueCanonical": "http://x/group-export"}]},
                ],
            }],
        });
        let capability = Capability::read(body.to_string().as_bytes()).unwrap();
        let types: Vec<&str> =
            capability.types.iter().map(ResourceType::as_str).collect();
        assert_eq!(types, ["Device", "Patient"]);
        assert_eq!(capability.software_name.as_deref(), Some("S 1"));
        assert!(capability.follows_ig);
        assert_eq!(capability.token_endpoint.as_deref(), Some("https://as/t"));
    }
}
