//! What a server's capability statement says about export.
//!
//! Source: FHIR R4 `CapabilityStatement`; Bulk Data IG, "Server Capability Documentation".

mod unreadable;

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_model::{Level, ResourceType};
use serde::Deserialize;
use serde_json::Value;

pub use self::unreadable::Unreadable;
use crate::{lenient, operation_outcome::clean, settings::Version};

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
    /// Who publishes the statement, cleaned.
    pub publisher: Option<String>,
    /// What this installation calls itself, cleaned: description and address.
    pub implementation: Option<String>,
    /// The address that this installation gives itself.
    pub implementation_url: Option<String>,
    /// What of the statement could not be read, for the operator to know.
    pub remarks: Vec<String>,
    /// The export operations announced.
    pub exports: Vec<ExportOperation>,
    /// The resource types offered, without those that export leaves out at every level.
    pub types: BTreeSet<ResourceType>,
    /// The types that some level leaves out, with that level.
    pub withheld: BTreeSet<(ExportLevel, ResourceType)>,
    /// The search parameters listed for each type, without those that export does not know.
    pub search_params: BTreeMap<ResourceType, BTreeSet<String>>,
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

impl ExportOperation {
    /// Whether its definition is of this edition (`4.`).
    fn is_of(&self, major: &str) -> bool {
        self.definition_version
            .as_deref()
            .is_some_and(|version| version.starts_with(major))
    }
}

/// The levels, without the group's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// [`Unreadable`] when it is none. One that leaves its type out is read all the same.
    pub fn read(body: &[u8]) -> Result<Self, Unreadable> {
        let raw: RawCapability =
            serde_json::from_slice(body).map_err(|error| Unreadable::of(body, &error))?;
        let is_named = !raw.resource_type.is_empty();
        let is_bare = raw.fhir_version.is_none()
            && raw.publisher.is_none()
            && raw.software.is_none()
            && raw.implementation.is_none()
            && raw.rest.is_empty();
        if let Some(why) = Unreadable::of_type(&raw.resource_type)
            && (is_named || is_bare)
        {
            return Err(why);
        }
        let implementation_url =
            raw.implementation.as_ref().and_then(|own| own.url.as_deref()?.parse().ok());
        let mut capability = Self {
            implementation_url: implementation_url.map(|url: url::Url| url.to_string()),
            fhir_version: raw.fhir_version.as_deref().and_then(clean),
            publisher: raw.publisher.as_deref().and_then(clean),
            follows_ig: raw.instantiates.iter().any(|url| without_version(url).0 == IG),
            ..Self::default()
        };
        if let Some(software) = raw.software {
            capability.software_name = software.name.as_deref().and_then(clean);
            capability.software_version = software.version.as_deref().and_then(clean);
            capability.software_release =
                software.release_date.as_deref().and_then(clean);
        }
        if let Some(own) = raw.implementation {
            let words = [own.description, own.url].into_iter().flatten();
            capability.implementation = clean(&words.collect::<Vec<_>>().join(" "));
        }
        for rest in raw.rest {
            capability.add(rest);
        }
        Ok(capability)
    }

    /// What is known when the statement cannot be read, which is no reason to ask for nothing:
    /// `answer` says where it came from and as what.
    pub(crate) fn unreadable(answer: &str, why: &Unreadable) -> Self {
        let remark = format!(
            "the capability statement cannot be read: {answer} {why}; nothing is known of what \
             the server can do"
        );
        Self { remarks: vec![remark], ..Self::default() }
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
            let Ok(name) = resource.kind.parse::<ResourceType>() else { continue };
            let left_out = forbidden(&resource.extension);
            if left_out.len() < LEVELS.len() {
                self.types.insert(name.clone());
            }
            self.withheld.extend(left_out.into_iter().map(|level| (level, name.clone())));
            let listed = resource.search_param.into_iter();
            let usable = listed
                .filter(|param| forbidden(&param.extension).len() < LEVELS.len())
                .map(|param| param.name);
            self.search_params.entry(name).or_default().extend(usable);
        }
        let oauth = rest.security.into_iter().flat_map(|security| security.extension);
        for extension in oauth.flat_map(|extension| extension.extension) {
            if extension.url == "token" {
                self.token_endpoint = extension.value_uri;
            }
        }
    }

    /// Whether an export of this level is announced.
    pub fn announces(&self, level: &Level) -> bool {
        let wanted = ExportLevel::from(level);
        self.exports.iter().any(|operation| operation.level == wanted)
    }

    /// The types that an export of this level offers. Empty when the server lists none,
    /// which proves nothing.
    pub fn types_at(&self, level: &Level) -> BTreeSet<ResourceType> {
        let level = ExportLevel::from(level);
        let offered =
            |name: &&ResourceType| !self.withheld.contains(&(level, (*name).clone()));
        self.types.iter().filter(offered).cloned().collect()
    }

    /// The path segment after `$` for an export of this level.
    pub(crate) fn segment(&self, level: &Level, version: Version) -> String {
        let wanted = ExportLevel::from(level);
        // Only `export` and `export-…` are path segments; `group-export` is not.
        let announced: Vec<&ExportOperation> = self
            .exports
            .iter()
            .filter(|operation| {
                operation.level == wanted && operation.name.starts_with(EXPORT)
            })
            .collect();
        let of = |major: &str| announced.iter().find(|operation| operation.is_of(major));
        let is_plain_newer = announced
            .iter()
            .any(|operation| operation.name == EXPORT && operation.is_of("4."));
        let found = match version {
            Version::V4 => of("4."),
            Version::V3 => of("3."),
            Version::V1 => of("1."),
            // Where version 4 has the plain name, older ones have names of their own.
            Version::Auto | Version::V2 if is_plain_newer => {
                of("2.").or_else(|| of("3.")).or_else(|| of("1."))
            }
            Version::Auto | Version::V2 => of("2."),
        };
        found.map_or_else(|| EXPORT.to_owned(), |operation| operation.name.clone())
    }

    /// The edition to speak with this level: 4 when it is the only one announced.
    pub(crate) fn version(&self, level: &Level) -> Version {
        let wanted = ExportLevel::from(level);
        let mut announced =
            self.exports.iter().filter(|operation| operation.level == wanted).peekable();
        if announced.peek().is_some() && announced.all(|operation| operation.is_of("4."))
        {
            Version::V4
        } else {
            Version::V2
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawCapability {
    #[serde(default, deserialize_with = "lenient::or_nothing")]
    resource_type: String,
    #[serde(default, deserialize_with = "lenient::or_nothing")]
    fhir_version: Option<String>,
    #[serde(default, deserialize_with = "lenient::list")]
    instantiates: Vec<String>,
    #[serde(default, deserialize_with = "lenient::or_nothing")]
    publisher: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_nothing")]
    software: Option<RawSoftware>,
    #[serde(default, deserialize_with = "lenient::or_nothing")]
    implementation: Option<RawImplementation>,
    #[serde(default, deserialize_with = "lenient::list")]
    rest: Vec<RawRest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSoftware {
    #[serde(default, deserialize_with = "lenient::or_nothing")]
    name: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_nothing")]
    version: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_nothing")]
    release_date: Option<String>,
}

#[derive(Deserialize)]
struct RawImplementation {
    #[serde(default, deserialize_with = "lenient::or_nothing")]
    description: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_nothing")]
    url: Option<String>,
}

#[derive(Deserialize)]
struct RawRest {
    #[serde(default, deserialize_with = "lenient::or_nothing")]
    security: Option<RawSecurity>,
    #[serde(default, deserialize_with = "lenient::list")]
    resource: Vec<RawResource>,
    #[serde(default, deserialize_with = "lenient::list")]
    operation: Vec<RawOperation>,
}

#[derive(Deserialize)]
struct RawSecurity {
    #[serde(default, deserialize_with = "lenient::list")]
    extension: Vec<RawExtension>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawExtension {
    #[serde(default, deserialize_with = "lenient::or_nothing")]
    url: String,
    #[serde(default, deserialize_with = "lenient::or_nothing")]
    value_canonical: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_nothing")]
    value_uri: Option<String>,
    #[serde(default, deserialize_with = "lenient::list")]
    extension: Vec<RawExtension>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawResource {
    #[serde(rename = "type", default, deserialize_with = "lenient::or_nothing")]
    kind: String,
    #[serde(default, deserialize_with = "lenient::list")]
    search_param: Vec<RawSearchParam>,
    #[serde(default, deserialize_with = "lenient::list")]
    operation: Vec<RawOperation>,
    #[serde(default, deserialize_with = "lenient::list")]
    extension: Vec<RawExtension>,
}

#[derive(Deserialize)]
struct RawSearchParam {
    #[serde(default, deserialize_with = "lenient::or_nothing")]
    name: String,
    #[serde(default, deserialize_with = "lenient::list")]
    extension: Vec<RawExtension>,
}

#[derive(Deserialize)]
struct RawOperation {
    #[serde(default, deserialize_with = "lenient::or_nothing")]
    name: String,
    /// Text, or before version 4 of FHIR a reference.
    #[serde(default)]
    definition: Value,
}

impl RawOperation {
    /// Version 1.0 announced all levels at the system level, and names changed twice:
    /// definition and name are both looked at.
    fn export(self, at: ExportLevel) -> Option<ExportOperation> {
        let stated = self.definition.get("reference").unwrap_or(&self.definition);
        let (definition, version) = without_version(stated.as_str().unwrap_or_default());
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

/// The levels that leave out what carries these extensions. A value names one operation, or
/// the IG for all of them.
fn forbidden(extensions: &[RawExtension]) -> BTreeSet<ExportLevel> {
    let mut levels = BTreeSet::new();
    for extension in extensions {
        if !UNSUPPORTED.contains(&extension.url.as_str()) {
            continue;
        }
        let canonical = extension.value_canonical.as_deref().unwrap_or(IG);
        let canonical = without_version(canonical).0;
        match canonical.rsplit('/').next().unwrap_or_default() {
            _ if canonical == IG => levels.extend(LEVELS),
            "group-export" => levels.extend([ExportLevel::Group]),
            "patient-export" => levels.extend([ExportLevel::Patient]),
            "export" => levels.extend([ExportLevel::System]),
            // Some other operation's business.
            _ => {}
        }
    }
    levels
}

const LEVELS: [ExportLevel; 3] =
    [ExportLevel::Group, ExportLevel::Patient, ExportLevel::System];
const EXPORT: &str = "export";
const IG: &str = "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data";
/// The narrative and the definition of the IG disagree on the URL.
const UNSUPPORTED: [&str; 2] = [
    "http://hl7.org/fhir/uv/bulkdata/Extension/operation-not-supported",
    "http://hl7.org/fhir/uv/bulkdata/StructureDefinition/operation-not-supported",
];

#[cfg(test)]
mod tests;
