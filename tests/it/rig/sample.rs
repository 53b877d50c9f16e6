//! The sample server in the test's own process, so that its jobs outlive a killed client.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Mutex,
};

use bulkhead_model::Instant;
use bulkhead_sample_server::{
    Behaviour, Control, Data, Options, RandomBytes, Ready, RealClock, Running, Server,
};
use tokio::runtime::Runtime;
use url::Url;

use super::Random;

/// The real time of all servers.
pub(crate) const NOW: Instant = Instant::from_unix_ms(1_790_000_000_000);

/// A sample server whose clock stands still until it is advanced.
pub(crate) struct Sample {
    pub(crate) base: Url,
    pub(crate) addr: SocketAddr,
    pub(crate) control: Control,
    // Dropped in this order.
    _running: Running,
    _runtime: Runtime,
}

impl Sample {
    /// Starts an open server whose jobs are done at once, unless `change` says otherwise.
    pub(crate) fn start(data: Data, change: impl FnOnce(&mut Options)) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut options = Options::new(data, RealClock::new(|| NOW), random_bytes());
        options.behaviour =
            Behaviour { ready: Ready::AfterPolls(0), ..Behaviour::default() };
        options.limits.jobs = 10_000;
        options.limits.logged_requests = 100_000;
        change(&mut options);
        let running = runtime.block_on(Server::start(options)).unwrap();
        Self {
            base: running.base_url.clone(),
            addr: running.addr,
            control: running.control.clone(),
            _running: running,
            _runtime: runtime,
        }
    }

    /// Ids of a type, sorted.
    pub(crate) fn ids(&self, resource_type: &str) -> Vec<String> {
        let mut ids = self.control.ids()[&resource_type.parse().unwrap()].clone();
        ids.sort();
        ids
    }
}

/// Numbers for tokens and job ids.
pub(crate) fn random_bytes() -> RandomBytes {
    let random = Mutex::new(Random::new(1));
    RandomBytes::new(move |buffer| {
        let mut random = random.lock().unwrap();
        for chunk in buffer.chunks_mut(8) {
            chunk.copy_from_slice(&random.number().to_be_bytes()[..chunk.len()]);
        }
    })
}

/// Fetches a path in the plainest way there is.
///
/// Source: RFC 1945 (a body ends with its connection).
pub(crate) fn get(addr: SocketAddr, target: &str, headers: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(addr).unwrap();
    let request = format!("GET {target} HTTP/1.0\r\nHost: {addr}\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    let end = reply.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let body = reply.split_off(end + 4);
    (String::from_utf8(reply).unwrap(), body)
}
