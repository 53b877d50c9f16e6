//! What tests of the way onto the network talk to: servers that say what a test wants said and
//! remember what they were asked, certificates, and names that lead where a test says.
//!
//! Knows nothing of the host, whose crates test with it. It makes no requests, and is no FHIR
//! server: `host/sample-server` is one.
#![expect(clippy::unwrap_used, reason = "what tests are made of fails by panicking")]

mod names;
mod server;
mod tls;

pub use names::{Names, Then};
pub use server::{Answer, OK, Request, Seen, Server, Tail};
pub use tls::{Asks, CLIENT, ROOT, acceptor};
