//! The host as a component sees it: one call to an import each.

use crate::{
    Positions,
    artifacts::{ArtifactError, Committed, Compression, Digest, Framing},
    bindings::imports::bulkhead::plugin as wit,
    cohort::{CohortError, Memberships},
    outbound_http::{Framing as HttpFraming, HttpError, Method, Request, Response},
    state::StateError,
    telemetry::{Level, Value},
};

pub(crate) type Handle<'a> = &'a wit::batches::Batch;

pub(crate) fn len(batch: Handle<'_>) -> usize {
    batch.len() as usize
}

pub(crate) fn byte_len(batch: Handle<'_>) -> u64 {
    batch.byte_len()
}

pub(crate) fn id(batch: Handle<'_>) -> u64 {
    batch.id()
}

pub(crate) fn attempt(batch: Handle<'_>) -> u32 {
    batch.attempt()
}

pub(crate) fn seqs(batch: Handle<'_>) -> Vec<u64> {
    batch.seqs()
}

pub(crate) fn kinds(batch: Handle<'_>) -> Vec<u16> {
    batch.kinds()
}

pub(crate) fn kind_names(_: Handle<'_>) -> Vec<String> {
    wit::batches::kind_names()
}

pub(crate) fn changes(batch: Handle<'_>) -> Vec<u8> {
    batch.changes()
}

pub(crate) fn byte_lens(batch: Handle<'_>) -> Vec<u32> {
    batch.byte_lens()
}

pub(crate) fn last_updated(batch: Handle<'_>) -> Vec<i64> {
    batch.last_updated()
}

pub(crate) fn memberships(
    batch: Handle<'_>,
    cohort: &str,
) -> Result<Memberships, CohortError> {
    match wit::cohorts::test(batch, cohort) {
        Ok(found) => Ok(Memberships::from_columns(
            found.patients,
            found.members,
            found.outsiders,
            found.flags,
        )),
        Err(wit::cohorts::CohortError::NotGranted) => Err(CohortError::NotGranted),
        Err(wit::cohorts::CohortError::UnknownCohort) => Err(CohortError::UnknownCohort),
    }
}

pub(crate) fn text(batch: Handle<'_>, field: &str) -> Result<crate::TextColumn, String> {
    match wit::projection::text(batch, field) {
        Ok(column) => Ok(crate::TextColumn {
            data: column.data,
            ends: column.ends,
            rows: column.rows,
        }),
        Err(wit::projection::ProjectionError::NotDeclared) => {
            Err(format!("field `{field}` is not declared in the manifest"))
        }
        Err(wit::projection::ProjectionError::NotGranted) => {
            Err(format!("field `{field}` is not granted"))
        }
    }
}

pub(crate) fn bodies(batch: Handle<'_>) -> (Vec<u8>, Vec<u32>) {
    let rows = wit::bodies::read(batch, 0, u32::MAX);
    (rows.data, rows.ends)
}

pub(crate) fn hmac(key: &str, values: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    wit::keyed_hash::hmac(key, values).ok()
}

pub(crate) fn monotonic_ms() -> u64 {
    wit::clock::monotonic_ms()
}

pub(crate) fn wall_ms() -> u64 {
    wit::clock::wall_ms()
}

pub(crate) fn random(len: u32) -> Vec<u8> {
    wit::random::get(len)
}

pub(crate) fn state_get(key: &str) -> Result<Option<Vec<u8>>, StateError> {
    wit::state::get(key).map_err(state_error)
}

pub(crate) fn state_set(key: &str, value: &[u8]) -> Result<(), StateError> {
    wit::state::set(key, value).map_err(state_error)
}

pub(crate) fn state_delete(key: &str) -> Result<(), StateError> {
    wit::state::delete(key).map_err(state_error)
}

fn state_error(error: wit::state::StateError) -> StateError {
    match error {
        wit::state::StateError::Quota => StateError::Quota,
        wit::state::StateError::TooLarge => StateError::TooLarge,
        wit::state::StateError::Unavailable => StateError::Unavailable,
    }
}

pub(crate) fn event(level: Level, code: &str, fields: &[(&str, Value)]) {
    let level = match level {
        Level::Debug => wit::telemetry::Level::Debug,
        Level::Error => wit::telemetry::Level::Error,
        Level::Info => wit::telemetry::Level::Info,
        Level::Warn => wit::telemetry::Level::Warn,
    };
    let fields: Vec<(String, wit::telemetry::Value)> = fields
        .iter()
        .map(|(name, value)| {
            let value = match value {
                Value::Flag(flag) => wit::telemetry::Value::Flag(*flag),
                Value::Float(float) => wit::telemetry::Value::Float(*float),
                Value::Int(int) => wit::telemetry::Value::Int(*int),
                Value::Text(text) => wit::telemetry::Value::Text(text.clone()),
            };
            ((*name).to_owned(), value)
        })
        .collect();
    wit::telemetry::event(level, code, &fields);
}

pub(crate) fn count(metric: &str, delta: u64) {
    wit::telemetry::count(metric, delta);
}

pub(crate) fn gauge(metric: &str, value: f64) {
    wit::telemetry::gauge(metric, value);
}

pub(crate) fn send(
    destination: &str,
    request: &Request,
    body: &[u8],
) -> Result<Response, HttpError> {
    let answer = wit::outbound_http::send(destination, &head(request), body);
    answer.map(response).map_err(http_error)
}

pub(crate) fn send_records(
    destination: &str,
    request: &Request,
    of: Handle<'_>,
    which: Positions,
    framing: HttpFraming,
) -> Result<Response, HttpError> {
    let framing = match framing {
        HttpFraming::FhirBatch => wit::outbound_http::Framing::FhirBatch,
        HttpFraming::FhirTransaction => wit::outbound_http::Framing::FhirTransaction,
        HttpFraming::JsonArray => wit::outbound_http::Framing::JsonArray,
        HttpFraming::Ndjson => wit::outbound_http::Framing::Ndjson,
    };
    let (head, which) = (head(request), which.into_wit());
    let answer =
        wit::outbound_http::send_records(destination, &head, of, &which, framing);
    answer.map(response).map_err(http_error)
}

fn head(request: &Request) -> wit::outbound_http::Head {
    wit::outbound_http::Head {
        method: match request.method {
            Method::Delete => wit::outbound_http::Method::Delete,
            Method::Get => wit::outbound_http::Method::Get,
            Method::Patch => wit::outbound_http::Method::Patch,
            Method::Post => wit::outbound_http::Method::Post,
            Method::Put => wit::outbound_http::Method::Put,
        },
        path_and_query: request.path_and_query.clone(),
        headers: request.headers.clone(),
        idempotency_key: request.idempotency_key.clone(),
        timeout_ms: request.timeout_ms,
    }
}

fn response(answer: wit::outbound_http::Response) -> Response {
    let wit::outbound_http::Response { status, headers, body, truncated } = answer;
    Response { status, headers, body, truncated }
}

fn http_error(error: wit::outbound_http::HttpError) -> HttpError {
    use wit::outbound_http::HttpError as Wit;
    match error {
        Wit::BodyTooLarge => HttpError::BodyTooLarge,
        Wit::ConnectFailed => HttpError::ConnectFailed,
        Wit::DestinationDenied => HttpError::DestinationDenied,
        Wit::HeaderNotGranted => HttpError::HeaderNotGranted,
        Wit::MethodNotGranted => HttpError::MethodNotGranted,
        Wit::PathNotGranted => HttpError::PathNotGranted,
        Wit::Protocol => HttpError::Protocol,
        Wit::Quota => HttpError::Quota,
        Wit::ResponseTooLarge => HttpError::ResponseTooLarge,
        Wit::TimedOut => HttpError::TimedOut,
        Wit::TlsFailed => HttpError::TlsFailed,
        Wit::UnknownDestination => HttpError::UnknownDestination,
    }
}

pub(crate) struct Writer(wit::artifacts::Writer);

impl Writer {
    pub(crate) fn create(
        store: &str,
        name: &str,
        compression: Compression,
        digest: Digest,
    ) -> Result<Self, ArtifactError> {
        let compression = match compression {
            Compression::Gzip => wit::artifacts::Compression::Gzip,
            Compression::None => wit::artifacts::Compression::None,
            Compression::Zstd => wit::artifacts::Compression::Zstd,
        };
        let digest = match digest {
            Digest::None => wit::artifacts::Digest::None,
            Digest::Sha256 => wit::artifacts::Digest::Sha256,
        };
        wit::artifacts::create(store, name, compression, digest)
            .map(Self)
            .map_err(artifact_error)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), ArtifactError> {
        self.0.write(bytes).map_err(artifact_error)
    }

    pub(crate) fn write_records(
        &mut self,
        of: Handle<'_>,
        which: Positions,
        framing: Framing,
    ) -> Result<u64, ArtifactError> {
        let framing = match framing {
            Framing::DeleteBundles => wit::artifacts::Framing::DeleteBundles,
            Framing::Lines => wit::artifacts::Framing::Lines,
        };
        self.0.write_records(of, &which.into_wit(), framing).map_err(artifact_error)
    }

    pub(crate) fn commit(self) -> Result<Committed, ArtifactError> {
        let done = wit::artifacts::Writer::commit(self.0).map_err(artifact_error)?;
        Ok(Committed { name: done.name, bytes: done.bytes, digest: done.digest })
    }
}

fn artifact_error(error: wit::artifacts::ArtifactError) -> ArtifactError {
    match error {
        wit::artifacts::ArtifactError::BadName => ArtifactError::BadName,
        wit::artifacts::ArtifactError::Closed => ArtifactError::Closed,
        wit::artifacts::ArtifactError::Exists => ArtifactError::Exists,
        wit::artifacts::ArtifactError::Quota => ArtifactError::Quota,
        wit::artifacts::ArtifactError::Unavailable => ArtifactError::Unavailable,
        wit::artifacts::ArtifactError::UnknownStore => ArtifactError::UnknownStore,
    }
}
