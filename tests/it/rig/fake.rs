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

/// The media type of files.
const NDJSON: &str = "application/fhir+ndjson";

/// One request; header names in lower case.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// One answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) framing: Framing,
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length,
    /// There is no answer at all.
    None,
    /// A cut would look the same.
    UntilClose,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self { status, headers: Vec::new(), body, framing: Framing::Length }
    }

    pub(crate) fn json(body: &serde_json::Value) -> Self {
        let kind = ("Content-Type", "application/json".to_owned());
        Self { headers: vec![kind], ..Self::new(200, body.to_string()) }
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
    /// As the manifest says.
    pub(crate) count: Option<u64>,
    pub(crate) framing: Framing,
}

impl Served {
    pub(crate) fn new(kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            kind,
            status: 200,
            body: body.into(),
            elsewhere: None,
            count: None,
            framing: Framing::Length,
        }
    }
}

/// What a server says of its one export, which is done at once. May be changed between runs.
#[derive(Clone, Debug)]
pub(crate) struct Exported {
    pub(crate) files: Vec<Served>,
    pub(crate) requires_token: bool,
    /// Files of `error`.
    pub(crate) outcomes: Vec<Served>,
    /// What a search counts, by type; what is not in it has the status of `uncounted`.
    pub(crate) totals: BTreeMap<&'static str, u64>,
    pub(crate) uncounted: u16,
    /// The types of its capability statement.
    pub(crate) offered: Vec<&'static str>,
    /// What its token endpoint grants, when it has one.
    pub(crate) scope: Option<&'static str>,
    pub(crate) transaction_time: &'static str,
    /// How many kick-offs are too many at first.
    pub(crate) busy: usize,
    /// How many kick-offs get no answer at first.
    pub(crate) silent: usize,
    /// What the first polls are answered, before the manifest: status and issue code.
    pub(crate) polls: Vec<(u16, &'static str)>,
    /// The status of a DELETE.
    pub(crate) delete: u16,
    /// How many requests for files are too many at first.
    pub(crate) file_busy: usize,
    /// What the first requests for files are answered, with nothing else.
    pub(crate) file_faults: Vec<u16>,
    /// How many requests for files of `error` find their link run out at first.
    pub(crate) stale_outcomes: usize,
    /// What the first requests for the capability statement are answered, at once again.
    pub(crate) metadata_faults: Vec<u16>,
    /// What comes instead of it, as HTML.
    pub(crate) page: Option<&'static str>,
    /// As what the manifest says that files are, when it does.
    pub(crate) format: Option<&'static str>,
    /// When the manifest says that links run out.
    pub(crate) expires: Option<&'static str>,
    /// As what files are labelled.
    pub(crate) label: &'static str,
    /// By what the manifest says that output is organised; then files have no type.
    pub(crate) organised_by: Option<&'static str>,
}

impl Exported {
    pub(crate) fn new(files: Vec<Served>) -> Self {
        Self {
            files,
            requires_token: false,
            outcomes: Vec::new(),
            totals: BTreeMap::new(),
            uncounted: 404,
            offered: Vec::new(),
            scope: None,
            transaction_time: "2026-11-22T10:00:00.000Z",
            busy: 0,
            silent: 0,
            polls: Vec::new(),
            delete: 202,
            file_busy: 0,
            file_faults: Vec::new(),
            stale_outcomes: 0,
            metadata_faults: Vec::new(),
            page: None,
            format: None,
            expires: None,
            label: NDJSON,
            organised_by: None,
        }
    }

    fn answer(&mut self, seen: &Seen, own: &Url) -> Reply {
        let path = seen.path.as_str();
        match (seen.method.as_str(), path) {
            ("GET", "/fhir/metadata") if !self.metadata_faults.is_empty() => {
                let after = ("Retry-After", "0".to_owned());
                let status = self.metadata_faults.remove(0);
                Reply { headers: vec![after], ..Reply::new(status, "") }
            }
            ("GET", "/fhir/metadata") if self.page.is_some() => {
                let headers = vec![("Content-Type", "text/html".to_owned())];
                Reply { headers, ..Reply::new(200, self.page.unwrap_or_default()) }
            }
            ("GET", "/fhir/metadata") => {
                let resources: Vec<_> =
                    self.offered.iter().map(|name| json!({"type": name})).collect();
                Reply::json(&json!({
                    "resourceType": "CapabilityStatement", "fhirVersion": "4.0.1",
                    "rest": [{"mode": "server", "resource": resources}],
                }))
            }
            ("GET", "/fhir/.well-known/smart-configuration") if self.scope.is_some() => {
                Reply::json(&json!({"token_endpoint": format!("{own}token")}))
            }
            ("POST", "/token") => Reply::json(&json!({
                "access_token": "t", "token_type": "bearer", "expires_in": 300,
                "scope": self.scope,
            })),
            ("GET", "/fhir/$export") if self.busy > 0 => {
                self.busy -= 1;
                let after = ("Retry-After", "1".to_owned());
                Reply { headers: vec![after], ..Reply::new(429, "") }
            }
            ("GET", "/fhir/$export") if self.silent > 0 => {
                self.silent -= 1;
                Reply { framing: Framing::None, ..Reply::new(200, "") }
            }
            ("GET", "/fhir/$export") => Reply {
                headers: vec![("Content-Location", format!("{own}fhir/status/1"))],
                ..Reply::new(202, "")
            },
            ("GET", "/fhir/status/1") if !self.polls.is_empty() => {
                let (status, code) = self.polls.remove(0);
                let outcome = json!({
                    "resourceType": "OperationOutcome",
                    "issue": [{"severity": "error", "code": code}],
                });
                let mut reply = Reply { status, ..Reply::json(&outcome) };
                reply.headers.push(("Retry-After", "0".to_owned()));
                reply
            }
            ("GET", "/fhir/status/1") => {
                let mut reply = Reply::json(&self.manifest(own));
                let expires = self.expires.map(|at| ("Expires", at.to_owned()));
                reply.headers.extend(expires);
                reply
            }
            ("GET", path) if path.starts_with("/files/") && self.file_busy > 0 => {
                self.file_busy -= 1;
                let after = ("Retry-After", "1".to_owned());
                Reply { headers: vec![after], ..Reply::new(503, "") }
            }
            ("GET", path)
                if path.starts_with("/files/") && !self.file_faults.is_empty() =>
            {
                Reply::new(self.file_faults.remove(0), "")
            }
            ("GET", path)
                if path.starts_with("/outcomes/") && self.stale_outcomes > 0 =>
            {
                self.stale_outcomes -= 1;
                Reply::new(403, "<Error><Code>AccessDenied</Code></Error>")
            }
            ("DELETE", "/fhir/status/1") => Reply::new(self.delete, ""),
            ("GET", path) => Fake::file(&self.files, path, "/files/", self.label)
                .or_else(|| Fake::file(&self.outcomes, path, "/outcomes/", NDJSON))
                .or_else(|| self.count(path))
                .unwrap_or_else(|| Reply::new(404, "")),
            (_, _) => Reply::new(404, ""),
        }
    }

    fn manifest(&self, own: &Url) -> serde_json::Value {
        let listed = |files: &[Served], folder: &str| -> Vec<serde_json::Value> {
            let files = files.iter().enumerate();
            files
                .map(|(index, file)| {
                    let path = format!("{folder}/{index}");
                    let at = file.elsewhere.as_ref().unwrap_or(own).join(&path).unwrap();
                    let mut entry = json!({"type": file.kind, "url": at.as_str()});
                    if let Some(count) = file.count {
                        entry["count"] = count.into();
                    }
                    entry
                })
                .collect()
        };
        let mut manifest = json!({
            "transactionTime": self.transaction_time,
            "request": format!("{own}fhir/$export"),
            "requiresAccessToken": self.requires_token,
            "output": listed(&self.files, "files"),
            "error": listed(&self.outcomes, "outcomes"),
        });
        if let Some(format) = self.format {
            manifest["outputFormat"] = format.into();
        }
        if let Some(by) = self.organised_by {
            manifest["outputOrganizedBy"] = by.into();
            for file in manifest["output"].as_array_mut().unwrap() {
                file.as_object_mut().unwrap().remove("type");
            }
        }
        manifest
    }

    fn count(&self, path: &str) -> Option<Reply> {
        let name = path.strip_prefix("/fhir/")?;
        Some(match self.totals.get(name) {
            Some(total) => {
                Reply::json(&json!({"resourceType": "Bundle", "total": total}))
            }
            None => Reply::new(self.uncounted, ""),
        })
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
        Self::exporting(Exported { requires_token, ..Exported::new(files) }).0
    }

    /// A server with one export, and the handle by which what it says is changed.
    pub(crate) fn exporting(exported: Exported) -> (Self, Arc<Mutex<Exported>>) {
        let exported = Arc::new(Mutex::new(exported));
        let shared = Arc::clone(&exported);
        let fake = Self::start(move |seen, own| shared.lock().unwrap().answer(seen, own));
        (fake, exported)
    }

    /// A server with nothing but files.
    pub(crate) fn files(files: Vec<Served>) -> Self {
        Self::start(move |seen, _| {
            let file = Self::file(&files, &seen.path, "/files/", NDJSON);
            file.unwrap_or_else(|| Reply::new(404, ""))
        })
    }

    fn file(files: &[Served], path: &str, folder: &str, label: &str) -> Option<Reply> {
        let index = path.strip_prefix(folder)?.parse::<usize>().ok()?;
        let file = files.get(index)?;
        Some(Reply {
            headers: vec![("Content-Type", label.to_owned())],
            framing: file.framing,
            ..Reply::new(file.status, file.body.clone())
        })
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
    let target = words.next()?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
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
    Some(Seen { method, path, query, headers, body })
}

fn write(mut stream: &TcpStream, reply: &Reply) -> std::io::Result<()> {
    if reply.framing == Framing::None {
        return Ok(());
    }
    let mut head = format!(
        "HTTP/1.1 {} X\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\nConnection: close\r\n",
        reply.status,
    );
    if reply.framing == Framing::Length {
        head.push_str(&format!("Content-Length: {}\r\n", reply.body.len()));
    }
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(&reply.body)
}
