//! Certificates on the wire: an operator's own roots, and who we are to a server that asks.
//!
//! The keys under `tls` were made for these tests with `openssl req` and open nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use bulkhead_model::Secret;
use bulkhead_net::{
    Call, ClearText, Client, Config, Destination, DestinationConfig, Error, Method,
    Origin, Place, Request, header::HeaderMap,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::WebPkiClientVerifier,
    },
};
use url::Url;

const ROOT: &[u8] = include_bytes!("tls/ca.pem");
const SERVER: &[u8] = include_bytes!("tls/server.pem");
const CLIENT: &[u8] = include_bytes!("tls/client.pem");

/// Whether a server wants to know who is there.
#[derive(Clone, Copy, PartialEq)]
enum Asks {
    ForCertificate,
    ForNothing,
}

/// A server with a certificate of our own root, which answers everything with `hello`.
async fn serve(asks: Asks) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let chain = CertificateDer::pem_slice_iter(SERVER).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(SERVER).unwrap();
    let builder = ServerConfig::builder();
    let builder = match asks {
        Asks::ForNothing => builder.with_no_client_auth(),
        Asks::ForCertificate => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(ROOT).unwrap()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let config = builder.with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut socket) = acceptor.accept(socket).await else { continue };
            let mut head = [0; 4096];
            let _ = socket.read(&mut head).await;
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
            let _ = socket.write_all(answer).await;
            let _ = socket.shutdown().await;
        }
    });
    url
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
