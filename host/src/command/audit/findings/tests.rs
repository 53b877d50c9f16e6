use bulkhead_model::Instant;
use bulkhead_sandbox::Isolation;

use super::*;
use crate::command::audit::{
    capabilities::{Row, Used},
    place::{Place, SecretPlace},
    survey::{
        ChainFacts, Configuration, DestinationFacts, LogState, Pin, PluginFacts, Server,
        StageFacts,
    },
};

const DAY: i64 = 24 * 3_600_000;

fn row(interface: &str, name: &str) -> Row {
    Row {
        interface: interface.to_owned(),
        name: name.to_owned(),
        why: Some("to work".to_owned()),
        is_granted: true,
        used: Used { runs: 5, calls: 9, ..Used::default() },
        ..Row::default()
    }
}

fn plugin(name: &str, role: &str, capabilities: Vec<Row>) -> PluginFacts {
    PluginFacts {
        name: name.to_owned(),
        role: role.to_owned(),
        sha256: Some("ab".to_owned()),
        pin: Pin::Holds,
        signed_by: vec!["team".to_owned()],
        capabilities,
        runs: 5,
        ..PluginFacts::default()
    }
}

fn stage(name: &str, role: &str, is_gate: bool) -> StageFacts {
    StageFacts {
        name: name.to_owned(),
        plugin: name.to_owned(),
        role: role.to_owned(),
        is_gate,
    }
}

/// A configuration with nothing to object to.
fn sound() -> Survey {
    Survey {
        bulkhead: "0",
        made_at: Instant::from_unix_ms(100 * DAY),
        configuration: Configuration {
            cohorts: vec!["study".to_owned()],
            remembers: true,
            retracts: true,
            recipients: vec!["age1".to_owned()],
            ..Configuration::default()
        },
        server: Server::default(),
        log: LogState {
            lines: 4,
            verified: Some(Instant::from_unix_ms(99 * DAY)),
            ..LogState::default()
        },
        secrets: vec![SecretPlace {
            setting: "keys.study".to_owned(),
            bytes: Some(44),
            is_key: true,
            ..SecretPlace::default()
        }],
        places: vec![Place { what: "configuration", ..Place::default() }],
        destinations: vec![DestinationFacts {
            name: "warehouse".to_owned(),
            is_granted: true,
            ..DestinationFacts::default()
        }],
        plugins: vec![
            plugin("gate", "filter", vec![row("cohorts", "study")]),
            plugin("change", "transform", vec![row("bodies", "")]),
            plugin("files", "sink", vec![row("artifacts", "lake")]),
        ],
        chains: vec![ChainFacts {
            name: "research".to_owned(),
            stages: vec![
                stage("gate", "filter", true),
                stage("change", "transform", false),
                stage("files", "sink", false),
            ],
            ..ChainFacts::default()
        }],
        findings: Vec::new(),
    }
}

#[test]
fn there_is_nothing_to_object_to_in_a_sound_configuration() {
    assert_eq!(findings(&sound()), []);
}

#[test]
fn every_weakness_is_found_with_its_severity_and_what_to_do() {
    type Weaken = fn(&mut Survey);
    use Severity::{High, Info, Low, Medium};
    let cases: [(&str, Weaken, Severity); 48] = [
        ("unpinned", |s| s.plugins[0].pin = Pin::None, High),
        ("not-the-pinned", |s| s.plugins[0].pin = Pin::Differs, High),
        ("signature", |s| s.plugins[0].unsigned = Some("x".into()), High),
        ("unsigned", |s| s.plugins[0].signed_by.clear(), Low),
        ("would-not-load", |s| s.plugins[0].problems.push("x".into()), Medium),
        ("refused-calls", |s| s.plugins[2].refused = 1, Medium),
        ("deaths", |s| s.plugins[2].deaths = 3, Low),
        ("unused-grant", |s| s.plugins[0].capabilities[0].used.calls = 0, Low),
        ("unused-grant", |s| s.plugins[2].capabilities[0].used.calls = 0, Medium),
        (
            "unused-grant",
            |s| {
                s.plugins[2].runs = 1;
                s.plugins[2].capabilities[0].used.calls = 0;
            },
            Low,
        ),
        (
            "state-with-bodies",
            |s| s.plugins[1].capabilities.push(row("state", "")),
            Medium,
        ),
        (
            "writes-what-it-sees",
            |s| s.plugins[2].capabilities.push(row("bodies", "")),
            Info,
        ),
        (
            "identifying-field",
            |s| s.plugins[2].capabilities.push(row("projection", "subject.reference")),
            Low,
        ),
        (
            "identifying-field",
            |s| s.plugins[2].capabilities.push(row("projection", "id")),
            Low,
        ),
        (
            "process-unconfined",
            |s| s.plugins[1].isolation = Isolation::ProcessUnconfined,
            Info,
        ),
        ("nothing", |s| s.plugins[1].isolation = Isolation::Process, Info),
        ("telemetry-text", |s| s.plugins[1].says_text = true, High),
        ("telemetry-text", |s| s.plugins[2].says_text = true, Medium),
        ("virtual-wasi", |s| s.plugins[2].capabilities.push(row("wasi", "")), Info),
        ("idle-plugin", |s| s.configuration.idle_plugins.push("x".into()), Low),
        ("source-in-clear", |s| s.server.in_clear.push("http://ehr".into()), High),
        (
            "source-in-clear",
            |s| s.server.in_clear.push("http://127.0.0.1:9".into()),
            Info,
        ),
        ("quarantine-without-bodies", |s| s.configuration.recipients.clear(), Info),
        ("nothing-remembered", |s| s.configuration.remembers = false, Info),
        ("left-stays", |s| s.configuration.retracts = false, Info),
        ("log-broken", |s| s.log.wrong.push("x".into()), High),
        ("no-runs", |s| s.log.unknown = Some("x".into()), Info),
        ("log-not-verified", |s| s.log.verified = None, Low),
        (
            "log-not-verified",
            |s| s.log.verified = Some(Instant::from_unix_ms(60 * DAY)),
            Low,
        ),
        ("secret-open", |s| s.secrets[0].is_open = true, High),
        ("key-short", |s| s.secrets[0].bytes = Some(15), High),
        ("key-short", |s| s.secrets[0].bytes = Some(31), Low),
        ("key-unread", |s| s.secrets[0].bytes = None, Info),
        ("written-by-others", |s| s.places[0].is_written_by_others = true, High),
        (
            "written-by-others",
            |s| {
                s.places[0] = Place {
                    what: "plugin",
                    is_written_by_others: true,
                    ..Place::default()
                }
            },
            Medium,
        ),
        (
            "read-by-all",
            |s| {
                s.places[0] = Place {
                    what: "state folder",
                    is_read_by_all: true,
                    ..Place::default()
                }
            },
            Medium,
        ),
        ("no-cohort-gate", |s| drop(s.chains[0].stages.remove(0)), Medium),
        (
            "no-cohort-gate",
            |s| {
                s.configuration.cohorts.clear();
                s.chains[0].stages.remove(0);
            },
            Info,
        ),
        ("not-changed", |s| drop(s.chains[0].stages.remove(1)), Info),
        ("sees-outsiders", |s| s.chains[0].stages.swap(0, 1), Low),
        ("sees-unchanged", |s| s.plugins[0].capabilities.push(row("bodies", "")), Info),
        (
            "identifying-field",
            |s| s.plugins[2].capabilities.push(row("projection", "name")),
            Low,
        ),
        (
            "nothing",
            |s| s.plugins[2].capabilities.push(row("projection", "status")),
            Info,
        ),
        ("destination-in-clear", |s| s.destinations[0].is_in_clear = true, High),
        (
            "wide-range",
            |s| s.destinations[0].wide_ranges.push("10.0.0.0/8".into()),
            Medium,
        ),
        ("wide-prefix", |s| s.destinations[0].is_whole = true, Low),
        ("idle-destination", |s| s.destinations[0].is_granted = false, Low),
        ("nothing", |s| s.places[0].is_read_by_all = true, Info),
    ];
    for (code, weaken, severity) in cases {
        let mut survey = sound();
        weaken(&mut survey);
        let found = findings(&survey);
        if code == "nothing" {
            assert_eq!(found, [], "case: {code}");
            continue;
        }
        let codes: Vec<(&str, Severity)> =
            found.iter().map(|finding| (finding.code, finding.severity)).collect();
        assert_eq!(codes, [(code, severity)], "case: {code}");
        assert!(
            !found[0].remedy.is_empty() && !found[0].about.is_empty(),
            "case: {code}"
        );
    }
}

#[test]
fn who_sees_content_unsigned_is_to_run_in_a_process_of_its_own() {
    type Case = (
        &'static str,
        Isolation,
        &'static [&'static str],
        Option<&'static str>,
        &'static [&'static str],
    );
    use Isolation::{InProcess, Process, ProcessUnconfined};
    let all = ["bodies", "projection", "cohorts", "state"];
    let cases: [Case; 6] = [
        ("signed", InProcess, &["team"], None, &[]),
        ("nobody's signature", InProcess, &[], None, &["bodies", "projection"]),
        ("a wrong signature", InProcess, &["team"], Some("x"), &["bodies", "projection"]),
        ("unsigned, walled in", Process, &[], None, &[]),
        ("unsigned, with what walls there are", ProcessUnconfined, &[], None, &[]),
        ("wrong, walled in", Process, &["team"], Some("x"), &[]),
    ];
    for (name, isolation, signed_by, unsigned, expected) in cases {
        let found_for = |interface: &&&str| {
            let mut survey = sound();
            let mut of = plugin("x", "transform", vec![row(interface, "status")]);
            of.isolation = isolation;
            of.signed_by = signed_by.iter().map(|&name| name.to_owned()).collect();
            of.unsigned = unsigned.map(ToOwned::to_owned);
            survey.plugins.push(of);
            let found = findings(&survey);
            let mut found = found.iter();
            found.any(|of| {
                of.code == "in-process-with-bodies" && of.severity == Severity::Medium
            })
        };
        let found: Vec<&str> = all.iter().filter(found_for).copied().collect();
        assert_eq!(found, expected, "case: {name}");
    }
}

#[test]
fn the_worst_comes_first() {
    let mut survey = sound();
    survey.plugins[2].deaths = 1;
    survey.secrets[0].is_open = true;
    survey.configuration.retracts = false;
    let severities: Vec<Severity> =
        findings(&survey).iter().map(|finding| finding.severity).collect();
    assert_eq!(severities, [Severity::High, Severity::Low, Severity::Info]);
}
