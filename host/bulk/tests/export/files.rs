//! Files: whole or an error, and the token only where it belongs.

use std::{io::Write, sync::Arc};

use bulkhead_bulk::{Auth, Blame, Client, ClientSecret, Error, Manifest, SecretPlace};
use bulkhead_model::Secret;
use bulkhead_net::Framing;
use flate2::{Compression, write::GzEncoder};
use futures::TryStreamExt;
use serde_json::json;

use crate::{
    client,
    server::{Server, reply},
    settings,
};

const LINES: &str = "{\"resourceType\":\"Patient\",\"id\":\"1\"}\n{\"resourceType\":\"Patient\",\"id\":\"2\"}\n";

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn bearer() -> Auth {
    Auth::Bearer(Secret::new("t0ken").into())
}

fn manifest(access: bool, urls: &[&str]) -> String {
    let output: Vec<_> =
        urls.iter().map(|url| json!({"type": "Patient", "url": url})).collect();
    json!({
        "transactionTime": "2026-11-22T09:59:00Z", "requiresAccessToken": access,
        "output": output, "error": [],
    })
    .to_string()
}

async fn fetch(client: &Client, manifest: &Manifest) -> Result<Vec<u8>, Error> {
    let download = client.download(manifest, &manifest.output[0]).await?;
    let chunks: Vec<bytes::Bytes> = download.try_collect().await?;
    Ok(chunks.concat())
}

/// A manifest with one file, which the server answers with `answer`.
async fn one_file(answer: Vec<u8>) -> (Server, Client, Manifest) {
    let server = Server::start(move |request, _, _| {
        if request.is("GET", "/fhir/job") {
            reply(200, &[], manifest(true, &["file"]))
        } else {
            answer.clone()
        }
    })
    .await;
    let client = client(settings(&server.url, bearer()));
    let manifest =
        client.wait(&server.url.join("/fhir/job").unwrap(), |_| {}).await.unwrap();
    (server, client, manifest)
}

/// Items: 101.
/// Faults: F16.
#[tokio::test]
async fn files_arrive_whole_however_they_are_packed() {
    let (first, second) = LINES.split_at(36);
    let members = [gzip(first), gzip(second)].concat();
    let labelled: &[&str] =
        &["Content-Encoding: gzip", "Content-Type: application/fhir+ndjson"];
    let cases = [
        ("plain", reply(200, &[], LINES)),
        ("labelled gzip", reply(200, labelled, gzip(LINES))),
        ("unlabelled gzip", reply(200, &["Content-Type: application/gzip"], gzip(LINES))),
        ("several members", reply(200, labelled, members)),
        ("labelled gzip that is plain", reply(200, labelled, LINES)),
        ("a label of storage", reply(200, &["Content-Encoding: aws-chunked"], LINES)),
        (
            "a label of storage, and gzip",
            reply(200, &["Content-Encoding: gzip,aws-chunked"], gzip(LINES)),
        ),
    ];
    for (name, answer) in cases {
        let (_server, client, manifest) = one_file(answer).await;
        assert_eq!(
            fetch(&client, &manifest).await.unwrap(),
            LINES.as_bytes(),
            "case: {name}"
        );
    }
}

#[derive(Debug, PartialEq)]
enum Fault {
    Busy,
    Corrupt,
    Encoding,
    Expired,
    MediaType,
    Network,
    Other(String),
}

fn fault(error: &Error) -> Fault {
    match error {
        error if error.is_expired_link() => Fault::Expired,
        Error::Busy { .. } => Fault::Busy,
        Error::Corrupt { .. } => Fault::Corrupt,
        Error::Encoding { .. } => Fault::Encoding,
        Error::MediaType { .. } => Fault::MediaType,
        Error::Network { .. } => Fault::Network,
        other => Fault::Other(other.to_string()),
    }
}

/// Items: 98, 102, 105, 118.
/// Faults: F13, F15, F21.
#[tokio::test]
async fn broken_files_are_errors_that_say_whether_to_try_again() {
    let packed = gzip(LINES);
    let short = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{}\n".to_vec();
    let chunked =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n".to_vec();
    let cases = [
        ("short length", short, Fault::Network, true),
        ("no last chunk", chunked, Fault::Network, true),
        ("gzip cut", reply(200, &[], &packed[..packed.len() - 3]), Fault::Corrupt, true),
        (
            "login page",
            reply(200, &["Content-Type: text/html"], "<html>"),
            Fault::MediaType,
            false,
        ),
        (
            "storage error",
            reply(200, &["Content-Type: application/xml"], "<E/>"),
            Fault::MediaType,
            false,
        ),
        (
            "storage's word for a link that ran out",
            reply(400, &[], "<Error><Code>ExpiredToken</Code></Error>"),
            Fault::Expired,
            false,
        ),
        ("brotli", reply(200, &["Content-Encoding: br"], "x"), Fault::Encoding, false),
        ("expired", reply(410, &[], ""), Fault::Expired, false),
        ("forbidden", reply(403, &[], "<Error/>"), Fault::Expired, false),
        ("refused token", reply(401, &[], ""), Fault::Expired, false),
        ("busy", reply(429, &["Retry-After: 7"], ""), Fault::Busy, true),
        ("gateway", reply(502, &[], "<html>"), Fault::Busy, true),
        (
            "partial",
            reply(206, &[], "x"),
            Fault::Other("downloading a file".into()),
            false,
        ),
    ];
    for (name, answer, expected, transient) in cases {
        let (_server, client, manifest) = one_file(answer).await;
        let error = fetch(&client, &manifest).await.unwrap_err();
        match (fault(&error), expected) {
            (Fault::Other(found), Fault::Other(start)) => {
                assert!(found.starts_with(&start), "case: {name}: {found}");
            }
            (found, expected) => assert_eq!(found, expected, "case: {name}: {error}"),
        }
        assert_eq!(error.is_transient(), transient, "case: {name}");
    }
}

/// Items: 105.
/// Faults: F16.
#[tokio::test]
async fn a_file_without_length_is_flagged() {
    let answer = format!("HTTP/1.0 200 OK\r\n\r\n{LINES}").into_bytes();
    let (_server, client, manifest) = one_file(answer).await;
    let mut download = client.download(&manifest, &manifest.output[0]).await.unwrap();
    assert_eq!(download.framing, Framing::UntilClose);
    let _chunks: Vec<_> = (&mut download).try_collect().await.unwrap();
    assert!(!download.is_proven_whole());
}

/// Items: 77, 95, 124.
/// Faults: F34.
#[tokio::test]
async fn the_token_goes_to_files_only_as_the_manifest_says_and_never_to_strangers() {
    let stranger = Server::start(|_, _, _| reply(200, &[], LINES)).await;
    let elsewhere = stranger.url.join("file").unwrap().to_string();
    let cases = [
        ("own, token", Some(true), "file".to_owned(), Some("Bearer t0ken"), true),
        ("own, open", Some(false), "file".to_owned(), None, true),
        ("own, nothing is said", None, "file".to_owned(), Some("Bearer t0ken"), true),
        ("stranger, open", Some(false), elsewhere.clone(), None, true),
        ("stranger, token", Some(true), elsewhere.clone(), None, false),
        ("stranger, nothing is said", None, elsewhere.clone(), None, true),
    ];
    for (name, access, url, header, arrives) in cases {
        let mut body = manifest(access.unwrap_or(true), &[&url]);
        if access.is_none() {
            body = body.replace(r#""requiresAccessToken":true,"#, "");
            assert!(!body.contains("requiresAccessToken"), "case: {name}");
        }
        let server = Server::start(move |request, _, _| {
            if request.is("GET", "/fhir/job") {
                reply(200, &[], &body)
            } else {
                reply(200, &[], LINES)
            }
        })
        .await;
        let client = client(settings(&server.url, bearer()));
        let manifest =
            client.wait(&server.url.join("/fhir/job").unwrap(), |_| {}).await.unwrap();
        let before = stranger.all().len();
        let fetched = fetch(&client, &manifest).await;
        let own = server.requests("GET", "/fhir/file");
        assert_eq!(
            own.first().and_then(|r| r.header("authorization")),
            header,
            "case: {name}"
        );
        if arrives {
            assert_eq!(fetched.unwrap(), LINES.as_bytes(), "case: {name}");
        } else {
            let error = fetched.unwrap_err();
            let origin = error.untrusted_origin().unwrap().to_string();
            assert_eq!(format!("{origin}/"), stranger.url.as_str(), "case: {name}");
            assert!(error.hint().unwrap().contains(&origin), "case: {name}");
            assert_eq!(error.blame(), Blame::Operator, "case: {name}");
            assert_eq!(stranger.all().len(), before, "case: {name}");
        }
    }
    assert!(
        stranger.all().iter().all(|request| request.header("authorization").is_none())
    );
}

/// Items: 96.
/// Faults: F33.
#[tokio::test]
async fn the_token_is_dropped_on_the_way_to_storage_and_not_restored_on_the_way_back() {
    let home = Arc::new(std::sync::OnceLock::<String>::new());
    let target = Arc::clone(&home);
    let storage = Server::start(move |_, _, _| {
        let back = format!("Location: {}fhir/back", target.get().unwrap());
        reply(307, &[&back], "")
    })
    .await;
    let away = format!("Location: {}bucket?sig=s", storage.url);
    let server = Server::start(move |request, _, _| match request.target.as_str() {
        "/fhir/job" => reply(200, &[], manifest(true, &["file"])),
        "/fhir/file" => reply(307, &[&away], ""),
        _ => reply(200, &[], LINES),
    })
    .await;
    home.set(server.url.to_string()).unwrap();
    let client = client(settings(&server.url, bearer()));
    let manifest =
        client.wait(&server.url.join("/fhir/job").unwrap(), |_| {}).await.unwrap();
    assert_eq!(fetch(&client, &manifest).await.unwrap(), LINES.as_bytes());
    let sent = |requests: Vec<crate::server::Seen>| {
        requests[0].header("authorization").map(str::to_owned)
    };
    assert_eq!(
        sent(server.requests("GET", "/fhir/file")).as_deref(),
        Some("Bearer t0ken")
    );
    assert_eq!(sent(storage.all()), None);
    assert_eq!(sent(server.requests("GET", "/fhir/back")), None);
}

#[tokio::test]
async fn no_token_is_asked_for_that_could_not_be_sent() {
    let stranger = Server::start(|_, _, _| reply(200, &[], LINES)).await;
    let elsewhere = stranger.url.join("file").unwrap().to_string();
    // name, where the file lies, whether it comes, how many tokens are asked for
    let cases = [
        ("where the token may go", "file", true, 1),
        ("where it may not", elsewhere.as_str(), false, 0),
    ];
    for (name, url, is_there, tokens) in cases {
        let manifest = manifest(true, &[url]);
        let server = Server::start(move |request, _, _| match request.target.as_str() {
            // Good for one request and no longer.
            "/token" => reply(200, &[], r#"{"access_token":"t","expires_in":0}"#),
            "/fhir/job" => reply(200, &[], &manifest),
            "/fhir/file" => reply(200, &[], LINES),
            _ => reply(404, &[], ""),
        })
        .await;
        let token_url = server.url.join("token").unwrap().as_str().parse().unwrap();
        let auth = Auth::ClientSecret(ClientSecret {
            client_id: "me".to_owned(),
            secret: Secret::new("s"),
            place: SecretPlace::Header,
            token_url: Some(token_url),
            scope: None,
        });
        let client = client(settings(&server.url, auth));
        let job = server.url.join("/fhir/job").unwrap();
        let manifest = client.wait(&job, |_| {}).await.unwrap();
        let before = server.requests("POST", "/token").len();
        let found = fetch(&client, &manifest).await;
        assert_eq!(found.is_ok(), is_there, "case: {name}: {found:?}");
        let asked = server.requests("POST", "/token").len() - before;
        assert_eq!(asked, tokens, "case: {name}");
    }
    assert!(stranger.all().is_empty(), "not a byte is sent there");
}
