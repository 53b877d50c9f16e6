//! What a fault that strikes does around the handler.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};

use crate::{
    cues::Moment,
    edits, export, hop,
    outcome::Refusal,
    scenario::{BodyFault, Fault, Insert, LineEdit, LoseWhen, Revoke},
    state::State,
    wire::Tap,
};

/// Waits as a fault orders.
pub(crate) async fn wait(state: &State, fault: &Fault) {
    if let Some(delay) = fault.delay {
        tokio::time::sleep(delay).await;
    }
    if let Some(name) = &fault.hold {
        let gate = state.cues().gate(name);
        // Both an opened gate and one that nobody opened let the request pass.
        let _ = tokio::time::timeout(MOST_HELD, gate.acquire()).await;
    }
}

/// What is done instead of the handler, if anything.
pub(crate) fn before(
    state: &State,
    tap: &Tap,
    parts: &Parts,
    moment: &Moment,
    faults: &[Arc<Fault>],
) -> Option<Response> {
    for fault in faults {
        match fault.revoke {
            Some(Revoke::Before) => state.issued().revoke(),
            Some(Revoke::AfterHead) | None => {}
        }
        if let (Some(status), Some(job)) = (fault.vanish, &moment.job) {
            state.jobs().remove(&job.id);
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::NOT_FOUND);
            let refusal = Refusal::new(status, "not-found", "the export is gone");
            return Some(refusal.response());
        }
        if let Some(lose) = fault.lose.filter(|lose| lose.when == LoseWhen::Before) {
            tap.end(lose.how);
            return Some(Response::new(Body::empty()));
        }
        if let Some(answer) = &fault.answer {
            return Some(answer.response(state.clock.now()));
        }
        if let Some(redirect) = &fault.redirect {
            let asked = parts.uri.path_and_query().map_or("/", |path| path.as_str());
            let (target, is_elsewhere) = hop::first(redirect, asked);
            return Some(redirected(state, redirect.status, &target, is_elsewhere));
        }
    }
    None
}

pub(crate) fn redirected(
    state: &State,
    status: u16,
    target: &str,
    is_elsewhere: bool,
) -> Response {
    let origin = if is_elsewhere { &state.urls.elsewhere } else { &state.urls.home };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::FOUND);
    if let Ok(location) = HeaderValue::try_from(format!("{origin}{target}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// What is done to the answer of the handler.
pub(crate) async fn after(
    mut response: Response,
    state: &State,
    tap: &Tap,
    fault: &Fault,
) -> Response {
    if let Some(lose) = fault.lose.filter(|lose| lose.when == LoseWhen::After) {
        tap.end(lose.how);
    }
    match fault.revoke {
        Some(Revoke::AfterHead) => state.issued().revoke(),
        Some(Revoke::Before) | None => {}
    }
    if !fault.json.is_empty() || fault.count.is_some() {
        response = edits::json(response, fault).await;
    }
    edits::headers(response.headers_mut(), &fault.headers);
    response
}

/// The fault with copies of rows as what they say.
pub(crate) fn copied(state: &State, moment: &Moment, mut fault: BodyFault) -> BodyFault {
    let Some(job) = &moment.job else { return fault };
    for edit in &mut fault.lines {
        if let LineEdit::Copy { file, row, at } = edit {
            let text = export::row(state, &job.id, *file, *row).unwrap_or_default();
            let what = Insert::Text(text);
            *edit = LineEdit::Insert { at: *at, what };
        }
    }
    fault
}

/// No gate keeps a request for ever, opened or not.
const MOST_HELD: Duration = Duration::from_mins(1);
