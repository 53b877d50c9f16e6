//! Kick-offs: sent by the right method, in the right dialect, and again only where that is
//! harmless.

use bulkhead_bulk::{
    Auth, Capability, Error, Handling, Kickoff, KickoffMethod, Server as Found, Settings,
    StatusSource, Version,
};
use bulkhead_model::Level;
use serde_json::{Value, json};

use crate::{
    client,
    server::{Server, reply},
    settings,
};

fn outcome(text: &str) -> String {
    json!({"resourceType": "OperationOutcome", "issue": [
        {"severity": "information", "code": "informational", "diagnostics": "as follows"},
        {"severity": "error", "code": "not-supported", "diagnostics": text},
    ]})
    .to_string()
}

fn accepted() -> Vec<u8> {
    reply(202, &["Content-Location: /fhir/job"], "")
}

fn group() -> Level {
    Level::Group("7".to_owned())
}

/// Items: 34, 43, 46, 51, 52, 54, 55, 56.
/// Faults: F6, F35.
#[tokio::test]
async fn kickoffs_change_method_or_drop_what_only_saves_work() {
    let refuse = |text: &str| reply(400, &[], outcome(text));
    let elements = refuse("parameter _elements is not supported");
    let partial = refuse("allowPartialManifests: unknown parameter");
    let organize = reply(422, &[], outcome("organizeOutputBy not supported"));
    let cases: [(&str, Level, Vec<u8>, Option<&[&str]>, usize, usize); 13] = [
        ("get refused", Level::System, reply(405, &[], ""), Some(&[]), 1, 1),
        ("get not implemented", Level::System, reply(501, &[], ""), Some(&[]), 1, 1),
        ("get not found", Level::Patient, reply(404, &[], ""), Some(&[]), 1, 1),
        ("get refused in words", Level::System, refuse("use POST"), Some(&[]), 1, 1),
        ("group not found", group(), reply(404, &[], ""), None, 1, 0),
        ("elements refused", Level::System, elements, Some(&["_elements"]), 2, 0),
        (
            "partial refused",
            Level::System,
            partial,
            Some(&["allowPartialManifests"]),
            2,
            0,
        ),
        ("organised refused", Level::System, organize, Some(&["organizeOutputBy"]), 2, 0),
        ("types refused", Level::System, refuse("_type is not supported"), None, 1, 0),
        ("since refused", Level::System, refuse("_since is not supported"), None, 1, 0),
        ("busy", Level::System, reply(429, &["Retry-After: 60"], ""), None, 1, 0),
        ("html", Level::System, reply(400, &[], "<html>"), None, 1, 0),
        ("accepted without a status", Level::System, reply(200, &[], "{}"), None, 1, 0),
    ];
    for (name, level, first, left_out, gets, posts) in cases {
        let server = Server::start(move |request, before, _| {
            if request.method == "GET" && before == 0 {
                first.clone()
            } else {
                accepted()
            }
        })
        .await;
        let client = client(settings(&server.url, Auth::None));
        let kickoff = Kickoff {
            since: "2026-11-22T09:00:00Z".parse().ok(),
            types: vec!["Patient".parse().unwrap()],
            elements: vec!["id".to_owned()],
            organize_output_by: Some("Patient".to_owned()),
            allow_partial_manifests: true,
            ..Kickoff::new(level.clone())
        };
        let accepted = client.kickoff(&found(), &kickoff).await;
        let found = accepted.as_ref().ok().map(|accepted| accepted.left_out.clone());
        let expected =
            left_out.map(|names| names.iter().map(ToString::to_string).collect());
        assert_eq!(found, expected, "case: {name}: {accepted:?}");
        let path = format!("/fhir/{}", level.kickoff_path());
        assert_eq!(server.requests("GET", &path).len(), gets, "case: {name}");
        let sent = server.requests("POST", &path);
        assert_eq!(sent.len(), posts, "case: {name}");
        if let Some(post) = sent.first() {
            let body: Value = serde_json::from_str(&post.body).unwrap();
            assert_eq!(body["resourceType"], "Parameters", "case: {name}");
            let label = post.header("content-type");
            assert_eq!(label, Some("application/fhir+json"), "case: {name}");
        }
        for kept in ["_since=", "_type="] {
            let sent = server.requests("GET", &path);
            assert!(sent.iter().all(|get| get.target.contains(kept)), "case: {name}");
        }
    }
}

fn announcing(version: &str, name: &str) -> Found {
    let definition =
        format!("http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export|{version}");
    let body =
        json!({"rest": [{"operation": [{"name": name, "definition": definition}]}]});
    let capability = Capability::read(body.to_string().as_bytes()).unwrap();
    Found { capability, smart: None, date: None }
}

/// Items: 3, 33, 34, 35.
/// Faults: F39.
#[tokio::test]
async fn the_method_follows_the_edition_and_the_operator() {
    use KickoffMethod::{Auto, Get, Post};
    let v3 = || announcing("3.0.0", "export");
    let v4 = || announcing("4.0.0", "export-v4");
    let cases = [
        ("version 3", v3(), Auto, Version::Auto, Some(("GET", "/fhir/$export"))),
        ("version 4", v4(), Auto, Version::Auto, Some(("POST", "/fhir/$export-v4"))),
        (
            "nothing announced",
            found(),
            Auto,
            Version::Auto,
            Some(("GET", "/fhir/$export")),
        ),
        ("post wanted", v3(), Post, Version::Auto, Some(("POST", "/fhir/$export"))),
        ("get wanted", v3(), Get, Version::Auto, Some(("GET", "/fhir/$export"))),
        ("get wanted of version 4", v4(), Get, Version::Auto, None),
        ("version 4 told", found(), Auto, Version::V4, Some(("POST", "/fhir/$export"))),
        ("version 3 told", v4(), Auto, Version::V3, Some(("GET", "/fhir/$export"))),
    ];
    for (name, found, method, version, expected) in cases {
        let server = Server::start(|_, _, _| accepted()).await;
        let settings = Settings { method, version, ..settings(&server.url, Auth::None) };
        let kickoff = Kickoff {
            types: vec!["Patient".parse().unwrap(), "Device".parse().unwrap()],
            ..Kickoff::new(Level::System)
        };
        let done = client(settings).kickoff(&found, &kickoff).await;
        let sent = server.all();
        let Some((method, path)) = expected else {
            assert!(
                matches!(done, Err(Error::Settings { .. })),
                "case: {name}: {done:?}"
            );
            assert!(sent.is_empty(), "case: {name}");
            continue;
        };
        assert!(done.is_ok() && sent.len() == 1, "case: {name}: {done:?}");
        assert!(sent[0].is(method, path), "case: {name}: {sent:?}");
        let comma = sent[0].body.contains("Patient,Device");
        let is_post = method == "POST";
        assert_eq!(comma, is_post && !path.ends_with("v4") && name != "version 4 told");
    }
}

/// Items: 37, 38, 39, 69.
#[tokio::test]
async fn preferences_are_sent_when_asked_for_and_count_when_applied() {
    use StatusSource::{ExportStatus, Http};
    let both = "Preference-Applied: respond-async, separate-export-status";
    let one = "Preference-Applied: respond-async";
    let other = "Preference-Applied: separate-export-status";
    let cases: [(&str, bool, Handling, &[&str], &str, StatusSource); 6] = [
        ("nothing", false, Handling::Strict, &[both], "respond-async", Http),
        (
            "applied in one line",
            true,
            Handling::Strict,
            &[both],
            "respond-async,separate-export-status",
            ExportStatus,
        ),
        (
            "applied in two lines",
            true,
            Handling::Strict,
            &[other, one],
            "respond-async,separate-export-status",
            ExportStatus,
        ),
        (
            "applied in part",
            true,
            Handling::Strict,
            &[one],
            "respond-async,separate-export-status",
            Http,
        ),
        (
            "not applied",
            true,
            Handling::Lenient,
            &[],
            "respond-async,separate-export-status,handling=lenient",
            Http,
        ),
        (
            "lenient",
            false,
            Handling::Lenient,
            &[],
            "respond-async,handling=lenient",
            Http,
        ),
    ];
    for (name, separate, handling, headers, prefer, source) in cases {
        let headers: Vec<String> = headers.iter().map(ToString::to_string).collect();
        let server = Server::start(move |_, _, _| {
            let mut lines = vec!["Content-Location: /fhir/job"];
            lines.extend(headers.iter().map(String::as_str));
            reply(202, &lines, "")
        })
        .await;
        let settings = Settings { handling, ..settings(&server.url, Auth::None) };
        let kickoff =
            Kickoff { separate_export_status: separate, ..Kickoff::new(Level::System) };
        let accepted = client(settings).kickoff(&found(), &kickoff).await.unwrap();
        assert_eq!(accepted.status_source, source, "case: {name}");
        assert_eq!(server.all()[0].header("prefer"), Some(prefer), "case: {name}");
    }
}

/// Items: 47.
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

/// Items: 57.
/// Faults: F7.
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

    for status in [502, 504] {
        let server = Server::start(move |_, _, _| reply(status, &[], "<html>")).await;
        let behind = client(settings(&server.url, Auth::None));
        let error =
            behind.kickoff(&found(), &Kickoff::new(Level::Patient)).await.unwrap_err();
        assert!(
            matches!(error, Error::KickoffUnknown { .. }) && !error.is_transient(),
            "HTTP {status}: {error:?}"
        );
        assert_eq!(server.all().len(), 1, "HTTP {status}: sent once");
    }

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let closed = client(settings(&closed, Auth::None));
    let error =
        closed.kickoff(&found(), &Kickoff::new(Level::Patient)).await.unwrap_err();
    assert!(matches!(error, Error::Network { .. }) && error.is_transient(), "{error:?}");
}

fn found() -> Found {
    Found { capability: Capability::default(), smart: None, date: None }
}
