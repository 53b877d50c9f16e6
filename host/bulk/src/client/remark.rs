//! What an operator should know before an export: where what is asked for and what the server
//! says of itself do not agree.
//!
//! Remarks, never refusals: absence from a capability statement proves nothing.

use bulkhead_model::{Level, ResourceType, SafeUrl};
use url::Url;

use super::{Client, Server};
use crate::{
    capability::Capability,
    kickoff::Kickoff,
    profile::Profile,
    scope::{Coverage, GrantedScope},
    settings::{Auth, Settings, SinceStyle},
};

impl Client {
    /// What speaks against `kickoff` in the server's own words, one remark a line.
    pub fn remarks(&self, server: &Server, kickoff: &Kickoff) -> Vec<String> {
        let mut remarks = server.capability.remarks.clone();
        remarks.extend(of_kickoff(&server.capability, kickoff));
        remarks.extend(alias(&self.settings, &server.capability));
        if self.settings.since_style == SinceStyle::Unsupported && kickoff.since.is_some()
        {
            remarks.push(
                "`since-style` says that the server knows no `_since`: it is asked for everything"
                    .to_owned(),
            );
        }
        if let Some(profile) = Profile::recognise(&server.capability)
            && self.settings.profile.as_ref() != Some(&profile.name)
        {
            let (title, name) = (profile.title, profile.name);
            remarks.push(format!(
                "the server looks like {title}: `profile = \"{name}\"` sets what is known of it"
            ));
        }
        let Auth::BackendServices(services) = &self.settings.auth else { return remarks };
        if let Some(smart) = &server.smart {
            let algorithms: Vec<_> =
                services.keys.iter().map(|key| key.algorithm()).collect();
            let doubts = smart.doubts(&algorithms).into_iter();
            remarks.extend(doubts.map(|doubt| format!("SMART configuration: {doubt}")));
        }
        let scope = services.scope.clone().filter(|scope| !scope.is_empty());
        if let (Some(scope), Level::Group(_), Ok(group)) =
            (scope, &kickoff.level, "Group".parse::<ResourceType>())
            && GrantedScope::Stated(scope).coverage(&group) == Coverage::None
        {
            remarks.push(
                "`scope` does not cover Group, which servers ask of exports of a group"
                    .to_owned(),
            );
        }
        remarks
    }
}

/// Another name by which the server calls itself, and of which the operator says nothing.
fn alias(settings: &Settings, capability: &Capability) -> Option<String> {
    let own = Url::parse(capability.implementation_url.as_ref()?).ok()?;
    let name = |url: &Url| {
        let path = url.path().trim_end_matches('/').to_owned();
        (url.host_str().map(str::to_owned), url.port(), path)
    };
    let is_known = [&settings.base]
        .into_iter()
        .chain(&settings.aliases)
        .any(|known| name(known) == name(&own));
    let is_url = matches!(own.scheme(), "http" | "https");
    (is_url && !is_known).then(|| {
        format!(
            "the server calls itself `{}`: if references in its data begin so, add it to \
             `source.base-aliases`",
            SafeUrl::of(&own)
        )
    })
}

fn of_kickoff(capability: &Capability, kickoff: &Kickoff) -> Vec<String> {
    let mut remarks = Vec::new();
    let level = &kickoff.level;
    if !capability.exports.is_empty() && !capability.announces(level) {
        remarks.push(format!("the server announces no `{}`", level.kickoff_path()));
    }
    let offered = capability.types_at(level);
    if !offered.is_empty() {
        for name in kickoff.types.iter().filter(|name| !offered.contains(*name)) {
            remarks.push(format!("the server does not offer `{name}` for this export"));
        }
    }
    if kickoff.type_filters.iter().any(|filter| filter.contains(',')) {
        remarks.push(
            "a filter has a comma, which servers read in different ways: if it finds nothing, try \
             the other way of `source.type-filter-commas`"
                .to_owned(),
        );
    }
    for filter in &kickoff.type_filters {
        for parameter in unlisted(capability, filter) {
            let name = filter.split('?').next().unwrap_or_default();
            remarks.push(format!(
                "the server lists no search parameter `{parameter}` for `{name}`: \
                 it may refuse the filter, or ignore it"
            ));
        }
    }
    remarks
}

/// The parameters of a filter that the server does not list; empty when it lists none at
/// all. Those that begin with `_` belong to every type.
fn unlisted<'a>(capability: &Capability, filter: &'a str) -> Vec<&'a str> {
    let Some((name, query)) = filter.split_once('?') else { return Vec::new() };
    let listed = name
        .parse::<ResourceType>()
        .ok()
        .and_then(|name| capability.search_params.get(&name))
        .filter(|listed| !listed.is_empty());
    let Some(listed) = listed else { return Vec::new() };
    query
        .split('&')
        .filter_map(|pair| pair.split(['=', ':', '.']).next())
        .filter(|name| {
            !name.is_empty() && !name.starts_with('_') && !listed.contains(*name)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Items: 109.
    #[test]
    fn another_name_of_the_server_is_remarked_on_until_it_is_known() {
        let base = "https://ehr.example/fhir/";
        let cases = [
            ("none", None, None),
            ("the same", Some("https://ehr.example/fhir"), None),
            ("the same in clear text", Some("http://ehr.example/fhir/"), None),
            ("no address", Some("urn:uuid:1"), None),
            ("known", Some("https://old.example/r4"), None),
            ("another", Some("https://in.example/r4"), Some("`https://in.example/r4`")),
        ];
        for (case, stated, expected) in cases {
            let settings = Settings {
                aliases: vec!["https://old.example/r4/".parse().unwrap()],
                ..Settings::new(base.parse().unwrap())
            };
            let capability = Capability {
                implementation_url: stated.map(str::to_owned),
                ..Capability::default()
            };
            let found = alias(&settings, &capability);
            assert_eq!(found.is_some(), expected.is_some(), "case: {case}");
            let says = found.unwrap_or_default();
            assert!(says.contains(expected.unwrap_or_default()), "case: {case}: {says}");
        }
    }

    /// Items: 1, 4, 5, 6.
    #[test]
    fn remarks_on_what_the_server_does_not_say_it_can() {
        let body = json!({"rest": [{
            "operation": [{"name": "export", "definition": "http://x/export|2.0.0"}],
            "resource": [
                {"type": "Patient", "searchParam": [{"name": "birthdate"}]},
                {"type": "Device"},
            ],
        }]});
        let stated = Capability::read(body.to_string().as_bytes()).unwrap();
        let silent = Capability::default();
        let new = |level| Kickoff {
            types: vec!["Patient".parse().unwrap(), "Device".parse().unwrap()],
            ..Kickoff::new(level)
        };
        let filtered = |filter: &str| Kickoff {
            type_filters: vec![filter.to_owned()],
            ..new(Level::System)
        };
        let strange = Kickoff {
            types: vec!["Observation".parse().unwrap()],
            ..Kickoff::new(Level::System)
        };
        let cases = [
            ("what is offered", &stated, new(Level::System), 0),
            ("another level", &stated, new(Level::Patient), 1),
            ("another type", &stated, strange.clone(), 1),
            ("a server that says nothing", &silent, strange, 0),
            ("a listed parameter", &stated, filtered("Patient?birthdate=gt2000"), 0),
            ("with a modifier", &stated, filtered("Patient?birthdate:missing=true"), 0),
            (
                "a parameter of all types",
                &stated,
                filtered("Patient?_lastUpdated=gt2000"),
                0,
            ),
            ("a comma", &stated, filtered("Patient?birthdate=1,2"), 1),
            ("another parameter", &stated, filtered("Patient?birthdate=1&name=x"), 1),
            ("a type that lists none", &stated, filtered("Device?type=x"), 0),
        ];
        for (name, capability, kickoff, expected) in cases {
            let remarks = of_kickoff(capability, &kickoff);
            assert_eq!(remarks.len(), expected, "case: {name}: {remarks:?}");
        }
    }
}
