//! Polls, pages and cancellation.
//!
//! Source: Bulk Data IG, "Bulk Data Status Request" and "Bulk Data Delete Request".

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use bulkhead_model::Instant;

use super::{
    job::Job,
    manifest::{Linked, Manifest},
    plan::{Ground, OutputFile, plan},
};
use crate::{
    auth::Caller,
    behaviour::Progress,
    changes,
    outcome::{Refusal, fhir, json as json_response, outcome},
    scenario::{Expires, ExportStatus, Modes, Reads, When},
    state::State,
};

/// Answers a poll.
pub(crate) fn status(
    state: &State,
    caller: &Caller,
    id: &str,
) -> Result<Response, Refusal> {
    let now = state.clock.now();
    let modes = state.modes();
    let (job, is_first) = {
        let mut jobs = state.jobs();
        let job = jobs.find(id, caller, now).ok_or_else(gone)?;
        if let Some(left) = job.cancelled {
            let Some(left) = left.checked_sub(1) else {
                jobs.remove(id);
                return Err(gone());
            };
            job.cancelled = Some(left);
            return Ok(running(state, 99));
        }
        let progress = state.behaviour.progress(job.polls, job.kicked_off, now);
        job.polls = job.polls.saturating_add(1);
        match progress {
            Progress::Done => {}
            Progress::Running { percent } => {
                let is_partial = modes.pages.is_some_and(|pages| pages.partial);
                let is_separate = job.is_separate;
                let response = if is_partial {
                    job.has_files = true;
                    let job = job.clone();
                    drop(jobs);
                    partial(state, &modes, id, &job, percent)
                } else {
                    running(state, percent)
                };
                return Ok(separated(response, is_separate, &modes));
            }
        }
        let is_first = !job.is_done;
        job.is_done = true;
        job.has_files = true;
        job.done_at.get_or_insert(now);
        if let Some(links) = &modes.links
            && (links.refreshed || job.generation == 0)
        {
            job.generation = job.generation.saturating_add(1);
            job.linked_at = now;
        }
        (job.clone(), is_first)
    };
    let job = if is_first {
        changes::play(state, When::AtManifest(job.ordinal));
        reread(state, &modes, id, job)?
    } else {
        job
    };
    let is_separate = job.is_separate;
    let manifest = Manifest { state, modes: &modes, id, job: &job, now };
    let mut response = json_response(StatusCode::OK, &manifest.page(0, Linked::Yes));
    let expires = match &modes.expires {
        Expires::Absent => None,
        Expires::AsJob => Some(http_date(job.expires)),
        Expires::In(shift) => Some(http_date(shift.of(now))),
        Expires::Text(text) => Some(text.clone()),
    };
    if let Some(expires) = expires {
        insert(&mut response, header::EXPIRES.as_str(), &expires);
    }
    Ok(separated(response, is_separate, &modes))
}

/// Answers a page of a manifest after the first.
pub(crate) fn page(
    state: &State,
    caller: &Caller,
    id: &str,
    number: usize,
) -> Result<Response, Refusal> {
    let now = state.clock.now();
    let modes = state.modes();
    let job = state.jobs().find(id, caller, now).cloned().ok_or_else(gone)?;
    let manifest = Manifest { state, modes: &modes, id, job: &job, now };
    if modes.pages.is_none() || !job.is_done || number >= manifest.pages() {
        return Err(gone());
    }
    let response = json_response(StatusCode::OK, &manifest.page(number, Linked::Yes));
    Ok(separated(response, job.is_separate, &modes))
}

/// Answers a cancellation: the job and its files are gone at once, unless a mode keeps them.
pub(crate) fn cancel(
    state: &State,
    caller: &Caller,
    id: &str,
) -> Result<Response, Refusal> {
    let now = state.clock.now();
    let modes = state.modes();
    let mut jobs = state.jobs();
    let job = jobs.find(id, caller, now).ok_or_else(gone)?;
    let status = if job.is_done { modes.delete.done } else { modes.delete.running };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::ACCEPTED);
    if status.is_client_error() || status.is_server_error() {
        return Err(Refusal::new(status, "not-found", "the export is not deleted"));
    }
    if modes.delete.polls_after > 0 {
        job.cancelled = Some(modes.delete.polls_after);
    } else {
        jobs.remove(id);
    }
    if status == StatusCode::NO_CONTENT {
        let mut response = Response::default();
        *response.status_mut() = status;
        return Ok(response);
    }
    let text = "the export and its files are deleted";
    Ok(fhir(status, &outcome("information", "informational", text)))
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

/// Plans the files anew when the server reads what is there at the end.
fn reread(state: &State, modes: &Modes, id: &str, mut job: Job) -> Result<Job, Refusal> {
    let mut wanted = job.wanted.as_ref().clone();
    match modes.reads {
        Reads::Old => return Ok(job),
        Reads::New => {}
        Reads::Omitted => wanted.at_most = Some(job.transaction_time),
    }
    let snapshot = state.snapshot();
    let ground = Ground {
        snapshot: &snapshot,
        before: None,
        behaviour: &state.behaviour,
        modes,
        base: &state.urls.base,
    };
    let plan = plan(&ground, &job.level, &wanted, &job.grant)?;
    job.plan = Arc::new(plan);
    if let Some(kept) = state.jobs().get_mut(id) {
        kept.plan = Arc::clone(&job.plan);
    }
    Ok(job)
}

/// The first page while the job runs.
fn partial(state: &State, modes: &Modes, id: &str, job: &Job, percent: u32) -> Response {
    let now = state.clock.now();
    let manifest = Manifest { state, modes, id, job, now };
    let body = manifest.page(0, Linked::No);
    told(json_response(StatusCode::ACCEPTED, &body), state, percent)
}

fn running(state: &State, percent: u32) -> Response {
    let body = outcome("information", "informational", &format!("{percent}% done"));
    told(fhir(StatusCode::ACCEPTED, &body), state, percent)
}

fn told(mut response: Response, state: &State, percent: u32) -> Response {
    insert(&mut response, "x-progress", &format!("{percent}% done"));
    let seconds = state.behaviour.retry_after.as_secs().to_string();
    insert(&mut response, header::RETRY_AFTER.as_str(), &seconds);
    response
}

/// Puts the state of the job into a header of its own, where that was agreed.
fn separated(mut response: Response, is_separate: bool, modes: &Modes) -> Response {
    if !is_separate {
        return response;
    }
    let state = response.status().to_string();
    *response.status_mut() = StatusCode::OK;
    match modes.export_status {
        ExportStatus::WithoutState => {}
        ExportStatus::Applied
        | ExportStatus::AppliedTwice
        | ExportStatus::Unasked
        | ExportStatus::Unsupported => insert(&mut response, "x-export-status", &state),
    }
    response
}

fn insert(response: &mut Response, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) =
        (header::HeaderName::try_from(name), HeaderValue::try_from(value))
    {
        response.headers_mut().insert(name, value);
    }
}
