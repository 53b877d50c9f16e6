//! Modes of requests: kick-offs, parameters, tokens, polls, cancellations, editions.

use std::time::Duration;

use bulkhead_sample_server::{
    Auth, Data, Options, Origin, Running, Scenario, Server,
    scenario::{
        Edition, ExpiresIn, ExportStatus, Issue, Lists, Location, Modes, Reuse,
        ReuseWhen, Scope, Shift, Since, Treatment, Unscoped,
    },
};
use serde_json::{Value, json};

use crate::auth::Signed;
use crate::client::{
    ASYNC, export, finish, get, kickoff, modes, options, send, serve, small_files,
    target, types_of, visit,
};

/// Faults: F5.
#[tokio::test]
async fn export_status_is_told_apart_as_ordered() {
    let asks = [("Prefer", "respond-async, separate-export-status"), ASYNC[1]];
    let cases = [
        ("unsupported", ExportStatus::Unsupported, true, 0, 202, None),
        ("applied", ExportStatus::Applied, true, 1, 200, Some("202 Accepted")),
        ("applied twice", ExportStatus::AppliedTwice, true, 2, 200, Some("202 Accepted")),
        ("not asked for", ExportStatus::Applied, false, 0, 202, None),
        ("unasked", ExportStatus::Unasked, false, 1, 200, Some("202 Accepted")),
        ("without state", ExportStatus::WithoutState, true, 1, 200, None),
    ];
    for (name, mode, is_asked, headers, status, state) in cases {
        let server = small_files(|modes| modes.export_status = mode).await;
        let sent = if is_asked { &asks } else { &ASYNC };
        let kickoff = send(server.addr, "GET", "/fhir/$export", sent, "").await;
        assert_eq!(kickoff.count("preference-applied"), headers, "case: {name}");
        let path = target(kickoff.header("content-location").unwrap());
        let poll = get(&server, &path).await;
        assert_eq!(poll.status, status, "case: {name}");
        assert_eq!(poll.header("x-export-status"), state, "case: {name}");
        let done = get(&server, &path).await;
        assert_eq!(done.status, 200);
        assert_eq!(done.header("x-export-status"), state.map(|_| "200 OK"));
        server.shutdown().await;
    }
}

/// Faults: F6.
#[tokio::test]
async fn the_content_location_is_as_ordered() {
    let server = serve(|modes| modes.location = Location::Absent).await;
    let answer = send(server.addr, "GET", "/fhir/$export", &ASYNC, "").await;
    assert_eq!((answer.status, answer.has("content-location")), (202, false));
    let told = |mode: Location| {
        let server = &server;
        async move {
            server.control.set_modes(|modes| modes.location = mode);
            let answer = send(server.addr, "GET", "/fhir/$export", &ASYNC, "").await;
            answer.header("content-location").unwrap().to_owned()
        }
    };
    assert!(told(Location::Relative).await.starts_with("/fhir/bulk/"));
    let secret = told(Location::Query("sig=s3cret".to_owned())).await;
    assert!(secret.ends_with("?sig=s3cret"));
    assert_eq!(get(&server, &target(&secret)).await.status, 200);
    server.shutdown().await;

    let server = serve(|modes| modes.location = Location::Elsewhere).await;
    let answer = send(server.addr, "GET", "/fhir/$export", &ASYNC, "").await;
    let location = answer.header("content-location").unwrap();
    let elsewhere = server.elsewhere.as_ref().unwrap().as_str();
    assert!(location.starts_with(elsewhere));
    assert_eq!(visit(location, &[]).await.status, 200);
    assert_eq!(server.control.requests()[1].origin, Origin::Elsewhere);
    server.shutdown().await;

    let scenario = modes(|modes| modes.location = Location::PlainHttp);
    let public_origin = Some("https://fhir.example.org".parse().unwrap());
    let options = Options { scenario, public_origin, ..options(Data::made_up(2, 7)) };
    let server = Server::start(options).await.unwrap();
    let answer = send(server.addr, "GET", "/fhir/$export", &ASYNC, "").await;
    let location = answer.header("content-location").unwrap();
    assert!(location.starts_with("http://fhir.example.org/"), "{location}");
    server.shutdown().await;
}

/// Faults: F8.
#[tokio::test]
async fn a_kickoff_is_handed_an_earlier_job() {
    let reuse = Reuse { when: ReuseWhen::UnlessNoCache, done: true, ..Reuse::default() };
    let server = serve(|modes| modes.reuse = reuse).await;
    let first = kickoff(&server, "$export?_type=Patient").await;
    let time = get(&server, &first).await.json()["transactionTime"].clone();
    server.control.advance(Duration::from_hours(6));
    assert_eq!(kickoff(&server, "$export?_type=Patient").await, first);
    assert_eq!(get(&server, &first).await.json()["transactionTime"], time);
    assert_ne!(kickoff(&server, "$export?_type=Condition").await, first);
    let fresh = [ASYNC[0], ASYNC[1], ("Cache-Control", "no-cache")];
    let path = "/fhir/$export?_type=Patient";
    let answer = send(server.addr, "GET", path, &fresh, "").await;
    assert_ne!(target(answer.header("content-location").unwrap()), first);
    server.shutdown().await;
}

/// Faults: F10, F9.
#[tokio::test]
async fn token_replies_say_what_was_ordered() {
    let signed = Signed::start(Data::made_up(4, 7), Scenario::default()).await;
    let control = &signed.server.control;
    let cases: [(&str, ExpiresIn, Scope, Value, Value); 5] = [
        ("text", ExpiresIn::Text("300".into()), Scope::Absent, json!("300"), json!(null)),
        ("absent", ExpiresIn::Absent, Scope::Text(String::new()), json!(null), json!("")),
        ("short", ExpiresIn::Other(1), Scope::AsGranted, json!(1), json!("system/*.rs")),
        (
            "other dialect",
            ExpiresIn::Number,
            Scope::Text("system/*.read".into()),
            json!(300),
            json!("system/*.read"),
        ),
        (
            "constrained",
            ExpiresIn::Number,
            Scope::Text("system/Observation.rs?category=laboratory".into()),
            json!(300),
            json!("system/Observation.rs?category=laboratory"),
        ),
    ];
    for (name, expires_in, scope, expires, said) in cases {
        control.set_modes(|modes| {
            modes.token.expires_in = expires_in;
            modes.token.scope = scope;
        });
        let (status, reply) = signed.reply().await;
        assert_eq!(status, 200, "case: {name}");
        let null = Value::Null;
        assert_eq!(reply.get("expires_in").unwrap_or(&null), &expires, "case: {name}");
        assert_eq!(reply.get("scope").unwrap_or(&null), &said, "case: {name}");
    }
    // Said is wider than granted.
    control.set_modes(|modes| {
        modes.token.scope = Scope::AsGranted;
        modes.token.granted = Some(vec!["Patient".to_owned()]);
    });
    let token = signed.token().await;
    let narrow = signed.get("/fhir/$export?_type=Condition", &token).await;
    assert_eq!(narrow.status, 403);
    // As the SMART reference server does: what is not in scope is left out in silence.
    control.set_modes(|modes| modes.unscoped = Unscoped::Omitted);
    let path = "/fhir/$export?_type=Condition,Patient";
    let silent = signed.get(path, &token).await;
    let status = target(silent.header("content-location").unwrap());
    let manifest = signed.get(&status, &token).await.json();
    assert_eq!(types_of(&manifest), ["Patient"]);
    assert_eq!(manifest["error"], json!([]));
    signed.server.shutdown().await;
}

/// Faults: F11.
#[tokio::test]
async fn clocks_are_wrong_as_ordered() {
    let ten = Duration::from_mins(10);
    for (name, shift, status) in [
        ("behind", Shift::back(ten), 400),
        ("ahead", Shift::ahead(ten), 400),
        ("right", Shift::NONE, 200),
    ] {
        let scenario = modes(|modes| modes.skew.judge = shift);
        let signed = Signed::start(Data::made_up(2, 7), scenario).await;
        assert_eq!(signed.reply().await.0, status, "case: {name}");
        signed.server.shutdown().await;
    }
    let right = serve(|_| {}).await;
    let skewed = serve(|modes| {
        modes.skew.clock = Shift::ahead(ten);
        modes.skew.date = Shift::back(ten);
    })
    .await;
    let now = right.control.now();
    assert_eq!(skewed.control.now(), now.plus(ten));
    let dates = (
        get(&right, "/fhir/metadata").await.header("date").map(str::to_owned),
        get(&skewed, "/fhir/metadata").await.header("date").map(str::to_owned),
    );
    assert_eq!(dates.0, dates.1);
    right.shutdown().await;
    skewed.shutdown().await;
}

/// Faults: F28.
#[tokio::test]
async fn since_means_what_was_ordered() {
    let server = serve(|_| {}).await;
    let put = |id: &str| json!({"resourceType": "Patient", "id": id}).to_string();
    server.control.advance(Duration::from_hours(1));
    let at = server.control.put(&put("at")).unwrap();
    server.control.advance(Duration::from_hours(1));
    server.control.put(&put("later")).unwrap();
    let hour = Duration::from_hours(1);
    let cases = [
        ("after", Since::After, at, Ok(1)),
        ("at or after", Since::AtOrAfter, at, Ok(2)),
        ("ignored", Since::Ignored, at, Ok(8)),
        ("local", Since::Local(Shift::ahead(hour)), at, Ok(0)),
        ("future", Since::After, server.control.now().plus(hour), Err(400)),
        ("takes future", Since::TakesFuture, server.control.now().plus(hour), Ok(0)),
        ("fraction", Since::RefusesFraction, at.plus(Duration::from_millis(5)), Err(400)),
        ("no fraction", Since::RefusesFraction, at.floor_seconds(), Ok(1)),
    ];
    for (name, mode, since, expected) in cases {
        server.control.set_modes(|modes| modes.since = mode);
        let path = format!("/fhir/$export?_type=Patient&_since={since}");
        let answer = send(server.addr, "GET", &path, &ASYNC, "").await;
        let found = match answer.status {
            202 => {
                let location = answer.header("content-location").unwrap();
                let manifest = finish(&server, location).await;
                Ok(manifest["output"][0]["count"].as_u64().unwrap_or(0))
            }
            other => Err(other),
        };
        // The clock stands still within a second, so `at` has no fraction.
        assert_eq!(found, expected, "case: {name}");
    }
    server.shutdown().await;
}

/// Faults: F35.
#[tokio::test]
async fn parameters_are_ignored_or_refused_as_ordered() {
    let server = serve(|_| {}).await;
    let path = "/fhir/$export?_type=Patient&_typeFilter=Patient%3Fgender%3Dnone";
    let cases = [
        ("honoured", None, "_typeFilter", Ok((0, 0))),
        ("ignored", Some(Treatment::Ignore), "_typeFilter", Ok((6, 0))),
        ("lenient", Some(Treatment::Lenient), "_typeFilter", Ok((6, 1))),
        ("refused", Some(Treatment::Refuse), "_typeFilter", Err(400)),
    ];
    for (name, treatment, parameter, expected) in cases {
        server.control.set_modes(|modes| {
            modes.parameters = treatment
                .map(|treatment| (parameter.to_owned(), treatment))
                .into_iter()
                .collect();
        });
        let answer = send(server.addr, "GET", path, &ASYNC, "").await;
        let found = match answer.status {
            202 => {
                let location = answer.header("content-location").unwrap();
                let manifest = finish(&server, location).await;
                let count = manifest["output"][0]["count"].as_u64().unwrap_or(0);
                Ok((count, manifest["error"].as_array().unwrap().len()))
            }
            other => Err(other),
        };
        assert_eq!(found, expected, "case: {name}");
    }
    server.control.set_modes(|modes| modes.lists = Lists::NoRepeat);
    let repeated = "/fhir/$export?_type=Patient&_type=Task";
    assert_eq!(send(server.addr, "GET", repeated, &ASYNC, "").await.status, 400);
    server.shutdown().await;
}

/// Faults: F37.
#[tokio::test]
async fn cancellations_are_answered_as_ordered() {
    let cancel = |server: &Running, path: String| {
        let addr = server.addr;
        async move { send(addr, "DELETE", &path, &[], "").await.status }
    };
    for (status, polls, then) in
        [(202, 0, 404), (204, 0, 404), (500, 0, 200), (404, 0, 200)]
    {
        let server = serve(|modes| modes.delete.done = status).await;
        let path = kickoff(&server, "$export").await;
        assert_eq!(get(&server, &path).await.status, 200);
        assert_eq!(cancel(&server, path.clone()).await, status);
        assert_eq!(polls, 0);
        assert_eq!(get(&server, &path).await.status, then, "case: {status}");
        server.shutdown().await;
    }
    let server = serve(|modes| modes.delete.polls_after = 2).await;
    let path = kickoff(&server, "$export").await;
    assert_eq!(cancel(&server, path.clone()).await, 202);
    for expected in [202, 202, 404, 404] {
        assert_eq!(get(&server, &path).await.status, expected);
    }
    server.shutdown().await;
}

/// Faults: F39.
#[tokio::test]
async fn every_edition_speaks_its_own_dialect() {
    let body = json!({"resourceType": "Parameters", "parameter": [
        {"name": "_type", "valueString": "Patient"}]})
    .to_string();
    let headers = [ASYNC[0], ASYNC[1], ("Content-Type", "application/fhir+json")];
    let cases = [
        (Edition::V1, 202, 405),
        (Edition::V2, 202, 202),
        (Edition::V3, 202, 202),
        (Edition::V4, 405, 202),
    ];
    for (edition, by_get, by_post) in cases {
        let server = serve(|modes| {
            modes.edition = edition;
            modes.unknown_members = true;
            modes.outcome.issues = vec![Issue {
                severity: "warning".to_owned(),
                code: "incomplete".to_owned(),
                resource_type: None,
            }];
        })
        .await;
        let path = "/fhir/$export?_type=Patient";
        let get = send(server.addr, "GET", path, &ASYNC, "").await;
        assert_eq!(get.status, by_get, "case: {edition:?}");
        let post = send(server.addr, "POST", "/fhir/$export", &headers, &body).await;
        assert_eq!(post.status, by_post, "case: {edition:?}");
        let accepted = if by_get == 202 { get } else { post };
        let location = accepted.header("content-location").unwrap();
        let manifest = finish(&server, location).await;
        let is_v4 = edition == Edition::V4;
        assert_eq!(manifest.get("request").is_none(), is_v4);
        assert_eq!(manifest.get("error").is_none(), is_v4);
        assert!(manifest.get("unknownMember").is_some());
        if is_v4 {
            let told = &manifest["outcome"][0];
            assert_eq!(told["countSeverity"], json!([{"code": "warning", "count": 1}]));
            assert!(manifest["extension"].is_array());
            assert!(manifest.get("manifestType").is_some());
            let commas = body.replace("\"Patient\"", "\"Patient,Task\"");
            let post = send(server.addr, "POST", "/fhir/$export", &headers, &commas);
            assert_eq!(post.await.status, 400);
        }
        server.shutdown().await;
    }
}

/// The default of every mode is the server without a scenario.
#[tokio::test]
async fn no_scenario_is_the_conformant_server() {
    assert_eq!(Scenario::default().modes, Modes::default());
    let server =
        Server::start(Options { auth: Auth::Open, ..options(Data::made_up(2, 7)) });
    let server = server.await.unwrap();
    assert!(server.elsewhere.is_none());
    export(&server, "$export").await;
    assert!(server.control.struck().is_empty());
    assert!(server.control.requests().iter().all(|request| request.struck.is_empty()));
    server.shutdown().await;
}
