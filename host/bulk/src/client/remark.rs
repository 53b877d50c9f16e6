//! What an operator should know before an export: where what is asked for and what the server
//! says of itself do not agree.
//!
//! Remarks, never refusals: absence from a capability statement proves nothing.

use bulkhead_model::{Level, ResourceType};

use super::{Client, Server};
use crate::{
    capability::Capability,
    kickoff::Kickoff,
    profile::Profile,
    scope::{Coverage, GrantedScope},
    settings::{Auth, SinceStyle},
};

impl Client {
    /// What speaks against `kickoff` in the server's own words, one remark a line.
    pub fn remarks(&self, server: &Server, kickoff: &Kickoff) -> Vec<String> {
        let mut remarks = server.capability.remarks.clone();
        remarks.extend(of_kickoff(&server.capability, kickoff));
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
            ("another parameter", &stated, filtered("Patient?birthdate=1&name=x"), 1),
            ("a type that lists none", &stated, filtered("Device?type=x"), 0),
        ];
        for (name, capability, kickoff, expected) in cases {
            let remarks = of_kickoff(capability, &kickoff);
            assert_eq!(remarks.len(), expected, "case: {name}: {remarks:?}");
        }
    }
}
