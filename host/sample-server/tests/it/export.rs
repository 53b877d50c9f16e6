//! Kick-offs, polls, snapshots, cancellation, compression.

use std::{num::NonZeroU64, time::Duration};

use bulkhead_sample_server::{Behaviour, Data, Gzip, Options, Ready, Server};
use serde_json::{Value, json};

use crate::client::{ASYNC, export, finish, lines, options, send, start, target};

#[tokio::test]
async fn all_kickoffs_lead_to_their_resources() {
    let server = start(Data::made_up(20, 7)).await;
    let types_of = |manifest: &Value| -> Vec<String> {
        let files = manifest["output"].as_array().unwrap().iter();
        files.map(|file| file["type"].as_str().unwrap().to_owned()).collect()
    };
    let system = export(&server, "$export").await;
    assert!(types_of(&system).contains(&"Practitioner".to_owned()));
    assert_eq!(system["request"], format!("{}/$export", server.base_url));
    assert_eq!(system["error"], json!([]));
    assert!(system.get("deleted").is_none());
    let all = lines(&server, &system, "output").await;
    let count: usize = server.control.ids().values().map(Vec::len).sum();
    assert_eq!(all.len(), count);

    let patient = export(&server, "Patient/%24export").await;
    let patient_types = types_of(&patient);
    for (name, is_in) in [
        ("Observation", true),
        ("Provenance", true),
        ("Task", false),
        ("Organization", false),
    ] {
        assert_eq!(patient_types.contains(&name.to_owned()), is_in, "case: {name}");
    }

    let group = export(&server, "Group/cohort-a/$export?_type=Patient").await;
    assert_eq!(lines(&server, &group, "output").await.len(), 10);
    let nested = export(&server, "Group/cohort-nested/$export?_type=Patient").await;
    assert_eq!(lines(&server, &nested, "output").await.len(), 11);

    let chosen = lines(&server, &group, "output").await;
    let id = serde_json::from_str::<Value>(&chosen[0].1).unwrap()["id"].clone();
    let body = json!({"resourceType": "Parameters", "parameter": [
        {"name": "_type", "valueString": "Patient,Condition"},
        {"name": "patient", "valueReference": {"reference": format!("Patient/{}", id.as_str().unwrap())}}]});
    let headers = [ASYNC[0], ASYNC[1], ("Content-Type", "application/fhir+json")];
    for path in ["/fhir/Patient/$export", "/fhir/Group/cohort-a/$export"] {
        let kickoff = send(server.addr, "POST", path, &headers, &body.to_string()).await;
        assert_eq!(kickoff.status, 202, "{}", kickoff.text());
        let manifest = finish(&server, kickoff.header("content-location").unwrap()).await;
        let lines = lines(&server, &manifest, "output").await;
        let patients: Vec<_> =
            lines.iter().filter(|(name, _)| name == "Patient").collect();
        assert_eq!(patients.len(), 1);
        assert!(
            lines
                .iter()
                .all(|(name, line)| name == "Patient"
                    || line.contains(id.as_str().unwrap()))
        );
    }
    server.shutdown().await;
}

/// Name, method, target, headers, status.
type Case<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, &'a str)], u16);

#[tokio::test]
async fn refuses_what_it_cannot_do() {
    let server = start(Data::made_up(5, 7)).await;
    let json_body = ("Content-Type", "application/fhir+json");
    let cases: &[Case<'_>] = &[
        ("no prefer", "GET", "/fhir/$export", &ASYNC[1..], 400),
        ("accept xml", "GET", "/fhir/$export", &[ASYNC[0], ("Accept", "text/xml")], 406),
        ("format", "GET", "/fhir/$export?_outputFormat=csv", &ASYNC, 400),
        ("elements", "GET", "/fhir/$export?_elements=id", &ASYNC, 400),
        ("unknown type", "GET", "/fhir/$export?_type=Nonsense", &ASYNC, 400),
        ("no group", "GET", "/fhir/Group/none/$export", &ASYNC, 404),
        ("no body", "POST", "/fhir/$export", &[ASYNC[0], json_body], 400),
        ("body type", "POST", "/fhir/$export", &ASYNC, 415),
        ("method", "PUT", "/fhir/$export", &ASYNC, 405),
        ("no job", "GET", "/fhir/bulk/none", &[], 404),
        ("no resource", "GET", "/fhir/Patient/none", &[], 404),
        ("nothing", "GET", "/fhir/nothing", &[], 404),
    ];
    for (name, method, path, headers, expected) in cases {
        let answer = send(server.addr, method, path, headers, "").await;
        assert_eq!(answer.status, *expected, "case: {name}");
        assert_eq!(answer.json()["resourceType"], "OperationOutcome", "case: {name}");
        assert!(answer.header("date").is_some(), "case: {name}");
    }
    let long = format!("/fhir/$export?x={}", "y".repeat(20_000));
    assert_eq!(send(server.addr, "GET", &long, &ASYNC, "").await.status, 414);
    let headers = [ASYNC[0], json_body];
    let large = "x".repeat(2 << 20);
    assert_eq!(
        send(server.addr, "POST", "/fhir/$export", &headers, &large).await.status,
        413
    );
    for format in ["ndjson", "application/ndjson", "application/fhir%2Bndjson"] {
        export(&server, &format!("$export?_outputFormat={format}&_type=Patient")).await;
    }
    server.shutdown().await;
}

#[tokio::test]
async fn lenient_handling_says_what_was_left_out() {
    let server = start(Data::made_up(5, 7)).await;
    let headers = [("Prefer", "respond-async, handling=lenient"), ASYNC[1]];
    let path = "/fhir/$export?_type=Patient&_elements=id";
    let kickoff = send(server.addr, "GET", path, &headers, "").await;
    let manifest = finish(&server, kickoff.header("content-location").unwrap()).await;
    let notes = lines(&server, &manifest, "error").await;
    assert_eq!(notes.len(), 1);
    assert!(notes[0].1.contains("_elements"));
    server.shutdown().await;
}

#[tokio::test]
async fn a_job_sees_the_store_as_of_its_kickoff() {
    let server = start(Data::made_up(3, 7)).await;
    let kickoff =
        send(server.addr, "GET", "/fhir/$export?_type=Patient", &ASYNC, "").await;
    let put =
        server.control.put(r#"{"resourceType":"Patient","id":"new","x":1.10}"#).unwrap();
    let ids = server.control.ids();
    let old = ids[&"Patient".parse().unwrap()].first().unwrap().clone();
    let deleted = server.control.delete("Patient", &old).unwrap();
    let manifest = finish(&server, kickoff.header("content-location").unwrap()).await;
    let time = manifest["transactionTime"].as_str().unwrap().to_owned();
    assert!(put > time.parse().unwrap() && deleted > put);
    let before = lines(&server, &manifest, "output").await;
    assert_eq!(before.len(), 3);
    assert!(before.iter().all(|(_, line)| !line.contains("\"new\"")));

    server.control.advance(Duration::from_secs(5));
    let next = export(&server, &format!("$export?_type=Patient&_since={time}")).await;
    let line = lines(&server, &next, "output").await;
    let expected = format!(
        r#"{{"resourceType":"Patient","id":"new","x":1.10,"meta":{{"versionId":"1","lastUpdated":"{put}"}}}}"#
    );
    assert_eq!(line, [("Patient".to_owned(), expected.clone())]);
    let gone = lines(&server, &next, "deleted").await;
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        {"request": {"method": "DELETE", "url": format!("Patient/{old}")}}]});
    assert_eq!(serde_json::from_str::<Value>(&gone[0].1).unwrap(), bundle);

    let read = send(server.addr, "GET", "/fhir/Patient/new", &[], "").await;
    assert_eq!(read.text(), expected);
    let read = send(server.addr, "GET", &format!("/fhir/Patient/{old}"), &[], "").await;
    assert_eq!(read.status, 410);
    server.shutdown().await;
}

#[tokio::test]
async fn a_deleted_job_is_gone_with_its_files() {
    let server = start(Data::made_up(3, 7)).await;
    let kickoff = send(server.addr, "GET", "/fhir/$export", &ASYNC, "").await;
    let location = kickoff.header("content-location").unwrap();
    let manifest = finish(&server, location).await;
    assert_eq!(server.control.jobs().len(), 1);
    assert_eq!(send(server.addr, "DELETE", &target(location), &[], "").await.status, 202);
    let poll = send(server.addr, "GET", &target(location), &[], "").await;
    assert_eq!(
        (poll.status, poll.json()["resourceType"].clone()),
        (404, json!("OperationOutcome"))
    );
    let file = target(manifest["output"][0]["url"].as_str().unwrap());
    assert_eq!(send(server.addr, "GET", &file, &[], "").await.status, 404);
    assert!(server.control.jobs().is_empty());
    server.shutdown().await;
}

#[tokio::test]
async fn sends_gzip_when_asked_and_splits_files() {
    let behaviour = Behaviour {
        resources_per_file: NonZeroU64::new(7).unwrap(),
        ready: Ready::AfterPolls(0),
        ..Behaviour::default()
    };
    let server = Server::start(Options { behaviour, ..options(Data::made_up(20, 7)) })
        .await
        .unwrap();
    let manifest = export(&server, "$export?_type=Patient").await;
    let counts: Vec<u64> = manifest["output"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["count"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [7, 7, 6]);
    let file = target(manifest["output"][1]["url"].as_str().unwrap());
    let plain = send(server.addr, "GET", &file, &[], "").await;
    assert_eq!(plain.header("content-encoding"), None);
    let packed =
        send(server.addr, "GET", &file, &[("Accept-Encoding", "gzip, br")], "").await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(packed.gunzipped(), plain.body);
    server.shutdown().await;

    let behaviour = Behaviour { gzip: Gzip::Always, ..Behaviour::default() };
    let server = Server::start(Options { behaviour, ..options(Data::made_up(20, 7)) })
        .await
        .unwrap();
    let manifest = export(&server, "$export?_type=Patient").await;
    let file = target(manifest["output"][0]["url"].as_str().unwrap());
    let packed = send(server.addr, "GET", &file, &[], "").await;
    assert_eq!(String::from_utf8(packed.gunzipped()).unwrap().lines().count(), 20);
    server.shutdown().await;
}

#[tokio::test]
async fn counts_searches_and_filters_agree() {
    let server = start(Data::made_up(30, 7)).await;
    let count = send(server.addr, "GET", "/fhir/Observation?_summary=count", &[], "")
        .await
        .json();
    let all = export(&server, "$export?_type=Observation").await;
    assert_eq!(
        count["total"].as_u64(),
        Some(lines(&server, &all, "output").await.len() as u64)
    );

    let query = "code=http://loinc.org|4548-4";
    let found = format!("/fhir/Observation?_summary=count&{query}");
    let found = send(server.addr, "GET", &found, &[], "").await.json()["total"].as_u64();
    let filter = "_typeFilter=Observation%3Fcode%3Dhttp://loinc.org%7C4548-4";
    let filtered = export(&server, &format!("$export?_type=Observation&{filter}")).await;
    let filtered = lines(&server, &filtered, "output").await.len() as u64;
    assert!(filtered > 0 && found == Some(filtered));

    let query = "/fhir/Group?identifier=https://hospital.example.org/group|cohort-a";
    let groups = send(server.addr, "GET", query, &[], "").await.json();
    assert_eq!(groups["total"], 1);
    assert_eq!(groups["entry"][0]["resource"]["id"], "cohort-a");
    let unknown = send(server.addr, "GET", "/fhir/Patient?name=x", &[], "").await;
    assert_eq!(unknown.status, 400);
    let metadata = send(server.addr, "GET", "/fhir/metadata", &[], "").await.json();
    assert_eq!(metadata["rest"][0]["operation"][0]["name"], "export");
    server.shutdown().await;
}
