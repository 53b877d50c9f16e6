//! What a stage is given of what the operator has.

use std::path::Path;

use super::*;
use crate::config::Pinning;

/// One chain `c` of one sink `out`, a plugin with these lines.
fn config(folder: &Path, lines: &str) -> Config {
    let text = format!(
        "[source]\nbase-url = \"https://ehr.example/fhir\"\n[keys.study]\nfile = \"key\"\n\
         [plugins.p]\npath = \"p.wasm\"\n{lines}\n[[chain]]\nname = \"c\"\n\
         sink = {{ name = \"out\", plugin = \"p\" }}\n"
    );
    let parsed = Config::parse(&folder.join("bulkhead.toml"), &text, Pinning::Waived);
    parsed.map_err(|problems| problems.to_string()).unwrap()
}

fn given(config: &Config, ledger: Option<&Ledger>) -> anyhow::Result<Resources> {
    let chain = &config.chains[0];
    let nowhere = (&Stores::default(), &Destinations::default());
    resources(config, chain, &chain.sink, &Cohorts::default(), nowhere, ledger)
}

/// Attacks: 40.
#[test]
fn what_a_stage_keeps_is_its_own_and_within_its_limits() {
    let folder = tempfile::tempdir().unwrap();
    let limits = "limits = { state-bytes = \"3MiB\", state-value-bytes = \"5KiB\" }";
    let config = config(folder.path(), limits);
    let ledger = Ledger::open(folder.path().join("ledger.db")).unwrap();
    let state = given(&config, Some(&ledger)).unwrap().state.unwrap();
    assert_eq!(state.namespace, "c/out");
    assert_eq!(state.quota.namespace_bytes, 3 << 20);
    assert_eq!(state.quota.value_bytes, 5 << 10);
    assert!(given(&config, None).unwrap().state.is_none());
}

/// Attacks: 41.
#[test]
fn a_short_key_is_refused_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "grants = { keys = [\"study\"] }");
    for (key, expected) in [("sixteen bytes ok", true), ("fifteen bytes x", false)] {
        fs_err::write(folder.path().join("key"), key).unwrap();
        let found = given(&config, None);
        assert_eq!(found.is_ok(), expected, "case: {key}");
        if let Err(error) = found {
            let said = format!("{error:?}");
            assert!(said.contains("key `study` is shorter than 16 bytes"), "{said}");
            assert!(!said.contains(key), "{said}");
        }
    }
}

/// Attacks: 41.
#[test]
fn filters_and_whoever_asks_about_a_cohort_say_whose_data_may_pass() {
    let asks = || Grants { cohorts: vec!["study".to_owned()], ..Grants::default() };
    let reads = || Grants { bodies: true, ..Grants::default() };
    let cases = [
        ("a filter", Role::Filter, asks(), true),
        ("a filter that asks about no cohort", Role::Filter, reads(), true),
        ("a transform", Role::Transform, reads(), false),
        ("a transform that asks about a cohort", Role::Transform, asks(), true),
    ];
    for (name, role, grants, expected) in cases {
        assert_eq!(is_guard(role, &grants), expected, "case: {name}");
    }
}
