//! Jobs: polled through their pages, ended as servers say; and plain reads.

use std::collections::BTreeMap;

use bulkhead_bulk::{Auth, Blame, Cancelled, Error, Warning};
use bulkhead_model::Secret;
use futures::TryStreamExt;
use serde_json::json;

use crate::{
    client,
    server::{Server, reply},
    settings,
};

/// Items: 66, 67, 68, 70.
/// Faults: F3, F4.
#[tokio::test]
async fn jobs_end_as_servers_say() {
    let outcome = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"processing"}]}"#;
    let cases = [
        ("gone", reply(404, &[], ""), "is gone"),
        ("failed", reply(500, &[], outcome), "failed (HTTP 500): processing"),
        ("empty object", reply(200, &[], "{}"), "reading the manifest"),
        (
            "html",
            reply(200, &["Content-Type: text/html"], "<html>"),
            "reading the manifest",
        ),
        (
            "nothing but a time",
            reply(200, &[], r#"{"transactionTime":"2026-11-22T09:00:00Z"}"#),
            "reading the manifest",
        ),
    ];
    for (name, answer, expected) in cases {
        let server = Server::start(move |_, _, _| answer.clone()).await;
        let client = client(settings(&server.url, Auth::None));
        let error = client
            .wait(&server.url.join("/fhir/job").unwrap(), |_| {})
            .await
            .unwrap_err();
        assert!(error.to_string().contains(expected), "case: {name}: {error}");
        assert!(!error.is_transient(), "case: {name}");
        assert_eq!(error.blame(), Blame::Server, "case: {name}");
    }
}

/// Items: 61, 73, 75, 87.
/// Faults: F31.
#[tokio::test]
async fn pages_are_followed_to_the_end_and_circles_are_not() {
    let page = |next: Option<&str>, name: &str, time: &str| {
        let link: Vec<_> =
            next.map(|url| json!({"relation": "next", "url": url})).into_iter().collect();
        json!({
            "transactionTime": time, "requiresAccessToken": false, "link": link,
            "output": [{"type": "Patient", "url": name}],
        })
        .to_string()
    };
    let pages: BTreeMap<&str, String> = BTreeMap::from([
        ("/fhir/job", page(Some("job2"), "a", "2026-11-22T09:59:00Z")),
        ("/fhir/job2", page(None, "b", "2026-11-22T09:58:00Z")),
        ("/fhir/circle", page(Some("circle2"), "a", "2026-11-22T09:59:00Z")),
        ("/fhir/circle2", page(Some("circle"), "b", "2026-11-22T09:59:00Z")),
    ]);
    let server = Server::start(move |request, before, _| {
        // The first page is final while the job still runs; the second is not ready at once.
        let status = match (request.target.as_str(), before) {
            ("/fhir/job" | "/fhir/job2", 0) => 202,
            _ => 200,
        };
        reply(status, &[], &pages[request.target.as_str()])
    })
    .await;
    let client = client(settings(&server.url, Auth::None));
    let manifest =
        client.wait(&server.url.join("/fhir/job").unwrap(), |_| {}).await.unwrap();
    let names: Vec<&str> = manifest
        .output
        .iter()
        .map(|file| file.url.path().trim_start_matches("/fhir/"))
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(manifest.pages, 2);
    assert_eq!(manifest.transaction_time, "2026-11-22T09:58:00Z".parse().ok());
    let circle = client.wait(&server.url.join("/fhir/circle").unwrap(), |_| {}).await;
    assert!(matches!(circle, Err(Error::Manifest { .. })), "{circle:?}");
}

/// Items: 125.
#[tokio::test]
async fn reads_stay_below_the_base_and_searches_end() {
    let server = Server::start(|request, _, own| {
        let next = match request.target.as_str() {
            "/fhir/Group?_count=1" => Some(format!("{own}fhir?page=2")),
            "/fhir/Group?_count=2" => {
                Some("https://stranger.example/fhir?page=2".to_owned())
            }
            _ => None,
        };
        let link: Vec<_> =
            next.map(|url| json!({"relation": "next", "url": url})).into_iter().collect();
        reply(200, &[], json!({"resourceType": "Bundle", "link": link}).to_string())
    })
    .await;
    let client = client(settings(&server.url, Auth::Bearer(Secret::new("t0ken").into())));
    for path in
        ["../admin", "/fhirx/Group", "https://stranger.example/fhir/Group/1", "//h/x"]
    {
        let found = client.read(path).await;
        assert!(matches!(found, Err(Error::Path { .. })), "case: {path}: {found:?}");
    }
    assert!(server.all().is_empty());
    let bundles: Vec<_> = client.search("Group?_count=1").try_collect().await.unwrap();
    assert_eq!(bundles.len(), 2);
    let stray: Result<Vec<_>, _> = client.search("Group?_count=2").try_collect().await;
    assert!(stray.unwrap_err().untrusted_origin().is_some());
}

/// Items: 119, 121.
/// Faults: F37.
#[tokio::test]
async fn a_cancellation_is_taken_or_came_too_late_or_failed() {
    let cases = [
        (200, Some(Cancelled::Accepted)),
        (202, Some(Cancelled::Accepted)),
        (204, Some(Cancelled::Accepted)),
        (404, Some(Cancelled::AlreadyGone)),
        (410, Some(Cancelled::AlreadyGone)),
        (400, None),
        (500, None),
    ];
    for (status, expected) in cases {
        let server = Server::start(move |_, _, _| reply(status, &[], "")).await;
        let client = client(settings(&server.url, Auth::None));
        let done = client.cancel(&server.url.join("/fhir/job").unwrap()).await;
        assert_eq!(done.as_ref().ok().copied(), expected, "HTTP {status}: {done:?}");
        assert_eq!(server.requests("DELETE", "/fhir/job").len(), 1, "HTTP {status}");
    }
}

/// Items: 124, 125.
/// Faults: F6, F31.
#[tokio::test]
async fn no_stranger_sees_the_token_by_way_of_a_status_or_a_page() {
    let stranger = Server::start(|_, _, _| reply(200, &[], "{}")).await;
    let elsewhere = stranger.url.join("fhir/job").unwrap();
    let page = json!({
        "transactionTime": "2026-11-22T09:59:00Z", "requiresAccessToken": false,
        "output": [], "link": [{"relation": "next", "url": elsewhere}],
    });
    let server = Server::start(move |_, _, _| reply(200, &[], page.to_string())).await;
    let client = client(settings(&server.url, Auth::Bearer(Secret::new("t0ken").into())));
    for error in [
        client.wait(&elsewhere, |_| {}).await.map(|_| ()).unwrap_err(),
        client.cancel(&elsewhere).await.map(|_| ()).unwrap_err(),
        client.manifest_again(&elsewhere).await.map(|_| ()).unwrap_err(),
    ] {
        assert!(error.untrusted_origin().is_some(), "{error}");
    }
    let own = server.url.join("/fhir/job").unwrap();
    let manifest = client.wait(&own, |_| {}).await.unwrap();
    assert!(
        matches!(
            manifest.warnings.as_slice(),
            [Warning::PagesIncomplete { page: 1, .. }]
        ),
        "{:?}",
        manifest.warnings
    );
    assert!(stranger.all().is_empty());
}
