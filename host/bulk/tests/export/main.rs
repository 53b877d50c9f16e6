//! Whole exports against a server on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::type_complexity,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking; its tables are read here and nowhere else"
)]

mod auth;
mod counts;
mod discovery;
mod files;
mod jobs;
mod kickoffs;
mod manifests;
mod proofs;
mod server;
mod tokens;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use bulkhead_bulk::{
    Auth, BackendServices, Client, Clock, PollLimits, Settings, SigningKey, Surroundings,
};
use bulkhead_net::Config;
use url::Url;

/// Waits that a test can bear.
pub(crate) const POLL: PollLimits = PollLimits {
    floor: Duration::from_millis(1),
    ceiling: Duration::from_millis(5),
    first: Duration::from_millis(1),
    backoff_cap: Duration::from_millis(2),
    job_timeout: Duration::from_hours(1),
    failures: 10,
    failure_time: Duration::from_secs(1),
    doubts: 3,
};

pub(crate) fn settings(base: &Url, auth: Auth) -> Settings {
    Settings { auth, poll: POLL, ..Settings::new(base.join("fhir").unwrap()) }
}

pub(crate) fn services(key: &Arc<SigningKey>) -> Auth {
    Auth::BackendServices(BackendServices {
        client_id: "me".to_owned(),
        keys: vec![Arc::clone(key)],
        token_url: None,
        scope: None,
    })
}

pub(crate) fn client(settings: Settings) -> Client {
    client_at(settings, Arc::new(server::now))
}

/// A client whose clock the test moves.
pub(crate) fn client_at(settings: Settings, clock: Clock) -> Client {
    let config =
        Config { trusted_origins: settings.operator_origins(), ..Config::default() };
    let counter = AtomicU8::new(0);
    let surroundings = Surroundings {
        clock,
        // Different each time, which is all that assertion ids need here.
        random: Arc::new(move |bytes: &mut [u8]| {
            bytes.fill(counter.fetch_add(1, Ordering::Relaxed));
        }),
    };
    Client::new(settings, bulkhead_net::Client::new(config).unwrap(), surroundings)
        .unwrap()
}
