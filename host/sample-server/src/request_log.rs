//! What was asked and what was answered, for assertions and for a look at a client's manners.
//!
//! Holds no token and no body.

use std::collections::VecDeque;

use axum::http::{HeaderMap, Method, Uri, header};
use bulkhead_model::Instant;

/// Where a request was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// At the second origin of a scenario.
    Elsewhere,
    /// At the server.
    Home,
}

/// One request and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRequest {
    /// When it came, by the virtual clock.
    pub at: Instant,
    /// Where it was asked.
    pub origin: Origin,
    /// The method.
    pub method: String,
    /// The path, as it was sent.
    pub path: String,
    /// The query, as it was sent; empty when there was none.
    pub query: String,
    /// Whether it carried an `Authorization` header.
    pub authorized: bool,
    /// The `Accept` header.
    pub accept: Option<String>,
    /// The `Accept-Encoding` header.
    pub accept_encoding: Option<String>,
    /// The `Cache-Control` header.
    pub cache_control: Option<String>,
    /// All `Prefer` headers, comma-joined.
    pub prefer: Option<String>,
    /// The status of the answer; of an answer that was lost, the one that was lost.
    pub status: u16,
    /// The names of the faults that struck.
    pub struck: Vec<String>,
}

impl LoggedRequest {
    /// What can be said before the answer is known.
    pub(crate) fn of(
        at: Instant,
        origin: Origin,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Self {
        Self {
            at,
            origin,
            method: method.to_string(),
            path: uri.path().to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
            authorized: headers.contains_key(header::AUTHORIZATION),
            accept: joined(headers, "accept"),
            accept_encoding: joined(headers, "accept-encoding"),
            cache_control: joined(headers, "cache-control"),
            prefer: joined(headers, "prefer"),
            status: 0,
            struck: Vec::new(),
        }
    }
}

/// All values of a header as one comma-joined value.
pub(crate) fn joined(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<&str> =
        headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// The latest requests, oldest first.
pub(crate) struct RequestLog {
    kept: VecDeque<LoggedRequest>,
    most: usize,
}

impl RequestLog {
    pub(crate) fn new(most: usize) -> Self {
        Self { kept: VecDeque::new(), most }
    }

    pub(crate) fn push(&mut self, request: LoggedRequest) {
        if self.kept.len() >= self.most {
            self.kept.pop_front();
        }
        if self.most > 0 {
            self.kept.push_back(request);
        }
    }

    pub(crate) fn all(&self) -> Vec<LoggedRequest> {
        self.kept.iter().cloned().collect()
    }
}
