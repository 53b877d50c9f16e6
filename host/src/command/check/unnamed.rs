//! Grants of things that have names, and that no stage's settings name.
//!
//! A plugin learns the names of stores, destinations, cohorts and keys from its settings, or
//! has them built in. So this is a remark: what is not named is most likely one too many.

use bulkhead_sandbox::Grants;
use serde_json::Value;

use crate::config::{Config, PluginConfig};

/// One line for each such grant of a plugin.
pub(super) fn notes(config: &Config, name: &str, plugin: &PluginConfig) -> Vec<String> {
    let stages =
        config.chains.iter().flat_map(|chain| chain.stages.iter().chain([&chain.sink]));
    let own = stages.filter(|stage| stage.plugin == name);
    let settings: Vec<&Value> = own.map(|stage| &stage.settings).collect();
    unnamed(&plugin.grants, &settings)
        .map(|(kind, granted)| {
            format!(
                "`plugins.{name}.grants.{kind}` names `{granted}`, which the settings of no \
                 stage name: take it out unless the plugin has the name built in"
            )
        })
        .collect()
}

fn unnamed<'a>(
    grants: &'a Grants,
    settings: &'a [&Value],
) -> impl Iterator<Item = (&'static str, &'a String)> {
    let lists = [
        ("cohorts", &grants.cohorts),
        ("destinations", &grants.destinations),
        ("keys", &grants.keys),
        ("stores", &grants.stores),
    ];
    let granted =
        lists.into_iter().flat_map(|(kind, list)| list.iter().map(move |of| (kind, of)));
    granted.filter(move |(_, name)| !settings.iter().any(|value| names(value, name)))
}

/// Whether `name` stands in a value, as text.
fn names(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => text == name,
        Value::Array(items) => items.iter().any(|item| names(item, name)),
        Value::Object(members) => members.values().any(|member| names(member, name)),
        Value::Bool(_) | Value::Null | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_grants_that_no_settings_name() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let grants = Grants {
            cohorts: list(&["study"]),
            destinations: list(&["warehouse"]),
            keys: list(&["research"]),
            stores: list(&["lake", "far"]),
            ..Grants::default()
        };
        let settings = [
            json!({ "cohort": "study", "rules": [{ "store": "lake" }] }),
            json!({ "key": ["research"], "farther": "far away" }),
        ];
        let cases = [
            ("both", vec![&settings[0], &settings[1]], vec!["warehouse", "far"]),
            ("one", vec![&settings[0]], vec!["warehouse", "research", "far"]),
            ("none", vec![], vec!["study", "warehouse", "research", "lake", "far"]),
        ];
        for (name, settings, expected) in cases {
            let found: Vec<&str> =
                unnamed(&grants, &settings).map(|(_, name)| name.as_str()).collect();
            assert_eq!(found, expected, "case: {name}");
        }
    }
}
