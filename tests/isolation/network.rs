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

use std::{num::NonZeroUsize, process::Command, sync::Arc, time::Duration};

use bulkhead_egress::http::{
    Auth, Base, Destination, DestinationConfig, DestinationLimits, Destinations, Method,
    Rules,
};
use bulkhead_model::{Instant, Secret};
use bulkhead_net::{ClearText, Lookup, Place};
use bulkhead_sandbox::Isolation;
use bulkhead_test_servers::{Answer, Names, OK, Request, Seen, Server, Tail, Then};
use futures::{FutureExt as _, future::ready};

use crate::{beside, canary};

/// What there is to be reached, and what was.
pub(crate) struct Network {
    pub(crate) destinations: Destinations,
    /// What came to the server.
    seen: Seen,
    /// What came to where nobody may send.
    elsewhere: Seen,
    /// Names that may be looked up, and were.
    names: [Names; 2],
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
        let Server { addr, seen, .. } = Server::answering("127.0.0.1:0", answer).await;
        let port = addr.port();
        // The same port at another address of this machine.
        let elsewhere =
            Server::answering(&format!("127.0.0.2:{port}"), answer).await.seen;
        let (here, all) = (format!("http://{addr}/v1/"), "127.0.0.0/8");
        let dwh = config("dwh", &here, all, nobody());
        let mut slow = config("slow", &here, all, nobody());
        slow.limits.timeout = Duration::from_mins(2);
        let moving = Names::new(&[&["127.0.0.1"], &["127.0.0.2"]], Then::Again);
        let moves = config(
            "moves",
            &format!("http://localhost:{port}/v1/"),
            "127.0.0.1/32",
            through(&moving),
        );
        let inner = Names::new(&INSIDE.each_ref().map(std::slice::from_ref), Then::Again);
        let inside = config(
            "inside",
            &format!("https://{METADATA}:{port}/v1/"),
            "203.0.113.0/24",
            through(&inner),
        );
        let made = [dwh, slow, moves, inside]
            .map(|config| Arc::new(Destination::new(config).unwrap()));
        let destinations = Destinations::from_iter(made);
        Self { destinations, seen, elsewhere, names: [moving, inner] }
    }

    /// Asserts that nothing came anywhere but to the server, with what only the host knows, and
    /// that nothing was looked up but what the operator configured.
    pub(crate) fn stayed_within(&self) {
        let seen = self.seen.all();
        assert!(!seen.is_empty(), "what was granted is reached");
        let credential = format!("Bearer {}", canary::TOKEN);
        for Request { head, .. } in &seen {
            assert!(head.starts_with("POST /v1/in/"), "{head}");
            assert!(head.contains(&credential), "the host adds the credential: {head}");
        }
        assert_eq!(self.elsewhere.all(), [], "came elsewhere");
        for (names, expected) in self.names.iter().zip(["localhost", METADATA]) {
            let asked = names.asked();
            assert!(!asked.is_empty(), "{expected} was looked up");
            assert!(asked.iter().all(|name| name == expected), "{asked:?}");
        }
    }
}

/// Attacks: 37.
#[tokio::test]
async fn proxies_of_the_environment_see_nothing_of_any_guest() {
    let proxy = Server::answering("127.0.0.1:0", answer).await;
    let mut inner = Command::new(std::env::current_exe().unwrap());
    inner.args(["--exact", "network::under_proxies"]).env(PROXIED, "1");
    for variable in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        let url = format!("http://{}", proxy.addr);
        inner.env(variable, &url).env(variable.to_lowercase(), url);
    }
    inner.env_remove("NO_PROXY").env_remove("no_proxy").env_remove("REQUEST_METHOD");
    let ended =
        tokio::task::spawn_blocking(move || inner.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(proxy.seen.all(), [], "the proxy was asked");
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

/// Where these names are looked up.
fn through(names: &Names) -> Lookup {
    let names = names.clone();
    Lookup::new(move |name| ready(Ok(names.look_up(name))).boxed())
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

/// What the server says, by the last part of the path.
fn answer(request: &Request) -> Answer {
    let port = request.port;
    let begun = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    match request.target().rsplit('/').next() {
        Some("drip") => Answer { said: begun.to_owned(), tail: Tail::Drip },
        Some("endless") => {
            Answer { said: begun.to_owned(), tail: Tail::Endless("xxxxxxxxxxxxxxxx") }
        }
        Some("silent") => Answer { said: String::new(), tail: Tail::Silent },
        Some(redirect) if redirect.starts_with("redirect-") => {
            let status = redirect.trim_start_matches("redirect-");
            let target = match status {
                "301" | "308" => format!("http://127.0.0.2:{port}/v1/in/ok"),
                "302" => "http://169.254.169.254/latest".to_owned(),
                "303" => "//evil.example/ok".to_owned(),
                _ => "file:///etc/passwd".to_owned(),
            };
            Answer::new(format!(
                "HTTP/1.1 {status} Moved\r\nLocation: {target}\r\nContent-Length: 0\r\n\
                 Connection: close\r\n\r\n"
            ))
        }
        _ => Answer::new(OK),
    }
}
