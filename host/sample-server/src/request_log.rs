//! What was asked and what was answered, for assertions and for a look at a client's manners.
//!
//! Holds no token and no body.

use std::{collections::VecDeque, time::Duration};

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

/// Whose access token a request carried. The token itself is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// None.
    None,
    /// The n-th that this server gave out, from 1, worthless by now or not.
    Ours(u32),
    /// One that this server never gave out.
    Unknown,
}

/// How the body of a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was cut on order.
    Cut,
    /// The client went away.
    Gone,
    /// It was sent whole.
    Whole,
}

/// What of a body went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// So many bytes, before the framing.
    pub bytes: u64,
    /// How it ended.
    pub ended: Ended,
}

/// One request and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRequest {
    /// When it came, by the virtual clock.
    pub at: Instant,
    /// Where it was asked.
    pub origin: Origin,
    /// When it came, by the stopwatch of the options.
    pub took_at: Duration,
    /// The method.
    pub method: String,
    /// The path, as it was sent.
    pub path: String,
    /// The query, as it was sent; empty when there was none.
    pub query: String,
    /// Whether it carried an `Authorization` header.
    pub authorized: bool,
    /// Whose token it carried.
    pub bearer: Bearer,
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
    /// The `Retry-After` of the answer, when it is a number of seconds.
    pub retry_after: Option<u64>,
    /// What of a file went out; `None` while it does, and for everything else.
    pub sent: Option<Sent>,
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
            took_at: Duration::ZERO,
            method: method.to_string(),
            path: uri.path().to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
            authorized: headers.contains_key(header::AUTHORIZATION),
            bearer: Bearer::None,
            accept: joined(headers, "accept"),
            accept_encoding: joined(headers, "accept-encoding"),
            cache_control: joined(headers, "cache-control"),
            prefer: joined(headers, "prefer"),
            status: 0,
            retry_after: None,
            sent: None,
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
    /// How many ever came.
    total: u64,
}

impl RequestLog {
    pub(crate) fn new(most: usize) -> Self {
        Self { kept: VecDeque::new(), most, total: 0 }
    }

    /// Keeps a request and returns its number.
    pub(crate) fn push(&mut self, request: LoggedRequest) -> u64 {
        if self.kept.len() >= self.most {
            self.kept.pop_front();
        }
        if self.most > 0 {
            self.kept.push_back(request);
        }
        self.total += 1;
        self.total
    }

    /// Notes how the body of request `number` ended.
    pub(crate) fn ended(&mut self, number: u64, sent: Sent) {
        let back = self.total.saturating_sub(number);
        let at = usize::try_from(back)
            .ok()
            .and_then(|back| self.kept.len().checked_sub(back)?.checked_sub(1));
        if let Some(request) = at.and_then(|at| self.kept.get_mut(at)) {
            request.sent = Some(sent);
        }
    }

    pub(crate) fn all(&self) -> Vec<LoggedRequest> {
        self.kept.iter().cloned().collect()
    }
}
