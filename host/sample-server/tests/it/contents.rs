//! Modes of what an export holds: omissions, deletions, outcomes, blocks, changes.

use std::{num::NonZeroU64, time::Duration};

use bulkhead_sample_server::{
    Behaviour, Data, Options, Ready, Running, Server,
    scenario::{
        Blocks, Deleted, EntryUrl, GroupSince, Issue, Omission, Organized, Reads,
    },
};
use serde_json::{Value, json};

use crate::client::{
    export, get, kickoff, modes, options, send, serve, small_files, target, types_of,
};

/// Faults: F12.
#[tokio::test]
async fn resources_are_left_out_with_an_honest_look() {
    let whole = serve(|_| {}).await;
    let all = export(&whole, "$export?_type=Condition,Patient").await;
    let count = all["output"][1]["count"].as_u64().unwrap();
    assert_eq!(count, 6);
    whole.shutdown().await;

    let typed = |name: &str| vec![name.to_owned()];
    let omit = [
        ("a type", Omission { types: typed("Condition"), ..Omission::default() }),
        ("a file", Omission { file: Some(0), ..Omission::default() }),
    ];
    for (name, omission) in omit {
        let server = serve(|modes| modes.omit = vec![omission]).await;
        let manifest = export(&server, "$export?_type=Condition,Patient").await;
        assert_eq!(types_of(&manifest), ["Patient"], "case: {name}");
        assert_eq!(manifest["error"], json!([]), "case: {name}");
        server.shutdown().await;
    }
    for (is_lying, said) in [(false, 2), (true, 6)] {
        let omission = Omission {
            types: typed("Patient"),
            rows_after: Some(2),
            lying_count: is_lying,
            told: true,
            ..Omission::default()
        };
        let server = serve(|modes| modes.omit = vec![omission]).await;
        let manifest = export(&server, "$export?_type=Patient").await;
        let entry = &manifest["output"][0];
        assert_eq!(entry["count"], said);
        let file = get(&server, &target(entry["url"].as_str().unwrap())).await;
        assert_eq!(file.text().lines().count(), 2);
        let url = target(manifest["error"][0]["url"].as_str().unwrap());
        assert!(get(&server, &url).await.text().contains("suppressed"));
        server.shutdown().await;
    }
}

/// Faults: F27.
#[tokio::test]
async fn changes_during_an_export_are_new_old_or_omitted() {
    for (mode, expected) in [(Reads::Old, 6), (Reads::New, 6), (Reads::Omitted, 5)] {
        let server = serve(|modes| modes.reads = mode).await;
        let id = server.control.ids()[&"Patient".parse().unwrap()][0].clone();
        let path = kickoff(&server, "$export?_type=Patient").await;
        let resource = json!({"resourceType": "Patient", "id": id, "active": false});
        server.control.put(&resource.to_string()).unwrap();
        let manifest = get(&server, &path).await.json();
        assert_eq!(manifest["output"][0]["count"], expected, "case: {mode:?}");
        let url = target(manifest["output"][0]["url"].as_str().unwrap());
        let is_new = get(&server, &url).await.text().contains("\"active\":false");
        assert_eq!(is_new, mode == Reads::New, "case: {mode:?}");
        server.shutdown().await;
    }
}

/// Faults: F29.
#[tokio::test]
async fn deletions_are_told_as_ordered() {
    let server = serve(|_| {}).await;
    let since = server.control.now();
    server.control.advance(Duration::from_hours(1));
    let id = server.control.ids()[&"Patient".parse().unwrap()][0].clone();
    server.control.delete("Patient", &id).unwrap();
    let path = format!("$export?_type=Patient&_since={since}");
    let base = server.base_url.as_str().to_owned();
    let cases = [
        (EntryUrl::Relative, format!("Patient/{id}")),
        (EntryUrl::LeadingSlash, format!("/Patient/{id}")),
        (EntryUrl::Absolute, format!("{base}/Patient/{id}")),
    ];
    for (url, expected) in cases {
        let deleted = Deleted {
            url,
            method: "POST".to_owned(),
            bundle: "collection".to_owned(),
            also_in_output: true,
            reported: true,
        };
        server.control.set_modes(|modes| modes.deleted = deleted);
        let manifest = export(&server, &path).await;
        let file = target(manifest["deleted"][0]["url"].as_str().unwrap());
        let bundle = get(&server, &file).await.json();
        assert_eq!(bundle["type"], "collection");
        let request = &bundle["entry"][0]["request"];
        assert_eq!(request, &json!({"method": "POST", "url": expected}));
        let file = target(manifest["output"][0]["url"].as_str().unwrap());
        assert_eq!(get(&server, &file).await.json()["id"], id);
    }
    server.control.set_modes(|modes| {
        modes.deleted = Deleted { reported: false, ..Deleted::default() };
    });
    assert_eq!(export(&server, &path).await["deleted"], json!([]));
    server.shutdown().await;
}

/// Faults: F30.
#[tokio::test]
async fn outcomes_are_told_as_ordered() {
    let issue = |severity: &str, name: Option<&str>| Issue {
        severity: severity.to_owned(),
        code: "suppressed".to_owned(),
        resource_type: name.map(str::to_owned),
    };
    let server = serve(|modes| {
        modes.outcome.issues =
            vec![issue("information", None), issue("fatal", Some("Task"))];
        modes.outcome.raw = Some("<html>".to_owned());
    })
    .await;
    let manifest = export(&server, "$export?_type=Patient").await;
    let entry = &manifest["error"][0];
    assert_eq!(entry["count"], 3);
    let text = get(&server, &target(entry["url"].as_str().unwrap())).await.text();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[1].contains("\"fatal\"") && lines[1].contains("\"Task\""));
    assert_eq!(lines[2], "<html>");
    server.control.set_modes(|modes| modes.outcome.absent = true);
    assert!(export(&server, "$export?_type=Patient").await.get("error").is_none());
    server.shutdown().await;
}

/// Faults: F32.
#[tokio::test]
async fn files_are_organized_in_blocks() {
    let path = "$export?_type=Patient,Condition,Organization&organizeOutputBy=Patient";
    let blocks = Blocks { continues: true, repeated: vec!["Organization".to_owned()] };
    let behaviour = Behaviour {
        ready: Ready::AfterPolls(0),
        resources_per_file: NonZeroU64::new(4).unwrap(),
        ..Behaviour::default()
    };
    let scenario = modes(|modes| modes.organized = Organized::Honoured(blocks));
    let options = Options { scenario, behaviour, ..options(Data::made_up(3, 7)) };
    let server = Server::start(options).await.unwrap();
    let manifest = export(&server, path).await;
    assert_eq!(manifest["outputOrganizedBy"], "Patient");
    let files = manifest["output"].as_array().unwrap();
    let mut patients = 0;
    let mut continued = None;
    for file in files {
        assert!(file.get("type").is_none());
        let text = get(&server, &target(file["url"].as_str().unwrap())).await.text();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let header = &lines[0]["parameter"][0];
        assert_eq!(header["name"], "header");
        if let Some(before) = continued {
            assert_eq!(header["valueReference"], before);
        }
        let of =
            |name: &str| lines.iter().filter(|line| line["resourceType"] == name).count();
        assert_eq!(file["count"], lines.len() - of("Parameters"));
        patients += of("Patient");
        let last = lines.iter().rfind(|line| line["resourceType"] == "Parameters");
        continued = file
            .get("continuesInFile")
            .map(|_| last.unwrap()["parameter"][0]["valueReference"].clone());
    }
    assert_eq!(patients, 3);
    assert!(files.iter().any(|file| file.get("continuesInFile").is_some()));
    server.control.set_modes(|modes| modes.organized = Organized::IgnoredSilently);
    assert_eq!(types_of(&export(&server, path).await)[0], "Condition");
    server.shutdown().await;
}

/// Faults: F36.
#[tokio::test]
async fn a_group_says_nothing_of_patients_who_did_not_change() {
    let server = serve(|modes| modes.group = GroupSince::PatientChanged).await;
    let since = server.control.now();
    server.control.advance(Duration::from_hours(1));
    let member = |server: &Running| {
        let group = "/fhir/Group/cohort-a".to_owned();
        let addr = server.addr;
        async move {
            let group = send(addr, "GET", &group, &[], "").await.json();
            let reference = group["member"][0]["entity"]["reference"].as_str().unwrap();
            reference.rsplit('/').next().unwrap().to_owned()
        }
    };
    let id = member(&server).await;
    let condition = json!({"resourceType": "Condition", "id": "new",
        "subject": {"reference": format!("Patient/{id}")}});
    server.control.put(&condition.to_string()).unwrap();
    let path = format!("Group/cohort-a/$export?_type=Condition&_since={since}");
    assert_eq!(export(&server, &path).await["output"], json!([]));
    server.control.set_modes(|modes| modes.group = GroupSince::ChangedOnly);
    assert_eq!(export(&server, &path).await["output"][0]["count"], 1);
    server.shutdown().await;
}

/// Faults: F40.
#[tokio::test]
async fn an_export_has_thousands_of_files_or_none() {
    let server = small_files(|_| {}).await;
    let path = kickoff(&server, "$export?_type=Observation").await;
    assert_eq!(get(&server, &path).await.status, 202);
    let manifest = get(&server, &path).await.json();
    let count = server.control.ids()[&"Observation".parse().unwrap()].len();
    assert_eq!(types_of(&manifest).len(), count);
    let path = kickoff(&server, "$export?_type=Goal").await;
    assert_eq!(get(&server, &path).await.status, 202);
    assert_eq!(get(&server, &path).await.json()["output"], json!([]));
    server.shutdown().await;
}
