//! Servers that say what a test wants said, and destinations that lead to them.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    sync::{Arc, Mutex},
    time::Duration,
};

use bulkhead_egress::http::{
    Auth, Base, Destination, DestinationConfig, DestinationLimits, Destinations, Method,
    Rules,
};
use bulkhead_model::Instant;
use bulkhead_net::{ClearText, Lookup, Place};
use futures::FutureExt as _;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::ask::granted;
use crate::guest::Ground;

/// Head and body of a request.
type Request = (String, Vec<u8>);

/// What a server was asked: heads and bodies as they came.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<Request>>>);

impl Seen {
    pub(crate) fn all(&self) -> Vec<Request> {
        self.0.lock().unwrap().clone()
    }

    /// The first lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        let first = |(head, _): &Request| head.lines().next().unwrap().to_owned();
        self.all().iter().map(first).collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// How a server goes on after the head of its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tail {
    /// It closes.
    Close,
    /// It says nothing more and stays.
    Silent,
    /// The same text again and again.
    Endless(&'static str),
    /// One byte each time that the last one was taken, with a pause.
    Drip,
}

/// A server on this machine that ends with the test.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    pub(crate) seen: Seen,
}

impl Server {
    /// Answers every request by `answer`, which gets its head; closes after each.
    pub(crate) async fn start(
        answer: impl Fn(&str) -> String + Send + Sync + 'static,
        tail: Tail,
    ) -> Self {
        Self::on("127.0.0.1:0", answer, tail).await
    }

    pub(crate) async fn on(
        at: &str,
        answer: impl Fn(&str) -> String + Send + Sync + 'static,
        tail: Tail,
    ) -> Self {
        let listener = TcpListener::bind(at).await.unwrap();
        let (addr, seen) = (listener.local_addr().unwrap(), Seen::default());
        let (log, answer) = (seen.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (log, answer) = (log.clone(), Arc::clone(&answer));
                tokio::spawn(async move { serve(socket, &log, &*answer, tail).await });
            }
        });
        Self { addr, seen }
    }

    /// A server that says `200` and no more.
    pub(crate) async fn ok() -> Self {
        Self::start(|_| OK.to_owned(), Tail::Close).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1/", self.addr)
    }
}

pub(crate) const OK: &str =
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

async fn serve(
    mut socket: TcpStream,
    log: &Seen,
    answer: &(dyn Fn(&str) -> String + Send + Sync),
    tail: Tail,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.parse::<usize>().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    if socket.read_exact(&mut body).await.is_err() {
        return;
    }
    let said = answer(&head);
    log.0.lock().unwrap().push((head, body));
    let _ = socket.write_all(said.as_bytes()).await;
    match tail {
        Tail::Close => {
            let _ = socket.shutdown().await;
        }
        Tail::Silent => {
            // Until the other side has had enough.
            let _ = socket.read_u8().await;
        }
        Tail::Endless(text) => while socket.write_all(text.as_bytes()).await.is_ok() {},
        Tail::Drip => {
            let mut tick = tokio::time::interval(Duration::from_millis(5));
            while socket.write_all(b"x").await.is_ok() {
                tick.tick().await;
            }
        }
    }
}

/// A destination in the making: `dwh`, POST and GET, below `/v1/in`, on this machine.
pub(crate) fn config(url: &str, allow: &[&str]) -> DestinationConfig {
    let allow = allow.iter().map(|range| range.parse().unwrap()).collect();
    let place =
        Place::new(url.parse().unwrap(), allow, ClearText::OnThisMachine).unwrap();
    DestinationConfig {
        name: "dwh".to_owned(),
        rules: Rules {
            base: Base::new(place.url(), "/in").unwrap(),
            methods: [Method::Get, Method::Post].into(),
            headers: ["content-type", "prefer"]
                .map(|name| name.parse().unwrap())
                .to_vec(),
        },
        place,
        limits: DestinationLimits {
            concurrency: NonZeroUsize::MIN,
            timeout: Duration::from_secs(20),
            request_bytes: 4 << 10,
            response_bytes: 1 << 10,
        },
        auth: Auth::None,
        roots: Vec::new(),
        identity: None,
        lookup: no_names(),
        now: Arc::new(|| Instant::from_unix_ms(0)),
    }
}

/// A destination that leads to `server`.
pub(crate) fn to(server: &Server) -> DestinationConfig {
    config(&server.url(), &["127.0.0.0/8"])
}

/// Where no name is ever looked up.
pub(crate) fn no_names() -> Lookup {
    Lookup::new(|name| panic!("`{name}` was looked up"))
}

/// Every name leads to what `answers` has next, and then to its last; and what was asked.
pub(crate) fn names(answers: &[&[&str]]) -> (Lookup, Arc<Mutex<Vec<String>>>) {
    let read = |list: &&[&str]| -> Vec<IpAddr> {
        list.iter().map(|address| address.parse().unwrap()).collect()
    };
    let answers: Vec<Vec<IpAddr>> = answers.iter().map(read).collect();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&asked);
    let lookup = Lookup::new(move |name| {
        let mut log = log.lock().unwrap();
        let answer = answers.get(log.len()).or(answers.last()).unwrap().clone();
        log.push(name.to_owned());
        futures::future::ready(Ok(answer)).boxed()
    });
    (lookup, asked)
}

/// A place for guests that may reach these destinations.
pub(crate) fn ground(config: DestinationConfig) -> Ground {
    let mut ground = Ground::bare("dwh").granting(granted());
    // Long names and bodies shall reach the capability, and so shall one request in a call
    // on a busy machine.
    ground.limits.return_bytes = bulkhead_model::ByteSize::mib(4);
    ground.limits.memory = bulkhead_model::ByteSize::mib(8);
    ground.limits.cpu = Duration::from_secs(2);
    let destination = Arc::new(Destination::new(config).unwrap());
    ground.resources.destinations = Destinations::from_iter([destination]);
    ground
}
