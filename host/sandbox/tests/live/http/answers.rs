//! Answers that were made to hurt.

use std::time::Duration;

use bulkhead_egress::http::{Destination, Head, HttpError, Method, Payload, Quota};
use bulkhead_pipeline::{Crash, Limit, SinkError};
use bulkhead_test_servers::{OK, Server, Tail};

use super::{
    ask::{Ask, Expect, Word},
    site::{ground, to},
};

/// Attacks: 32.
#[tokio::test]
async fn no_redirect_is_followed_and_no_credential_goes_along() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = Server::ok().await;
        let targets = [
            format!("http://{}/v1/in/x", elsewhere.addr),
            "http://169.254.169.254/latest/meta-data/".to_owned(),
            "file:///etc/passwd".to_owned(),
            "//evil.example/x".to_owned(),
        ];
        for target in targets {
            let answer = OK
                .replace("200 OK", &format!("{status} Moved"))
                .replace("Connection", &format!("Location: {target}\r\nConnection"));
            let server = Server::start(move |_| answer.clone(), Tail::Close).await;
            let mut config = to(&server);
            config.auth =
                bulkhead_egress::http::Auth::Bearer(bulkhead_model::Secret::new("t0ken"));
            let expected = Expect::Status(status, 2, false);
            for method in [super::ask::GET, super::ask::POST] {
                let ask = Ask { method, ..Ask::post("/x") };
                let ended = ask.expect(expected, ground(config.clone())).await;
                assert!(ended.is_ok(), "case: {status} {method}: {ended:?}");
            }
            assert_eq!(server.seen.count(), 2, "case: {status}");
        }
        assert_eq!(elsewhere.seen.count(), 0, "case: {status}");
    }
}

/// Attacks: 36.
#[tokio::test]
async fn an_answer_that_does_not_end_is_cut_and_nothing_is_decoded() {
    let plain = "HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let zipped =
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 40\r\n\r\n";
    // A limit of 1,024 bytes.
    let cases = [
        (
            "a terabyte",
            plain,
            Tail::Endless("xxxxxxxxxxxxxxxx"),
            Expect::Status(200, 1024, true),
        ),
        (
            "endless chunks",
            chunked,
            Tail::Endless("4\r\nxxxx\r\n"),
            Expect::Status(200, 1024, true),
        ),
        (
            "what looks like a bomb",
            zipped,
            Tail::Endless("\x1f\x08xxxxxxxxxxxxxxxx"),
            Expect::Status(200, 40, false),
        ),
    ];
    for (name, head, tail, expected) in cases {
        let server = Server::start(move |_| head.to_owned(), tail).await;
        let ended = Ask::post("/x").expect(expected, ground(to(&server))).await;
        assert!(ended.is_ok(), "case: {name}: {ended:?}");
    }
}

/// Attacks: 36.
#[tokio::test]
async fn more_headers_than_anybody_needs_are_refused() {
    let header = |at: u32| format!("x-{at}: y\r\n");
    let many = (0..100_000).map(header).collect::<Vec<_>>().concat();
    let some = (0..65).map(header).collect::<Vec<_>>().concat();
    let large = format!("x: {}\r\n", "y".repeat(40 << 10));
    let huge = format!("x: {}\r\n", "y".repeat(2 << 20));
    for (name, headers) in
        [("many", many), ("some", some), ("large", large), ("huge", huge)]
    {
        let answer = OK.replace("Connection", &format!("{headers}Connection"));
        let server = Server::start(move |_| answer.clone(), Tail::Close).await;
        let expected = Expect::Error(Word::ResponseTooLarge);
        let ended = Ask::post("/x").expect(expected, ground(to(&server))).await;
        assert!(ended.is_ok(), "case: {name}: {ended:?}");
    }
}

/// Attacks: 36.
#[tokio::test]
async fn what_is_no_http_or_breaks_off_is_an_error() {
    let cases = [
        ("no HTTP", "SSH-2.0-OpenSSH_9.6\r\n\r\n"),
        ("nothing", ""),
        ("cut short", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
        (
            "two lengths",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
        ),
        (
            "a chunk that is none",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ),
    ];
    for (name, answer) in cases {
        let server = Server::start(move |_| answer.to_owned(), Tail::Close).await;
        let expected = Expect::Error(Word::Protocol);
        let ended = Ask::post("/x").expect(expected, ground(to(&server))).await;
        assert!(ended.is_ok(), "case: {name}: {ended:?}");
        assert_eq!(server.seen.count(), 1, "nothing is sent twice: {name}");
    }
}

/// Attacks: 12, 36.
#[tokio::test]
async fn a_server_that_drips_or_says_nothing_ends_with_the_time_of_the_request() {
    let endless = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
    let cases = [
        ("drips its body", endless, Tail::Drip),
        ("drips its head", "HTTP/1.1 200 OK\r\nx: ", Tail::Drip),
        ("says nothing", "", Tail::Silent),
        ("stops within its body", endless, Tail::Silent),
        ("informs for ever", "", Tail::Endless("HTTP/1.1 103 Early Hints\r\n\r\n")),
    ];
    for (name, head, tail) in cases {
        let server = Server::start(move |_| head.to_owned(), tail).await;
        // By the guest's own wish, and by the operator's limit when it wishes for more.
        let mut config = to(&server);
        config.limits.timeout = Duration::from_millis(200);
        for timeout_ms in [Some(100), Some(u32::MAX), None] {
            let ask = Ask { timeout_ms, ..Ask::post("/x") };
            let expected = Expect::Error(Word::TimedOut);
            let ended = ask.expect(expected, ground(config.clone())).await;
            assert!(ended.is_ok(), "case: {name} {timeout_ms:?}: {ended:?}");
        }
    }
    let server = Server::start(|_| String::new(), Tail::Silent).await;
    let ask = Ask { timeout_ms: Some(0), ..Ask::post("/x") };
    let ended = ask.expect(Expect::Error(Word::TimedOut), ground(to(&server))).await;
    assert!(ended.is_ok(), "no time at all: {ended:?}");
}

/// Attacks: 12.
#[tokio::test]
async fn a_call_that_waits_for_a_server_ends_with_the_time_of_the_call() {
    let server = Server::start(|_| String::new(), Tail::Silent).await;
    let mut ground = ground(to(&server));
    ground.limits.call = Duration::from_millis(300);
    let ended = Ask::post("/x").expect(Expect::Whatever, ground).await;
    let crash = Crash::Limit(Limit::Call);
    assert_eq!(ended, Err(SinkError::Crashed { sink: "dwh".to_owned(), crash }));
}

/// Attacks: 36.
#[tokio::test]
async fn who_finds_a_destination_busy_waits_for_its_turn_within_its_own_time() {
    let server = Server::start(|_| String::new(), Tail::Silent).await;
    let mut config = to(&server);
    config.limits.timeout = Duration::from_mins(10);
    let destination = Destination::new(config).unwrap();
    let head = |timeout| Head {
        method: Method::Post,
        path_and_query: "/x".to_owned(),
        headers: Vec::new(),
        idempotency_key: None,
        timeout,
    };
    let (patient, hasty) = (head(None), head(Some(Duration::from_millis(100))));
    let (payload, quota) =
        (Payload::default(), Quota::new(9, 1 << 20, Duration::from_hours(1)));
    let mut first = std::pin::pin!(destination.send(&patient, &payload, &quota));
    let arrives = async {
        while server.seen.count() < 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        ended = &mut first => panic!("it ended: {ended:?}"),
        () = arrives => {}
    }
    tokio::select! {
        ended = &mut first => panic!("it ended: {ended:?}"),
        second = destination.send(&hasty, &payload, &quota) => {
            assert!(matches!(second, Err(HttpError::TimedOut { .. })), "{second:?}");
        }
    }
    assert_eq!(server.seen.count(), 1, "one at once");
}
