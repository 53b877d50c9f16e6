//! A server of a few lines: answers by a closure, remembers what it saw.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bulkhead_model::Instant;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use url::Url;

/// One request as it arrived; header names in lower case.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.target.split('?').next() == Some(path)
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) url: Url,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// `answer` gets the request, how many of the same method and path came before it, and
    /// the server's own URL.
    pub(crate) async fn start(
        answer: impl Fn(&Seen, usize, &Url) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: Url =
            format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (log, own, answer) = (Arc::clone(&seen), url.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let (log, own, answer) =
                    (Arc::clone(&log), own.clone(), Arc::clone(&answer));
                tokio::spawn(async move {
                    let Some(request) = read(&mut socket).await else { return };
                    let before = {
                        let mut log = log.lock().unwrap();
                        let path = request.target.split('?').next().unwrap().to_owned();
                        let before =
                            log.iter().filter(|r| r.is(&request.method, &path)).count();
                        log.push(request.clone());
                        before
                    };
                    let _ = socket.write_all(&answer(&request, before, &own)).await;
                    let _ = socket.shutdown().await;
                });
            }
        });
        Self { url, seen }
    }

    /// All requests of a method and path.
    pub(crate) fn requests(&self, method: &str, path: &str) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|request| request.is(method, path)).cloned().collect()
    }

    /// All requests.
    pub(crate) fn all(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn read(socket: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let head = loop {
        let at = bytes.windows(4).position(|end| end == b"\r\n\r\n");
        if let Some(at) = at {
            break at;
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let mut lines = text.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length: usize =
        headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = bytes.split_off(head + 4);
    while body.len() < length {
        if socket.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Seen { method, target, headers, body: String::from_utf8(body).unwrap() })
}

/// A whole response; `headers` are lines without their ends.
pub(crate) fn reply(status: u16, headers: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = format!(
        "HTTP/1.1 {status} X\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\n\
         Content-Length: {}\r\nConnection: close\r\n",
        body.len()
    )
    .into_bytes();
    for header in headers {
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// The server's time, and the client's.
pub(crate) fn now() -> Instant {
    "2026-11-22T10:00:00Z".parse().unwrap()
}
