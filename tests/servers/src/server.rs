//! A server of HTTP/1.1 that answers as a test says, one request a connection, and remembers
//! what came.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::tls::{Asks, acceptor};

/// An answer with two letters.
pub const OK: &str =
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

/// A free port of this machine.
const HERE: &str = "127.0.0.1:0";

/// One request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The first line and the headers, with the empty line behind them.
    pub head: String,
    /// As long as `Content-Length` says.
    pub body: Vec<u8>,
    /// The certificates that the client showed.
    pub certificates: usize,
    /// The port of the server.
    pub port: u16,
}

impl Request {
    /// The first line.
    #[must_use]
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// The path, with what is behind it.
    #[must_use]
    pub fn target(&self) -> &str {
        self.line().split(' ').nth(1).unwrap_or_default()
    }
}

/// What a server was asked. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Seen(Arc<Mutex<Vec<Request>>>);

impl Seen {
    /// All requests, in order.
    ///
    /// # Panics
    ///
    /// When another test failed within it.
    #[must_use]
    pub fn all(&self) -> Vec<Request> {
        self.0.lock().unwrap().clone()
    }

    /// Their first lines.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.all().iter().map(|request| request.line().to_owned()).collect()
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.all().len()
    }

    fn note(&self, request: Request) {
        self.0.lock().unwrap().push(request);
    }
}

/// How a server goes on after what it said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// It closes.
    Close,
    /// One byte each time that the last one was taken, with a pause.
    Drip,
    /// The same text again and again.
    Endless(&'static str),
    /// It says nothing more and stays.
    Silent,
}

/// What a server says to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Byte for byte, head and all.
    pub said: String,
    /// And then?
    pub tail: Tail,
}

impl Answer {
    /// That and no more.
    pub fn new(said: impl Into<String>) -> Self {
        Self { said: said.into(), tail: Tail::Close }
    }
}

/// A server on this machine that ends with the test.
#[derive(Debug)]
pub struct Server {
    /// Where it is.
    pub addr: SocketAddr,
    /// What it was asked.
    pub seen: Seen,
    scheme: &'static str,
}

impl Server {
    /// Says to every request what `answer` makes of its head, and goes on as `tail` says.
    pub async fn start(
        answer: impl Fn(&str) -> String + Send + Sync + 'static,
        tail: Tail,
    ) -> Self {
        Self::on(HERE, answer, tail).await
    }

    /// The same at an address of this machine.
    pub async fn on(
        at: &str,
        answer: impl Fn(&str) -> String + Send + Sync + 'static,
        tail: Tail,
    ) -> Self {
        let answer =
            move |request: &Request| Answer { said: answer(&request.head), tail };
        Self::answering(at, answer).await
    }

    /// A server that says `200` and no more.
    pub async fn ok() -> Self {
        Self::start(|_| OK.to_owned(), Tail::Close).await
    }

    /// Answers at an address of this machine by what `answer` makes of a request.
    ///
    /// # Panics
    ///
    /// When there is no such address, or it is taken.
    pub async fn answering(
        at: &str,
        answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(at).await.unwrap();
        let (addr, seen) = (listener.local_addr().unwrap(), Seen::default());
        let (log, answer) = (seen.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (log, answer) = (log.clone(), Arc::clone(&answer));
                tokio::spawn(async move {
                    serve(socket, (0, addr.port()), &log, &*answer).await;
                });
            }
        });
        Self { addr, seen, scheme: "http" }
    }

    /// The same under TLS, with the certificate of this crate. Of who is turned away nothing is
    /// noted.
    ///
    /// # Panics
    ///
    /// When this machine has no port left.
    pub async fn with_tls(
        asks: Asks,
        answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(HERE).await.unwrap();
        let (addr, seen) = (listener.local_addr().unwrap(), Seen::default());
        let (log, answer) = (seen.clone(), Arc::new(answer));
        let acceptor = acceptor(asks, &[]);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (log, answer) = (log.clone(), Arc::clone(&answer));
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(socket) = acceptor.accept(socket).await else { return };
                    let shown = socket.get_ref().1.peer_certificates();
                    let certificates = shown.map_or(0, <[_]>::len);
                    serve(socket, (certificates, addr.port()), &log, &*answer).await;
                });
            }
        });
        Self { addr, seen, scheme: "https" }
    }

    /// Its root: `http://127.0.0.1:1234/`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}/", self.scheme, self.addr)
    }
}

async fn serve(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    (certificates, port): (usize, u16),
    log: &Seen,
    answer: &(dyn Fn(&Request) -> Answer + Send + Sync),
) {
    let Some((head, body)) = read(&mut socket).await else { return };
    let request = Request { head, body, certificates, port };
    let Answer { said, tail } = answer(&request);
    log.note(request);
    if socket.write_all(said.as_bytes()).await.is_err() {
        return;
    }
    match tail {
        Tail::Close => {
            let _ = socket.shutdown().await;
        }
        Tail::Drip => {
            let mut tick = tokio::time::interval(Duration::from_millis(5));
            while socket.write_all(b"x").await.is_ok() && socket.flush().await.is_ok() {
                tick.tick().await;
            }
        }
        Tail::Endless(text) => while socket.write_all(text.as_bytes()).await.is_ok() {},
        Tail::Silent => {
            // Until the other side has had enough.
            let _ = socket.flush().await;
            let _ = socket.read_u8().await;
        }
    }
}

/// Head and body of the one request; `None` when the connection ends before.
async fn read(socket: &mut (impl AsyncRead + Unpin)) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.parse::<usize>().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    socket.read_exact(&mut body).await.ok()?;
    Some((head, body))
}
