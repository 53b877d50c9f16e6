//! The order of things for one request: length, body, route, faults before, token, handler,
//! faults after, `Date`, log.

use std::sync::Arc;

use axum::{
    body::to_bytes,
    extract::{ConnectInfo, Extension, Request, State as Shared},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use bytes::Bytes;

use crate::{
    auth::{self, Caller},
    counted::{IsCut, Number, counted},
    cues::Moment,
    everything, export, hop, metadata,
    outcome::Refusal,
    request_log::{LoggedRequest, Origin, joined},
    rest,
    route::{NoRoute, Route},
    scenario::{BodyFault, FilesAt, On},
    spoil::{self, Spoiled},
    state::State,
    strike,
    wire::Tap,
};

/// A request on its way to a handler.
pub(crate) struct Asked<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) body: &'a [u8],
    /// Where it was asked.
    pub(crate) origin: Origin,
    /// Whether a chain of redirects led here that needs no credential any more.
    pub(crate) is_free: bool,
    /// Whether the link of the file is its credential.
    pub(crate) is_open: bool,
    /// Whether files are wanted plain, since a fault packs them.
    pub(crate) is_plain: bool,
}

/// Answers any request.
pub(crate) async fn answer(
    Shared(state): Shared<Arc<State>>,
    Extension(origin): Extension<Origin>,
    ConnectInfo(tap): ConnectInfo<Tap>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    tap.writes(None);
    let now = state.clock.now();
    let took_at = state.stopwatch.passed();
    let number = Number::default();
    let mut logged =
        LoggedRequest::of(now, origin, &parts.method, &parts.uri, &parts.headers);
    let length = parts.uri.path().len() + parts.uri.query().map_or(0, str::len);
    let mut response = if length > state.limits.url_bytes {
        Refusal::new(StatusCode::URI_TOO_LONG, "too-long", "the URL is too long")
            .response()
    } else if let Ok(body) = to_bytes(body, state.limits.body_bytes).await {
        judged(&state, origin, &tap, parts, body, &mut logged, &number).await
    } else {
        let text = "the body is too large or broke off";
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too-long", text).response()
    };
    let date = state.modes().skew.date.of(state.clock.now());
    // A fault may have set it already.
    if let Ok(date) = HeaderValue::try_from(export::http_date(date)) {
        response.headers_mut().entry(header::DATE).or_insert(date);
    }
    logged.status = response.status().as_u16();
    logged.took_at = took_at;
    let retry_after = response.headers().get(header::RETRY_AFTER);
    logged.retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
    // A body is asked for only after this.
    let _ = number.set(state.log().push(logged));
    response
}

/// Lets the faults of the scenario strike, before and after the handler.
async fn judged(
    state: &Arc<State>,
    origin: Origin,
    tap: &Tap,
    mut parts: Parts,
    body: Bytes,
    logged: &mut LoggedRequest,
    number: &Number,
) -> Response {
    let mut is_free = false;
    let mut has_arrived = false;
    let mut is_open = false;
    match hop::step(&parts.uri).filter(|_| !state.cues().is_idle()) {
        Some(hop::Step::Onward { status, target, is_elsewhere }) => {
            return strike::redirected(state, status, &target, is_elsewhere);
        }
        Some(hop::Step::Arrived { uri, is_free: free }) => {
            parts.uri = uri;
            is_free = free;
            has_arrived = true;
        }
        None => {}
    }
    let modes = state.modes();
    let mut route = Route::of(&parts.method, parts.uri.path());
    if let Ok(Route::Read { resource_type, id }) = &route
        && resource_type == "Binary"
        && modes.files_at == FilesAt::Binary
        && let Some(file) = export::binary(state, id)
    {
        route = Ok(file);
    }
    if let Ok(Route::File { .. }) = &route {
        is_open = modes.links_open();
    }
    let moment = moment(state, origin, &parts, route.as_ref().ok());
    let mut faults = state.strike(&moment);
    // At the end of a chain of redirects nothing starts another.
    faults.retain(|fault| !has_arrived || fault.redirect.is_none());
    let authorization = joined(&parts.headers, "authorization");
    logged.bearer = auth::bearer(state, authorization.as_deref());
    logged.struck = faults.iter().map(|fault| fault.name.clone()).collect();
    for fault in &faults {
        strike::wait(state, fault).await;
    }
    if let Some(response) = strike::before(state, tap, &parts, &moment, &faults) {
        return response;
    }
    let bodies: Vec<BodyFault> =
        faults.iter().filter_map(|fault| fault.body.clone()).collect();
    let is_encoded =
        state.behaviour.encodes(joined(&parts.headers, "accept-encoding").as_deref())
            && moment.file.is_some();
    let is_plain = !bodies.is_empty();
    let shared = Arc::clone(state);
    let work = move || {
        let asked =
            Asked { parts: &parts, body: &body, origin, is_free, is_open, is_plain };
        dispatch(&shared, route, &asked)
    };
    // Handlers read lines from disk and write out trees: not on the runtime.
    let mut response = tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Refusal::new(status, "exception", "the handler failed").response()
    });
    for fault in &faults {
        response = strike::after(response, state, tap, fault).await;
    }
    if response.status() != StatusCode::OK {
        return response;
    }
    let has_cut = bodies.iter().any(|body| body.cut.is_some());
    let is_cut = if has_cut { IsCut::Yes } else { IsCut::No };
    for (at, fault) in bodies.into_iter().enumerate() {
        let fault = strike::copied(state, &moment, fault);
        let transaction_time =
            moment.job.as_ref().map_or(state.clock.now(), |job| job.transaction_time);
        let seed = state.seed.wrapping_add(state.cues().total());
        let is_encoded = is_encoded && at == 0;
        let tap = tap.clone();
        let order = Spoiled { fault, tap, seed, transaction_time, is_encoded };
        response = spoil::spoil(response, order).await;
    }
    match moment.file {
        Some(_) => counted(response, state, Number::clone(number), is_cut),
        None => response,
    }
}

/// What is known of a request before it is answered.
fn moment(state: &State, origin: Origin, parts: &Parts, route: Option<&Route>) -> Moment {
    let authorization = joined(&parts.headers, "authorization");
    let client = match origin {
        Origin::Home => auth::caller(state, authorization.as_deref())
            .map_or_else(|_| String::new(), |caller| caller.client),
        Origin::Elsewhere => String::new(),
    };
    let mut moment = Moment {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        client,
        ..Moment::default()
    };
    let Some(route) = route else { return moment };
    let mut page = None;
    let (door, job, file) = match route {
        Route::Cancel { job } => (On::Delete, Some(job), None),
        Route::Everything { .. } => (On::Everything, None, None),
        Route::File { job, file } => (On::File, Some(job), Some(file)),
        Route::Kickoff(level) => {
            moment.level = Some(level.clone());
            (On::Kickoff, None, None)
        }
        Route::Metadata => (On::Metadata, None, None),
        Route::Page { job, number } => {
            page = u32::try_from(*number).ok();
            (On::Poll, Some(job), None)
        }
        Route::Read { .. } | Route::Search { .. } => (On::Read, None, None),
        Route::SmartConfiguration => (On::Smart, None, None),
        Route::Status { job } => (On::Poll, Some(job), None),
        Route::Token => (On::Token, None, None),
    };
    // A page is a manifest, and no poll.
    if page.is_none() {
        moment.doors.push(door);
    }
    if let Some(job) = job {
        export::facts(state, job, file.map(String::as_str), page, &mut moment);
    }
    moment
}

/// Checks the token and calls the handler.
fn dispatch(state: &State, route: Result<Route, NoRoute>, asked: &Asked<'_>) -> Response {
    let route = match route {
        Ok(route) => route,
        Err(NoRoute::Method(allowed)) => {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            let mut response =
                Refusal::new(status, "not-supported", "the method is not allowed")
                    .response();
            response
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static(allowed));
            return response;
        }
        Err(NoRoute::Path) => {
            return Refusal::not_found("there is nothing here").response();
        }
    };
    let authorization = joined(&asked.parts.headers, "authorization");
    let is_elsewhere = asked.origin == Origin::Elsewhere;
    let caller = if asked.is_free || asked.is_open || is_elsewhere {
        Caller::anybody()
    } else if route.is_protected() {
        match auth::caller(state, authorization.as_deref()) {
            Ok(caller) => caller,
            Err(challenge) => return *challenge,
        }
    } else {
        Caller::nobody()
    };
    handle(state, route, caller, asked).unwrap_or_else(|refusal| refusal.response())
}

fn handle(
    state: &State,
    route: Route,
    caller: Caller,
    asked: &Asked<'_>,
) -> Result<Response, Refusal> {
    let Parts { method, uri, headers, .. } = asked.parts;
    let query = uri.query().unwrap_or_default();
    match route {
        Route::Cancel { job } => export::cancel(state, &caller, &job),
        Route::Everything { patient } => {
            everything::everything(state, &caller, &patient, query)
        }
        Route::File { job, file } => export::download(state, &caller, &job, &file, asked),
        Route::Kickoff(level) => {
            let request = export::Request { method, uri, headers, body: asked.body };
            export::kickoff(state, caller, level, &request)
        }
        Route::Metadata => Ok(metadata::metadata(state)),
        Route::Page { job, number } => export::page(state, &caller, &job, number),
        Route::Read { resource_type, id } => {
            rest::read(state, &caller, &resource_type, &id)
        }
        Route::Search { resource_type } => {
            rest::search(state, &caller, &resource_type, query)
        }
        Route::SmartConfiguration => metadata::smart_configuration(state),
        Route::Status { job } => export::status(state, &caller, &job),
        Route::Token => {
            let content_type = joined(headers, "content-type");
            Ok(auth::token(state, content_type.as_deref(), asked.body))
        }
    }
}
