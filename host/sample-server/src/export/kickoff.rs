//! The kick-off: judges the request, cuts the snapshot, plans the files, and answers where
//! to ask on.
//!
//! Source: Bulk Data IG, "Bulk Data Kick-off Request".

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    sync::Arc,
};

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::Response,
};
use bulkhead_model::Level;

use super::{
    job::Job,
    parameters::{Form, Handling, Wanted, of_body, of_query},
    plan::{Ground, plan},
};
use crate::{
    auth::{Caller, check_read},
    changes,
    outcome::{Refusal, fhir, outcome},
    request_log::joined,
    scenario::{
        Edition, ExportStatus, GroupSince, Location, Modes, Reuse, ReuseWhen,
        TransactionTime, Unscoped, When,
    },
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
    let modes = state.modes();
    check_method(request.method, modes.edition)?;
    let Preferences { handling, wants_separate } = negotiate(request.headers)?;
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
    let mut wanted = Wanted::of(parameters, &level, form, handling, &modes, now)?;
    check_types(state, &caller, &mut wanted, handling, modes.unscoped)?;
    if let Level::Group(_) = level {
        check_read(&caller, "Group")?;
    }
    let separate = match modes.export_status {
        ExportStatus::Unasked => true,
        ExportStatus::Unsupported => false,
        ExportStatus::Applied
        | ExportStatus::AppliedTwice
        | ExportStatus::WithoutState => wants_separate,
    };
    let asked = fingerprint(state, request);
    if may_reuse(modes.reuse, request.headers) {
        let id = state.jobs().same_as(&asked, &caller.client, modes.reuse, now);
        if let Some(id) = id {
            return accepted(state, &modes, &id, separate);
        }
    }
    if !state.jobs().make_room(now) {
        return Err(Refusal::new(
            StatusCode::TOO_MANY_REQUESTS,
            "throttled",
            "too many exports are kept; delete one or wait",
        ));
    }
    let ordinal = state.jobs().next_ordinal();
    changes::play(state, When::BeforeKickoff(ordinal));
    let time = modes.transaction_time.of_job(ordinal).clone();
    let (mut transaction_time, mut snapshot) = state.store().cut(now);
    if let TransactionTime::Replica(lag) = &time {
        transaction_time = transaction_time.minus(*lag);
        snapshot = state.store().as_of(transaction_time);
        wanted.at_most = Some(transaction_time);
    }
    let before = match modes.group {
        GroupSince::Backfill => wanted.since.map(|since| state.store().as_of(since)),
        GroupSince::ChangedOnly | GroupSince::PatientChanged => None,
    };
    let ground = Ground {
        snapshot: &snapshot,
        before: before.as_ref(),
        behaviour: &state.behaviour,
        modes: &modes,
        base: &state.urls.base,
    };
    let plan = plan(&ground, &level, &wanted, &caller.grant)?;
    tracing::info!(files = plan.files().count(), "export kicked off");
    let id = state.random.bytes::<16>().iter().fold(String::new(), |mut id, byte| {
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
        id
    });
    let job = Job {
        client: caller.client,
        ordinal,
        level,
        kicked_off: now,
        expires: now.plus(state.behaviour.job_lifetime),
        transaction_time,
        request: request_url(state, request.uri),
        is_incremental: wanted.since.is_some(),
        polls: 0,
        is_done: false,
        done_at: None,
        has_files: false,
        is_separate: separate,
        organized_by: wanted.organized_by.clone(),
        time,
        wanted: Arc::new(wanted),
        grant: caller.grant,
        asked,
        shared_with: BTreeSet::new(),
        cancelled: None,
        generation: 0,
        linked_at: now,
        downloads: BTreeMap::new(),
        plan: Arc::new(plan),
    };
    if !state.jobs().insert(id.clone(), job) {
        return Err(Refusal::new(
            StatusCode::TOO_MANY_REQUESTS,
            "throttled",
            "too many exports were kicked off at once",
        ));
    }
    changes::play(state, When::AfterKickoff(ordinal));
    accepted(state, &modes, &id, separate)
}

/// Answers where to ask on.
fn accepted(
    state: &State,
    modes: &Modes,
    id: &str,
    is_separate: bool,
) -> Result<Response, Refusal> {
    let text = "the export was accepted; ask on at the Content-Location";
    let mut response =
        fhir(StatusCode::ACCEPTED, &outcome("information", "informational", text));
    let urls = &state.urls;
    let absolute = format!("{}/bulk/{id}", urls.base);
    let location = match &modes.location {
        Location::Absent => None,
        Location::Absolute => Some(absolute),
        Location::Elsewhere => Some(format!("{}/fhir/bulk/{id}", urls.elsewhere)),
        Location::PlainHttp => Some(absolute.replacen("https://", "http://", 1)),
        Location::Query(query) => Some(format!("{absolute}?{query}")),
        Location::Relative => Some(format!("/fhir/bulk/{id}")),
    };
    let headers = response.headers_mut();
    if let Some(location) = location {
        let location = HeaderValue::try_from(location).map_err(|_| {
            Refusal::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "exception",
                "the location is no header value",
            )
        })?;
        headers.insert(header::CONTENT_LOCATION, location);
    }
    if is_separate {
        let name = HeaderName::from_static("preference-applied");
        let values: &[&str] = match modes.export_status {
            ExportStatus::AppliedTwice => &["respond-async", "separate-export-status"],
            ExportStatus::Applied
            | ExportStatus::Unasked
            | ExportStatus::Unsupported
            | ExportStatus::WithoutState => &["respond-async, separate-export-status"],
        };
        for value in values {
            headers.append(name.clone(), HeaderValue::from_static(value));
        }
    }
    Ok(response)
}

/// Refuses the methods that an edition does not know.
fn check_method(method: &Method, edition: Edition) -> Result<(), Refusal> {
    let allowed = match edition {
        Edition::V1 => *method == Method::GET,
        Edition::V2 | Edition::V3 => true,
        Edition::V4 => *method == Method::POST,
    };
    if allowed {
        return Ok(());
    }
    let text = format!("this server takes no {method} kick-offs");
    Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "not-supported", text))
}

fn may_reuse(reuse: Reuse, headers: &HeaderMap) -> bool {
    let cache_control = joined(headers, "cache-control").unwrap_or_default();
    match reuse.when {
        ReuseWhen::Always => true,
        ReuseWhen::Never => false,
        ReuseWhen::UnlessNoCache => !cache_control.contains("no-cache"),
    }
}

/// What makes a kick-off the same as another.
fn fingerprint(state: &State, request: &Request<'_>) -> String {
    let url = request_url(state, request.uri);
    let body = String::from_utf8_lossy(request.body);
    format!("{} {url} {body}", request.method)
}

/// What a kick-off prefers.
struct Preferences {
    handling: Handling,
    wants_separate: bool,
}

/// Judges `Prefer` and `Accept`.
fn negotiate(headers: &HeaderMap) -> Result<Preferences, Refusal> {
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
    let wants_separate =
        preferences.clone().any(|preference| preference == "separate-export-status");
    let is_lenient = preferences.any(|preference| preference == "handling=lenient");
    let handling = if is_lenient { Handling::Lenient } else { Handling::Strict };
    Ok(Preferences { handling, wants_separate })
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
    unscoped: Unscoped,
) -> Result<(), Refusal> {
    let offered = state.offered_types();
    match (unscoped, &mut wanted.types) {
        (Unscoped::Omitted, Some(types)) => {
            types.retain(|name| caller.grant.allows(name.as_str()));
        }
        (Unscoped::Omitted | Unscoped::Refused, _) => {}
    }
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
