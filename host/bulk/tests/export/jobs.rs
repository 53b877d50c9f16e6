//! Jobs: kicked off, polled through their pages, ended as servers say; and plain reads.

use std::collections::BTreeMap;

use bulkhead_bulk::{Auth, Blame, Error, Kickoff, Server as Found};
use bulkhead_model::{Level, Secret};
use futures::TryStreamExt;
use serde_json::json;

use crate::{
    client,
    server::{Server, reply},
    settings,
};

#[tokio::test]
async fn kickoffs_change_method_or_drop_what_only_saves_work() {
    let elements = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error",
        "code":"not-supported","diagnostics":"parameter _elements is not supported"}]}"#;
    let types = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error",
        "code":"not-supported","diagnostics":"parameter _type is not supported"}]}"#;
    let cases: [(&str, Vec<u8>, Option<&[&str]>, usize, usize); 5] = [
        ("get refused", reply(405, &[], ""), Some(&[]), 1, 1),
        ("elements refused", reply(400, &[], elements), Some(&["_elements"]), 2, 0),
        ("types refused", reply(400, &[], types), None, 1, 0),
        ("busy", reply(429, &["Retry-After: 60"], ""), None, 1, 0),
        ("accepted without a status", reply(200, &[], "{}"), None, 1, 0),
    ];
    for (name, first, left_out, gets, posts) in cases {
        let server = Server::start(move |request, before, _| {
            if request.method == "GET" && before == 0 {
                first.clone()
            } else {
                reply(202, &["Content-Location: /fhir/job"], "")
            }
        })
        .await;
        let client = client(settings(&server.url, Auth::None));
        let kickoff = Kickoff {
            types: vec!["Patient".parse().unwrap()],
            elements: vec!["id".to_owned()],
            ..Kickoff::new(Level::System)
        };
        let accepted = client.kickoff(&found(), &kickoff).await;
        let found = accepted.as_ref().ok().map(|accepted| accepted.left_out.clone());
        let expected =
            left_out.map(|names| names.iter().map(ToString::to_string).collect());
        assert_eq!(found, expected, "case: {name}: {accepted:?}");
        assert_eq!(server.requests("GET", "/fhir/$export").len(), gets, "case: {name}");
        let sent = server.requests("POST", "/fhir/$export");
        assert_eq!(sent.len(), posts, "case: {name}");
        if let Some(post) = sent.first() {
            assert!(post.body.contains(r#""resourceType":"Parameters""#), "case: {name}");
        }
    }
}

#[tokio::test]
async fn a_refusal_does_not_print_the_patients_asked_for() {
    let server =
        Server::start(|_, _, _| reply(400, &[], "Patient/jane-roe is not in the group"))
            .await;
    let client = client(settings(&server.url, Auth::None));
    let kickoff = Kickoff {
        patients: vec!["jane-roe".to_owned()],
        ..Kickoff::new(Level::Group("7".to_owned()))
    };
    let error = client.kickoff(&found(), &kickoff).await.unwrap_err();
    assert!(matches!(error, Error::Refused { status: 400, .. }));
    assert!(!format!("{error} {error:?}").contains("jane"), "{error:?}");
    assert_eq!(server.requests("POST", "/fhir/Group/7/$export").len(), 1);
}

#[tokio::test]
async fn a_kickoff_without_an_answer_is_told_from_one_that_never_left() {
    let server = Server::start(|_, _, _| Vec::new()).await;
    let silent = client(settings(&server.url, Auth::None));
    let error =
        silent.kickoff(&found(), &Kickoff::new(Level::Patient)).await.unwrap_err();
    assert!(
        matches!(error, Error::KickoffUnknown { .. }) && !error.is_transient(),
        "{error:?}"
    );
    assert_eq!(server.requests("GET", "/fhir/Patient/$export").len(), 1, "sent once");

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let closed = client(settings(&closed, Auth::None));
    let error =
        closed.kickoff(&found(), &Kickoff::new(Level::Patient)).await.unwrap_err();
    assert!(matches!(error, Error::Network { .. }) && error.is_transient(), "{error:?}");
}

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
    let client = client(settings(&server.url, Auth::Bearer(Secret::new("t0ken"))));
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

fn found() -> Found {
    Found { capability: bulkhead_bulk::Capability::default(), smart: None, date: None }
}
