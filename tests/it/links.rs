//! Links of files that run out, servers that are too busy for a file, and files that say what
//! they are.

use crate::rig::{Exported, Fake, Served, Setup, Site};

fn exported() -> Exported {
    let line = "{\"resourceType\":\"Patient\",\"id\":\"m\"}\n";
    Exported::new(vec![Served::new("Patient", line), Served::new("Patient", line)])
}

fn site(server: &Fake, limits: &str) -> Site {
    let mut setup = Setup::new(&server.base(), ["Patient"]);
    setup.tables = format!("[limits]\nfiles-in-flight = 1\n{limits}\n");
    Site::with(&setup, &["m".to_owned()])
}

fn asked(server: &Fake, path: &str) -> usize {
    server.seen().iter().filter(|seen| seen.method == "GET" && seen.path == path).count()
}

/// Items: 71, 97.
#[test]
fn a_link_that_has_run_out_is_renewed_before_it_is_tried() {
    // name, Expires, requests for the status: the poll and what is asked for again
    let cases = [
        ("nothing said", None, 1),
        ("far ahead", Some("Fri, 01 Jan 2100 10:00:00 GMT"), 1),
        // The fresh manifest has run out as well: its word is not asked for again.
        ("long ago", Some("Wed, 01 Jan 2020 10:00:00 GMT"), 2),
        ("no date", Some("0"), 2),
    ];
    for (name, expires, polls) in cases {
        let (server, _) = Fake::exporting(Exported { expires, ..exported() });
        site(&server, "").run().expect(0);
        assert_eq!(asked(&server, "/fhir/status/1"), polls, "case: {name}");
        assert_eq!(asked(&server, "/files/0"), 1, "case: {name}");
    }
}

/// Items: 118.
#[test]
fn a_server_that_is_too_busy_for_a_file_costs_time_and_no_try() {
    let (server, _) = Fake::exporting(Exported { file_busy: 2, ..exported() });
    site(&server, "file-tries = 1").run().expect(0);
    assert_eq!(asked(&server, "/files/0"), 3);

    let (server, _) = Fake::exporting(Exported { file_busy: 1, ..exported() });
    let ended = site(&server, "file-wait = \"0s\"").run().expect(3);
    assert!(ended.err.contains("FAILED"), "{}", ended.err);
    assert_eq!(asked(&server, "/files/0"), 1);
}

/// Items: 102.
#[test]
fn files_without_a_proper_label_are_remarked_on_once() {
    for (label, expected) in [("application/fhir+ndjson", 0), ("text/plain", 1)] {
        let (server, _) = Fake::exporting(Exported { label, ..exported() });
        let ended = site(&server, "").run().expect(0);
        let found = ended.err.matches("files are not labelled as NDJSON").count();
        assert_eq!(found, expected, "case: {label}: {}", ended.err);
    }
}

/// Items: 124.
#[test]
fn a_file_that_failed_says_what_to_do() {
    let mut file = exported().files.remove(0);
    let other = Fake::files(vec![file.clone()]);
    file.elsewhere = Some(other.url.clone());
    let server = Fake::export(vec![file], true);
    let mut setup = Setup::new(&server.base(), ["Patient"]);
    setup.source = "[source.auth]\nbearer = { env = \"TOKEN\" }\n".to_owned();
    let site = Site::with(&setup, &["m".to_owned()]);
    let run = || site.program(&["run"]).env("TOKEN", "t").run();
    let ended = run().expect(1);
    let origin = other.url.as_str().trim_end_matches('/');
    let hint = format!("add `{origin}` to trusted-origins");
    let failed = ended.err.lines().find(|line| line.contains("FAILED")).unwrap();
    assert!(failed.contains(&hint), "{failed}");

    // The job is not given up for it: what the next run needs is the line alone.
    let count = |method: &str, path: &str| {
        let is = |seen: &&crate::rig::Seen| seen.method == method && seen.path == path;
        server.seen().iter().filter(is).count()
    };
    assert_eq!(count("DELETE", "/fhir/status/1"), 0);
    assert_eq!(site.status()["exports"][0]["phase"], "manifested");
    let trusted = format!("[source]\ntrusted-origins = [\"{origin}\"]");
    site.edit("bulkhead.toml", "[source]", &trusted);
    run().expect(0);
    assert_eq!(
        (count("GET", "/fhir/$export"), count("DELETE", "/fhir/status/1")),
        (1, 1)
    );
    assert_eq!(site.delivered("")[0].count(), 1);
}

/// Items: 118.
#[test]
fn a_gateway_that_answers_for_the_file_costs_time_and_no_try() {
    let file_faults = vec![502, 503, 504];
    let (server, _) = Fake::exporting(Exported { file_faults, ..exported() });
    site(&server, "file-tries = 1").run().expect(0);
    assert_eq!(asked(&server, "/files/0"), 4);
}

/// Items: 97, 98, 112.
/// Faults: F13, F30.
#[test]
fn the_link_of_an_outcome_file_is_renewed_when_it_has_run_out() {
    let line = "{\"resourceType\":\"OperationOutcome\",\"issue\":[]}\n";
    let outcomes = vec![Served::new("OperationOutcome", line)];
    let (server, _) =
        Fake::exporting(Exported { outcomes, stale_outcomes: 1, ..exported() });
    let ended = site(&server, "").run().expect(0);
    assert_eq!(asked(&server, "/outcomes/0"), 2, "{}", ended.err);
    assert_eq!(asked(&server, "/fhir/status/1"), 2);
    // What says how whole the export is does not wait for the data.
    let seen = server.seen();
    let first = |path: &str| seen.iter().position(|seen| seen.path.starts_with(path));
    assert!(first("/outcomes/") < first("/files/"));
}

/// Items: 107.
#[test]
fn the_heads_of_organised_files_are_passed_over_and_told() {
    let head = "{\"resourceType\":\"Parameters\"}\n";
    let patient = "{\"resourceType\":\"Patient\",\"id\":\"m\"}\n";
    let exported = Exported {
        organised_by: Some("Patient"),
        ..Exported::new(vec![Served::new("Patient", format!("{head}{patient}{head}"))])
    };
    let (server, _) = Fake::exporting(exported);
    let site = site(&server, "");
    let ended = site.run().expect(0);
    assert!(ended.out.contains("  2 lines that only head blocks"), "{}", ended.out);
    assert!(!ended.out.contains("Parameters"), "{}", ended.out);
    assert_eq!(site.delivered("")[0].count(), 1);
}
