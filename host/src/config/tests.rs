use super::*;

const WHOLE: &str = r#"
[source]
base-url = "https://ehr.example/fhir"
level = { group = "7" }
types = ["Patient", "Observation"]
trusted-origins = ["https://files.example"]

[source.auth]
client-id = "bulkhead"
key = { file = "key.pem" }
scope = ""

[state]
path = "state"

[sync]
overlap = "10m"

[cohorts.study]
from = { csv = "members.csv", column = "id" }

[keys.research]
env = "RESEARCH_KEY"

[stores.lake]
url = "out"

[stores.far]
url = "file:///srv/fhir"

[plugins.cohort-filter]
path = "cohort_filter.wasm"
sha256 = "AA00000000000000000000000000000000000000000000000000000000000000"
grants = { cohorts = ["study"] }
limits = { memory = "32MiB", call = "5s" }

[plugins.files]
path = "files_sink.wasm"
sha256 = "bb00000000000000000000000000000000000000000000000000000000000000"
grants = { stores = ["lake"] }

[[chain]]
name = "research"
stages = [{ plugin = "cohort-filter", config = { cohort = "study" } }]
sink = { plugin = "files", config = { store = "lake", part-rows = 1_000, ratio = 0.5 } }

[limits]
files-in-flight = 2
line = "1MiB"
"#;

fn parse(text: &str) -> Result<Config, Vec<String>> {
    Config::parse(Path::new("site/bulkhead.toml"), text, Pinning::Required).map_err(
        |problems| {
            problems
                .list()
                .into_iter()
                .map(|problem| format!("{}: {}", problem.line, problem.message))
                .collect()
        },
    )
}

#[test]
fn reads_every_section() {
    let config = parse(WHOLE).unwrap();
    assert_eq!(config.source.level, bulkhead_model::Level::Group("7".into()));
    assert_eq!(config.source.types.len(), 2);
    assert_eq!(config.state, Path::new("site/state"));
    assert_eq!(config.sync.overlap.as_secs(), 600);
    assert_eq!(config.stores["lake"], "site/out");
    assert_eq!(config.stores["far"], "file:///srv/fhir");
    assert_eq!(config.keys["research"], SecretSource::Env("RESEARCH_KEY".into()));
    assert_eq!(config.plugins["cohort-filter"].limits.memory.bytes(), 32 << 20);
    assert!(config.plugins["cohort-filter"].sha256.as_deref().unwrap().starts_with("aa"));
    let sink = &config.chains[0].sink;
    assert_eq!(sink.name, "files");
    assert_eq!(sink.settings["part-rows"], 1_000);
    assert_eq!(sink.settings["ratio"], 0.5);
    assert_eq!(config.limits.files_in_flight, 2);
    assert!(matches!(
        &config.source.auth,
        AuthConfig::BackendServices { scope: Some(scope), .. } if scope.is_empty()
    ));
}

#[test]
fn what_proves_that_all_came_is_read_and_strict_where_nothing_is_said() {
    use crate::config::{ProbeMode, UnprovenFiles};
    let sync = parse(WHOLE).unwrap().sync;
    assert_eq!((sync.probe, sync.probe_tolerance), (ProbeMode::Absent, 1));
    assert_eq!(sync.unproven_files, UnprovenFiles::Hold);
    assert!(sync.accept_omission.is_empty());
    assert_eq!(sync.keep_history.as_secs(), 400 * 86_400);

    let keys = "overlap = \"10m\"\nprobe = \"all\"\nprobe-tolerance = 0\n\
        unproven-files = \"accept\"\naccept-omission = [\"AuditEvent\", \"*\"]\n\
        keep-history = \"30d\"";
    let sync = parse(&WHOLE.replace("overlap = \"10m\"", keys)).unwrap().sync;
    assert_eq!((sync.probe, sync.probe_tolerance), (ProbeMode::All, 0));
    assert_eq!(sync.unproven_files, UnprovenFiles::Accept);
    let accepted: Vec<&str> =
        sync.accept_omission.iter().map(bulkhead_model::ResourceType::as_str).collect();
    assert_eq!(accepted, ["AuditEvent", "Resource"]);

    let wrong = WHOLE.replace("overlap = \"10m\"", "accept-omission = [\"audit\"]");
    assert_eq!(
        parse(&wrong).unwrap_err(),
        [
            "17: `audit` in `sync.accept-omission` is not a resource type (an upper-case letter, \
         then letters and digits)"
        ]
    );
}

#[test]
fn reports_every_problem_with_its_line_and_the_nearest_key() {
    let text = WHOLE
        .replace("overlap = \"10m\"", "overlapp = \"10m\"")
        .replace("files-in-flight = 2", "files-in-flight = 0")
        .replace("sha256 = \"bb", "# sha256 = \"bb")
        .replace("cohorts = [\"study\"] }", "cohorts = [\"studdy\"] }")
        .replace("\"Patient\", ", "\"patient\", ")
        .replace("line = \"1MiB\"", "line = \"1 mib\"");
    let problems = parse(&text).unwrap_err();
    let expected = [
        "5: `patient` in `source.types` is not a resource type",
        "17: unknown key `sync.overlapp`: did you mean `overlap`?",
        "31: `plugins.cohort-filter.grants` names cohort `studdy`, but there is no `[cohorts.studdy]`",
        "37: `plugins.files.sha256` is missing",
        "48: `limits.files-in-flight` must be a whole number from 1 to 64",
        "49: `limits.line` = \"1 mib\" is not a size",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(
            problem.starts_with(expected),
            "{problem}\nshould start with\n{expected}"
        );
    }
}

#[test]
fn says_what_is_missing_altogether() {
    let problems = parse("").unwrap_err();
    assert!(problems.iter().any(|problem| problem.contains("`[source]` is missing")));
    assert!(problems.iter().any(|problem| problem.contains("`[[chain]]` is missing")));
}

#[test]
fn refuses_what_is_not_toml_with_its_line() {
    let problems = parse("[source]\nbase-url = \n").unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("2: "), "{problems:?}");
}

#[test]
fn refuses_settings_of_the_wrong_shape() {
    let cases = [
        (
            "a base that is no URL",
            "base-url = \"https://ehr.example/fhir\"",
            "base-url = \"ehr\"",
        ),
        ("a base with a query", "ehr.example/fhir\"", "ehr.example/fhir?x=1\""),
        ("a password in the URL", "https://ehr", "https://me:secret@ehr"),
        (
            "two cohort sources",
            "csv = \"members.csv\"",
            "group = \"1\", csv = \"members.csv\"",
        ),
        ("a secret in clear", "key = { file = \"key.pem\" }", "key = \"hunter2\""),
        ("a short digest", "sha256 = \"AA", "sha256 = \"A"),
        ("an unknown level", "level = { group = \"7\" }", "level = \"sytem\""),
        (
            "an unknown plugin",
            "sink = { plugin = \"files\"",
            "sink = { plugin = \"filez\"",
        ),
        ("a time without a unit", "overlap = \"10m\"", "overlap = \"10\""),
    ];
    for (name, from, to) in cases {
        assert!(WHOLE.contains(from), "case: {name}");
        assert!(parse(&WHOLE.replacen(from, to, 1)).is_err(), "case: {name}");
    }
}
