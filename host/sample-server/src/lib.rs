//! A Bulk Data server over a folder of NDJSON files or over made-up patients, to rehearse a
//! chain against. It is conformant, unless a [`Scenario`] orders faults.
//!
//! This crate owns the server side of `$export`: discovery, SMART Backend Services, the three
//! kick-offs, polling, files, cancellation, and as much plain REST as an export client asks
//! for. It owns no client, reads no clock and draws no random number itself: both arrive in
//! [`Options`]. It terminates no TLS; put a proxy before it and name it in
//! [`Options::public_origin`].
//!
//! Source: Bulk Data Access IG 3.0.0 (with the 1.0 and 2.0 spellings of its parameters) and
//! SMART App Launch 2.2, "Backend Services".

mod auth;
mod behaviour;
mod changes;
mod clock;
mod control;
mod counted;
mod cues;
mod data;
mod door;
mod edits;
mod error;
mod everything;
mod export;
mod hop;
mod manners;
mod metadata;
mod outcome;
mod peek;
mod request_log;
mod rest;
mod route;
pub mod scenario;
mod search;
mod server;
mod spoil;
mod state;
mod store;
mod strike;
mod wire;

pub use auth::{Auth, Client};
pub use behaviour::{AssertionClock, Behaviour, Gzip, Ready};
pub use clock::{RealClock, Stopwatch};
pub use control::{Control, JobView};
pub use cues::Struck;
pub use data::{Changes, Data, Difference, Folder, MadeUp, Script, Strictness};
pub use error::Error;
pub use manners::{Lapse, Rule, lapses};
pub use request_log::{Bearer, Ended, LoggedRequest, Origin, Sent};
pub use scenario::{Fault, On, Scenario};
pub use server::{Limits, Options, RandomBytes, Running, Server};
