//! A destination that the attacker was granted, and the hostile server behind it.
//!
//! The server answers by the last part of the path: `ok`; `redirect` to where clouds keep their
//! credentials; `endless`; `drip`, a byte now and then.

use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    sync::{Arc, Mutex},
    time::Duration,
};

use bulkhead_egress::http::{
    Auth, Base, Destination, DestinationConfig, DestinationLimits, Destinations, Method,
    Rules,
};
use bulkhead_model::{Instant, Secret};
use bulkhead_net::{ClearText, Lookup, Place};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::canary;

/// What came to the server: the heads of requests.
pub(crate) type Seen = Arc<Mutex<Vec<String>>>;

/// The one destination, `dwh`, and what comes to it.
pub(crate) async fn destinations() -> (Destinations, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, seen) = (listener.local_addr().unwrap(), Seen::default());
    let log = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket, Arc::clone(&log)));
        }
    });
    let destination = Destination::new(config(at)).unwrap();
    (Destinations::from_iter([Arc::new(destination)]), seen)
}

fn config(at: SocketAddr) -> DestinationConfig {
    let url = format!("http://{at}/v1/").parse().unwrap();
    let allow = vec!["127.0.0.0/8".parse().unwrap()];
    let place = Place::new(url, allow, ClearText::OnThisMachine).unwrap();
    DestinationConfig {
        name: "dwh".to_owned(),
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
        lookup: Lookup::new(|name| panic!("`{name}` was looked up")),
        now: Arc::new(|| Instant::from_unix_ms(0)),
    }
}

async fn serve(mut socket: TcpStream, log: Seen) {
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
        Some("redirect") => {
            "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n"
        }
        Some("drip" | "endless") => "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
        _ => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
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
    }
}
