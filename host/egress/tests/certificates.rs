//! Who is shown a client certificate: the destination that the operator named, and not the
//! endpoint at which its tokens are asked for.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use bulkhead_egress::http::{
    Auth, Base, ClientCredentials, Destination, DestinationConfig, DestinationLimits,
    Head, Method, Payload, Quota, Rules,
};
use bulkhead_model::{Instant, Secret};
use bulkhead_net::{ClearText, Lookup, Place};
use bulkhead_test_servers::{Answer, Asks, CLIENT, ROOT, Server};

const TOKEN: &str = r#"{"access_token":"t0ken","token_type":"bearer","expires_in":300}"#;

/// A server that asks for a certificate, and does without.
async fn serve(body: &str) -> Server {
    let said = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = Answer::new(said);
    Server::with_tls(Asks::ForCertificateIfThereIsOne, move |_| answer.clone()).await
}

fn place(server: &Server) -> Place {
    let here = vec!["127.0.0.0/8".parse().unwrap()];
    Place::new(server.url().parse().unwrap(), here, ClearText::OnThisMachine).unwrap()
}

#[tokio::test]
async fn the_client_certificate_is_shown_to_the_destination_and_not_where_tokens_come_from()
 {
    for (name, identity) in [("with one", Some(CLIENT)), ("without", None)] {
        let (warehouse, tokens) = (serve("{}").await, serve(TOKEN).await);
        let to = place(&warehouse);
        let base = Base::new(to.url(), "/").unwrap();
        let destination = Destination::new(DestinationConfig {
            name: "dwh".to_owned(),
            place: to,
            rules: Rules { base, methods: [Method::Post].into(), headers: Vec::new() },
            limits: DestinationLimits::default(),
            auth: Auth::ClientCredentials(Box::new(ClientCredentials {
                endpoint: place(&tokens),
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

        let (asked, sent) = (tokens.seen.all(), warehouse.seen.all());
        assert_eq!((asked.len(), sent.len()), (1, 1), "case: {name}");
        let shown = (asked[0].certificates, sent[0].certificates);
        assert_eq!(shown, (0, usize::from(identity.is_some())), "case: {name}");
        let head = sent[0].head.to_lowercase();
        assert!(head.contains("authorization: bearer t0ken"), "case: {name}: {head}");
    }
}
