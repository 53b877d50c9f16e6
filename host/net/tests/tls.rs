//! Certificates on the wire: an operator's own roots, and who we are to a server that asks.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use bulkhead_model::Secret;
use bulkhead_net::{
    Call, ClearText, Client, Config, Destination, DestinationConfig, Error, Method,
    Origin, Place, Request, header::HeaderMap,
};
use bulkhead_test_servers::{Answer, Asks, CLIENT, ROOT, Server};
use url::Url;

/// A server with a certificate of our own root, which answers everything with `hello`.
async fn serve(asks: Asks) -> Url {
    let hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let server = Server::with_tls(asks, move |_| Answer::new(hello)).await;
    server.url().parse().unwrap()
}

/// Items: 10, 32.
#[tokio::test]
async fn private_roots_and_client_certificates_open_what_asks_for_them() {
    let cases = [
        ("a root that nobody knows", Asks::ForNothing, false, false, false),
        ("the operator's root", Asks::ForNothing, true, false, true),
        ("a stranger to a server that asks", Asks::ForCertificate, true, false, false),
        ("a client that it knows", Asks::ForCertificate, true, true, true),
    ];
    for (name, asks, knows_root, has_identity, opens) in cases {
        let url = serve(asks).await;
        let config = Config {
            trusted_origins: Origin::of(&url).into_iter().collect(),
            roots: knows_root.then(|| ROOT.to_vec()).into_iter().collect(),
            identity: has_identity.then(|| Secret::new(CLIENT)),
            ..Config::default()
        };
        let found = match Client::new(config).unwrap().send(Request::get(url)).await {
            Ok(response) => response.body.collect(16).await,
            Err(error) => Err(error),
        };
        match found {
            Ok(body) => {
                assert!(opens, "case: {name}");
                assert_eq!(body, "hello", "case: {name}");
            }
            Err(error) => assert!(!opens, "case: {name}: {error:?}"),
        }
    }
}

#[tokio::test]
async fn the_client_certificate_is_shown_to_trusted_origins_alone() {
    // Origins of this machine may be dialled without being trusted when the base is here too.
    let base = serve(Asks::ForCertificate).await;
    let named: Url = serve(Asks::ForCertificate).await;
    let clear = serve(Asks::ForCertificate).await;
    let config = Config {
        trusted_origins: Origin::of(&base).into_iter().collect(),
        insecure_origins: Origin::of(&clear).into_iter().collect(),
        roots: vec![ROOT.to_vec()],
        identity: Some(Secret::new(CLIENT)),
        ..Config::default()
    };
    let client = Client::new(config).unwrap();
    let cases = [
        ("the base", base, true),
        ("whoever the server names", named, false),
        ("who may speak in clear text", clear, false),
    ];
    for (name, url, opens) in cases {
        let found = match client.send(Request::get(url)).await {
            Ok(response) => response.body.collect(16).await.is_ok(),
            Err(_) => false,
        };
        assert_eq!(found, opens, "case: {name}");
    }
}

#[tokio::test]
async fn a_destination_is_trusted_by_its_roots_and_shown_its_identity_and_failures_are_tls()
 {
    let cases = [
        ("a root that nobody knows", Asks::ForNothing, false, false, false),
        ("the operator's root", Asks::ForNothing, true, false, true),
        ("a stranger to a server that asks", Asks::ForCertificate, true, false, false),
        ("a client that it knows", Asks::ForCertificate, true, true, true),
    ];
    for (name, asks, knows_root, has_identity, opens) in cases {
        let allow = vec!["127.0.0.0/8".parse().unwrap()];
        let place =
            Place::new(serve(asks).await, allow, ClearText::OnThisMachine).unwrap();
        let config = DestinationConfig {
            roots: knows_root.then(|| ROOT.to_vec()).into_iter().collect(),
            identity: has_identity.then(|| Secret::new(CLIENT)),
            ..DestinationConfig::default()
        };
        let call = Call {
            method: Method::GET,
            target: "/x".to_owned(),
            headers: HeaderMap::new(),
            authorization: None,
            body: Vec::new(),
            within: Duration::from_secs(20),
            response_bytes: 16,
        };
        match Destination::new(place, config).unwrap().send(call).await {
            Ok(answer) => {
                assert!(opens, "case: {name}");
                assert_eq!(answer.body, "hello", "case: {name}");
            }
            Err(error) => assert!(!opens && error.is_tls(), "case: {name}: {error:?}"),
        }
    }
}

/// Items: 32.
#[tokio::test]
async fn what_is_no_certificate_is_refused_before_anything_is_dialled() {
    let cases = [
        (
            "roots",
            Config {
                roots: vec![b"-----BEGIN CERTIFICATE-----\nx".to_vec()],
                ..Config::default()
            },
        ),
        (
            "identity",
            Config { identity: Some(Secret::new("no key")), ..Config::default() },
        ),
        (
            "identity without key",
            Config { identity: Some(Secret::new(ROOT)), ..Config::default() },
        ),
    ];
    for (name, config) in cases {
        let made = Client::new(config);
        assert!(matches!(made, Err(Error::Setup { .. })), "case: {name}: {made:?}");
    }
}
