//! What a server says of itself, however badly, and ways to sign in beside signed assertions.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bulkhead_bulk::{
    Auth, Bearer, ClientSecret, Error, Kickoff, SecretPlace, TokenEndpoint,
};
use bulkhead_model::{Level, Secret};
use serde_json::json;

use crate::{
    client,
    server::{Server, now, reply},
    settings,
};

const STATEMENT: &str = r#"{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1"}"#;

/// Items: 1, 2.
#[tokio::test]
async fn a_statement_that_cannot_be_read_is_remarked_on_and_stops_nothing() {
    let (fhir, html) = ("application/fhir+json; charset=utf-8", "text/html");
    let issue =
        r#"{"resourceType":"OperationOutcome","issue":[{"diagnostics":"hunter2"}]}"#;
    let old = r#"{"resourceType":"Conformance","fhirVersion":"1.0.2"}"#;
    let twice = r#"{"rest":[],"rest":["hunter2"]}"#;
    // name, as what it comes, what comes, what is said of the answer
    let cases = [
        ("a page", html, "<html>hunter2", "`text/html`) is no JSON (line 1, column 1)"),
        (
            "cut",
            fhir,
            r#"{"rest":["#,
            "`application/fhir+json`) ends before its JSON does",
        ),
        ("nothing", "", "\r\n", "without a type) is empty"),
        (
            "an outcome",
            fhir,
            issue,
            "`application/fhir+json`) is of type `OperationOutcome`",
        ),
        ("JSON of others", fhir, r#"{"error":"hunter2"}"#, ") has no `resourceType`"),
        (
            "text",
            fhir,
            "\"hunter2\"",
            ") is JSON of another shape than a resource's (line 1",
        ),
        (
            "a member twice",
            fhir,
            twice,
            ") is JSON of another shape than a resource's (line 1",
        ),
        ("right", fhir, STATEMENT, ""),
        ("right, by its old name", fhir, old, ""),
        ("right, without its name", fhir, r#"{"fhirVersion":"4.0.1"}"#, ""),
    ];
    for (name, label, body, expected) in cases {
        let server = Server::start(move |request, _, _| match request.target.as_str() {
            // What is behind the question mark may be a secret.
            "/fhir/metadata" => reply(307, &["Location: /here?sig=hunter2"], ""),
            "/here?sig=hunter2" if label.is_empty() => reply(200, &[], body),
            "/here?sig=hunter2" => reply(200, &[&format!("Content-Type: {label}")], body),
            _ => reply(404, &[], ""),
        })
        .await;
        let client = client(settings(&server.url, Auth::None));
        let found = client.discover().await.unwrap();
        let remarks = client.remarks(&found, &Kickoff::new(Level::System)).join("\n");
        if expected.is_empty() {
            assert_eq!(remarks, "", "case: {name}");
        } else {
            let from = format!(
                "the capability statement cannot be read: the answer of `{}here?…` (HTTP 200, ",
                server.url
            );
            assert!(remarks.starts_with(&from), "case: {name}: {remarks}");
            assert!(remarks.contains(expected), "case: {name}: {remarks}");
            let end = "; nothing is known of what the server can do";
            assert!(remarks.ends_with(end), "case: {name}: {remarks}");
            assert_eq!(remarks.lines().count(), 1, "case: {name}: {remarks}");
        }
        assert!(!remarks.contains("hunter2"), "case: {name}: {remarks}");
        assert_eq!(found.date, Some(now()), "case: {name}");
    }
}

/// Items: 1, 56.
/// Faults: F1.
#[tokio::test]
async fn what_was_found_before_stands_in_when_the_server_is_busy() {
    for (name, status, is_told) in [("busy", 503, true), ("not ours", 404, false)] {
        let server = Server::start(move |request, before, _| {
            match (request.target.as_str(), before) {
                ("/fhir/metadata", 0) => reply(200, &[], STATEMENT),
                ("/fhir/metadata", _) => reply(status, &[], ""),
                _ => reply(404, &[], ""),
            }
        })
        .await;
        let client = client(settings(&server.url, Auth::None));
        let first = client.discover().await.unwrap();
        let second = client.discover().await;
        assert_eq!(second.is_ok(), is_told, "case: {name}");
        if let Ok(second) = second {
            assert_eq!(second.capability, first.capability, "case: {name}");
            assert_eq!(second.date, None, "case: {name}: the time is not the old one");
        }
    }
}

/// Items: 20, 32.
#[tokio::test]
async fn a_secret_buys_tokens_in_either_place() {
    let basic = STANDARD.encode("me%3A7:a%2Fb%2Bc");
    let basic = format!("Basic {basic}");
    let cases = [
        (
            SecretPlace::Header,
            Some(basic.as_str()),
            "grant_type=client_credentials&scope=all",
        ),
        (
            SecretPlace::Body,
            None,
            "grant_type=client_credentials&scope=all&client_id=me%3A7&client_secret=a%2Fb%2Bc",
        ),
    ];
    for (place, header, form) in cases {
        let server = Server::start(|request, _, _| match request.target.as_str() {
            "/token" => reply(200, &[], r#"{"access_token":"t","expires_in":"1200"}"#),
            _ => reply(200, &[], "{}"),
        })
        .await;
        let token_url: TokenEndpoint =
            server.url.join("token").unwrap().as_str().parse().unwrap();
        let auth = Auth::ClientSecret(ClientSecret {
            client_id: "me:7".to_owned(),
            secret: Secret::new("a/b+c"),
            place,
            token_url: Some(token_url),
            scope: Some("all".to_owned()),
        });
        let client = client(settings(&server.url, auth));
        client.read("Group/7").await.unwrap();
        client.read("Group/8").await.unwrap();
        let asked = server.requests("POST", "/token");
        assert_eq!(asked.len(), 1, "case: {place:?}");
        assert_eq!(asked[0].header("authorization"), header, "case: {place:?}");
        assert_eq!(asked[0].body, form, "case: {place:?}");
        let read = &server.requests("GET", "/fhir/Group/8")[0];
        assert_eq!(read.header("authorization"), Some("Bearer t"), "case: {place:?}");
    }
}

/// Items: 22, 32.
/// Faults: F9.
#[tokio::test]
async fn a_token_that_others_renew_is_read_before_each_use_and_again_when_refused() {
    let server = Server::start(|request, _, _| {
        let status = match request.header("authorization") {
            Some("Bearer old") => 401,
            _ => 200,
        };
        reply(status, &[], "{}")
    })
    .await;
    // What stands in the file, reading by reading; the last one stays.
    let cases = [
        ("renewed before", vec!["new"], Some(1)),
        ("renewed in between", vec!["old", "new"], Some(2)),
        ("not renewed", vec!["old"], None),
    ];
    for (name, tokens, requests) in cases {
        let (read, texts) = (AtomicUsize::new(0), Arc::new(Mutex::new(tokens)));
        let bearer = Bearer::read_by(move || {
            let at = read.fetch_add(1, Ordering::Relaxed);
            let texts = texts.lock().unwrap();
            Ok(Secret::new(*texts.get(at).or(texts.last()).unwrap()))
        });
        let client = client(settings(&server.url, Auth::Bearer(bearer)));
        let before = server.all().len();
        let read = client.read("Group/7").await;
        let made = server.all().len() - before;
        if let Some(expected) = requests {
            read.unwrap();
            assert_eq!(made, expected, "case: {name}");
        } else {
            assert!(matches!(read, Err(Error::Unauthorized { .. })), "case: {name}");
            assert_eq!(made, 1, "case: {name}: the same token is not sent twice");
        }
    }
    let bearer = Bearer::read_by(|| Err("gone".into()));
    let client = client(settings(&server.url, Auth::Bearer(bearer)));
    let error = client.read("Group/7").await.unwrap_err();
    assert!(matches!(error, Error::Bearer { .. }), "{error:?}");
    assert!(error.is_mendable() && error.is_of_token());
}

/// Items: 22, 66.
/// Faults: F9.
#[tokio::test]
async fn a_poll_that_is_forbidden_is_asked_again_with_a_fresh_token() {
    let manifest = json!({
        "transactionTime": "2026-11-22T09:00:00Z", "requiresAccessToken": false,
        "output": [],
    })
    .to_string();
    let server = Server::start(move |request, before, _| match request.target.as_str() {
        "/token" => {
            let token = format!(r#"{{"access_token":"t{before}","expires_in":300}}"#);
            reply(200, &[], token)
        }
        "/fhir/job" if request.header("authorization") == Some("Bearer t0") => {
            reply(403, &["Content-Type: text/html"], "<html>")
        }
        "/fhir/job" => reply(200, &[], &manifest),
        _ => reply(404, &[], ""),
    })
    .await;
    let auth = Auth::ClientSecret(ClientSecret {
        client_id: "me".to_owned(),
        secret: Secret::new("s"),
        place: SecretPlace::Header,
        token_url: Some(server.url.join("token").unwrap().as_str().parse().unwrap()),
        scope: None,
    });
    let client = client(settings(&server.url, auth));
    client.wait(&server.url.join("/fhir/job").unwrap(), |_| {}).await.unwrap();
    assert_eq!(server.requests("GET", "/fhir/job").len(), 2);
    assert_eq!(server.requests("POST", "/token").len(), 2);
}
