//! What operators are told when something is wrong: exact lines, all problems at once.

use std::net::TcpListener;

use url::Url;

use crate::rig::{Setup, Site};

/// A configuration in which nothing is wrong, of a server that is not there.
fn site() -> Site {
    // A port that was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base: Url =
        format!("http://{}/fhir", listener.local_addr().unwrap()).parse().unwrap();
    Site::cold(&Setup::new(&base, ["Patient"]), &["m".to_owned()])
}

/// The line of the configuration that begins with `start`, from 1.
fn line(site: &Site, start: &str) -> usize {
    let text = site.read("bulkhead.toml");
    text.lines().position(|line| line.starts_with(start)).unwrap() + 1
}

/// The value of a pin, by section.
fn pin(site: &Site, section: &str) -> String {
    let text = site.read("bulkhead.toml");
    let (_, rest) = text.split_once(&format!("[plugins.{section}]")).unwrap();
    let (_, rest) = rest.split_once("sha256 = \"").unwrap();
    rest[..64].to_owned()
}

#[test]
fn a_plugin_that_is_not_the_pinned_one_does_not_run() {
    let site = site();
    let right = pin(&site, "cohort-filter");
    let wrong = "0".repeat(64);
    site.edit("bulkhead.toml", &right, &wrong);
    let text = site.read("bulkhead.toml");
    let path = text.split_once("path = \"").unwrap().1.split_once('"').unwrap().0;
    let ended = site.run().expect(2);
    ended.says(&format!(
        "error: plugin `cohort-filter` at {path}: the plugin's SHA-256 is {right}, but the \
         configuration pins {wrong}"
    ));
    ended.says("  whose: plugin or operator");
}

#[test]
fn a_capability_that_is_not_granted_is_named_with_what_to_write() {
    let cases = [
        (
            "{ cohorts = [\"study\"] }",
            "error: stage `cohort-filter` of chain `research`: 1 disagreement between what the \
             plugin wants and what it may",
            "  - the plugin asks for `cohorts` (to learn how many of a record's patients are \
             members; neither bodies nor identifiers come with it), which is not granted; grant \
             it with `grants = { cohorts = [\"…\"] }`",
        ),
        (
            "{ stores = [\"lake\"] }",
            "error: stage `files-sink` of chain `research`: 1 disagreement between what the \
             plugin wants and what it may",
            "  - the plugin asks for `artifacts` (to create the files; the records' bytes go \
             from the host to the store and do not pass through this plugin), which is not \
             granted; grant it with `grants = { stores = [\"…\"] }`",
        ),
    ];
    for (grant, first, second) in cases {
        let site = site();
        site.edit("bulkhead.toml", grant, "{}");
        let ended = site.run().expect(2);
        ended.says(first);
        ended.says(second);
    }
}

#[test]
fn all_problems_of_a_configuration_are_told_at_once_each_with_its_line() {
    let site = site();
    let stages = line(&site, "stages = ");
    let text = site.read("bulkhead.toml");
    let sink = text.lines().nth(stages).unwrap().to_owned();
    assert!(sink.starts_with("sink = "));
    site.edit("bulkhead.toml", &sink, "");
    site.edit("bulkhead.toml", "types = [", "typs = [");
    site.edit("bulkhead.toml", "url = \"out\"", "url = \"out\"\nurll = \"x\"");
    site.edit("bulkhead.toml", "cohorts = [\"study\"]", "cohorts = [\"studdy\"]");
    site.edit("bulkhead.toml", "[keys", "[limits]\nfiles-in-flight = 0\n[keys");
    let pinned = format!("sha256 = \"{}\"", pin(&site, "files-sink"));
    site.edit("bulkhead.toml", &pinned, "");
    let expected = [
        "error: 6 problems in bulkhead.toml".to_owned(),
        format!(
            "  bulkhead.toml:{}: unknown key `source.typs`: did you mean `types`?",
            line(&site, "typs")
        ),
        format!(
            "  bulkhead.toml:{}: `limits.files-in-flight` must be a whole number from 1 to 64",
            line(&site, "files-in-flight")
        ),
        format!(
            "  bulkhead.toml:{}: unknown key `stores.lake.urll`: did you mean `url`?",
            line(&site, "urll")
        ),
        format!(
            "  bulkhead.toml:{}: `plugins.cohort-filter.grants` names cohort `studdy`, but \
             there is no `[cohorts.studdy]`",
            line(&site, "[plugins.cohort-filter]")
        ),
        format!(
            "  bulkhead.toml:{}: `plugins.files-sink.sha256` is missing: `bulkhead plugin \
             inspect FILE` prints it; without a pin, anyone who can write the file decides what \
             runs (`--dev` waives this)",
            line(&site, "[plugins.files-sink]")
        ),
        format!(
            "  bulkhead.toml:{}: chain `research` has no sink: write `sink = {{ plugin = \"…\" }}`",
            line(&site, "[[chain]]")
        ),
        "  whose: operator".to_owned(),
    ];
    for command in ["run", "check"] {
        let ended = site.program(&[command]).run().expect(2);
        let said: Vec<&str> = ended.err.lines().collect();
        assert_eq!(said, expected, "case: {command}");
    }
    assert!(!site.path(".bulkhead").exists(), "a refused configuration leaves no trace");
}

#[test]
fn a_type_that_nobody_asks_for_is_refused_wherever_a_command_names_it() {
    let site = site();
    let cases = [
        (
            "--accept-omission",
            &["run", "--accept-omission", "Device", "--reason", "x"][..],
        ),
        ("--type", &["resync", "--type", "Patient", "--type", "Device"]),
        ("--why", &["status", "--why", "Device"]),
    ];
    for (option, args) in cases {
        let ended = site.program(args).run().expect(2);
        let said: Vec<&str> = ended.err.lines().collect();
        let error = format!("error: `Device` of {option} is not among `source.types`");
        let expected = [error.as_str(), "  whose: operator", "hint: they are Patient"];
        assert_eq!(said, expected, "case: {option}");
        assert_eq!(ended.out, "", "case: {option}");
    }
    assert!(!site.path(".bulkhead").exists(), "a refused command leaves no trace");
}

#[test]
fn a_plugin_in_the_wrong_place_and_a_missing_configuration_come_with_a_hint() {
    let site = site();
    let text = site.read("bulkhead.toml");
    let sink = text.lines().find(|line| line.starts_with("sink = ")).unwrap();
    let filter = "sink = { plugin = \"cohort-filter\", name = \"last\", config = { cohort = \
        \"study\" } }";
    site.edit("bulkhead.toml", sink, filter);
    let ended = site.run().expect(2);
    ended.says("error: the sink of chain `research` is a filter");
    ended.says("hint: put it among the `stages`");

    let ended = site.program(&["run", "--config", "none.toml"]).run().expect(2);
    ended.says(
        "error: reading the configuration: failed to open file `none.toml`: No such file or \
         directory (os error 2)",
    );
    ended.says("hint: `bulkhead init` writes a commented one");
}

#[test]
fn settings_that_a_plugin_refuses_are_told_with_the_stage() {
    let site = site();
    site.edit("bulkhead.toml", "mode = \"primary\"", "mode = \"nearly\"");
    let ended = site.run().expect(2);
    ended.says(
        "error: stage `cohort-filter` of chain `research`: 1 problem with the stage's settings",
    );
    assert!(ended.err.contains("unknown variant `nearly`"), "{}", ended.err);
}

#[test]
fn an_empty_cohort_stops_the_run_before_it_drops_everything() {
    let site = site();
    site.write("members.csv", "id\n");
    let ended = site.run().expect(2);
    ended.says(
        "hint: an empty cohort drops everything: check the list, or the column's name",
    );
}

#[test]
fn a_server_that_is_down_is_a_failure_with_a_hint() {
    let ended = site().run().expect(1);
    ended.says("error: asking the server what it can do");
    assert!(ended.err.contains("Connection refused"), "{}", ended.err);
    ended.says("  whose: network");
    assert!(ended.err.lines().any(|line| line.starts_with("hint: ")), "{}", ended.err);
}
