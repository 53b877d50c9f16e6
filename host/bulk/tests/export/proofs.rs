//! Files that prove themselves: picked up where they broke off, held against what the
//! manifest says of them, refused when they are locked.

use std::io::Write;

use bulkhead_bulk::{Auth, Client, Error, Manifest, Settings};
use bulkhead_model::Secret;
use flate2::{Compression, write::GzEncoder};
use futures::TryStreamExt;
use serde_json::{Value, json};

use crate::{
    client,
    server::{Seen, Server, reply},
    settings,
};

const LINES: &str = "{\"resourceType\":\"Patient\",\"id\":\"1\"}\n{\"resourceType\":\"Patient\",\"id\":\"2\"}\n";
/// Of `LINES`, by another program.
const SHA256: &str = "7f1637374955905f3808366ac414811b251c8d8d6b83b82a18d9d853fe9110d3";
const HALF: usize = 40;

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// A manifest of one file with `extension`, which the server answers with `answer`.
async fn one_file(
    extension: Value,
    answer: impl Fn(&Seen, usize) -> Vec<u8> + Send + Sync + 'static,
) -> (Server, Settings) {
    let server = Server::start(move |request, before, _| {
        if request.is("GET", "/fhir/job") {
            let page = json!({
                "transactionTime": "2026-11-22T09:59:00Z", "requiresAccessToken": true,
                "output": [{"type": "Patient", "url": "file", "extension": extension}],
            });
            reply(200, &[], page.to_string())
        } else {
            answer(request, before)
        }
    })
    .await;
    let settings = settings(&server.url, Auth::Bearer(Secret::new("t0ken").into()));
    (server, settings)
}

async fn manifest(server: &Server, client: &Client) -> Manifest {
    client.wait(&server.url.join("/fhir/job").unwrap(), |_| {}).await.unwrap()
}

/// The bytes, and whether they are proven to be all.
async fn fetch(server: &Server, settings: Settings) -> Result<(Vec<u8>, bool), Error> {
    let client = client(settings);
    let manifest = manifest(server, &client).await;
    let mut download = client.download(&manifest, &manifest.output[0]).await?;
    let chunks: Vec<bytes::Bytes> = (&mut download).try_collect().await?;
    Ok((chunks.concat(), download.is_proven_whole()))
}

/// An answer that announces `whole` and breaks off before its end.
fn cut(headers: &str, whole: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 200 X\r\nContent-Length: {}\r\n{headers}\r\n", whole.len());
    [head.as_bytes(), &whole[..HALF]].concat()
}

/// Items: 116.
/// Faults: F15.
#[tokio::test]
async fn a_transfer_that_breaks_off_goes_on_where_the_file_is_the_same() {
    let rest = &LINES.as_bytes()[HALF..];
    let span = |start: usize| {
        format!("Content-Range: bytes {start}-{}/{}", LINES.len() - 1, LINES.len())
    };
    let good = span(HALF);
    let strong = "ETag: \"v1\"\r\n";
    let cases = [
        ("the same", strong, reply(206, &[&good, "ETag: \"v1\""], rest), true),
        ("the same, without its tag", strong, reply(206, &[&good], rest), true),
        ("another tag", strong, reply(206, &[&good, "ETag: \"v2\""], rest), false),
        ("another place", strong, reply(206, &[&span(HALF - 1)], rest), false),
        (
            "another length",
            strong,
            reply(206, &["Content-Range: bytes 40-99/100"], rest),
            false,
        ),
        ("no part", strong, reply(200, &[&good, "ETag: \"v1\""], rest), false),
        ("no place", strong, reply(206, &[], rest), false),
        (
            "another packing",
            strong,
            reply(206, &[&good, "Content-Encoding: gzip"], rest),
            false,
        ),
        ("the whole file", strong, reply(200, &["ETag: \"v1\""], LINES), false),
        ("nothing", strong, reply(416, &[], ""), false),
        ("a weak tag", "ETag: W/\"v1\"\r\n", reply(206, &[&good], rest), false),
        ("no tag", "", reply(206, &[&good], rest), false),
    ];
    for (name, tag, second, whole) in cases {
        let first = cut(tag, LINES.as_bytes());
        let (server, settings) =
            one_file(
                json!({}),
                move |_, before| {
                    if before == 0 { first.clone() } else { second.clone() }
                },
            )
            .await;
        let found = fetch(&server, settings).await;
        let asked = server.requests("GET", "/fhir/file");
        if tag == strong {
            assert_eq!(asked.len(), 2, "case: {name}");
            assert_eq!(asked[1].header("range"), Some("bytes=40-"), "case: {name}");
            assert_eq!(asked[1].header("if-range"), Some("\"v1\""), "case: {name}");
            let token = asked[1].header("authorization");
            assert_eq!(token, Some("Bearer t0ken"), "case: {name}");
        } else {
            assert_eq!(asked.len(), 1, "case: {name}");
        }
        match found {
            Ok((bytes, _)) => {
                assert!(whole, "case: {name}");
                assert_eq!(bytes, LINES.as_bytes(), "case: {name}");
            }
            Err(error) => {
                assert!(!whole && error.is_transient(), "case: {name}: {error:?}");
            }
        }
    }
}

/// Items: 116.
#[tokio::test]
async fn a_transfer_that_brings_nothing_more_is_not_asked_for_again_and_again() {
    let (server, settings) = one_file(json!({}), |request, _| {
        let Some(range) = request.header("range") else {
            return cut("ETag: \"v1\"\r\n", LINES.as_bytes());
        };
        let start = range.trim_start_matches("bytes=").trim_end_matches('-');
        let (end, length) = (LINES.len() - 1, LINES.len());
        format!("HTTP/1.1 206 X\r\nContent-Length: 9\r\nContent-Range: bytes {start}-{end}/{length}\r\n\r\n")
            .into_bytes()
    })
    .await;
    let error = fetch(&server, settings).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert_eq!(server.requests("GET", "/fhir/file").len(), 2);
}

/// Items: 91, 105.
#[tokio::test]
async fn what_the_manifest_says_of_a_file_must_hold() {
    let of =
        |sum: &str, length: Value| json!({"x/checksum": sum, "x/file_length": length});
    let array = json!([{"url": "x/checksum", "valueString": format!("sha256:{SHA256}")}]);
    let good = format!("sha256:{SHA256}");
    let wrong = format!("sha256:{}", "0".repeat(64));
    let packed = gzip(LINES);
    let bare = format!("HTTP/1.0 200 OK\r\n\r\n{LINES}").into_bytes();
    let bare_packed = [b"HTTP/1.0 200 OK\r\n\r\n".as_slice(), &packed].concat();
    let whole = reply(200, &[], LINES);
    let lines = json!(LINES.len());
    let cases = [
        ("nothing said", json!({}), whole.clone(), Ok(true)),
        ("nothing said, no end", json!({}), bare.clone(), Ok(false)),
        ("checksum, no end", array, bare.clone(), Ok(true)),
        ("length, no end", of("", lines.clone()), bare, Ok(true)),
        ("packed, no end", json!({}), bare_packed, Ok(true)),
        ("both", of(&good, lines.clone()), whole.clone(), Ok(true)),
        (
            "both of the lines, packed",
            of(&good, lines),
            reply(200, &[], &packed),
            Ok(true),
        ),
        (
            "length as packed",
            of("", json!(packed.len())),
            reply(200, &[], &packed),
            Ok(true),
        ),
        ("another checksum", of(&wrong, json!(null)), whole.clone(), Err("checksum")),
        ("another length", of(&good, json!(7)), whole.clone(), Err("length")),
        ("a checksum of no use", of("md5:abc", json!(null)), whole, Ok(true)),
    ];
    for (name, extension, answer, expected) in cases {
        let (server, settings) = one_file(extension, move |_, _| answer.clone()).await;
        match (fetch(&server, settings).await, expected) {
            (Ok((bytes, proven)), Ok(expected)) => {
                assert_eq!(bytes, LINES.as_bytes(), "case: {name}");
                assert_eq!(proven, expected, "case: {name}");
            }
            (Err(error @ Error::Mismatch { claim, .. }), Err(expected)) => {
                assert_eq!(claim, expected, "case: {name}");
                assert!(error.is_transient(), "case: {name}");
            }
            (found, _) => panic!("case: {name}: {found:?}"),
        }
    }
}

/// Items: 91.
#[tokio::test]
async fn a_locked_file_fails_before_it_is_asked_for() {
    let lock = json!([{"url": "https://x/decryption-key", "valueString": "k"}]);
    let (server, settings) = one_file(lock, |_, _| reply(200, &[], LINES)).await;
    let error = fetch(&server, settings.clone()).await.unwrap_err();
    assert!(matches!(error, Error::Locked { .. }) && !error.is_transient(), "{error:?}");
    assert!(error.hint().unwrap().contains("https://x/decryption-key"));
    assert!(server.requests("GET", "/fhir/file").is_empty());
    let mut settings = settings;
    settings.ignored_extensions.insert("https://x/decryption-key".to_owned());
    assert!(fetch(&server, settings).await.is_ok());
}

/// Items: 117.
/// Faults: F19.
#[tokio::test]
async fn a_file_that_unfolds_without_end_is_given_up() {
    let bomb = gzip(&" ".repeat(8 << 20));
    let (server, settings) =
        one_file(json!({}), move |_, _| reply(200, &[], &bomb)).await;
    let mut settings = settings;
    settings.limits.inflation = 100;
    let error = fetch(&server, settings).await.unwrap_err();
    assert!(matches!(error, Error::Inflated { ratio: 100, .. }), "{error:?}");
    assert!(!error.is_transient());
}

/// Items: 77.
/// Faults: F34.
#[tokio::test]
async fn a_second_credential_is_left_out_once_where_storage_wants_one_only() {
    let cases = [
        ("two credentials", "Only one auth mechanism allowed", 2, true),
        ("another refusal", "no", 1, false),
    ];
    for (name, text, requests, arrives) in cases {
        let (server, settings) = one_file(json!({}), move |request, _| {
            match request.header("authorization") {
                Some(_) => reply(400, &[], format!("<Error>{text}</Error>")),
                None => reply(200, &[], LINES),
            }
        })
        .await;
        let found = fetch(&server, settings).await;
        assert_eq!(found.is_ok(), arrives, "case: {name}: {found:?}");
        let asked = server.requests("GET", "/fhir/file");
        assert_eq!(asked.len(), requests, "case: {name}");
        assert!(asked[0].header("authorization").is_some(), "case: {name}");
    }
}

/// Items: 118.
/// Faults: F1.
#[tokio::test]
async fn an_origin_that_wants_fewer_requests_is_left_alone_by_all_downloads() {
    let (server, settings) =
        one_file(json!({}), |_, _| reply(429, &["Retry-After: 3600"], "")).await;
    let client = client(settings);
    let manifest = manifest(&server, &client).await;
    let first = client.download(&manifest, &manifest.output[0]).await.unwrap_err();
    assert!(first.retry_after().is_some());
    let second = client.download(&manifest, &manifest.output[0]);
    let second = tokio::time::timeout(std::time::Duration::from_millis(50), second).await;
    assert!(second.is_err(), "it waits");
    assert_eq!(server.requests("GET", "/fhir/file").len(), 1);
    // Polls know by themselves when to ask.
    client.manifest_again(&server.url.join("/fhir/job").unwrap()).await.unwrap();
}
