//! Tokens over time: renewed before they end, under a clock that is wrong, from endpoints
//! found in every way.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bulkhead_bulk::{Algorithm, Auth, Clock, Error, Kickoff, SigningKey};
use bulkhead_model::{Instant, Level};
use serde_json::{Value, json};

use crate::{
    client, client_at,
    server::{Seen, Server, now, reply},
    services, settings,
};

const GROUP: &str = r#"{"resourceType":"Group","id":"7"}"#;

fn key() -> Arc<SigningKey> {
    Arc::new(SigningKey::generate(Algorithm::Es384).unwrap())
}

fn token() -> Vec<u8> {
    let body = r#"{"access_token":"t","token_type":"bearer","expires_in":300}"#;
    reply(200, &[], body)
}

/// A clock that stands where the test puts it, in seconds from `now`.
fn movable() -> (Clock, Arc<AtomicI64>) {
    let seconds = Arc::new(AtomicI64::new(0));
    let moved = Arc::clone(&seconds);
    let clock = move || {
        let moved = moved.load(Ordering::Relaxed) * 1000;
        Instant::from_unix_ms(now().unix_ms() + moved)
    };
    (Arc::new(clock), seconds)
}

fn form(request: &Seen, name: &str) -> Option<String> {
    let mut form = url::form_urlencoded::parse(request.body.as_bytes());
    form.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn claims(request: &Seen) -> Value {
    let assertion = form(request, "client_assertion").unwrap();
    let part = assertion.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Items: 21.
/// Faults: F9.
#[tokio::test]
async fn a_token_is_renewed_half_a_minute_before_its_end() {
    let server = Server::start(|request, _, _| match request.method.as_str() {
        "POST" => token(),
        _ if request.target.ends_with("smart-configuration") => {
            reply(200, &[], r#"{"token_endpoint":"/token"}"#)
        }
        _ => reply(200, &[], GROUP),
    })
    .await;
    let (clock, seconds) = movable();
    let client = client_at(settings(&server.url, services(&key())), clock);
    for (at, requests) in [(0, 1), (269, 1), (271, 2), (540, 2), (542, 3)] {
        seconds.store(at, Ordering::Relaxed);
        client.read("Group/7").await.unwrap();
        assert_eq!(server.requests("POST", "/token").len(), requests, "at {at} s");
    }
}

/// Items: 24.
/// Faults: F11.
#[tokio::test]
async fn a_clock_that_is_wrong_is_corrected_once_and_for_all_renewals() {
    // The endpoint takes only assertions by its own clock, which is ten minutes ahead, and
    // does not tell the time itself: the base does.
    let server = Server::start(|request, _, _| {
        if request.method == "POST" {
            let exp = claims(request)["exp"].as_i64().unwrap();
            if exp > now().unix_ms() / 1000 + 600 {
                return token();
            }
            let body = r#"{"error":"invalid_client"}"#;
            let length = body.len();
            return format!("HTTP/1.1 400 X\r\nContent-Length: {length}\r\n\r\n{body}")
                .into_bytes();
        }
        let found = request.target.ends_with("smart-configuration");
        let body = if found { r#"{"token_endpoint":"/token"}"# } else { GROUP };
        let plain = String::from_utf8(reply(200, &[], body)).unwrap();
        plain.replace("10:00:00 GMT", "10:10:00 GMT").into_bytes()
    })
    .await;
    let (clock, seconds) = movable();
    let client = client_at(settings(&server.url, services(&key())), clock);
    client.read("Group/7").await.unwrap();
    assert_eq!(server.requests("POST", "/token").len(), 2, "refused, then corrected");
    seconds.store(400, Ordering::Relaxed);
    client.read("Group/7").await.unwrap();
    assert_eq!(
        server.requests("POST", "/token").len(),
        3,
        "the renewal is right at once"
    );
}

/// Items: 7, 8, 9, 17.
#[tokio::test]
async fn the_endpoint_is_the_configured_one_or_the_announced_one_or_the_old_one() {
    let oauth = json!({"resourceType": "CapabilityStatement", "rest": [{"security": {
        "extension": [{"url": "oauth-uris", "extension": [
            {"url": "token", "valueUri": "/old"}]}]}}]});
    let smart = r#"{"token_endpoint":"/new","scopes_supported":["system/Patient.read"]}"#;
    let cases = [
        ("configured", Some("/mine"), 200, smart, "/mine"),
        ("configured, no configuration", Some("/mine"), 503, "", "/mine"),
        ("announced", None, 200, smart, "/new"),
        ("announced without endpoint", None, 200, "{}", "/old"),
        ("not announced", None, 404, "", "/old"),
        ("announced by a server that is ill", None, 503, "", "/old"),
    ];
    for (name, configured, status, body, expected) in cases {
        let metadata = oauth.to_string();
        let server = Server::start(move |request, _, _| match request.target.as_str() {
            "/fhir/metadata" => reply(200, &[], &metadata),
            "/fhir/.well-known/smart-configuration" => reply(status, &[], body),
            "/fhir/Group/7" => reply(200, &[], GROUP),
            _ => token(),
        })
        .await;
        let mut auth = services(&key());
        // Written as no URL library would print it: upper case in the host.
        let authority = server.url.authority().replace("127.0.0.1", "LOCALHOST");
        let configured = configured.map(|path| format!("http://{authority}{path}"));
        if let Auth::BackendServices(services) = &mut auth {
            services.token_url = configured.as_ref().map(|url| url.parse().unwrap());
        }
        let client = client(settings(&server.url, auth));
        client.read("Group/7").await.unwrap();
        let asked = server.requests("POST", expected);
        assert_eq!(asked.len(), 1, "case: {name}");
        let stated = server.url.join(expected).unwrap().to_string();
        let audience = configured.unwrap_or(stated);
        assert_eq!(claims(&asked[0])["aud"], audience.as_str(), "case: {name}");
        let scope = form(&asked[0], "scope");
        assert_eq!(scope.as_deref(), Some("system/*.read"), "case: {name}");
    }
}

/// Items: 7.
#[tokio::test]
async fn a_configuration_that_cannot_be_had_stops_no_one_who_needs_no_token() {
    let answer = |target: &str| match target {
        "/fhir/metadata" => reply(200, &[], r#"{"resourceType":"CapabilityStatement"}"#),
        _ => reply(500, &[], "<html>"),
    };
    let server = Server::start(move |request, _, _| answer(&request.target)).await;
    let found = client(settings(&server.url, Auth::None)).discover().await.unwrap();
    assert_eq!(found.smart, None);
    assert_eq!(found.date, Some(now()));
    // Who needs one is told what is wrong, not that there is no endpoint.
    let error = client(settings(&server.url, services(&key()))).read("Group/7").await;
    assert!(matches!(error, Err(Error::Busy { status: 500, .. })), "{error:?}");
}

/// Items: 12.
#[tokio::test]
async fn a_client_is_named_to_the_fhir_server_alone_where_it_wants_a_name() {
    let files = Server::start(|_, _, _| reply(200, &[], "")).await;
    let elsewhere = files.url.join("file").unwrap();
    let server = Server::start(move |request, _, _| {
        let page = json!({
            "transactionTime": "2026-11-22T09:59:00Z", "requiresAccessToken": false,
            "output": [{"type": "Patient", "url": elsewhere}],
        });
        match request.method.as_str() {
            "POST" => token(),
            _ if request.target.ends_with("smart-configuration") => {
                reply(200, &[], r#"{"token_endpoint":"/token"}"#)
            }
            _ => reply(200, &[], page.to_string()),
        }
    })
    .await;
    let settings = bulkhead_bulk::Settings {
        client_id_header: "epic-client-id".parse().ok(),
        ..settings(&server.url, services(&key()))
    };
    let client = client(settings);
    let manifest =
        client.wait(&server.url.join("/fhir/job").unwrap(), |_| {}).await.unwrap();
    client.download(&manifest, &manifest.output[0]).await.unwrap();
    let named = |requests: Vec<Seen>| {
        let header = requests[0].header("epic-client-id").map(str::to_owned);
        assert_eq!(requests.len(), 1);
        header
    };
    assert_eq!(named(server.requests("GET", "/fhir/job")).as_deref(), Some("me"));
    assert_eq!(named(files.requests("GET", "/file")), None);
}

/// Items: 15.
#[tokio::test]
async fn the_key_is_chosen_by_what_the_server_takes() {
    let [rs, es] = [Algorithm::Rs384, Algorithm::Es384]
        .map(|algorithm| Arc::new(SigningKey::generate(algorithm).unwrap()));
    let cases = [
        ("not said", "[]", "RS384"),
        ("one", r#"["ES384"]"#, "ES384"),
        ("both", r#"["ES384","RS384"]"#, "RS384"),
        ("neither", r#"["RS256"]"#, "RS384"),
    ];
    for (name, listed, expected) in cases {
        let server = Server::start(move |request, _, _| {
            let list =
                format!(r#""token_endpoint_auth_signing_alg_values_supported":{listed}"#);
            match request.target.as_str() {
                "/token" => token(),
                "/fhir/Group/7" => reply(200, &[], GROUP),
                _ => reply(200, &[], format!(r#"{{"token_endpoint":"/token",{list}}}"#)),
            }
        })
        .await;
        let mut auth = services(&rs);
        if let Auth::BackendServices(services) = &mut auth {
            services.keys.push(Arc::clone(&es));
        }
        client(settings(&server.url, auth)).read("Group/7").await.unwrap();
        let asked = server.requests("POST", "/token");
        let assertion = form(&asked[0], "client_assertion").unwrap();
        let header = jsonwebtoken::decode_header(assertion).unwrap();
        assert_eq!(format!("{:?}", header.alg), expected, "case: {name}");
    }
}

/// Items: 8, 30.
#[tokio::test]
async fn what_speaks_against_signing_in_is_remarked_on_before_the_kickoff() {
    let server = Server::start(|request, _, _| match request.target.as_str() {
        "/fhir/metadata" => reply(200, &[], r#"{"resourceType":"CapabilityStatement"}"#),
        _ => reply(200, &[], r#"{"grant_types_supported":["authorization_code"]}"#),
    })
    .await;
    let mut auth = services(&key());
    if let Auth::BackendServices(services) = &mut auth {
        services.scope = Some("system/Patient.rs".to_owned());
    }
    let client = client(settings(&server.url, auth));
    let found = client.discover().await.unwrap();
    let remarks = |level| client.remarks(&found, &Kickoff::new(level));
    let group = remarks(Level::Group("7".to_owned()));
    assert_eq!(group.len(), 2, "{group:?}");
    assert!(group[0].contains("client_credentials") && group[1].contains("Group"));
    assert_eq!(remarks(Level::System).len(), 1);
}
