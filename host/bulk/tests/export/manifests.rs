//! Manifests on the wire: pages that fail, links that are renewed, labels that are wrong.

use bulkhead_bulk::{Auth, Error, Job, Manifest, StatusSource, Warning};
use bulkhead_model::Instant;
use serde_json::json;

use crate::{
    client, client_at,
    server::{Server, now, reply},
    settings,
};

fn page(file: &str, next: Option<&str>) -> String {
    let link: Vec<_> =
        next.map(|url| json!({"relation": "next", "url": url})).into_iter().collect();
    json!({
        "transactionTime": "2026-11-22T09:59:00Z", "requiresAccessToken": false,
        "output": [{"type": "Patient", "url": file, "count": 1}], "link": link,
    })
    .to_string()
}

fn files(manifest: &Manifest) -> Vec<String> {
    let name = |url: &url::Url| url.as_str().rsplit('/').next().unwrap().to_owned();
    manifest.output.iter().map(|file| name(&file.url)).collect()
}

/// Items: 90.
/// Faults: F31.
#[tokio::test]
async fn a_later_page_that_fails_for_good_keeps_the_earlier_ones_and_holds_the_watermarks()
 {
    let processing = r#"{"resourceType":"OperationOutcome",
        "issue":[{"severity":"error","code":"processing"}]}"#;
    let transient = r#"{"resourceType":"OperationOutcome",
        "issue":[{"severity":"error","code":"transient"}]}"#;
    let good = reply(200, &[], page("b", None));
    let cases = [
        ("gone", vec![reply(404, &[], "")], false),
        ("failed", vec![reply(500, &[], processing)], false),
        ("no manifest", vec![reply(200, &[], "{}")], false),
        ("not allowed", vec![reply(403, &[], "")], false),
        ("broken, then whole", vec![reply(500, &[], transient), good.clone()], true),
        ("silent, then whole", vec![Vec::new(), reply(503, &[], ""), good], true),
    ];
    for (name, answers, whole) in cases {
        let server = Server::start(move |request, before, _| {
            if request.target == "/fhir/job" {
                reply(200, &[], page("a", Some("job2")))
            } else {
                answers[before.min(answers.len() - 1)].clone()
            }
        })
        .await;
        let client = client(settings(&server.url, Auth::None));
        let manifest =
            client.wait(&server.url.join("/fhir/job").unwrap(), |_| {}).await.unwrap();
        let expected: &[&str] = if whole { &["a", "b"] } else { &["a"] };
        assert_eq!(files(&manifest), expected, "case: {name}");
        let holds = manifest.warnings.iter().any(Warning::holds_watermarks);
        assert_eq!(holds, !whole, "case: {name}: {:?}", manifest.warnings);
        let text = serde_json::to_string(&manifest).unwrap();
        let journalled: Manifest = serde_json::from_str(&text).unwrap();
        assert_eq!(journalled, manifest, "case: {name}: as the journal keeps it");
    }
}

/// Items: 70.
#[tokio::test]
async fn a_manifest_under_another_label_is_taken_and_told() {
    let cases = [
        ("as it should be", "application/json; charset=utf-8", None),
        ("fhir", "application/fhir+json", Some("application/fhir+json")),
        ("text", "text/plain", Some("text/plain")),
    ];
    for (name, label, expected) in cases {
        let server = Server::start(move |_, _, _| {
            reply(200, &[&format!("Content-Type: {label}")], page("a", None))
        })
        .await;
        let client = client(settings(&server.url, Auth::None));
        let manifest =
            client.wait(&server.url.join("/fhir/job").unwrap(), |_| {}).await.unwrap();
        let expected: Vec<Warning> = expected
            .map(|text| Warning::ContentType(text.to_owned()))
            .into_iter()
            .collect();
        assert_eq!(manifest.warnings, expected, "case: {name}");
    }
}

/// Items: 89, 97, 98.
/// Faults: F13.
#[tokio::test]
async fn links_are_renewed_with_one_request_a_page_and_without_waiting() {
    let server = Server::start(|request, before, _| {
        let (file, next) = match request.target.as_str() {
            "/fhir/job" => ("a", Some("job2")),
            _ => ("b", None),
        };
        reply(200, &[], page(&format!("{file}?sig={before}"), next))
    })
    .await;
    let client = client(settings(&server.url, Auth::None));
    let url = server.url.join("/fhir/job").unwrap();
    let first = client.wait(&url, |_| {}).await.unwrap();
    let again = client.manifest_again(&url).await.unwrap();
    assert_eq!(files(&again), ["a?sig=1", "b?sig=1"]);
    assert_eq!(server.all().len(), 4);
    for (old, fresh) in first.output.iter().zip(&again.output) {
        assert_eq!(again.renewed(old), Some(fresh));
    }

    let cases = [
        ("the job runs again", reply(202, &["Retry-After: 7"], ""), Some(7)),
        ("asked too often", reply(429, &["Retry-After: 9"], ""), Some(9)),
        ("ill", reply(503, &[], "<html>"), None),
    ];
    for (name, answer, asked) in cases {
        let server = Server::start(move |_, _, _| answer.clone()).await;
        let client = crate::client(settings(&server.url, Auth::None));
        let error = client.manifest_again(&server.url.join("/fhir/job").unwrap()).await;
        let error = error.unwrap_err();
        assert!(error.is_transient(), "case: {name}: {error:?}");
        let found = error.retry_after().map(|wait| wait.as_secs());
        assert_eq!(found, asked, "case: {name}");
        assert_eq!(server.all().len(), 1, "case: {name}");
    }
    let server = Server::start(|_, _, _| reply(410, &[], "")).await;
    let client = crate::client(settings(&server.url, Auth::None));
    let gone = client.manifest_again(&server.url.join("/fhir/job").unwrap()).await;
    assert!(matches!(gone, Err(Error::JobGone { .. })), "{gone:?}");
}

/// Items: 74.
#[tokio::test]
async fn the_time_allowed_counts_from_the_kickoff_and_not_from_this_process() {
    let server = Server::start(|_, _, _| reply(202, &[], "")).await;
    let client = client(settings(&server.url, Auth::None));
    let job = Job {
        // An hour is allowed, and gone.
        started: Some(Instant::from_unix_ms(now().unix_ms() - 3_600_000)),
        ..Job::at(server.url.join("/fhir/job").unwrap())
    };
    let error = client.wait_for(&job, |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::JobTimeout { .. }), "{error:?}");
    assert_eq!(server.all().len(), 1);
}

/// Items: 39, 69.
/// Faults: F5.
#[tokio::test]
async fn a_bare_200_is_no_end_where_the_state_is_told_apart() {
    let server = Server::start(|_, before, _| match before {
        0 => reply(200, &["X-Export-Status: 202 Accepted", "X-Progress: half"], ""),
        1 => reply(200, &[], ""),
        _ => reply(200, &[], page("a", None)),
    })
    .await;
    let client = client(settings(&server.url, Auth::None));
    let job = Job {
        status_source: StatusSource::ExportStatus,
        ..Job::at(server.url.join("/fhir/job").unwrap())
    };
    let mut running = Vec::new();
    let manifest = client.wait_for(&job, |now| running.push(now.running)).await.unwrap();
    assert_eq!(running, [true, false]);
    assert_eq!(files(&manifest), ["a"]);
    assert_eq!(manifest.warnings, [Warning::ExportStatusMissing]);
}

/// Items: 71.
/// Faults: F14.
#[tokio::test]
async fn links_end_when_the_server_says_and_else_when_the_operator_knows() {
    let cases = [
        ("told", Some("Sun, 22 Nov 2026 12:00:00 GMT"), "2026-11-22T12:00:00Z"),
        ("told in a way that means now", Some("0"), "2026-11-22T10:00:00Z"),
        ("not told", None, "2026-11-22T11:00:00Z"),
    ];
    for (name, expires, expected) in cases {
        let server = Server::start(move |_, _, _| {
            let line = expires.map(|text| format!("Expires: {text}"));
            let lines: Vec<&str> = line.as_deref().into_iter().collect();
            reply(200, &lines, page("a", None))
        })
        .await;
        let settings = bulkhead_bulk::Settings {
            file_lifetime: Some(std::time::Duration::from_hours(1)),
            ..settings(&server.url, Auth::None)
        };
        let client = client_at(settings, std::sync::Arc::new(now));
        let manifest =
            client.wait(&server.url.join("/fhir/job").unwrap(), |_| {}).await.unwrap();
        assert_eq!(manifest.expires, expected.parse().ok(), "case: {name}");
        assert_eq!(manifest.output[0].expires, manifest.expires, "case: {name}");
    }
}
