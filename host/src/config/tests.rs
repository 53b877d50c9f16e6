mod limits;
mod source;
mod state;

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
        AuthConfig::BackendServices(services) if services.scope.as_deref() == Some("")
    ));
}

#[test]
fn what_proves_that_all_came_is_read_and_strict_where_nothing_is_said() {
    use crate::config::{Incomplete, ProbeMode, UnprovenFiles};
    let sync = parse(WHOLE).unwrap().sync;
    assert_eq!((sync.probe, sync.probe_tolerance), (ProbeMode::Absent, 1));
    assert_eq!(sync.unproven_files, UnprovenFiles::Hold);
    assert_eq!(sync.incomplete, Incomplete::Hold);
    assert!(sync.accept_omission.is_empty());
    assert_eq!(sync.keep_history.as_secs(), 400 * 86_400);
    assert_eq!(sync.export_log.map(bulkhead_model::ByteSize::bytes), Some(64 << 20));
    let logged = |value: &str| {
        let keys = format!("export-log = \"{value}\"");
        parse(&WHOLE.replace("overlap = \"10m\"", &keys))
            .map(|config| config.sync.export_log)
    };
    assert_eq!(logged("off").unwrap(), None);
    assert_eq!(logged("1 kB").unwrap().map(bulkhead_model::ByteSize::bytes), Some(1_000));
    assert!(
        logged("much").unwrap_err()[0].starts_with("17: `much` in `sync.export-log`")
    );

    let keys = "overlap = \"10m\"\nprobe = \"all\"\nprobe-tolerance = 0\n\
        unproven-files = \"accept\"\nincomplete = \"deliver\"\naccept-omission = [\"AuditEvent\", \"*\"]\n\
        keep-history = \"30d\"";
    let sync = parse(&WHOLE.replace("overlap = \"10m\"", keys)).unwrap().sync;
    assert_eq!((sync.probe, sync.probe_tolerance), (ProbeMode::All, 0));
    assert_eq!(sync.unproven_files, UnprovenFiles::Accept);
    assert_eq!(sync.incomplete, Incomplete::Deliver);
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

/// Items: 33, 34, 46, 50.
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
        (
            "a group that climbs",
            "level = { group = \"7\" }",
            "level = { group = \"../7\" }",
        ),
        ("a profile of nobody", "types =", "profile = \"nobody\"\ntypes ="),
        ("get in version 4", "types =", "method = \"get\"\nversion = \"4\"\ntypes ="),
        ("a filter without search", "types =", "type-filters = [\"Patient\"]\ntypes ="),
        (
            "a filter of another type",
            "types =",
            "type-filters = [\"Device?type=x\"]\ntypes =",
        ),
        (
            "a filter that sorts",
            "types =",
            "type-filters = [\"Patient?active=true&_sort=name\"]\ntypes =",
        ),
        (
            "an element that is none",
            "types =",
            "elements = [\"Patient.name.given\"]\ntypes =",
        ),
        ("a moment without zone", "types =", "until = \"2026-01-01T00:00:00\"\ntypes ="),
        (
            "a certificate in clear",
            "types =",
            "tls = { identity = \"-----BEGIN\" }\ntypes =",
        ),
        ("no request at a time", "types =", "requests = { at-once = 0 }\ntypes ="),
        ("a header that is none", "scope = \"\"", "client-id-header = \"a b\""),
        ("a time without a unit", "overlap = \"10m\"", "overlap = \"10\""),
    ];
    for (name, from, to) in cases {
        assert!(WHOLE.contains(from), "case: {name}");
        assert!(parse(&WHOLE.replacen(from, to, 1)).is_err(), "case: {name}");
    }
}

/// Items: 12, 14, 16, 32, 39, 42, 46, 48, 51, 52, 74.
#[test]
fn reads_how_to_ask() {
    let text = WHOLE
        .replace(
            "types =",
            r#"method = "post"
version = "3"
since-style = "millis"
handling = "lenient"
type-filter-commas = "plain"
until = "2026-01-01T00:00:00Z"
elements = ["id", "Patient.name"]
include-associated-data = ["LatestProvenanceResources"]
organize-output-by = "Patient"
partial-manifests = true
export-status = "separate"
type-filters = ["Observation?category=laboratory"]
ignore-extensions = ["https://x/note"]
file-lifetime = "2h"
tls = { roots = ["ca.pem"], identity = { file = "client.pem" } }
requests = { at-once = 2, interval = "1s", patience = "1h", response-time = "5m", idle-time = "2m" }
types ="#,
        )
        .replace(
            "scope = \"\"",
            r#"kid = "k1"
jwks-url = "https://me.example/jwks"
client-id-header = "X-Client""#,
        );
    let source = parse(&text).unwrap().source;
    let asked = bulkhead_bulk::Kickoff {
        until: "2026-01-01T00:00:00Z".parse().ok(),
        type_filters: vec!["Observation?category=laboratory".to_owned()],
        elements: vec!["id".to_owned(), "Patient.name".to_owned()],
        include_associated_data: vec!["LatestProvenanceResources".to_owned()],
        organize_output_by: Some("Patient".to_owned()),
        allow_partial_manifests: true,
        separate_export_status: true,
        ..bulkhead_bulk::Kickoff::new(source.level.clone())
    };
    assert_eq!(source.kickoff(), asked);
    assert_eq!(source.asking.method, bulkhead_bulk::KickoffMethod::Post);
    assert_eq!(source.asking.version, bulkhead_bulk::Version::V3);
    assert_eq!(source.asking.since_style, bulkhead_bulk::SinceStyle::Millis);
    assert_eq!(source.asking.handling, bulkhead_bulk::Handling::Lenient);
    assert_eq!(source.asking.filter_commas, bulkhead_bulk::FilterCommas::Plain);
    let network = &source.network;
    assert_eq!(network.roots, [Path::new("site/ca.pem")]);
    assert!(network.identity.is_some() && network.ignored_extensions.len() == 1);
    let seconds = |time: Option<std::time::Duration>| time.map(|time| time.as_secs());
    assert_eq!(network.at_once.map(std::num::NonZeroUsize::get), Some(2));
    assert_eq!(seconds(network.interval), Some(1));
    assert_eq!(seconds(network.patience), Some(3600));
    assert_eq!(seconds(network.response_time), Some(300));
    assert_eq!(seconds(network.idle_time), Some(120));
    assert_eq!(seconds(network.file_lifetime), Some(7200));
    let AuthConfig::BackendServices(services) = &source.auth else { panic!("no auth") };
    assert_eq!(services.kid.as_deref(), Some("k1"));
    assert_eq!(
        services.jwks_url.as_ref().map(url::Url::as_str),
        Some("https://me.example/jwks")
    );
    assert_eq!(
        services.client_id_header.as_ref().map(bulkhead_net::header::HeaderName::as_str),
        Some("x-client")
    );

    let plain = parse(WHOLE).unwrap().source;
    assert_eq!(plain.definition(), "", "what is left open does not count");
    assert_ne!(plain.definition(), source.definition());
}

/// Items: 32, 109.
#[test]
fn reads_a_secret_and_the_names_of_the_server() {
    let with = |key: &str| {
        WHOLE.replace("key = { file = \"key.pem\" }", key).replace(
            "types =",
            "base-aliases = [\"http://in.example/r4\"]\n\
             rewrite = { from = \"http://fhir:8080/\", to = \"https://ehr.example/\" }\n\
             types =",
        )
    };
    let secret = "client-secret = { env = \"SECRET\" }";
    for (line, place) in [
        ("", bulkhead_bulk::SecretPlace::Header),
        ("\nclient-secret-in = \"body\"", bulkhead_bulk::SecretPlace::Body),
    ] {
        let source = parse(&with(&format!("{secret}{line}"))).unwrap().source;
        let AuthConfig::ClientSecret(client) = &source.auth else { panic!("no secret") };
        assert_eq!(client.place, place);
        assert_eq!(client.secret, SecretSource::Env("SECRET".to_owned()));
        assert_eq!(source.base_aliases.len(), 1);
        assert_eq!(source.rewrite.unwrap().from.as_str(), "http://fhir:8080/");
    }
    let both = with(&format!("key = {{ file = \"key.pem\" }}\n{secret}"));
    let problems = parse(&both).unwrap_err().join("\n");
    assert!(problems.contains("leave one out"), "{problems}");
    let clear = with(secret).replace("http://fhir:8080/", "https://fhir/");
    let clear =
        clear.replace("to = \"https://ehr.example/\"", "to = \"http://ehr.example/\"");
    let problems = parse(&clear).unwrap_err().join("\n");
    assert!(problems.contains("clear text"), "{problems}");
}

/// Items: 12.
#[test]
fn a_profile_fills_in_what_is_left_open_and_nothing_else() {
    let with = |lines: &str, auth: &str| {
        let text = WHOLE.replace("types =", &format!("{lines}\ntypes ="));
        parse(&text.replace("scope = \"\"", auth)).unwrap().source
    };
    let scope = |source: &SourceConfig| match &source.auth {
        AuthConfig::BackendServices(services) => services.scope.clone(),
        AuthConfig::Bearer(_) | AuthConfig::ClientSecret(_) | AuthConfig::None => None,
    };
    let epic = with("profile = \"epic\"", "");
    assert_eq!(epic.profile.as_deref(), Some("epic"));
    assert_eq!(epic.asking.since_style, bulkhead_bulk::SinceStyle::Unsupported);
    let mine = with("profile = \"epic\"\nsince-style = \"seconds\"", "");
    assert_eq!(mine.asking.since_style, bulkhead_bulk::SinceStyle::Seconds);
    assert_eq!(scope(&with("profile = \"medplum\"", "")), Some(String::new()));
    let mine = with("profile = \"medplum\"", "scope = \"system/*.*\"");
    assert_eq!(scope(&mine).as_deref(), Some("system/*.*"));
    let oracle = with("profile = \"oracle\"", "");
    assert_eq!(oracle.asking.method, bulkhead_bulk::KickoffMethod::Get);
    assert_eq!(oracle.network.at_once.map(std::num::NonZeroUsize::get), Some(6));
}

#[test]
fn a_destination_that_is_granted_must_be_there_and_answer_within_a_call() {
    let granted = WHOLE.replace(
        "grants = { stores = [\"lake\"] }",
        "grants = { destinations = [\"dwh\"] }",
    );
    let with = |table: &str| parse(&format!("{granted}\n[destinations.dwh]\n{table}"));
    assert!(with("url = \"https://dwh.example/\"").is_ok());
    let cases = [
        (
            "not there",
            parse(&granted),
            "37: `plugins.files.grants` names destination `dwh`, but there is no \
             `[destinations.dwh]`",
        ),
        (
            "there and wrong is told once",
            with("url = \"dwh\""),
            "52: `destinations.dwh.url` is no URL",
        ),
        (
            "longer than a call",
            with("url = \"https://dwh.example/\"\ntimeout = \"30s\""),
            "37: `destinations.dwh.timeout` is 30s and `plugins.files.limits.call` 30s",
        ),
    ];
    for (name, found, expected) in cases {
        let problems = found.unwrap_err();
        assert_eq!(problems.len(), 1, "case: {name}: {problems:?}");
        assert!(problems[0].starts_with(expected), "case: {name}: {problems:?}");
    }
}
