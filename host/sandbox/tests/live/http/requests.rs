//! What a guest may name, and what is sent.

use std::{sync::Arc, time::Duration};

use bulkhead_egress::http::{Auth, ClientCredentials};
use bulkhead_model::{ByteSize, Instant, Secret};
use bulkhead_net::{ClearText, Place};
use bulkhead_pipeline::{Crash, Limit, SinkError};
use bulkhead_sandbox::Sandbox;
use bulkhead_test_servers::{OK, Request, Server, Tail};

use super::{
    ask::{Ask, Expect, GET, Word, deliver, sending_records},
    site::{config, ground, to},
};

const FINE: Expect = Expect::Status(200, 2, false);

#[tokio::test]
async fn a_guest_reaches_what_it_was_granted() {
    for sandbox in crate::sandboxes() {
        let server = Server::ok().await;
        let ask = Ask {
            headers: vec![("Content-Type", "text/plain"), ("Prefer", "return=minimal")],
            body: b"hello",
            ..Ask::post("/x?y=z")
        };
        ask.expect_in(&sandbox, FINE, ground(to(&server))).await.unwrap();
        let seen = server.seen.all();
        assert_eq!(seen.len(), 1);
        let Request { head, body, .. } = &seen[0];
        assert!(head.starts_with("POST /v1/in/x?y=z HTTP/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("host: {}\r\n", server.addr)), "{head}");
        assert!(head.contains("content-type: text/plain\r\n"), "{head}");
        assert!(head.contains("prefer: return=minimal\r\n"), "{head}");
        assert!(!head.contains("transfer-encoding"), "{head}");
        assert!(!head.contains("accept-encoding"), "{head}");
        assert_eq!(body, b"hello");
    }
}

/// Attacks: 29, 35.
#[tokio::test]
async fn a_name_that_was_not_granted_leads_nowhere_and_is_never_looked_up() {
    let server = Server::ok().await;
    let cases: [(&str, Vec<u8>); 10] = [
        ("empty", b"".to_vec()),
        ("a guess", b"dwh2".to_vec()),
        ("a prefix", b"dw".to_vec()),
        ("a capital", b"DWH".to_vec()),
        ("a blank", b"dwh ".to_vec()),
        ("NUL", b"dwh\0".to_vec()),
        ("a look-alike", "dw\u{4bb}".as_bytes().to_vec()),
        ("a host", server.addr.to_string().into_bytes()),
        ("a name to look up", b"deadbeef.evil.test".to_vec()),
        ("a megabyte", vec![b'x'; 1 << 20]),
    ];
    for (name, destination) in cases {
        let ask = Ask { destination, ..Ask::post("/x") };
        let expected = Expect::Error(Word::UnknownDestination);
        let ended = ask.expect(expected, ground(to(&server))).await;
        assert!(ended.is_ok(), "case: {name}: {ended:?}");
    }
    let longer = Ask { destination: vec![b'x'; 1 << 20], ..Ask::post("/x") };
    let mut small = ground(to(&server));
    small.limits.return_bytes = ByteSize::from_bytes(64 << 10);
    let ended = longer.expect(Expect::Whatever, small).await;
    assert_eq!(
        ended,
        Err(died(Crash::Limit(Limit::ReturnBytes))),
        "more than a call may pass"
    );
    assert_eq!(server.seen.count(), 0);
}

/// Attacks: 29.
#[tokio::test]
async fn a_destination_that_is_there_and_not_granted_leads_nowhere() {
    let server = Server::ok().await;
    let mut bare = ground(to(&server));
    bare.grants.destinations = vec!["another".to_owned()];
    let ended =
        Ask::post("/x").expect(Expect::Error(Word::UnknownDestination), bare).await;
    assert!(ended.is_ok(), "{ended:?}");
    assert_eq!(server.seen.count(), 0);
}

/// Attacks: 30.
#[tokio::test]
async fn a_path_that_leads_elsewhere_is_refused_before_anything_is_looked_up() {
    // The name would be looked up: that makes the test fail.
    let url = "https://dwh.internal:8443/v1/";
    let long = format!("/{}", "x".repeat(64 << 10));
    let paths = [
        "//evil/",
        "http://evil/",
        "*",
        "@evil",
        "/..%2f..",
        "\\\\evil",
        "/ingest/../admin",
        "/%2e%2e/admin",
        "/%252e%252e/admin",
        "/x#y",
        "/x\r\nHost: evil\r\n\r\n",
        "/x%0d%0a",
        "/x\0",
        "/x HTTP/1.1",
        "/..;/admin",
        long.as_str(),
    ];
    for path in paths {
        let expected = Expect::Error(Word::PathNotGranted);
        let ended = Ask::post(path).expect(expected, ground(config(url, &[]))).await;
        assert!(ended.is_ok(), "case: {path:.40}: {ended:?}");
    }
}

/// Attacks: 31.
#[tokio::test]
async fn headers_that_frame_route_or_authenticate_are_refused() {
    let url = "https://dwh.internal:8443/v1/";
    let cases: [&[(&str, &str)]; 12] = [
        &[("prefer", "x\r\nevil: y")],
        &[("prefer", "x\ny")],
        &[("prefer", "x\0y")],
        &[("Transfer-Encoding", "chunked")],
        &[("Content-Length", "5"), ("Content-Length", "6")],
        &[("Content-Length", "+5")],
        &[("Host", "evil")],
        &[("Connection", "upgrade")],
        &[("Authorization", "Bearer mine")],
        &[("Proxy-Authorization", "Basic mine")],
        &[(":authority", "evil")],
        &[("prefer", "x"), ("Prefer", "y")],
    ];
    for headers in cases {
        let ask = Ask { headers: headers.to_vec(), ..Ask::post("/x") };
        let expected = Expect::Error(Word::HeaderNotGranted);
        let ended = ask.expect(expected, ground(config(url, &[]))).await;
        assert!(ended.is_ok(), "case: {headers:?}: {ended:?}");
    }
}

/// Attacks: 31.
#[tokio::test]
async fn a_method_that_is_not_granted_and_a_body_where_none_belongs_are_refused() {
    let url = "https://dwh.internal:8443/v1/";
    let large: &[u8] = vec![b'x'; 5000].leak();
    let cases = [
        ("delete", Ask { method: 4, ..Ask::post("/x") }, Word::MethodNotGranted),
        (
            "a body with GET",
            Ask { method: GET, body: b"x", ..Ask::post("/x") },
            Word::BodyTooLarge,
        ),
        ("too much", Ask { body: large, ..Ask::post("/x") }, Word::BodyTooLarge),
    ];
    for (name, ask, word) in cases {
        let ended = ask.expect(Expect::Error(word), ground(config(url, &[]))).await;
        assert!(ended.is_ok(), "case: {name}: {ended:?}");
    }
}

#[tokio::test]
async fn records_go_from_the_host_to_the_server_and_never_through_the_guest() {
    let (a, b) = (
        r#"{"resourceType":"Patient","id":"p0"}"#,
        r#"{"resourceType":"Patient","id":"p1"}"#,
    );
    let put = |body: &str, id: &str| {
        format!(
            r#"{{"resource":{body},"request":{{"method":"PUT","url":"Patient/{id}"}}}}"#
        )
    };
    let bundle = |kind: &str| {
        let entries = [put(a, "p0"), put(b, "p1")].join(",");
        format!(r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{entries}]}}"#)
    };
    let cases = [
        (0, "application/fhir+ndjson", format!("{a}\n{b}\n")),
        (1, "application/json", format!("[{a},{b}]")),
        (2, "application/fhir+json", bundle("batch")),
        (3, "application/fhir+json", bundle("transaction")),
    ];
    for sandbox in crate::sandboxes() {
        for (framing, media_type, expected) in &cases {
            let server = Server::ok().await;
            let guest = sending_records(*framing, FINE);
            let plugin = guest.load(&sandbox, ground(to(&server))).await.unwrap();
            deliver(plugin).await.unwrap();
            let Request { head, body, .. } = server.seen.all().pop().unwrap();
            let body = String::from_utf8(body).unwrap();
            assert_eq!(&body, expected, "case: {framing}");
            let media_type = format!("content-type: {media_type}\r\n");
            assert!(head.contains(&media_type), "{head}");
        }
    }
}

#[tokio::test]
async fn a_credential_is_added_by_the_host() {
    let cases = [
        ("bearer", Auth::Bearer(Secret::new("t0ken")), "authorization: Bearer t0ken\r\n"),
        (
            "basic",
            Auth::Basic { user: "me".to_owned(), password: Secret::new("pass") },
            "authorization: Basic bWU6cGFzcw==\r\n",
        ),
    ];
    for (name, auth, expected) in cases {
        let server = Server::ok().await;
        let config = bulkhead_egress::http::DestinationConfig { auth, ..to(&server) };
        Ask::post("/x").expect(FINE, ground(config)).await.unwrap();
        let Request { head, .. } = server.seen.all().pop().unwrap();
        assert!(head.contains(expected), "case: {name}: {head}");
    }
}

#[tokio::test]
async fn tokens_are_kept_and_asked_for_anew_once_when_they_are_refused() {
    let issuer = Server::start(
        |_| json(200, r#"{"access_token":"t1","token_type":"bearer","expires_in":300}"#),
        Tail::Close,
    )
    .await;
    let server = Server::ok().await;
    let ask = Ask { times: 3, ..Ask::post("/x") };
    ask.expect(FINE, ground(signing_in(&server, &issuer))).await.unwrap();
    assert_eq!((issuer.seen.count(), server.seen.count()), (1, 3), "one token for all");
    let Request { head, body, .. } = issuer.seen.all().pop().unwrap();
    assert!(head.starts_with("POST /token HTTP/1.1\r\n"), "{head}");
    // `me` and `s3 cret`, each encoded as in a form.
    assert!(head.contains("authorization: Basic bWU6czMrY3JldA==\r\n"), "{head}");
    assert_eq!(body, b"grant_type=client_credentials&scope=system%2F*.c");
    let Request { head, .. } = server.seen.all().pop().unwrap();
    assert!(head.contains("authorization: Bearer t1\r\n"), "{head}");

    let closed = Server::start(|_| json(401, "{}"), Tail::Close).await;
    let ended = Ask::post("/x")
        .expect(Expect::Status(401, 2, false), ground(signing_in(&closed, &issuer)))
        .await;
    assert!(ended.is_ok(), "{ended:?}");
    assert_eq!(
        (issuer.seen.count(), closed.seen.count()),
        (3, 2),
        "once more, and no more"
    );
}

/// Attacks: 32.
#[tokio::test]
async fn a_destination_that_refuses_gets_no_more_than_was_allowed() {
    let issuer = || {
        let token = r#"{"access_token":"t1","token_type":"bearer","expires_in":300}"#;
        Server::start(move |_| json(200, token), Tail::Close)
    };
    let closed = || Server::start(|_| json(401, "{}"), Tail::Close);
    // Once more for the first, and then no more: it is not the token that is refused.
    let (tokens, server) = (issuer().await, closed().await);
    let ask = Ask { times: 3, ..Ask::post("/x") };
    let ended = ask
        .expect(Expect::Status(401, 2, false), ground(signing_in(&server, &tokens)))
        .await;
    assert!(ended.is_ok(), "{ended:?}");
    assert_eq!((tokens.seen.count(), server.seen.count()), (2, 4));
    // One for a token, one try, one more for a token: nothing is left for the second try.
    let (tokens, server) = (issuer().await, closed().await);
    let mut ground = ground(signing_in(&server, &tokens));
    ground.limits.http_requests = 3;
    let ended = Ask::post("/x").expect(Expect::Error(Word::Quota), ground).await;
    assert!(ended.is_ok(), "{ended:?}");
    assert_eq!((tokens.seen.count(), server.seen.count()), (2, 1));
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let cases = [
        ("refused", json(401, r#"{"error":"invalid_client"}"#), Word::DestinationDenied),
        ("no token", json(200, "{}"), Word::DestinationDenied),
        ("busy", json(503, ""), Word::ConnectFailed),
    ];
    for (name, answer, word) in cases {
        let issuer = Server::start(move |_| answer.clone(), Tail::Close).await;
        let server = Server::ok().await;
        let ground = ground(signing_in(&server, &issuer));
        let ended = Ask::post("/x").expect(Expect::Error(word), ground).await;
        assert!(ended.is_ok(), "case: {name}: {ended:?}");
        assert_eq!(server.seen.count(), 0, "case: {name}");
    }
}

#[tokio::test]
async fn what_a_plugin_may_spend_in_a_run_is_shared_by_its_guests_and_counted() {
    type Change = fn(&mut crate::guest::Ground);
    let cases: [(&str, Change, &str, usize); 3] = [
        (
            "requests",
            |ground| ground.limits.http_requests = 3,
            "http-requests-used-up",
            3,
        ),
        (
            // Five bytes there and two back.
            "bytes",
            |ground| ground.limits.http_bytes = ByteSize::from_bytes(25),
            "http-bytes-used-up",
            3,
        ),
        (
            "time",
            |ground| ground.limits.http_time = Duration::from_secs(3),
            "http-time-used-up",
            3,
        ),
    ];
    for (name, change, code, expected) in cases {
        let server = Server::ok().await;
        let mut config = to(&server);
        // Each request takes a second.
        let time = std::sync::atomic::AtomicI64::new(0);
        config.now = Arc::new(move || {
            Instant::from_unix_ms(
                time.fetch_add(1000, std::sync::atomic::Ordering::Relaxed),
            )
        });
        let mut ground = ground(config);
        change(&mut ground);
        let ask = Ask { times: 2, body: b"hello", ..Ask::post("/x") };
        let sandbox = Sandbox::new(None).unwrap();
        let guest = ask.guest(Expect::Whatever);
        let plugin = guest.load(&sandbox, ground).await.unwrap();
        // Two guests, four requests.
        deliver(plugin.clone()).await.unwrap();
        deliver(plugin.clone()).await.unwrap();
        assert_eq!(server.seen.count(), expected, "case: {name}");
        assert_eq!(plugin.metrics().counters().get(code), Some(&1), "case: {name}");
    }
}

#[tokio::test]
async fn a_guest_is_told_that_nothing_is_left() {
    let server = Server::ok().await;
    let mut ground = ground(to(&server));
    ground.limits.http_requests = 1;
    let ask = Ask { times: 2, ..Ask::post("/x") };
    let ended = ask.expect(Expect::Error(Word::Quota), ground).await;
    assert!(ended.is_ok(), "{ended:?}");
    assert_eq!(server.seen.count(), 1);
}

/// Attacks: 36.
#[tokio::test]
async fn a_token_endpoint_that_says_nothing_ends_with_the_time_of_the_request() {
    let server = Server::ok().await;
    let issuer = Server::start(|_| String::new(), Tail::Silent).await;
    // By itself the endpoint has as long as the destination.
    let mut config = signing_in(&server, &issuer);
    config.limits.timeout = Duration::from_mins(10);
    let ask = Ask { timeout_ms: Some(100), ..Ask::post("/x") };
    let ended = ask.expect(Expect::Error(Word::TimedOut), ground(config)).await;
    assert!(ended.is_ok(), "{ended:?}");
    assert_eq!((issuer.seen.count(), server.seen.count()), (1, 0));
}

/// A destination whose tokens come from `issuer`.
fn signing_in(
    server: &Server,
    issuer: &Server,
) -> bulkhead_egress::http::DestinationConfig {
    let url = format!("http://{}/token", issuer.addr).parse().unwrap();
    let allow = vec!["127.0.0.0/8".parse().unwrap()];
    let auth = Auth::ClientCredentials(Box::new(ClientCredentials {
        endpoint: Place::new(url, allow, ClearText::OnThisMachine).unwrap(),
        client_id: "me".to_owned(),
        client_secret: Secret::new("s3 cret"),
        scope: Some("system/*.c".to_owned()),
    }));
    bulkhead_egress::http::DestinationConfig { auth, ..to(server) }
}

fn json(status: u16, body: &str) -> String {
    let head = OK.replace("200 OK", &format!("{status} X"));
    let (head, _) = head.split_once("\r\n\r\n").unwrap();
    let length = format!("Content-Length: {}", body.len());
    format!("{}\r\n\r\n{body}", head.replace("Content-Length: 2", &length))
}

fn died(crash: Crash) -> SinkError {
    SinkError::Crashed { sink: "dwh".to_owned(), crash }
}
