//! Lines as other tools read them, and what must not be in them.

use bulkhead_model::Level;
use bulkhead_net::header::{HeaderMap, HeaderValue};

use super::*;

fn url() -> Url {
    Url::parse("https://u:pass@files.example/1.ndjson?sig=secret#part").unwrap()
}

fn line(event: LogEvent<'_>) -> Value {
    let entry = LogEntry {
        export_id: "20261122T100000Z",
        at: "2026-11-22T10:00:00Z".parse().unwrap(),
        event,
    };
    let line = entry.line();
    assert!(!line.contains('\n') && !line.contains("secret") && !line.contains("pass"));
    serde_json::from_str(&line).unwrap()
}

#[test]
fn every_event_has_its_name_and_the_members_that_other_tools_read() {
    let manifest = r#"{"transaction_time":"2026-11-22T09:00:00Z","access":"open","output":[],
        "deleted":[],"outcome":[],"expires":null,"organized_by":null,"output_format":null,
        "extension":null,"pages":2,"warnings":[]}"#;
    let manifest: Manifest = serde_json::from_str(manifest).unwrap();
    let time = "2026-11-22T09:00:00Z".parse().ok();
    let (url, patient) = (url(), "Patient".parse().unwrap());
    let shown = "https://files.example/1.ndjson?…";
    let failure =
        LogFailure { status: Some(503), message: "busy", ..LogFailure::default() };
    let failed =
        json!({"body": null, "code": 503, "message": "busy", "responseHeaders": {}});
    let mut file_failed = failed.clone();
    file_failed["fileUrl"] = json!(shown);
    let cases = [
        (
            LogEvent::StatusProgress { progress: Some("50%\n"), retry_after: Some("5") },
            "status_progress",
            json!({"body": null, "xProgress": "50%", "retryAfter": "5"}),
        ),
        (LogEvent::StatusError { failure }, "status_error", failed),
        (
            LogEvent::StatusComplete { transaction_time: time },
            "status_complete",
            json!({"transactionTime": "2026-11-22T09:00:00Z"}),
        ),
        (
            LogEvent::StatusPageComplete { transaction_time: time, files: [3, 2, 1] },
            "status_page_complete",
            json!({"transactionTime": "2026-11-22T09:00:00Z", "outputFileCount": 3,
                "deletedFileCount": 2, "errorFileCount": 1}),
        ),
        (
            LogEvent::ManifestComplete { manifest: &manifest },
            "manifest_complete",
            json!({"transactionTime": "2026-11-22T09:00:00Z", "totalOutputFileCount": 0,
                "totalDeletedFileCount": 0, "totalErrorFileCount": 0, "totalManifests": 2}),
        ),
        (
            LogEvent::DownloadRequest {
                url: &url,
                list: FileList::Outcome,
                resource_type: Some(&patient),
            },
            "download_request",
            json!({"fileUrl": shown, "itemType": "error", "resourceType": "Patient"}),
        ),
        (
            LogEvent::DownloadComplete { url: &url, bytes: 7, resources: Some(1) },
            "download_complete",
            json!({"fileUrl": shown, "fileSize": 7, "resourceCount": 1}),
        ),
        (LogEvent::DownloadError { url: &url, failure }, "download_error", file_failed),
        (
            LogEvent::ExportComplete { files: 1, resources: 2, bytes: 3, duration_ms: 4 },
            "export_complete",
            json!({"files": 1, "resources": 2, "bytes": 3, "attachments": null, "duration": 4}),
        ),
    ];
    for (event, name, detail) in cases {
        let expected = json!({
            "exportId": "20261122T100000Z", "timestamp": "2026-11-22T10:00:00Z",
            "eventId": name, "eventDetail": detail,
        });
        assert_eq!(line(event), expected, "case: {name}");
    }
}

/// Items: 31, 127.
#[test]
fn a_kickoff_names_no_patient_and_no_secret() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-request-id", "r1"),
        ("set-cookie", "id=secret"),
        ("content-location", "https://h/job?k=secret"),
        ("authorization", "Bearer secret"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let kickoff = Kickoff {
        since: "2026-11-22T09:00:00Z".parse().ok(),
        types: vec!["Patient".parse().unwrap(), "Device".parse().unwrap()],
        patients: vec!["secret-patient".to_owned()],
        ..Kickoff::new(Level::Patient)
    };
    let capability =
        Capability { software_name: Some("S".to_owned()), ..Capability::default() };
    let outcome = Outcome::read(b"too soon");
    let failure = LogFailure {
        status: Some(429),
        outcome: Some(&outcome),
        message: "busy",
        headers: None,
    };
    let event = LogEvent::Kickoff {
        url: &url(),
        kickoff: &kickoff,
        capability: &capability,
        failure: Some(failure),
        headers: Some(&SafeHeaders::of(&headers)),
    };
    let expected = json!({
        "exportUrl": "https://files.example/1.ndjson?…", "softwareName": "S",
        "softwareVersion": null, "softwareReleaseDate": null, "fhirVersion": null,
        "requestParameters": {"_since": "2026-11-22T09:00:00Z", "_type": "Patient,Device"},
        "errorCode": 429, "errorBody": "`too soon`",
        "responseHeaders": {"x-request-id": "r1"}, "logVersion": "2",
    });
    assert_eq!(line(event)["eventDetail"], expected);
}
