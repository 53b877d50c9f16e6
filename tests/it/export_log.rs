//! The log that other tools read: every event of an export, in order, and no secret.

use serde_json::Value;

use crate::rig::{Exported, Fake, Served, Setup, Site};

const TOKEN: &str = "the-token-of-this-test";

fn line(kind: &str) -> String {
    format!("{{\"resourceType\":\"{kind}\",\"id\":\"m\"}}\n")
}

fn outcome() -> Served {
    let issue = r#"{"severity":"information","code":"informational"}"#;
    let line = format!("{{\"resourceType\":\"OperationOutcome\",\"issue\":[{issue}]}}\n");
    Served::new("OperationOutcome", line)
}

fn site(server: &Fake, tables: &str) -> Site {
    let mut setup = Setup::new(&server.base(), ["Patient"]);
    setup.source = "[source.auth]\nbearer = { env = \"TOKEN\" }\n".to_owned();
    tables.clone_into(&mut setup.tables);
    Site::with(&setup, &["m".to_owned()])
}

/// The lines of the log: event, its details, the export.
fn events(site: &Site) -> Vec<(String, Value, String)> {
    let text = site.read(".bulkhead/log.ndjson");
    assert!(!text.contains(TOKEN) && !text.contains("_type=Patient"), "{text}");
    text.lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let name = line["eventId"].as_str().unwrap().to_owned();
            let export = line["exportId"].as_str().unwrap().to_owned();
            (name, line["eventDetail"].clone(), export)
        })
        .collect()
}

fn names(events: &[(String, Value, String)]) -> Vec<&str> {
    events.iter().map(|(name, ..)| name.as_str()).collect()
}

#[test]
fn the_export_log_holds_every_event_in_order_and_no_secret() {
    let server = Exported {
        requires_token: true,
        outcomes: vec![outcome()],
        polls: vec![(202, "informational")],
        ..Exported::new(vec![Served::new("Patient", line("Patient"))])
    };
    let (server, exported) = Fake::exporting(server);
    let site = site(&server, "[limits]\nfile-tries = 1\n");
    site.program(&["run"]).env("TOKEN", TOKEN).run().expect(0);
    let first = events(&site);
    let expected = [
        "kickoff",
        "status_progress",
        "status_complete",
        "status_page_complete",
        "manifest_complete",
        "download_request",
        "download_complete",
        "download_request",
        "download_complete",
        "export_complete",
    ];
    assert_eq!(names(&first), expected);
    assert!(first.iter().all(|(_, _, export)| *export == first[0].2));
    let kickoff = &first[0].1;
    assert_eq!(kickoff["exportUrl"], format!("{}fhir/$export", server.url));
    assert_eq!(kickoff["requestParameters"]["_type"], "Patient");
    assert_eq!(kickoff["errorCode"], Value::Null);
    assert_eq!(kickoff["responseHeaders"]["content-length"], "0", "{kickoff}");
    assert_eq!(first[1].1["retryAfter"], "0");
    assert_eq!(first[3].1["outputFileCount"], 1);
    assert_eq!(first[3].1["errorFileCount"], 1);
    assert_eq!(first[4].1["totalErrorFileCount"], 1);
    assert_eq!(
        (&first[5].1["itemType"], &first[7].1["itemType"]),
        (&Value::from("error"), &Value::from("output"),)
    );
    assert_eq!(first[8].1["fileSize"], line("Patient").len());
    assert_eq!(first[8].1["resourceCount"], 1);
    let bytes = line("Patient").len() + outcome().body.len();
    let end = &first[9].1;
    assert_eq!((&end["files"], &end["resources"]), (&Value::from(2), &Value::from(2)));
    assert_eq!(end["bytes"], bytes);

    // An export that lacks a file has an error instead of an end; an old line is never lost.
    exported.lock().unwrap().files[0].status = 500;
    site.program(&["run"]).env("TOKEN", TOKEN).run().expect(3);
    let both = events(&site);
    assert_eq!(both[..first.len()], first);
    let expected = [
        "kickoff",
        "status_complete",
        "status_page_complete",
        "manifest_complete",
        "download_request",
        "download_complete",
        "download_request",
        "download_error",
    ];
    let second = &both[first.len()..];
    assert_eq!(names(second), expected);
    assert_ne!(second[0].2, first[0].2);
    assert_eq!(second[7].1["code"], 500);
    assert!(second[7].1["responseHeaders"]["content-length"].is_string());

    // A refused kick-off is an event too.
    exported.lock().unwrap().busy = 1;
    site.write(
        "bulkhead.toml",
        site.read("bulkhead.toml").replace("[limits]", "[limits]\nkickoff-wait = \"0s\""),
    );
    site.program(&["run"]).env("TOKEN", TOKEN).run().expect(1);
    let all = events(&site);
    assert_eq!(names(&all[both.len()..]), ["kickoff"]);
    assert_eq!(all[both.len()].1["errorCode"], 429);
    assert_eq!(all[both.len()].1["responseHeaders"]["retry-after"], "1");
}

#[test]
fn no_export_log_is_written_when_it_is_off() {
    let server = Fake::export(vec![Served::new("Patient", line("Patient"))], false);
    let site = site(&server, "[sync]\nexport-log = \"off\"\n");
    site.program(&["run"]).env("TOKEN", TOKEN).run().expect(0);
    assert!(!site.path(".bulkhead/log.ndjson").exists());
}
