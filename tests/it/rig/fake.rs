//! A server of a few lines that says whatever a test wants said, and remembers every header.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::json;
use url::Url;

/// One request; header names in lower case.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
}

/// One answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }
}

/// A file of an export.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) kind: &'static str,
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// Where the manifest says it is, when elsewhere.
    pub(crate) elsewhere: Option<Url>,
}

impl Served {
    pub(crate) fn new(kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { kind, status: 200, body: body.into(), elsewhere: None }
    }
}

/// A running server; it ends with the process.
pub(crate) struct Fake {
    pub(crate) url: Url,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Fake {
    /// Answers by `answer`, which gets the request and the server's own URL.
    pub(crate) fn start(
        answer: impl Fn(&Seen, &Url) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url: Url =
            format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (log, own, answer) = (Arc::clone(&seen), url.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, own, answer) =
                    (Arc::clone(&log), own.clone(), Arc::clone(&answer));
                thread::spawn(move || {
                    let Some(request) = read(&stream) else { return };
                    log.lock().unwrap().push(request.clone());
                    // A client that has gone needs no answer.
                    let _ = write(&stream, &answer(&request, &own));
                });
            }
        });
        Self { url, seen }
    }

    /// A server with one export of `files`, done at once.
    pub(crate) fn export(files: Vec<Served>, requires_token: bool) -> Self {
        Self::start(move |seen, own| match (seen.method.as_str(), seen.path.as_str()) {
            ("GET", "/fhir/metadata") => Reply::new(
                200,
                r#"{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","rest":[]}"#,
            ),
            ("GET", "/fhir/$export") => Reply {
                headers: vec![("Content-Location", format!("{own}fhir/status/1"))],
                ..Reply::new(202, "")
            },
            ("GET", "/fhir/status/1") => {
                let output = files.iter().enumerate().map(|(index, file)| {
                    let path = format!("files/{index}");
                    let at = file.elsewhere.as_ref().unwrap_or(own).join(&path).unwrap();
                    json!({"type": file.kind, "url": at.as_str()})
                });
                let manifest = json!({
                    "transactionTime": "2026-11-22T10:00:00.000Z",
                    "request": format!("{own}fhir/$export"),
                    "requiresAccessToken": requires_token,
                    "output": output.collect::<Vec<_>>(),
                    "error": [],
                });
                let kind = ("Content-Type", "application/json".to_owned());
                Reply { headers: vec![kind], ..Reply::new(200, manifest.to_string()) }
            }
            ("DELETE", "/fhir/status/1") => Reply::new(202, ""),
            ("GET", path) => Self::file(&files, path),
            (_, _) => Reply::new(404, ""),
        })
    }

    /// A server with nothing but files.
    pub(crate) fn files(files: Vec<Served>) -> Self {
        Self::start(move |seen, _| Self::file(&files, &seen.path))
    }

    fn file(files: &[Served], path: &str) -> Reply {
        let index = path.strip_prefix("/files/").and_then(|index| index.parse().ok());
        match index.and_then(|index: usize| files.get(index)) {
            Some(file) => Reply {
                headers: vec![("Content-Type", "application/fhir+ndjson".to_owned())],
                ..Reply::new(file.status, file.body.clone())
            },
            None => Reply::new(404, ""),
        }
    }

    /// The FHIR base.
    pub(crate) fn base(&self) -> Url {
        self.url.join("fhir").unwrap()
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Seen> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut words = first.split(' ');
    let method = words.next()?.to_owned();
    let path = words.next()?.split('?').next()?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(Seen { method, path, headers })
}

fn write(mut stream: &TcpStream, reply: &Reply) -> std::io::Result<()> {
    let mut head = format!(
        "HTTP/1.1 {} X\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\nContent-Length: {}\r\n\
         Connection: close\r\n",
        reply.status,
        reply.body.len()
    );
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(&reply.body)
}
