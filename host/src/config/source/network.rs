//! `[source.tls]` and `[source.requests]`: certificates, the pace of requests and how long an
//! answer may take; and what is known of files.

use std::{
    collections::BTreeSet,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use bulkhead_bulk::Defaults;

use super::Reader;
use crate::config::{SecretSource, secrets};

/// TLS, the pace of requests, and files.
#[derive(Clone, Debug)]
pub(crate) struct NetworkConfig {
    /// Further root certificates, PEM.
    pub(crate) roots: Vec<PathBuf>,
    /// Client certificate and key, PEM.
    pub(crate) identity: Option<SecretSource>,
    /// Requests to one origin at once; `None` leaves the default.
    pub(crate) at_once: Option<NonZeroUsize>,
    /// The least time between two requests to one origin.
    pub(crate) interval: Option<Duration>,
    /// The longest that a server's wish for fewer downloads is heeded.
    pub(crate) patience: Option<Duration>,
    /// How long an answer may take to begin.
    pub(crate) response_time: Option<Duration>,
    /// How long a body may pause.
    pub(crate) idle_time: Option<Duration>,
    /// How long files live where the server does not say.
    pub(crate) file_lifetime: Option<Duration>,
    /// Extensions of files to pass over.
    pub(crate) ignored_extensions: BTreeSet<String>,
}

pub(super) fn read(
    source: &Reader<'_>,
    folder: &Path,
    defaults: &Defaults,
) -> NetworkConfig {
    let tls = source.section("tls");
    let roots = tls.texts("roots").unwrap_or_default();
    let identity = if tls.is_table("identity") {
        secrets::read(&tls.section("identity"), folder)
    } else {
        if tls.text("identity").is_some() {
            let message =
                "`source.tls.identity` must be `{ file = \"…\" }` or `{ env = \"…\" }`";
            tls.problem_at("identity", message);
        }
        None
    };
    tls.finish();
    let requests = source.section("requests");
    let at_once = requests.number("at-once", 1..MOST_AT_ONCE + 1);
    let at_once = at_once.or(defaults.requests_at_once.map(u64::from));
    let config = NetworkConfig {
        roots: roots.into_iter().map(|path| folder.join(path)).collect(),
        identity,
        at_once: at_once
            .and_then(|number| usize::try_from(number).ok())
            .and_then(NonZeroUsize::new),
        interval: requests.duration("interval").or(defaults.request_interval()),
        patience: requests.duration("patience"),
        response_time: requests.duration("response-time"),
        idle_time: requests.duration("idle-time"),
        file_lifetime: source.duration("file-lifetime").or(defaults.file_lifetime()),
        ignored_extensions: source
            .texts("ignore-extensions")
            .unwrap_or_default()
            .into_iter()
            .collect(),
    };
    requests.finish();
    config
}

/// More would be rude to any server, and more than files in flight can use.
const MOST_AT_ONCE: u64 = 256;
