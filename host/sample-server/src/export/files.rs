//! Sends the files: big reads on blocking threads, two ahead of the socket, gzip on request.
//!
//! Source: Bulk Data IG, "Bulk Data Output File Request".

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use serde_json::json;

use super::{
    links,
    plan::{ORGANIZED, OutputFile, Range},
    status::{file_name, gone},
};
use crate::{
    auth::{Caller, check_read},
    door::Asked,
    outcome::{Refusal, fhir, with_type},
    request_log::joined,
    route::Route,
    scenario::FilesAt,
    state::State,
};

/// Answers a file request.
pub(crate) fn download(
    state: &State,
    caller: &Caller,
    id: &str,
    name: &str,
    asked: &Asked<'_>,
) -> Result<Response, Refusal> {
    let now = state.clock.now();
    let modes = state.modes();
    let (has_files, plan) = {
        let mut jobs = state.jobs();
        let job = jobs.find(id, caller, now).ok_or_else(gone)?;
        (job.has_files && job.cancelled.is_none(), Arc::clone(&job.plan))
    };
    let number: Option<usize> =
        name.split_once('.').and_then(|(number, _)| number.parse().ok());
    let (number, file) = number
        .and_then(|number| Some((number, plan.files().nth(number)?.clone())))
        .filter(|(number, file)| has_files && file_name(*number, file) == name)
        .ok_or_else(|| Refusal::not_found("there is no such file"))?;
    if !matches!(file.resource_type.as_str(), "Bundle" | "OperationOutcome" | ORGANIZED) {
        check_read(caller, &file.resource_type)?;
    }
    if let Some(refusal) = links::refusal(state, &modes, caller, id, number, asked)? {
        return Ok(refusal);
    }
    let accept = joined(&asked.parts.headers, "accept").unwrap_or_default();
    if modes.files_at == FilesAt::Binary && accept.contains("application/fhir+json") {
        return wrapped(&file, id, number);
    }
    let accept_encoding = joined(&asked.parts.headers, "accept-encoding");
    let is_encoded =
        !asked.is_plain && state.behaviour.encodes(accept_encoding.as_deref());
    Ok(send(file, is_encoded))
}

/// The route of a file at `/fhir/Binary/{id}`, if it is one.
pub(crate) fn binary(state: &State, id: &str) -> Option<Route> {
    let (job, number) = id.rsplit_once('-')?;
    let number: usize = number.parse().ok()?;
    let jobs = state.jobs();
    let file = file_name(number, jobs.get(job)?.plan.files().nth(number)?);
    Some(Route::File { job: job.to_owned(), file })
}

/// A file as a Binary resource, as servers do that keep files so.
fn wrapped(file: &OutputFile, id: &str, number: usize) -> Result<Response, Refusal> {
    let bytes = whole(file).map_err(|_| {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Refusal::new(status, "exception", "cannot read the data")
    })?;
    let binary = json!({
        "resourceType": "Binary",
        "id": format!("{id}-{number}"),
        "contentType": NDJSON,
        "data": STANDARD.encode(bytes),
    });
    Ok(fhir(StatusCode::OK, &binary))
}

/// All bytes of a file, for the few who need them at once.
fn whole(file: &OutputFile) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for range in file.ranges.iter() {
        let length =
            usize::try_from(range.end - range.start).map_err(io::Error::other)?;
        bytes.extend_from_slice(&range.source.read(range.start, length)?);
    }
    Ok(bytes)
}

fn send(file: OutputFile, is_encoded: bool) -> Response {
    let length = file.length;
    let chunks = read_ahead(file);
    let mut response = if is_encoded {
        let mut response =
            with_type(StatusCode::OK, NDJSON, Body::from_stream(gzip(chunks)));
        let gzip = HeaderValue::from_static("gzip");
        response.headers_mut().insert(header::CONTENT_ENCODING, gzip);
        response
    } else {
        let mut response = with_type(StatusCode::OK, NDJSON, Body::from_stream(chunks));
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        response
    };
    let vary = HeaderValue::from_static("accept-encoding");
    response.headers_mut().insert(header::VARY, vary);
    response
}

/// The bytes of a file in chunks of [`CHUNK`].
fn read_ahead(file: OutputFile) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let ranges = file.ranges;
    let spare = Spare::new(file.length);
    stream::iter(Starts { ranges: Arc::clone(&ranges), next: Some(Start::default()) })
        .map(move |start| {
            let (ranges, spare) = (Arc::clone(&ranges), Arc::clone(&spare));
            async move { on_blocking_thread(move || read(&ranges, start, spare)).await }
        })
        // Two reads run ahead of the one being sent: the disk and the socket work at once,
        // and a slow client holds at most three chunks in memory.
        .buffered(3)
}

/// Row `row`, from 1, of file number `file` of a job; `None` when there is none.
pub(crate) fn row(state: &State, id: &str, file: u32, row: u64) -> Option<String> {
    let plan = Arc::clone(&state.jobs().get(id)?.plan);
    let file = plan.files().nth(usize::try_from(file).ok()?)?;
    let bytes = whole(file).ok()?;
    let at = usize::try_from(row.checked_sub(1)?).ok()?;
    let line = bytes.split(|byte| *byte == b'\n').nth(at)?;
    String::from_utf8(line.to_vec()).ok()
}

/// A place within the ranges of a file.
#[derive(Clone, Copy, Default)]
struct Start {
    range: usize,
    skip: u64,
}

/// Where each chunk starts.
struct Starts {
    ranges: Arc<Vec<Range>>,
    next: Option<Start>,
}

impl Iterator for Starts {
    type Item = Start;

    fn next(&mut self) -> Option<Start> {
        let start = self.next.take().filter(|start| start.range < self.ranges.len())?;
        let mut room = CHUNK as u64;
        let mut at = start;
        while let Some(range) = self.ranges.get(at.range) {
            let left = range.end - range.start - at.skip;
            if left > room {
                at.skip += room;
                break;
            }
            room -= left;
            at = Start { range: at.range + 1, skip: 0 };
        }
        self.next = Some(at);
        Some(start)
    }
}

/// Memory of chunks that were sent. Memory that is filled anew need not be cleared before.
struct Spare {
    /// Bytes of each: no more than the file has.
    size: usize,
    memory: Mutex<Vec<Vec<u8>>>,
}

impl Spare {
    fn new(length: u64) -> Arc<Self> {
        let size = usize::try_from(length).unwrap_or(CHUNK).min(CHUNK);
        Arc::new(Self { size, memory: Mutex::default() })
    }

    fn all(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A chunk that gives its memory back once it is sent.
struct Chunk {
    /// Of which the first `length` bytes count.
    memory: Vec<u8>,
    length: usize,
    spare: Arc<Spare>,
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        self.memory.get(..self.length).unwrap_or_default()
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.spare.all().push(std::mem::take(&mut self.memory));
    }
}

/// Reads one chunk.
fn read(ranges: &[Range], start: Start, spare: Arc<Spare>) -> io::Result<Bytes> {
    let memory = spare.all().pop().unwrap_or_else(|| vec![0; spare.size]);
    let mut chunk = Chunk { memory, length: 0, spare };
    let mut skip = start.skip;
    for range in ranges.iter().skip(start.range) {
        let from = range.start + skip;
        skip = 0;
        let room = chunk.memory.get_mut(chunk.length..).unwrap_or_default();
        let length =
            usize::try_from(range.end - from).unwrap_or(usize::MAX).min(room.len());
        range.source.fill(room.get_mut(..length).unwrap_or_default(), from)?;
        chunk.length += length;
        if chunk.length >= chunk.memory.len() {
            break;
        }
    }
    Ok(Bytes::from_owner(chunk))
}

/// Encodes chunk by chunk, at the level that keeps up with a fast network.
fn gzip(
    chunks: impl Stream<Item = io::Result<Bytes>> + Send,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let state = (Box::pin(chunks), Some(encoder));
    stream::try_unfold(state, |(mut chunks, encoder)| async move {
        let Some(mut encoder) = encoder else { return Ok(None) };
        if let Some(chunk) = chunks.try_next().await? {
            let encoder = on_blocking_thread(move || {
                encoder.write_all(&chunk)?;
                Ok(encoder)
            });
            let mut encoder = encoder.await?;
            let ready = Bytes::from(std::mem::take(encoder.get_mut()));
            return Ok(Some((ready, (chunks, Some(encoder)))));
        }
        let rest = on_blocking_thread(move || encoder.finish()).await?;
        Ok(Some((Bytes::from(rest), (chunks, None))))
    })
}

async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Large enough that a thread hop costs nothing beside the copy.
const CHUNK: usize = 512 << 10;

const NDJSON: &str = "application/fhir+ndjson";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Source;

    #[test]
    fn chunks_cover_every_byte_once() {
        let text: Vec<u8> =
            (0..3 * CHUNK + 17).map(|n| u8::try_from(n % 251).unwrap_or(0)).collect();
        let source = Arc::new(Source::memory(text.clone().into()));
        let cases: &[(&str, &[u64])] = &[
            ("one range", &[]),
            ("cut within a chunk", &[5, 100]),
            ("cut at a chunk's end", &[CHUNK as u64, 2 * CHUNK as u64]),
            ("empty range", &[7, 7]),
        ];
        for (name, cuts) in cases {
            let mut ranges = Vec::new();
            let mut start = 0;
            for end in cuts.iter().copied().chain([text.len() as u64]) {
                ranges.push(Range { source: Arc::clone(&source), start, end });
                start = end;
            }
            let ranges = Arc::new(ranges);
            let starts =
                Starts { ranges: Arc::clone(&ranges), next: Some(Start::default()) };
            let mut whole = Vec::new();
            let spare = Spare::new(text.len() as u64);
            for start in starts {
                let chunk = read(&ranges, start, Arc::clone(&spare));
                whole.extend(chunk.unwrap_or_default());
            }
            assert_eq!(spare.all().len(), 1, "case: {name}: memory is used again");
            assert!(whole == text, "case: {name}");
        }
    }
}
