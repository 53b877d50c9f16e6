//! HTTP/2 on the wire: a stream that the server resets is an error, never the end of a body.
//!
//! The server writes its frames by hand, so that it can do what none should.
//!
//! Source: RFC 9113, sections 4.1 and 6; RFC 7541, appendix A.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bulkhead_net::{Client, Config, Origin, Request};
use bulkhead_test_servers::{Asks, ROOT, acceptor};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use url::Url;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200`, by its place in the static table.
const OK: &[u8] = &[0x88];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Reads frames until one of this kind has come; gives its stream.
async fn wait_for(kind: u8, from: &mut (impl AsyncRead + Unpin)) -> Option<u32> {
    loop {
        let mut head = [0; 9];
        from.read_exact(&mut head).await.ok()?;
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; len as usize];
        from.read_exact(&mut payload).await.ok()?;
        if head[3] == kind {
            return Some(u32::from_be_bytes([head[5], head[6], head[7], head[8]]));
        }
    }
}

/// A server that speaks HTTP/2 alone and answers every request with these frames: kind, flags,
/// payload.
async fn serve(answer: Vec<(u8, u8, Vec<u8>)>) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let acceptor = acceptor(Asks::ForNothing, &[b"h2"]);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut socket) = acceptor.accept(socket).await else { continue };
            let mut preface = [0; 24];
            if socket.read_exact(&mut preface).await.is_err() {
                continue;
            }
            let _ = socket.write_all(&frame(SETTINGS, 0, 0, &[])).await;
            while let Some(stream) = wait_for(HEADERS, &mut socket).await {
                for (kind, flags, payload) in &answer {
                    let stream = if *kind == GOAWAY { 0 } else { stream };
                    let _ =
                        socket.write_all(&frame(*kind, *flags, stream, payload)).await;
                }
                let _ = socket.flush().await;
                if answer.iter().any(|(kind, ..)| *kind == GOAWAY) {
                    break;
                }
            }
        }
    });
    url
}

/// Items: 105. Faults: F15, F16.
#[tokio::test]
async fn a_stream_that_is_reset_is_an_error_and_never_the_end_of_a_body() {
    let head = (HEADERS, END_HEADERS, OK.to_vec());
    let some = (DATA, 0, b"hel".to_vec());
    let last = (DATA, END_STREAM, b"lo".to_vec());
    let reset = |code: u32| (RST_STREAM, 0, code.to_be_bytes().to_vec());
    // Of no stream that was opened anything was done.
    let away = (GOAWAY, 0, vec![0; 8]);
    // name, frames, whether the body is whole
    let cases = [
        ("whole", vec![head.clone(), some.clone(), last.clone()], true),
        ("reset by a fault", vec![head.clone(), some.clone(), reset(2)], false),
        ("reset without a fault", vec![head.clone(), some.clone(), reset(0)], false),
        ("cancelled", vec![head.clone(), some.clone(), reset(8)], false),
        ("reset before the head", vec![reset(2)], false),
        ("gone away", vec![head.clone(), some.clone(), away], false),
    ];
    for (name, frames, is_whole) in cases {
        let url = serve(frames).await;
        let config = Config {
            trusted_origins: Origin::of(&url).into_iter().collect(),
            roots: vec![ROOT.to_vec()],
            ..Config::default()
        };
        let found = match Client::new(config).unwrap().send(Request::get(url)).await {
            Ok(response) => response.body.collect(16).await,
            Err(error) => Err(error),
        };
        match found {
            Ok(body) => {
                assert!(is_whole, "case: {name}");
                assert_eq!(body, "hello", "case: {name}");
            }
            Err(error) => {
                assert!(!is_whole, "case: {name}: {error:?}");
                assert!(error.is_transient(), "case: {name}: {error:?}");
            }
        }
    }
}
