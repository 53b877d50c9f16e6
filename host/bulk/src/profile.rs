//! What is known of the servers in use: defaults, as data.
//!
//! A profile only fills in what an operator leaves open, and only when the operator names it;
//! a server that looks like one is a remark. Each file under `profiles` says which quirk a
//! default answers and who saw it.

use std::time::Duration;

use serde::Deserialize;

use crate::{
    capability::Capability,
    settings::{FilterCommas, Handling, KickoffMethod, SinceStyle, Version},
};

/// What is known of one kind of server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// How an operator names it.
    pub name: String,
    /// What it is.
    pub title: String,
    recognise: Vec<String>,
    /// What to assume where the operator says nothing.
    pub defaults: Defaults,
}

/// Settings that a profile fills in. `None` leaves the program's own default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Defaults {
    /// How to send the kick-off.
    pub method: Option<KickoffMethod>,
    /// Which edition of the IG to speak.
    pub version: Option<Version>,
    /// How `_since` is written.
    pub since_style: Option<SinceStyle>,
    /// How commas within a filter are written.
    pub type_filter_commas: Option<FilterCommas>,
    /// What the server is to do with parameters that it does not know.
    pub handling: Option<Handling>,
    /// The scope to ask for; empty asks for none.
    pub scope: Option<String>,
    /// The header that names the client.
    pub client_id_header: Option<String>,
    /// Requests to one origin at once.
    pub requests_at_once: Option<u32>,
    request_interval_ms: Option<u64>,
    file_lifetime_hours: Option<u64>,
}

impl Defaults {
    /// The least time between two requests to one origin.
    pub fn request_interval(&self) -> Option<Duration> {
        self.request_interval_ms.map(Duration::from_millis)
    }

    /// How long files live where the server does not say.
    pub fn file_lifetime(&self) -> Option<Duration> {
        self.file_lifetime_hours.map(Duration::from_hours)
    }
}

impl Profile {
    /// The names of all profiles, in alphabetical order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        PROFILES.iter().map(|(name, _)| *name)
    }

    /// The profile of that name.
    pub fn named(name: &str) -> Option<Self> {
        let (_, text) = PROFILES.iter().find(|(known, _)| *known == name)?;
        // A test reads them all.
        toml::from_str(text).ok()
    }

    /// The profile of a server by what it calls itself.
    pub fn recognise(capability: &Capability) -> Option<Self> {
        let words = [
            &capability.software_name,
            &capability.publisher,
            &capability.implementation,
        ];
        let words: Vec<&str> =
            words.into_iter().filter_map(|word| word.as_deref()).collect();
        let text = words.join("\n").to_lowercase();
        // HAPI is what others are built on, so their own names count first.
        let (own, base): (Vec<_>, Vec<_>) = Self::names()
            .filter_map(Self::named)
            .partition(|profile| profile.name != "hapi");
        own.into_iter()
            .chain(base)
            .find(|profile| profile.recognise.iter().any(|word| text.contains(word)))
    }
}

const PROFILES: [(&str, &str); 11] = [
    ("ab2d", include_str!("profiles/ab2d.toml")),
    ("azure", include_str!("profiles/azure.toml")),
    ("bcda", include_str!("profiles/bcda.toml")),
    ("dpc", include_str!("profiles/dpc.toml")),
    ("epic", include_str!("profiles/epic.toml")),
    ("google", include_str!("profiles/google.toml")),
    ("hapi", include_str!("profiles/hapi.toml")),
    ("inferno", include_str!("profiles/inferno.toml")),
    ("medplum", include_str!("profiles/medplum.toml")),
    ("oracle", include_str!("profiles/oracle.toml")),
    ("smart-reference", include_str!("profiles/smart-reference.toml")),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Items: 12.
    #[test]
    fn every_profile_can_be_read_and_bears_its_name() {
        let names: Vec<&str> = Profile::names().collect();
        assert!(names.is_sorted());
        for name in names {
            let profile =
                Profile::named(name).unwrap_or_else(|| panic!("profile {name}"));
            assert_eq!(profile.name, name);
            assert!(!profile.recognise.is_empty(), "{name}");
            let lower = |word: &String| *word == word.to_lowercase();
            assert!(profile.recognise.iter().all(lower), "{name}");
            let header = profile.defaults.client_id_header;
            let is_header =
                |text: String| text.parse::<bulkhead_net::header::HeaderName>().is_ok();
            assert!(header.is_none_or(is_header), "{name}");
        }
        assert_eq!(Profile::named("nobody"), None);
    }

    /// Items: 12.
    #[test]
    fn servers_are_recognised_by_what_they_call_themselves() {
        let cases = [
            ("nothing", json!({"resourceType": "CapabilityStatement"}), None),
            ("software", json!({"software": {"name": "HAPI FHIR Server"}}), Some("hapi")),
            ("publisher", json!({"publisher": "Cerner"}), Some("oracle")),
            (
                "implementation",
                json!({"implementation": {"description": "AB2D API"}}),
                Some("ab2d"),
            ),
            (
                "one that is built on another",
                json!({"software": {"name": "HAPI FHIR Server"},
                    "publisher": "Inferno"}),
                Some("inferno"),
            ),
            ("another", json!({"software": {"name": "Bulkhead sample server"}}), None),
        ];
        for (name, body, expected) in cases {
            let capability = Capability::read(body.to_string().as_bytes()).unwrap();
            let found = Profile::recognise(&capability).map(|profile| profile.name);
            assert_eq!(found.as_deref(), expected, "case: {name}");
        }
    }
}
