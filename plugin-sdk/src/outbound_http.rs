//! HTTP to destinations that the operator named. Imports `outbound-http`.
//!
//! A plugin names a destination and a path below it; address, credential and limits are the
//! operator's. Redirects are not followed, bodies are not decoded.

use crate::{Batch, PluginError, Positions, host};

/// A method. Which of them a destination takes is the operator's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// DELETE.
    Delete,
    /// GET.
    Get,
    /// PATCH.
    Patch,
    /// POST.
    Post,
    /// PUT.
    Put,
}

/// How the host writes records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One Bundle `batch`: `PUT Type/id` for what is new or has changed, `DELETE Type/id` for
    /// deletions and retractions. Of several records of one resource only the last is sent.
    FhirBatch,
    /// The same as a `transaction`: all or nothing.
    FhirTransaction,
    /// One array of bodies; a deletion is its bare key.
    JsonArray,
    /// One body a line; a deletion is its bare key.
    Ndjson,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// Larger than `request-bytes`, a body where none belongs, or records that cannot be
    /// written in this framing: none, rows of a stream, a resource without id.
    BodyTooLarge,
    /// No connection; nothing was sent.
    ConnectFailed,
    /// The operator does not let the host speak to where this leads.
    DestinationDenied,
    /// A header that is not granted, or a value that is none.
    HeaderNotGranted,
    /// A method that is not granted.
    MethodNotGranted,
    /// A path that is not plainly below the destination's.
    PathNotGranted,
    /// The exchange broke off. The request may have arrived.
    Protocol,
    /// What this plugin may spend on HTTP in this run is used up.
    Quota,
    /// More headers than anybody needs.
    ResponseTooLarge,
    /// No answer in time. The request may have arrived.
    TimedOut,
    /// TLS did not come about.
    TlsFailed,
    /// The operator granted no destination of this name.
    UnknownDestination,
}

impl HttpError {
    /// Short and stable, for [`crate::Failure`] codes.
    pub const fn code(self) -> &'static str {
        match self {
            Self::BodyTooLarge => "http.body-too-large",
            Self::ConnectFailed => "http.connect-failed",
            Self::DestinationDenied => "http.destination-denied",
            Self::HeaderNotGranted => "http.header-not-granted",
            Self::MethodNotGranted => "http.method-not-granted",
            Self::PathNotGranted => "http.path-not-granted",
            Self::Protocol => "http.protocol",
            Self::Quota => "http.quota",
            Self::ResponseTooLarge => "http.response-too-large",
            Self::TimedOut => "http.timed-out",
            Self::TlsFailed => "http.tls-failed",
            Self::UnknownDestination => "http.unknown-destination",
        }
    }
}

impl From<HttpError> for PluginError {
    /// Retryable where asking again may help, else fatal. Of a retryable one nobody knows
    /// whether the request arrived: send what may come twice.
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::ConnectFailed | HttpError::Protocol | HttpError::TimedOut => {
                Self::retryable(error.code(), "")
            }
            HttpError::BodyTooLarge
            | HttpError::DestinationDenied
            | HttpError::HeaderNotGranted
            | HttpError::MethodNotGranted
            | HttpError::PathNotGranted
            | HttpError::Quota
            | HttpError::ResponseTooLarge
            | HttpError::TlsFailed
            | HttpError::UnknownDestination => Self::fatal(error.code(), ""),
        }
    }
}

/// What to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query below the destination: empty, or with a slash (or `?`) in front.
    pub path_and_query: String,
    /// Headers that the operator lets a plugin set.
    pub headers: Vec<(String, String)>,
    /// By which a server may tell a repetition: the same for the same content.
    pub idempotency_key: Option<String>,
    /// Not longer than this; the operator's limit holds all the same.
    pub timeout_ms: Option<u32>,
}

impl Request {
    /// A request without headers.
    pub fn new(method: Method, path_and_query: impl Into<String>) -> Self {
        Self {
            method,
            path_and_query: path_and_query.into(),
            headers: Vec::new(),
            idempotency_key: None,
            timeout_ms: None,
        }
    }

    /// The same with a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same with an idempotency key.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Sends it to `destination` with bytes of the plugin's own.
    ///
    /// # Errors
    ///
    /// [`HttpError`] when there is no answer. Any status is an answer.
    pub fn send(&self, destination: &str, body: &[u8]) -> Result<Response, HttpError> {
        host::send(destination, self, body)
    }

    /// Sends it to `destination` with the chosen records, straight from host memory: the
    /// plugin never holds them. The host says what kind of content it is.
    ///
    /// # Errors
    ///
    /// [`HttpError`] when there is no answer. Any status is an answer.
    pub fn send_records(
        &self,
        destination: &str,
        of: &Batch<'_>,
        which: Positions,
        framing: Framing,
    ) -> Result<Response, HttpError> {
        host::send_records(destination, self, of.0, which, framing)
    }
}

/// What a server answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// `content-type`, `etag`, `last-modified`, `location` (below the destination),
    /// `retry-after`, `x-correlation-id`, `x-request-id`, as far as they came; nothing else.
    pub headers: Vec<(String, String)>,
    /// The body, or its beginning.
    pub body: Vec<u8>,
    /// Whether the body was longer than the operator lets in.
    pub truncated: bool,
}

impl Response {
    /// A header's value; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether the server did what was asked.
    pub const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// When the server wants to be asked again, where it says so in seconds.
    pub fn retry_after_ms(&self) -> Option<u32> {
        let seconds: u32 = self.header("retry-after")?.trim().parse().ok()?;
        Some(seconds.saturating_mul(1_000))
    }
}
