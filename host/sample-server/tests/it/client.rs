//! A bare HTTP/1.1 client, and a server to talk to.

use std::{
    fmt::Write,
    io::Read,
    net::SocketAddr,
    num::NonZeroU64,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bulkhead_model::Instant;
use bulkhead_sample_server::{
    Behaviour, Data, Options, RandomBytes, Ready, RealClock, Running, Scenario, Server,
    scenario::Modes,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// The real time of all tests.
pub(crate) const NOW: Instant = Instant::from_unix_ms(1_790_000_000_000);

/// Options with a clock that stands still and numbers that count up.
pub(crate) fn options(data: Data) -> Options {
    let counter = AtomicU64::new(1);
    let random = RandomBytes::new(move |buffer| {
        for byte in buffer.chunks_mut(8) {
            let number = counter.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            byte.copy_from_slice(&number[..byte.len()]);
        }
    });
    Options::new(data, RealClock::new(|| NOW), random)
}

/// Starts an open server.
pub(crate) async fn start(data: Data) -> Running {
    Server::start(options(data)).await.unwrap()
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// How many headers of a name there are.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.headers.iter().filter(|(known, _)| known == name).count()
    }

    /// Whether a header is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.header(name).is_some()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn gunzipped(&self) -> Vec<u8> {
        let mut plain = Vec::new();
        flate2::read::MultiGzDecoder::new(self.body.as_slice())
            .read_to_end(&mut plain)
            .unwrap();
        plain
    }
}

/// Sends one request and reads the whole answer.
pub(crate) async fn send(
    addr: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut text =
        format!("{method} {target} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n");
    for (name, value) in headers {
        write!(text, "{name}: {value}\r\n").unwrap();
    }
    write!(text, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let exchange = async {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut raw = Vec::with_capacity(1 << 20);
        stream.read_to_end(&mut raw).await.unwrap();
        raw
    };
    parse(&timeout(Duration::from_secs(30), exchange).await.unwrap())
}

/// What came over the wire, as it came.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) bytes: Vec<u8>,
    /// Whether the connection was reset, and not closed.
    pub(crate) is_reset: bool,
    /// How many reads it took.
    pub(crate) reads: usize,
}

impl Raw {
    /// What follows the head; empty when there is no head.
    pub(crate) fn body(&self) -> &[u8] {
        let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n");
        end.map_or(&[], |end| &self.bytes[end + 4..])
    }

    pub(crate) fn head(&self) -> String {
        let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n");
        String::from_utf8(self.bytes[..end.unwrap_or(0)].to_vec()).unwrap().to_lowercase()
    }
}

/// Sends a GET and reads until the connection ends, however it does.
pub(crate) async fn raw(addr: SocketAddr, target: &str, headers: &str) -> Raw {
    let text = format!(
        "GET {target} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n{headers}\r\n"
    );
    let exchange = async {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut raw = Raw { bytes: Vec::new(), is_reset: false, reads: 0 };
        let mut buffer = vec![0; 1 << 16];
        loop {
            match stream.read(&mut buffer).await {
                Ok(0) => return raw,
                Ok(length) => raw.bytes.extend_from_slice(&buffer[..length]),
                Err(_) => {
                    raw.is_reset = true;
                    return raw;
                }
            }
            raw.reads += 1;
        }
    };
    timeout(Duration::from_secs(30), exchange).await.unwrap()
}

/// Starts an open server whose jobs are done at once and which misbehaves.
pub(crate) async fn misbehaving(data: Data, scenario: Scenario) -> Running {
    let behaviour = Behaviour { ready: Ready::AfterPolls(0), ..Behaviour::default() };
    Server::start(Options { scenario, behaviour, ..options(data) }).await.unwrap()
}

/// Kicks off by GET; the path of the status URL.
pub(crate) async fn kickoff(server: &Running, path: &str) -> String {
    let answer = send(server.addr, "GET", &format!("/fhir/{path}"), &ASYNC, "").await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    target(answer.header("content-location").unwrap())
}

fn parse(raw: &[u8]) -> Answer {
    let end = raw.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&raw[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let body = &raw[end + 4..];
    let mut answer = Answer { status, headers, body: body.to_vec() };
    if answer.header("transfer-encoding") == Some("chunked") {
        answer.body = dechunk(body);
    }
    if let Some(length) = answer.header("content-length") {
        assert_eq!(length.parse::<usize>().unwrap(), answer.body.len());
    }
    answer
}

fn dechunk(mut raw: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = raw.windows(2).position(|two| two == b"\r\n").unwrap();
        let size =
            usize::from_str_radix(std::str::from_utf8(&raw[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&raw[end + 2..end + 2 + size]);
        raw = &raw[end + 2 + size + 2..];
    }
}

/// The path and query of an absolute URL.
pub(crate) fn target(url: &str) -> String {
    let url = url::Url::parse(url).unwrap();
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

pub(crate) const ASYNC: [(&str, &str); 2] =
    [("Prefer", "respond-async"), ("Accept", "application/fhir+json")];

/// Kicks off by GET and polls until the manifest is there.
pub(crate) async fn export(server: &Running, path: &str) -> Value {
    let kickoff = send(server.addr, "GET", &format!("/fhir/{path}"), &ASYNC, "").await;
    assert_eq!(kickoff.status, 202, "{}", kickoff.text());
    finish(server, kickoff.header("content-location").unwrap()).await
}

/// Polls until the manifest is there.
pub(crate) async fn finish(server: &Running, location: &str) -> Value {
    for _ in 0..10 {
        let poll = send(server.addr, "GET", &target(location), &[], "").await;
        match poll.status {
            200 => return poll.json(),
            202 => assert_eq!(poll.header("retry-after"), Some("1")),
            other => panic!("poll answered {other}"),
        }
    }
    panic!("the export never ends");
}

/// Downloads all files of one list of a manifest: (type, lines), checking `count`.
pub(crate) async fn lines(
    server: &Running,
    manifest: &Value,
    list: &str,
) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for file in manifest[list].as_array().unwrap() {
        let url = target(file["url"].as_str().unwrap());
        let answer = send(server.addr, "GET", &url, &[], "").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/fhir+ndjson"));
        let text = answer.text();
        let found = text.lines().count() as u64;
        assert_eq!(Some(found), file["count"].as_u64());
        let resource_type = file["type"].as_str().unwrap();
        all.extend(text.lines().map(|line| (resource_type.to_owned(), line.to_owned())));
    }
    all
}

pub(crate) fn modes(set: impl FnOnce(&mut Modes)) -> Scenario {
    Scenario::default().in_mode(set)
}

pub(crate) async fn serve(set: impl FnOnce(&mut Modes)) -> Running {
    misbehaving(Data::made_up(6, 7), modes(set)).await
}

/// A server whose jobs run for one poll, with one resource in a file.
pub(crate) async fn small_files(set: impl FnOnce(&mut Modes)) -> Running {
    let behaviour = Behaviour {
        ready: Ready::AfterPolls(1),
        resources_per_file: NonZeroU64::MIN,
        ..Behaviour::default()
    };
    let scenario = modes(set);
    let options = options(Data::made_up(6, 7));
    Server::start(Options { scenario, behaviour, ..options }).await.unwrap()
}

pub(crate) async fn get(server: &Running, path: &str) -> Answer {
    send(server.addr, "GET", path, &[], "").await
}

/// Follows an absolute URL to whichever origin it names.
pub(crate) async fn visit(url: &str, headers: &[(&str, &str)]) -> Answer {
    let parsed = url::Url::parse(url).unwrap();
    let addr = parsed.socket_addrs(|| None).unwrap()[0];
    send(addr, "GET", &target(url), headers, "").await
}

pub(crate) fn types_of(manifest: &Value) -> Vec<String> {
    let files = manifest["output"].as_array().unwrap().iter();
    files.map(|file| file["type"].as_str().unwrap_or("none").to_owned()).collect()
}
