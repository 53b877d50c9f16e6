//! What an operator may set about the network. Every limit is a field.

use std::{collections::BTreeSet, num::NonZeroUsize, time::Duration};

use bulkhead_model::Secret;

use crate::origin::Origin;

/// How a [`crate::Client`] behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// Gives up on a TCP and TLS handshake after this long. Default: 10 s.
    pub connect_timeout: Duration,
    /// Gives up when response headers take longer than this. Default: 120 s, because some
    /// servers prepare an export before they answer the kick-off.
    pub response_timeout: Duration,
    /// Gives up on a body that sends nothing for this long. Default: 60 s.
    pub idle_timeout: Duration,
    /// Gives up on a body of which fewer bytes than this came in each of two minutes in a
    /// row, both spent waiting for it. Default: 4 KiB, far below any link in use, so that a
    /// server cannot hold a transfer for ever byte by byte.
    pub least_per_minute: u64,
    /// The `User-Agent` sent.
    pub user_agent: String,
    /// Requests to one origin at once, bodies still being read included. Default: 16, twice
    /// the usual number of files in flight, so that polls never wait for downloads.
    pub requests_per_origin: NonZeroUsize,
    /// The least time between the starts of two requests to one origin. Default: none.
    pub request_interval: Duration,
    /// The longest that patient requests to an origin wait because it asked for it, by
    /// `Retry-After`. Default: 15 min.
    pub longest_patience: Duration,
    /// Origins that the operator named (the FHIR base, the token endpoint, file servers):
    /// their addresses are not checked.
    pub trusted_origins: BTreeSet<Origin>,
    /// Origins that the operator lets speak plain `http`.
    pub insecure_origins: BTreeSet<Origin>,
    /// Further root certificates, PEM.
    pub roots: Vec<Vec<u8>>,
    /// Client certificate and key for mutual TLS, PEM. Shown to trusted origins alone.
    pub identity: Option<Secret>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            response_timeout: Duration::from_mins(2),
            idle_timeout: Duration::from_mins(1),
            least_per_minute: 4 << 10,
            user_agent: concat!("bulkhead/", env!("CARGO_PKG_VERSION")).to_owned(),
            requests_per_origin: NonZeroUsize::MIN.saturating_add(15),
            request_interval: Duration::ZERO,
            longest_patience: Duration::from_mins(15),
            trusted_origins: BTreeSet::new(),
            insecure_origins: BTreeSet::new(),
            roots: Vec::new(),
            identity: None,
        }
    }
}
