//! Destinations that the attacker was granted, the hostile server behind them, and names that
//! lead where they should not.
//!
//! The server answers by the last part of the path: `ok`; `redirect-` and a status, to another
//! address of this machine, to where clouds keep their credentials, and worse; `endless`; `drip`, a byte now and then; `silent`, nothing.
//!
//! Destinations: `dwh` is the server; `slow` is the server with all the time in the world;
//! `moves` is a name whose address changes with every look-up, first the server's, then one of
//! this machine that was not allowed; `inside` is a name that leads to addresses of the inside,
//! each look-up to another.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use bulkhead_egress::http::{
    Auth, Base, Destination, DestinationConfig, DestinationLimits, Destinations, Method,
    Rules,
};
use bulkhead_model::{Instant, Secret};
use bulkhead_net::{ClearText, Lookup, Place};
use bulkhead_sandbox::Isolation;
use futures::FutureExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{beside, canary};

/// The heads of requests, or names that were looked up.
pub(crate) type Seen = Arc<Mutex<Vec<String>>>;

/// What there is to be reached, and what was.
pub(crate) struct Network {
    pub(crate) destinations: Destinations,
    /// What came to the server.
    pub(crate) seen: Seen,
    /// What came to where nobody may send.
    pub(crate) elsewhere: Seen,
    /// Names that were looked up.
    pub(crate) asked: Seen,
}

/// Addresses of the inside in several families and spellings; this machine is one of them.
const INSIDE: [&str; 11] = [
    "127.0.0.1",
    "::1",
    "0.0.0.0",
    "10.0.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "fd00:ec2::254",
    "fe80::1",
];

const METADATA: &str = "metadata.google.internal";

impl Network {
    pub(crate) async fn new() -> Self {
        let (seen, elsewhere, asked) =
            (Seen::default(), Seen::default(), Seen::default());
        let at = listen("127.0.0.1:0".parse().unwrap(), &seen).await;
        let port = at.port();
        listen(SocketAddr::new([127, 0, 0, 2].into(), port), &elsewhere).await;
        let (here, all) = (format!("http://{at}/v1/"), "127.0.0.0/8");
        let dwh = config("dwh", &here, all, nobody());
        let mut slow = config("slow", &here, all, nobody());
        slow.limits.timeout = Duration::from_mins(2);
        let moves = config(
            "moves",
            &format!("http://localhost:{port}/v1/"),
            "127.0.0.1/32",
            names(&["127.0.0.1", "127.0.0.2"], &asked),
        );
        let inside = config(
            "inside",
            &format!("https://{METADATA}:{port}/v1/"),
            "203.0.113.0/24",
            names(&INSIDE, &asked),
        );
        let made = [dwh, slow, moves, inside]
            .map(|config| Arc::new(Destination::new(config).unwrap()));
        Self { destinations: Destinations::from_iter(made), seen, elsewhere, asked }
    }

    /// Asserts that nothing came anywhere but to the server, with what only the host knows, and
    /// that nothing was looked up but what the operator configured.
    pub(crate) fn stayed_within(&self) {
        let seen = self.seen.lock().unwrap();
        assert!(!seen.is_empty(), "what was granted is reached");
        let credential = format!("Bearer {}", canary::TOKEN);
        for head in seen.iter() {
            assert!(head.starts_with("POST /v1/in/"), "{head}");
            assert!(head.contains(&credential), "the host adds the credential: {head}");
        }
        assert_eq!(*self.elsewhere.lock().unwrap(), [""; 0], "came elsewhere");
        let asked = self.asked.lock().unwrap();
        for name in ["localhost", METADATA] {
            assert!(asked.iter().any(|asked| asked == name), "{name} was looked up");
        }
        let others =
            asked.iter().filter(|name| ![METADATA, "localhost"].contains(&name.as_str()));
        assert_eq!(others.count(), 0, "{asked:?}");
    }
}

/// Attacks: 37.
#[tokio::test]
async fn proxies_of_the_environment_see_nothing_of_any_guest() {
    let seen = Seen::default();
    let proxy = listen("127.0.0.1:0".parse().unwrap(), &seen).await;
    let mut inner = Command::new(std::env::current_exe().unwrap());
    inner.args(["--exact", "network::under_proxies"]).env(PROXIED, "1");
    for variable in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        let url = format!("http://{proxy}");
        inner.env(variable, &url).env(variable.to_lowercase(), url);
    }
    inner.env_remove("NO_PROXY").env_remove("no_proxy").env_remove("REQUEST_METHOD");
    let ended =
        tokio::task::spawn_blocking(move || inner.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(*seen.lock().unwrap(), [""; 0], "the proxy was asked");
}

/// Says that there are proxies.
const PROXIED: &str = "BULKHEAD_TEST_PROXIED";

/// Does nothing unless the test above says so.
#[tokio::test]
async fn under_proxies() {
    if std::env::var_os(PROXIED).is_some() {
        for isolation in [Isolation::InProcess, Isolation::Process] {
            beside::every("network", isolation).await.network.stayed_within();
        }
    }
}

/// Where no name is ever looked up.
fn nobody() -> Lookup {
    Lookup::new(|name| panic!("`{name}` was looked up"))
}

/// Every look-up leads to the next of `addresses`, round and round.
fn names(addresses: &[&str], asked: &Seen) -> Lookup {
    let addresses: Vec<IpAddr> =
        addresses.iter().map(|address| address.parse().unwrap()).collect();
    let (next, asked) = (Mutex::new(addresses.into_iter().cycle()), Arc::clone(asked));
    Lookup::new(move |name| {
        asked.lock().unwrap().push(name.to_owned());
        let address = next.lock().unwrap().next();
        std::future::ready(Ok(address.into_iter().collect())).boxed()
    })
}

fn config(name: &str, url: &str, allow: &str, lookup: Lookup) -> DestinationConfig {
    let allow = vec![allow.parse().unwrap()];
    let place =
        Place::new(url.parse().unwrap(), allow, ClearText::OnThisMachine).unwrap();
    DestinationConfig {
        name: name.to_owned(),
        rules: Rules {
            base: Base::new(place.url(), "/in").unwrap(),
            methods: [Method::Post].into(),
            headers: vec!["content-type".parse().unwrap()],
        },
        place,
        limits: DestinationLimits {
            concurrency: NonZeroUsize::MIN,
            timeout: Duration::from_millis(200),
            request_bytes: 4 << 10,
            response_bytes: 1 << 10,
        },
        auth: Auth::Bearer(Secret::new(canary::TOKEN)),
        roots: Vec::new(),
        identity: None,
        lookup,
        now: Arc::new(|| Instant::from_unix_ms(0)),
    }
}

/// Serves at an address, and notes what comes.
async fn listen(at: SocketAddr, seen: &Seen) -> SocketAddr {
    let listener = TcpListener::bind(at).await.unwrap();
    let (at, seen) = (listener.local_addr().unwrap(), Arc::clone(seen));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket, Arc::clone(&seen)));
        }
    });
    at
}

async fn serve(mut socket: TcpStream, log: Seen) {
    let port = socket.local_addr().unwrap().port();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    log.lock().unwrap().push(head);
    let said = match path.rsplit('/').next() {
        Some("drip" | "endless") => {
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_owned()
        }
        Some("silent") => String::new(),
        Some(redirect) if redirect.starts_with("redirect-") => {
            let status = redirect.trim_start_matches("redirect-");
            let target = match status {
                "301" | "308" => format!("http://127.0.0.2:{port}/v1/in/ok"),
                "302" => "http://169.254.169.254/latest".to_owned(),
                "303" => "//evil.example/ok".to_owned(),
                _ => "file:///etc/passwd".to_owned(),
            };
            format!(
                "HTTP/1.1 {status} Moved\r\nLocation: {target}\r\nContent-Length: 0\r\n\
                 Connection: close\r\n\r\n"
            )
        }
        _ => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
            .to_owned(),
    };
    if socket.write_all(said.as_bytes()).await.is_err() {
        return;
    }
    if path.ends_with("/endless") {
        while socket.write_all(&[b'x'; 1024]).await.is_ok() {}
    } else if path.ends_with("/drip") {
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        while socket.write_all(b"x").await.is_ok() {
            tick.tick().await;
        }
    } else if path.ends_with("/silent") {
        // Until the other side has had enough.
        let _ = socket.read_u8().await;
    }
}
