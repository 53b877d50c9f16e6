//! `outbound-http`: requests to destinations that the operator granted by name. What is
//! admitted, as whom it is sent and what comes back is decided in `bulkhead_egress::http`.
//!
//! The operator learns of every kind of failure once a run and destination, and how often it
//! was; a guest that fails in a loop fills no log.

use std::time::Duration;

use bulkhead_egress::http::{Framing, Head, HttpError, Method, Payload, Quota, Spent};
use bulkhead_pipeline::{Batch, Limit};
use wasmtime::{Result, component::Resource};

use crate::{
    Limits,
    bindings::wit::{
        outbound_http::{self as wit, Response},
        types::Positions,
    },
    context::Context,
    convert,
};

/// What all guests of a stage share: what is left to spend.
#[derive(Clone, Debug)]
pub(crate) struct Spending {
    quota: Quota,
}

impl Spending {
    pub(crate) fn new(limits: &Limits) -> Self {
        let Limits { http_requests, http_bytes, http_time, .. } = limits;
        let quota = Quota::new(*http_requests, http_bytes.bytes(), *http_time);
        Self { quota }
    }
}

impl wit::Host for Context {
    async fn send(
        &mut self,
        destination: String,
        head: wit::Head,
        body: Vec<u8>,
    ) -> Result<std::result::Result<Response, wit::HttpError>> {
        Ok(self.request(&destination, head, Ok(Payload::bytes(body))).await)
    }

    async fn send_records(
        &mut self,
        destination: String,
        head: wit::Head,
        of: Resource<Batch>,
        which: Positions,
        framing: wit::Framing,
    ) -> Result<std::result::Result<Response, wit::HttpError>> {
        let batch = self.table.get(&of)?.clone();
        let Some(which) = convert::positions(which, batch.len()) else {
            wasmtime::bail!("a set of positions does not fit its batch");
        };
        let framing = match framing {
            wit::Framing::FhirBatch => Framing::FhirBatch,
            wit::Framing::FhirTransaction => Framing::FhirTransaction,
            wit::Framing::JsonArray => Framing::JsonArray,
            wit::Framing::Ndjson => Framing::Ndjson,
        };
        let work = self.work();
        let payload = Payload::records(&batch, &which, framing);
        self.worked(&work);
        Ok(self.request(&destination, head, payload).await)
    }
}

impl Context {
    async fn request(
        &mut self,
        destination: &str,
        head: wit::Head,
        payload: std::result::Result<Payload, HttpError>,
    ) -> std::result::Result<Response, wit::HttpError> {
        let is_granted = self.grants.destinations.iter().any(|name| name == destination);
        let found = self.resources.destinations.find(destination).filter(|_| is_granted);
        let Some(to) = found.cloned() else {
            self.uses.refuse("outbound-http");
            // The name is whatever the guest made up: it is not repeated.
            return Err(self.refuse("", &HttpError::UnknownDestination));
        };
        self.uses.count("outbound-http", to.name(), 0);
        self.metrics.count("http-requests", 1);
        let payload = payload.map_err(|error| self.refuse(to.name(), &error))?;
        match to.send(&asked(head), &payload, &self.spending.quota).await {
            Ok(answer) => {
                self.uses.add_bytes("outbound-http", to.name(), payload.len());
                self.metrics.count("http-bytes-sent", payload.len());
                Ok(Response {
                    status: answer.status,
                    headers: answer.headers,
                    body: answer.body.to_vec(),
                    truncated: answer.is_truncated,
                })
            }
            Err(error) => {
                if let HttpError::Spent { spent } = &error {
                    self.meter.refuse(limit(*spent));
                }
                Err(self.refuse(to.name(), &error))
            }
        }
    }

    /// The guest gets a word; the operator's log gets the cause and what to do.
    fn refuse(&self, destination: &str, error: &HttpError) -> wit::HttpError {
        let code = error.code();
        self.metrics.count(code, 1);
        if self.shared.is_news(code, destination) {
            let (stage, hint) = (&*self.stage, error.hint(destination));
            let cause = causes(error);
            tracing::warn!(stage, destination, %error, cause, hint, "a request was not answered");
        }
        word(error)
    }
}

/// Why, in the words of the layers below, which repeat nothing of a guest's.
fn causes(error: &HttpError) -> Option<String> {
    let mut causes = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    (!causes.is_empty()).then(|| causes.join(": "))
}

fn limit(spent: Spent) -> Limit {
    match spent {
        Spent::Bytes => Limit::HttpBytes,
        Spent::Requests => Limit::HttpRequests,
        Spent::Time => Limit::HttpTime,
    }
}

fn asked(head: wit::Head) -> Head {
    Head {
        method: match head.method {
            wit::Method::Delete => Method::Delete,
            wit::Method::Get => Method::Get,
            wit::Method::Patch => Method::Patch,
            wit::Method::Post => Method::Post,
            wit::Method::Put => Method::Put,
        },
        path_and_query: head.path_and_query,
        headers: head.headers,
        idempotency_key: head.idempotency_key,
        timeout: head.timeout_ms.map(|ms| Duration::from_millis(ms.into())),
    }
}

fn word(error: &HttpError) -> wit::HttpError {
    match error {
        // The destination was not spoken to, but may be later.
        HttpError::Token { source } if source.is_transient() => {
            wit::HttpError::ConnectFailed
        }
        HttpError::Address | HttpError::Token { .. } => wit::HttpError::DestinationDenied,
        // Of records too: what was asked for cannot be sent as one body, and was not.
        HttpError::BodyNotTaken { .. }
        | HttpError::BodyTooLarge { .. }
        | HttpError::Records { .. } => wit::HttpError::BodyTooLarge,
        HttpError::Connect { .. } => wit::HttpError::ConnectFailed,
        HttpError::Header => wit::HttpError::HeaderNotGranted,
        HttpError::Method { .. } => wit::HttpError::MethodNotGranted,
        HttpError::Path { .. } => wit::HttpError::PathNotGranted,
        HttpError::Protocol { .. } => wit::HttpError::Protocol,
        HttpError::ResponseTooLarge => wit::HttpError::ResponseTooLarge,
        HttpError::Spent { .. } => wit::HttpError::Quota,
        HttpError::TimedOut { .. } => wit::HttpError::TimedOut,
        HttpError::Tls { .. } => wit::HttpError::TlsFailed,
        HttpError::UnknownDestination => wit::HttpError::UnknownDestination,
    }
}
