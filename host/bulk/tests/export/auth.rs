//! Tokens: bought with real signatures, renewed once, learnt from.

use std::sync::Arc;

use bulkhead_bulk::{Algorithm, Error, GrantedScope, Kickoff, SigningKey};
use bulkhead_model::Level;
use futures::TryStreamExt;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::{Value, json};
use url::Url;

use crate::{
    client,
    server::{Seen, Server, now, reply},
    services, settings,
};

const MANIFEST: &str = r#"{"transactionTime":"2026-11-22T09:59:00Z","requiresAccessToken":true,
    "request":"x","output":[{"type":"Patient","url":"/fhir/files/1","count":1}],"error":[]}"#;

fn smart(capabilities: &[&str]) -> Vec<u8> {
    let body = json!({"token_endpoint": "../token", "capabilities": capabilities});
    reply(200, &["Content-Type: application/json"], body.to_string())
}

/// The claims of an assertion whose signature holds, or why it does not.
fn verify(jwks: &Value, own: &Url, request: &Seen) -> Value {
    let form: Vec<(String, String)> =
        url::form_urlencoded::parse(request.body.as_bytes()).into_owned().collect();
    let field =
        |name: &str| form.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    assert_eq!(field("grant_type").as_deref(), Some("client_credentials"));
    let token = field("client_assertion").unwrap();
    let header = decode_header(&token).unwrap();
    let set: JwkSet = serde_json::from_value(jwks.clone()).unwrap();
    let key = set.find(header.kid.as_deref().unwrap()).unwrap();
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&[own.join("token").unwrap().as_str()]);
    // The clock of this test stands in 2026; the library reads the real one.
    validation.validate_exp = false;
    validation.set_required_spec_claims(&["aud", "iss", "sub", "exp"]);
    let claims =
        decode::<Value>(&token, &DecodingKey::from_jwk(key).unwrap(), &validation);
    let mut claims = claims.unwrap().claims;
    claims["scope"] = json!(field("scope"));
    claims["alg"] = json!(format!("{:?}", header.alg));
    claims
}

fn token(name: &str) -> Vec<u8> {
    let body = json!({"access_token": name, "token_type": "Bearer", "expires_in": 300, "scope": "system/*.read"});
    reply(200, &[], body.to_string())
}

/// Items: 7, 13, 15, 17, 18, 19, 25, 29, 30, 36, 37, 38, 54, 58, 60, 62, 71, 100, 119.
/// Faults: F6, F14.
#[tokio::test]
async fn an_export_runs_from_discovery_to_the_last_file_with_either_algorithm() {
    for algorithm in [Algorithm::Rs384, Algorithm::Es384] {
        let key = Arc::new(SigningKey::generate(algorithm).unwrap());
        let jwks = key.public_jwks();
        let server = Server::start(|request, before, own| {
            let authorized = request.header("authorization") == Some("Bearer one");
            match (request.method.as_str(), request.target.split('?').next().unwrap()) {
                ("GET", "/fhir/metadata") => reply(
                    200,
                    &[],
                    r#"{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1"}"#,
                ),
                ("GET", "/fhir/.well-known/smart-configuration") => {
                    smart(&["permission-v2"])
                }
                ("POST", "/token") => token("one"),
                _ if !authorized => reply(401, &[], ""),
                ("GET", "/fhir/Group/g1/$export") => {
                    reply(202, &["Content-Location: ../../jobs/7?k=v"], "")
                }
                ("GET", "/fhir/jobs/7") => match before {
                    0 => reply(202, &["X-Progress: 50%", "Retry-After: 120"], ""),
                    1 => reply(429, &["Retry-After: 1795341660000"], ""),
                    2 => reply(503, &[], "<html>"),
                    _ => reply(
                        200,
                        &[
                            "Content-Type: application/json",
                            "Expires: Sun, 22 Nov 2026 11:00:00 GMT",
                        ],
                        MANIFEST,
                    ),
                },
                ("GET", "/fhir/files/1") => {
                    let body = b"{\"resourceType\":\"Patient\",\"id\":\"1\"}\n";
                    reply(200, &["Content-Type: application/fhir+ndjson"], body)
                }
                ("DELETE", "/fhir/jobs/7") => reply(202, &[], ""),
                _ => panic!("{own}: {request:?}"),
            }
        })
        .await;
        let client = client(settings(&server.url, services(&key)));
        let found = client.discover().await.unwrap();
        assert_eq!(found.date, Some(now()));
        let kickoff = Kickoff {
            since: "2026-11-01T00:00:00Z".parse().ok(),
            types: vec!["Patient".parse().unwrap()],
            ..Kickoff::new(Level::Group("g1".to_owned()))
        };
        let accepted = client.kickoff(&found, &kickoff).await.unwrap();
        assert_eq!(accepted.status_url, server.url.join("/fhir/jobs/7?k=v").unwrap());
        let mut progress = Vec::new();
        let manifest = client
            .wait(&accepted.status_url, |now| progress.push((now.text, now.running)))
            .await
            .unwrap();
        assert_eq!(
            progress,
            [(Some("50%".to_owned()), true), (None, true), (None, false)],
            "{algorithm:?}"
        );
        assert_eq!(manifest.transaction_time, "2026-11-22T09:59:00Z".parse().ok());
        assert_eq!(manifest.expires, "2026-11-22T11:00:00Z".parse().ok());
        let download = client.download(&manifest, &manifest.output[0]).await.unwrap();
        let wire = download.wire_bytes();
        let bytes: Vec<_> = download.try_collect().await.unwrap();
        assert_eq!(bytes.concat(), b"{\"resourceType\":\"Patient\",\"id\":\"1\"}\n");
        assert_eq!(wire.load(std::sync::atomic::Ordering::Relaxed), 36);
        assert_eq!(
            client.cancel(&accepted.status_url).await.unwrap(),
            bulkhead_bulk::Cancelled::Accepted
        );
        assert_eq!(
            client.granted_scope(),
            Some(GrantedScope::Stated("system/*.read".to_owned()))
        );

        let tokens = server.requests("POST", "/token");
        assert_eq!(tokens.len(), 1, "one token serves the export");
        let claims = verify(&jwks, &server.url, &tokens[0]);
        assert_eq!(claims["iss"], "me");
        assert_eq!(claims["sub"], "me");
        assert_eq!(claims["exp"], now().unix_ms() / 1000 + 240);
        assert_eq!(claims["scope"], "system/*.rs");
        assert_eq!(claims["alg"], algorithm.name());
        let kickoffs = server.requests("GET", "/fhir/Group/g1/$export");
        assert_eq!(
            kickoffs[0].target,
            "/fhir/Group/g1/$export?_since=2026-11-01T00%3A00%3A00Z&_type=Patient"
        );
        assert_eq!(kickoffs[0].header("prefer"), Some("respond-async"));
        assert_eq!(kickoffs[0].header("accept"), Some("application/fhir+json"));
        assert_eq!(kickoffs[0].header("cache-control"), Some("no-cache"));
        let files = server.requests("GET", "/fhir/files/1");
        assert_eq!(files[0].header("accept"), Some("application/fhir+ndjson"));
        assert_eq!(files[0].header("accept-encoding"), Some("gzip"));
    }
}

/// Items: 18, 22.
/// Faults: F9.
#[tokio::test]
async fn a_refused_token_is_replaced_once_and_a_second_refusal_is_final() {
    for (name, good) in
        [("second is good", "Bearer t1"), ("none is good", "Bearer never")]
    {
        let key = Arc::new(SigningKey::generate(Algorithm::Es384).unwrap());
        let jwks = key.public_jwks();
        let server = Server::start(move |request, before, _| {
            if request.is("POST", "/token") {
                token(&format!("t{before}"))
            } else if request.is("GET", "/fhir/.well-known/smart-configuration") {
                smart(&[])
            } else if request.header("authorization") == Some(good) {
                reply(200, &[], r#"{"resourceType":"Group","id":"7"}"#)
            } else {
                reply(401, &[], "")
            }
        })
        .await;
        let client = client(settings(&server.url, services(&key)));
        let found = client.read("Group/7").await;
        let tokens = server.requests("POST", "/token");
        let ids: Vec<Value> =
            tokens.iter().map(|t| verify(&jwks, &server.url, t)["jti"].clone()).collect();
        assert_eq!(ids.len(), 2, "case: {name}");
        assert_ne!(ids[0], ids[1], "case: {name}");
        assert_eq!(server.requests("GET", "/fhir/Group/7").len(), 2, "case: {name}");
        if good == "Bearer t1" {
            assert_eq!(found.unwrap()["id"], "7", "case: {name}");
        } else {
            assert!(
                matches!(found, Err(Error::Unauthorized { .. })),
                "case: {name}: {found:?}"
            );
        }
    }
}

/// Items: 21.
/// Faults: F9.
#[tokio::test]
async fn parallel_requests_share_one_request_for_a_token() {
    let key = Arc::new(SigningKey::generate(Algorithm::Es384).unwrap());
    let server = Server::start(|request, _, _| {
        if request.is("POST", "/token") {
            token("one")
        } else if request.is("GET", "/fhir/.well-known/smart-configuration") {
            smart(&[])
        } else {
            reply(200, &[], "{}")
        }
    })
    .await;
    let client = client(settings(&server.url, services(&key)));
    let all = (0..8).map(|n| {
        let client = &client;
        async move { client.read(&format!("Group/{n}")).await }
    });
    futures::future::try_join_all(all).await.unwrap();
    assert_eq!(server.requests("POST", "/token").len(), 1);
}

/// Items: 18, 23, 24, 25.
/// Faults: F11.
#[tokio::test]
async fn a_refusal_of_the_token_endpoint_teaches_once() {
    let ahead = "Date: Sun, 22 Nov 2026 10:10:00 GMT";
    let cases: [(&str, &str, &[&str], usize, Option<&str>); 6] = [
        ("scope", r#"{"error":"invalid_scope"}"#, &[], 2, None),
        ("bare 400", "", &[], 2, None),
        (
            "client, clocks agree",
            r#"{"error":"invalid_client"}"#,
            &[],
            1,
            Some("invalid_client"),
        ),
        ("client, clock off", r#"{"error":"invalid_client"}"#, &[ahead], 2, None),
        ("grant, clock off", r#"{"error":"invalid_grant"}"#, &[ahead], 2, None),
        (
            "grant",
            r#"{"error":"unauthorized_client"}"#,
            &[],
            1,
            Some("unauthorized_client"),
        ),
    ];
    for (name, body, headers, requests, code) in cases {
        let key = Arc::new(SigningKey::generate(Algorithm::Es384).unwrap());
        let jwks = key.public_jwks();
        let headers: Vec<String> =
            headers.iter().map(|&header| header.to_owned()).collect();
        let server = Server::start(move |request, before, _| {
            let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
            if request.is("POST", "/token") && before == 0 {
                // The first `Date` counts: the one of `reply` is taken out.
                let plain = String::from_utf8(reply(400, &headers, body)).unwrap();
                let date = "Date: Sun, 22 Nov 2026 10:00:00 GMT\r\n";
                let keep =
                    if headers.is_empty() { plain } else { plain.replace(date, "") };
                keep.into_bytes()
            } else if request.is("POST", "/token") {
                token("one")
            } else if request.is("GET", "/fhir/.well-known/smart-configuration") {
                smart(&[])
            } else {
                reply(200, &[], "{}")
            }
        })
        .await;
        let found = client(settings(&server.url, services(&key))).read("Group/7").await;
        let tokens = server.requests("POST", "/token");
        assert_eq!(tokens.len(), requests, "case: {name}");
        let claims: Vec<Value> =
            tokens.iter().map(|request| verify(&jwks, &server.url, request)).collect();
        if name == "scope" {
            assert_eq!(claims[0]["scope"], "system/*.read");
            assert_eq!(claims[1]["scope"], "system/*.rs");
        }
        let id = |at: usize| claims.get(at).map(|claims| claims["jti"].clone());
        assert_ne!(id(0), id(1), "case: {name}: each attempt has an id of its own");
        if name.ends_with("clock off") {
            assert_eq!(claims[1]["exp"], now().unix_ms() / 1000 + 240 + 600);
        }
        match (found, code) {
            (Ok(_), None) => {}
            (Err(Error::TokenRefused { code, .. }), Some(expected)) => {
                assert_eq!(code, expected, "case: {name}");
            }
            (found, _) => panic!("case: {name}: {found:?}"),
        }
    }
}
