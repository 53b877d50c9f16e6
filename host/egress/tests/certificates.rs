//! Who is shown a client certificate: the destination that the operator named, and not the
//! endpoint at which its tokens are asked for.
//!
//! The keys are those of `host/net/tests/tls`: made for tests with `openssl req`, they open
//! nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bulkhead_egress::http::{
    Auth, Base, ClientCredentials, Destination, DestinationConfig, DestinationLimits,
    Head, Method, Payload, Quota, Rules,
};
use bulkhead_model::{Instant, Secret};
use bulkhead_net::{ClearText, Lookup, Place};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
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

const ROOT: &[u8] = include_bytes!("../../net/tests/tls/ca.pem");
const SERVER: &[u8] = include_bytes!("../../net/tests/tls/server.pem");
const CLIENT: &[u8] = include_bytes!("../../net/tests/tls/client.pem");
const TOKEN: &str = r#"{"access_token":"t0ken","token_type":"bearer","expires_in":300}"#;

/// A server that asks for a certificate, does without one, and remembers of each request
/// whether one was shown, and its head.
struct Server {
    url: Url,
    seen: Arc<Mutex<Vec<(bool, String)>>>,
}

impl Server {
    async fn start(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ROOT).unwrap()).unwrap();
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots));
        let verifier = verifier.allow_unauthenticated().build().unwrap();
        let chain = CertificateDer::pem_slice_iter(SERVER).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(SERVER).unwrap();
        let config = ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let seen: Arc<Mutex<Vec<_>>> = Arc::default();
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let Ok(mut socket) = acceptor.accept(socket).await else { continue };
                let is_shown = socket.get_ref().1.peer_certificates().is_some();
                let Some(head) = request(&mut socket).await else { continue };
                log.lock().unwrap().push((is_shown, head));
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{answer}",
                    answer.len()
                );
                let _ = socket.write_all(answer.as_bytes()).await;
                let _ = socket.shutdown().await;
            }
        });
        Self { url, seen }
    }

    fn place(&self) -> Place {
        let here = vec!["127.0.0.0/8".parse().unwrap()];
        Place::new(self.url.clone(), here, ClearText::OnThisMachine).unwrap()
    }

    fn seen(&self) -> Vec<(bool, String)> {
        self.seen.lock().unwrap().clone()
    }
}

/// Reads a request to its end; gives its head in lower case.
async fn request(socket: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if bytes.len() >= end + 4 + length {
                return Some(head);
            }
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

#[tokio::test]
async fn the_client_certificate_is_shown_to_the_destination_and_not_where_tokens_come_from()
 {
    for (name, identity) in [("with one", Some(CLIENT)), ("without", None)] {
        let (warehouse, tokens) = (Server::start("{}").await, Server::start(TOKEN).await);
        let base = Base::new(&warehouse.url, "/").unwrap();
        let destination = Destination::new(DestinationConfig {
            name: "dwh".to_owned(),
            place: warehouse.place(),
            rules: Rules { base, methods: [Method::Post].into(), headers: Vec::new() },
            limits: DestinationLimits::default(),
            auth: Auth::ClientCredentials(Box::new(ClientCredentials {
                endpoint: tokens.place(),
                client_id: "me".to_owned(),
                client_secret: Secret::new("s3cret"),
                scope: None,
            })),
            roots: vec![ROOT.to_vec()],
            identity: identity.map(Secret::new),
            lookup: Lookup::system(),
            now: Arc::new(|| Instant::from_unix_ms(0)),
        })
        .unwrap();
        let head = Head {
            method: Method::Post,
            path_and_query: "/x".to_owned(),
            headers: Vec::new(),
            idempotency_key: None,
            timeout: None,
        };
        let quota = Quota::new(10, 1 << 20, Duration::from_mins(1));
        let payload = Payload::bytes(b"{}".to_vec());
        let answer = destination.send(&head, &payload, &quota).await.unwrap();
        assert_eq!(answer.status, 200, "case: {name}");

        let (asked, sent) = (tokens.seen(), warehouse.seen());
        assert_eq!((asked.len(), sent.len()), (1, 1), "case: {name}");
        assert!(!asked[0].0, "case: {name}: a certificate went to the token endpoint");
        assert_eq!(sent[0].0, identity.is_some(), "case: {name}");
        assert!(sent[0].1.contains("authorization: bearer t0ken"), "case: {name}");
    }
}
