//! The kick-off: judges the request, cuts the snapshot, plans the files, and answers where
//! to ask on.
//!
//! Source: Bulk Data IG, "Bulk Data Kick-off Request".

use std::{fmt::Write, sync::Arc};

use axum::{
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::Response,
};
use bulkhead_model::Level;

use super::{
    job::Job,
    parameters::{Form, Handling, Wanted, of_body, of_query},
    plan::plan,
};
use crate::{
    auth::{Caller, check_read},
    outcome::{Refusal, fhir, outcome},
    request_log::joined,
    state::State,
};

/// A kick-off request.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// Answers a kick-off. Reads lines when a filter needs them, so it belongs on a thread that
/// may block.
pub(crate) fn kickoff(
    state: &State,
    caller: Caller,
    level: Level,
    request: &Request<'_>,
) -> Result<Response, Refusal> {
    let handling = negotiate(request.headers)?;
    let now = state.clock.now();
    let query = of_query(request.uri.query().unwrap_or_default());
    let (parameters, form) = if *request.method == Method::POST {
        is_fhir_json(request.headers)?;
        if !query.is_empty() {
            return Err(Refusal::invalid(
                "a POST kick-off has its parameters in the body",
            ));
        }
        (of_body(request.body)?, Form::Body)
    } else {
        (query, Form::Query)
    };
    let mut wanted = Wanted::of(parameters, &level, form, handling, now)?;
    check_types(state, &caller, &mut wanted, handling)?;
    if let Level::Group(_) = level {
        check_read(&caller, "Group")?;
    }
    if !state.jobs().make_room(now) {
        return Err(Refusal::new(
            StatusCode::TOO_MANY_REQUESTS,
            "throttled",
            "too many exports are kept; delete one or wait",
        ));
    }
    let (transaction_time, snapshot) = state.store().cut(now);
    let plan = plan(&snapshot, &level, &wanted, &caller.grant, &state.behaviour)?;
    tracing::info!(files = plan.files().count(), "export kicked off");
    let id = state.random.bytes::<16>().iter().fold(String::new(), |mut id, byte| {
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
        id
    });
    let job = Job {
        client: caller.client,
        ordinal: 0,
        level,
        kicked_off: now,
        expires: now.plus(state.behaviour.job_lifetime),
        transaction_time,
        request: request_url(state, request.uri),
        is_incremental: wanted.since.is_some(),
        polls: 0,
        is_done: false,
        plan: Arc::new(plan),
    };
    let location = format!("{}/bulk/{id}", state.urls.base);
    if !state.jobs().insert(id, job) {
        return Err(Refusal::new(
            StatusCode::TOO_MANY_REQUESTS,
            "throttled",
            "too many exports were kicked off at once",
        ));
    }
    let text = "the export was accepted; ask on at the Content-Location";
    let mut response =
        fhir(StatusCode::ACCEPTED, &outcome("information", "informational", text));
    let location = HeaderValue::try_from(location).map_err(|_| {
        Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "exception",
            "the base is no header value",
        )
    })?;
    response.headers_mut().insert(header::CONTENT_LOCATION, location);
    Ok(response)
}

/// Judges `Prefer` and `Accept`.
fn negotiate(headers: &HeaderMap) -> Result<Handling, Refusal> {
    let prefer = joined(headers, "prefer").unwrap_or_default().to_ascii_lowercase();
    let mut preferences = prefer.split([',', ';']).map(str::trim);
    if !preferences.clone().any(|preference| preference == "respond-async") {
        return Err(Refusal::invalid(
            "an export needs the header `Prefer: respond-async`",
        ));
    }
    let accept = joined(headers, "accept").unwrap_or_else(|| "*/*".to_owned());
    let accepts = accept.split(',').any(|choice| {
        let name = choice.split(';').next().unwrap_or_default().trim();
        matches!(
            name,
            "application/fhir+json" | "application/json" | "application/*" | "*/*"
        )
    });
    if !accepts {
        let text = "an export answers in application/fhir+json";
        return Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, "not-supported", text));
    }
    if preferences.any(|preference| preference == "handling=lenient") {
        Ok(Handling::Lenient)
    } else {
        Ok(Handling::Strict)
    }
}

fn is_fhir_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let content_type = joined(headers, "content-type").unwrap_or_default();
    let name = content_type.split(';').next().unwrap_or_default().trim();
    if matches!(name, "application/fhir+json" | "application/json") {
        return Ok(());
    }
    let text = "want a Parameters resource as application/fhir+json";
    Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", text))
}

/// Judges `_type` against what is held and what the token covers.
fn check_types(
    state: &State,
    caller: &Caller,
    wanted: &mut Wanted,
    handling: Handling,
) -> Result<(), Refusal> {
    let offered = state.offered_types();
    for name in wanted.types.iter().flatten() {
        check_read(caller, name.as_str())?;
    }
    for (filtered, _) in &wanted.filters {
        if wanted.types.as_ref().is_some_and(|types| !types.contains(filtered)) {
            return Err(Refusal::invalid(format!(
                "`_typeFilter` names {filtered}, which `_type` does not"
            )));
        }
    }
    let Some(types) = &mut wanted.types else { return Ok(()) };
    // Every R4 type that a table knows may be asked for: there is just none of it here.
    let is_known = |name: &bulkhead_model::ResourceType| {
        offered.contains(name)
            || bulkhead_model::compartment::class(name.as_str())
                != bulkhead_model::compartment::Class::Unknown
    };
    match handling {
        Handling::Strict => match types.iter().find(|name| !is_known(name)) {
            Some(name) => {
                Err(Refusal::unsupported(format!("there is no type {name} here")))
            }
            None => Ok(()),
        },
        Handling::Lenient => {
            let before = types.len();
            types.retain(is_known);
            if types.len() < before {
                wanted.ignored.push("_type".to_owned());
            }
            Ok(())
        }
    }
}

/// The kick-off URL as the client should have sent it.
fn request_url(state: &State, uri: &Uri) -> String {
    let path = uri.path().strip_prefix("/fhir").unwrap_or_else(|| uri.path());
    match uri.query() {
        Some(query) => format!("{}{path}?{query}", state.urls.base),
        None => format!("{}{path}", state.urls.base),
    }
}
