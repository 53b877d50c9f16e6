//! The rules of the network client against real sockets on loopback.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, time::Duration};

use bulkhead_model::Secret;
use bulkhead_net::{
    Call, ClearText, Client, Config, Credential, Destination, DestinationConfig, Error,
    Framing, Method, Origin, Place, RedirectFault, Request, header,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};
use url::Url;

/// Answers every connection with the bytes that `answer` makes of the request head, closes,
/// and reports the head.
async fn serve(
    answer: impl Fn(&str) -> Vec<u8> + Send + 'static,
) -> (Url, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let (seen, heads) = mpsc::channel(64);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") {
                match socket.read(&mut byte).await {
                    Ok(1) => head.push(byte[0]),
                    _ => break,
                }
            }
            let head = String::from_utf8(head).unwrap();
            let _ = socket.write_all(&answer(&head)).await;
            seen.send(head).await.unwrap();
            let _ = socket.shutdown().await;
        }
    });
    (url, heads)
}

fn client(trusted: &[&Url]) -> Client {
    let trusted_origins = trusted.iter().filter_map(|url| Origin::of(url)).collect();
    let config = Config {
        trusted_origins,
        idle_timeout: Duration::from_millis(50),
        ..Config::default()
    };
    Client::new(config).unwrap()
}

fn token(origins: &[&Url]) -> Credential {
    let origins: BTreeSet<Origin> =
        origins.iter().filter_map(|url| Origin::of(url)).collect();
    Credential { bearer: Secret::new("t0ken"), origins }
}

/// Items: 105.
/// Faults: F15.
#[tokio::test]
async fn a_body_cut_short_is_an_error() {
    let cases: &[(&str, &str, Option<&str>)] = &[
        ("whole", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", Some("abc")),
        ("short length", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", None),
        (
            "chunked",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            Some("abc"),
        ),
        (
            "no last chunk",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            None,
        ),
    ];
    for (name, answer, expected) in cases {
        let (url, _heads) = serve(|_| answer.as_bytes().to_vec()).await;
        let response = client(&[&url]).send(Request::get(url)).await.unwrap();
        assert_eq!(response.framing, Framing::Delimited, "case: {name}");
        match (response.body.collect(1024).await, expected) {
            (Ok(body), Some(expected)) => assert_eq!(body, *expected, "case: {name}"),
            (Err(error @ Error::Body { .. }), None) => {
                assert!(error.is_transient(), "case: {name}");
            }
            (other, _) => panic!("case: {name}: {other:?}"),
        }
    }
}

/// Items: 105.
/// Faults: F16.
#[tokio::test]
async fn a_body_without_length_is_flagged() {
    let (url, _heads) = serve(|_| b"HTTP/1.0 200 OK\r\n\r\nabc".to_vec()).await;
    let response = client(&[&url]).send(Request::get(url)).await.unwrap();
    assert_eq!(response.framing, Framing::UntilClose);
    assert_eq!(response.body.collect(3).await.unwrap(), "abc");
}

/// Items: 117.
#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd";
    let (url, _heads) = serve(|_| answer.to_vec()).await;
    let response = client(&[&url]).send(Request::get(url)).await.unwrap();
    let found = response.body.collect(3).await;
    assert!(matches!(found, Err(Error::TooLarge { limit: 3, .. })), "{found:?}");
}

/// Items: 118.
/// Faults: F17.
#[tokio::test]
async fn a_stalled_body_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let held = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = [0; 1024];
        let _ = socket.read(&mut head).await.unwrap();
        socket
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
            .await
            .unwrap();
        socket
    });
    let response = client(&[&url]).send(Request::get(url)).await.unwrap();
    let _socket = held.await.unwrap();
    let found = response.body.collect(1024).await;
    assert!(matches!(found, Err(Error::Timeout { .. })), "{found:?}");
}

/// Items: 96.
/// Faults: F33.
#[tokio::test]
async fn the_token_never_follows_to_another_origin_nor_comes_back() {
    // b sends back to a: a third hop on the first origin must not see the token again.
    let (back, mut back_heads) =
        serve(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    let home = back.clone();
    let (b, mut b_heads) = serve(move |head| {
        let to =
            if head.starts_with("GET /2") { format!("{home}3") } else { "/2".to_owned() };
        format!("HTTP/1.1 307 X\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
            .into_bytes()
    })
    .await;
    let first = b.clone();
    let (a, mut a_heads) = serve(move |_| {
        format!("HTTP/1.1 302 X\r\nLocation: {first}1?sig=s\r\nContent-Length: 0\r\n\r\n")
            .into_bytes()
    })
    .await;
    let request = Request::get(a.clone())
        .header(header::ACCEPT, header::HeaderValue::from_static("text/plain"))
        .header(header::COOKIE, header::HeaderValue::from_static("c=1"))
        .credential(token(&[&a, &back]));
    let response = client(&[&a]).send(request).await.unwrap();
    assert!(!response.authenticated);
    assert_eq!(
        response.hops.iter().map(|hop| hop.crossed).collect::<Vec<_>>(),
        [true, false, true]
    );
    assert!(response.hops.iter().all(|hop| !format!("{hop:?}").contains("sig")));
    assert!(
        a_heads
            .recv()
            .await
            .unwrap()
            .to_lowercase()
            .contains("authorization: bearer t0ken")
    );
    for head in [
        b_heads.recv().await.unwrap(),
        b_heads.recv().await.unwrap(),
        back_heads.recv().await.unwrap(),
    ] {
        let head = head.to_lowercase();
        assert!(!head.contains("authorization") && !head.contains("cookie"), "{head}");
        assert!(head.contains("accept: text/plain"), "{head}");
    }
}

/// Items: 96.
/// Faults: F33.
#[tokio::test]
async fn the_token_stays_dropped_on_a_hop_back_to_its_own_origin() {
    let (b_to_a, mut b_heads, a, mut a_heads) = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let (b, b_heads) = serve(move |_| {
            format!("HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:{port}/end\r\nContent-Length: 0\r\n\r\n").into_bytes()
        })
        .await;
        let target = b.clone();
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let a = Url::parse(&format!("http://127.0.0.1:{port}/start")).unwrap();
        let (seen, a_heads) = mpsc::channel(8);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut buffer = vec![0; 4096];
                let read = socket.read(&mut buffer).await.unwrap();
                let head = String::from_utf8_lossy(&buffer[..read]).into_owned();
                let answer = if head.starts_with("GET /end") {
                    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                        .to_owned()
                } else {
                    format!(
                        "HTTP/1.1 307 X\r\nLocation: {target}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    )
                };
                socket.write_all(answer.as_bytes()).await.unwrap();
                seen.send(head).await.unwrap();
            }
        });
        (b, b_heads, a, a_heads)
    };
    let response = client(&[&a])
        .send(Request::get(a.clone()).credential(token(&[&a, &b_to_a])))
        .await
        .unwrap();
    assert_eq!(response.url.path(), "/end");
    assert!(a_heads.recv().await.unwrap().to_lowercase().contains("authorization"));
    assert!(!b_heads.recv().await.unwrap().to_lowercase().contains("authorization"));
    assert!(!a_heads.recv().await.unwrap().to_lowercase().contains("authorization"));
}

/// Items: 124.
/// Faults: F34.
#[tokio::test]
async fn a_token_for_another_origin_is_an_error_before_any_byte_is_sent() {
    let (a, mut heads) = serve(|_| Vec::new()).await;
    let other = Url::parse("https://ehr.example/").unwrap();
    let found =
        client(&[&a]).send(Request::get(a.clone()).credential(token(&[&other]))).await;
    let Err(error @ Error::Credential { .. }) = found else { panic!("{found:?}") };
    assert_eq!(
        error.hint().unwrap(),
        format!("if this is right, add `{}` to trusted-origins", Origin::of(&a).unwrap())
    );
    assert!(heads.try_recv().is_err());
}

/// Items: 19.
/// Faults: F33.
#[tokio::test]
async fn a_redirected_post_is_refused() {
    let (url, _heads) =
        serve(|_| b"HTTP/1.1 307 X\r\nLocation: /\r\nContent-Length: 0\r\n\r\n".to_vec())
            .await;
    let request = Request::new(bulkhead_net::Method::POST, url.clone()).body("x");
    let found = client(&[&url]).send(request).await;
    assert!(
        matches!(found, Err(Error::Redirect { reason: RedirectFault::Method, .. })),
        "{found:?}"
    );
}

/// Items: 126.
#[tokio::test]
async fn a_name_that_resolves_to_this_machine_is_refused_for_a_remote_source() {
    let (url, mut heads) = serve(|_| Vec::new()).await;
    let remote = Url::parse("https://ehr.example/").unwrap();
    let named = format!("http://localhost:{}/", url.port().unwrap()).parse().unwrap();
    let found = client(&[&remote]).send(Request::get(named)).await;
    assert!(matches!(found, Err(Error::Address { .. })), "{found:?}");
    assert!(heads.try_recv().is_err());
}

/// Items: 57, 127.
#[tokio::test]
async fn a_refused_connection_cannot_have_arrived() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url =
        Url::parse(&format!("http://{}/?sig=s", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let error = client(&[&url]).send(Request::get(url)).await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }) && !error.may_have_arrived());
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(&error.to_string());
        cause = error.source();
    }
    assert!(!text.contains("sig=s"), "{text}");
}

/// Items: 118.
/// Faults: F1.
#[tokio::test]
async fn patient_requests_wait_while_their_origin_is_hushed_and_others_do_not() {
    let (url, mut heads) =
        serve(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    let client = client(&[&url]);
    client.hush(&url, Duration::from_hours(1));
    let patient = client.send(Request::get(url.join("patient").unwrap()).patient());
    let waited = tokio::time::timeout(Duration::from_millis(50), patient).await;
    assert!(waited.is_err());
    client.send(Request::get(url.join("other").unwrap())).await.unwrap();
    assert!(heads.recv().await.unwrap().starts_with("GET /other"));
    assert!(heads.try_recv().is_err());
}

/// Attacks: 36.
#[tokio::test]
async fn a_destination_that_stops_within_its_body_ends_with_the_time_of_the_call() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let allow = vec!["127.0.0.0/8".parse().unwrap()];
    let place = Place::new(url, allow, ClearText::OnThisMachine).unwrap();
    let config = DestinationConfig {
        idle_timeout: Duration::from_mins(10),
        ..DestinationConfig::default()
    };
    let destination = Destination::new(place, config).unwrap();
    let call = Call {
        method: Method::GET,
        target: "/".to_owned(),
        headers: header::HeaderMap::new(),
        authorization: None,
        body: Vec::new(),
        within: Duration::from_millis(100),
        response_bytes: 9,
    };
    let stops = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        let begins = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab";
        socket.write_all(begins).await.unwrap();
        // Until the other side has had enough.
        while socket.read_u8().await.is_ok() {}
    };
    let sent = async {
        let sent = destination.send(call).await;
        drop(destination);
        sent
    };
    let both = async { tokio::join!(sent, stops) };
    let (sent, ()) = tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
    assert!(matches!(sent, Err(Error::Timeout { .. })), "{sent:?}");
}
