//! Polls and cancellation.
//!
//! Source: Bulk Data IG, "Bulk Data Status Request" and "Bulk Data Delete Request".

use std::time::{Duration, SystemTime};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use bulkhead_model::Instant;
use serde_json::{Map, Value, json};

use super::{job::Job, plan::OutputFile};
use crate::{
    auth::Caller,
    behaviour::Progress,
    outcome::{Refusal, fhir, json as json_response, outcome},
    state::State,
};

/// Answers a poll.
pub(crate) fn status(
    state: &State,
    caller: &Caller,
    id: &str,
) -> Result<Response, Refusal> {
    let now = state.clock.now();
    let job = {
        let mut jobs = state.jobs();
        let job = jobs.find(id, caller, now).ok_or_else(gone)?;
        let progress = state.behaviour.progress(job.polls, job.kicked_off, now);
        job.polls = job.polls.saturating_add(1);
        match progress {
            Progress::Done => {
                job.is_done = true;
                job.clone()
            }
            Progress::Running { percent } => return Ok(running(state, percent)),
        }
    };
    let mut response = json_response(StatusCode::OK, &manifest(state, id, &job));
    insert(&mut response, header::EXPIRES.as_str(), &http_date(job.expires));
    Ok(response)
}

/// Answers a cancellation: the job and its files are gone at once.
pub(crate) fn cancel(
    state: &State,
    caller: &Caller,
    id: &str,
) -> Result<Response, Refusal> {
    let now = state.clock.now();
    let mut jobs = state.jobs();
    jobs.find(id, caller, now).ok_or_else(gone)?;
    jobs.remove(id);
    let text = "the export and its files are deleted";
    Ok(fhir(StatusCode::ACCEPTED, &outcome("information", "informational", text)))
}

/// The name of file number `number` of a job.
pub(crate) fn file_name(number: usize, file: &OutputFile) -> String {
    format!("{number}.{}.ndjson", file.resource_type)
}

/// There is no such job for this caller.
pub(crate) fn gone() -> Refusal {
    Refusal::not_found(
        "there is no such export: it was deleted, has expired, or never was",
    )
}

/// An HTTP date, floored to the second.
pub(crate) fn http_date(instant: Instant) -> String {
    let seconds = u64::try_from(instant.unix_ms().div_euclid(1000)).unwrap_or(0);
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

fn running(state: &State, percent: u32) -> Response {
    let text = format!("{percent}% done");
    let body = outcome("information", "informational", &text);
    let mut response = fhir(StatusCode::ACCEPTED, &body);
    insert(&mut response, "x-progress", &text);
    let seconds = state.behaviour.retry_after.as_secs().to_string();
    insert(&mut response, header::RETRY_AFTER.as_str(), &seconds);
    response
}

fn manifest(state: &State, id: &str, job: &Job) -> Value {
    let mut number = 0;
    let mut list = |files: &[OutputFile]| {
        let entries = files.iter().map(|file| {
            let name = file_name(number, file);
            number += 1;
            json!({
                "type": file.resource_type,
                "url": format!("{}/bulk/{id}/{name}", state.urls.base),
                "count": file.count,
            })
        });
        Value::Array(entries.collect())
    };
    let mut manifest = Map::new();
    manifest
        .insert("transactionTime".to_owned(), job.transaction_time.to_string().into());
    manifest.insert("request".to_owned(), job.request.clone().into());
    manifest.insert("requiresAccessToken".to_owned(), state.requires_token().into());
    manifest.insert("output".to_owned(), list(&job.plan.output));
    let deleted = list(&job.plan.deleted);
    if job.is_incremental {
        manifest.insert("deleted".to_owned(), deleted);
    }
    manifest.insert("error".to_owned(), list(&job.plan.error));
    Value::Object(manifest)
}

fn insert(response: &mut Response, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) =
        (header::HeaderName::try_from(name), HeaderValue::try_from(value))
    {
        response.headers_mut().insert(name, value);
    }
}
