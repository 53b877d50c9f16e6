//! SMART Backend Services, the server's side: who may have a token, and what it opens.
//!
//! Source: SMART App Launch 2.2, "Backend Services" and "Asymmetric Client Authentication";
//! RFC 6749 section 5.2, RFC 6750 section 3, RFC 7523 section 3.

mod assertion;
mod scope;

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bulkhead_model::{Instant, ResourceType};
use jsonwebtoken::jwk::JwkSet;
use serde_json::json;

pub(crate) use assertion::Judge;
pub(crate) use scope::Grant;

use crate::{
    behaviour::AssertionClock,
    error::Error,
    outcome::{Refusal, fhir, json as json_response, outcome},
    request_log::Bearer,
    scenario::{self, ExpiresIn, Shift},
    state::State,
};

/// Who may export.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// Only these clients, by SMART Backend Services.
    Clients(Vec<Client>),
    /// Anybody; nothing asks for a token.
    #[default]
    Open,
}

/// A registered client.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) id: String,
    pub(crate) keys: JwkSet,
    pub(crate) jwks_url: Option<String>,
    pub(crate) types: Option<BTreeSet<ResourceType>>,
}

impl Client {
    /// Registers `id` with a public JWK Set, given as JSON.
    ///
    /// # Errors
    ///
    /// [`Error::KeySet`] when `jwks` is not a JWK Set.
    pub fn from_jwks(id: impl Into<String>, jwks: &str) -> Result<Self, Error> {
        let id = id.into();
        match serde_json::from_str(jwks) {
            Ok(keys) => Ok(Self { id, keys, jwks_url: None, types: None }),
            Err(source) => Err(Error::KeySet { client: id, source }),
        }
    }

    /// The URL that the client may name as `jku`. It is compared, never fetched; without one
    /// an assertion with `jku` is refused.
    #[must_use]
    pub fn with_jwks_url(self, url: impl Into<String>) -> Self {
        Self { jwks_url: Some(url.into()), ..self }
    }

    /// The only types that the client is ever granted. Default: all.
    #[must_use]
    pub fn with_types(self, types: impl IntoIterator<Item = ResourceType>) -> Self {
        Self { types: Some(types.into_iter().collect()), ..self }
    }
}

/// The holder of an access token, or anybody on an open server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) client: String,
    pub(crate) grant: Grant,
    /// Whether the URL that was asked opens its job, whosever it is.
    pub(crate) is_free: bool,
}

impl Caller {
    /// Who calls where no token is asked for.
    pub(crate) fn nobody() -> Self {
        let grant = Grant::Types(BTreeSet::new());
        Self { client: String::new(), grant, is_free: false }
    }

    /// Who calls by a URL that is a credential by itself.
    pub(crate) fn anybody() -> Self {
        Self { client: String::new(), grant: Grant::everything(), is_free: true }
    }
}

struct Token {
    caller: Caller,
    expires: Instant,
}

/// What was issued and what was used up.
#[derive(Default)]
pub(crate) struct Issued {
    tokens: HashMap<String, Token>,
    /// The how manieth each token was, worthless ones too.
    ordinals: HashMap<String, u32>,
    /// The `exp` of each assertion seen, by client and `jti`.
    assertions: HashMap<(String, String), Instant>,
}

/// An OAuth error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OAuthError {
    pub(crate) error: &'static str,
    pub(crate) description: &'static str,
}

impl OAuthError {
    pub(crate) const fn client(description: &'static str) -> Self {
        Self { error: "invalid_client", description }
    }

    const fn request(description: &'static str) -> Self {
        Self { error: "invalid_request", description }
    }
}

/// Answers a token request.
pub(crate) fn token(state: &State, content_type: Option<&str>, body: &[u8]) -> Response {
    match issue(state, content_type, body) {
        Ok(body) => no_store(json_response(StatusCode::OK, &body)),
        Err(OAuthError { error, description }) => no_store(json_response(
            StatusCode::BAD_REQUEST,
            &json!({ "error": error, "error_description": description }),
        )),
    }
}

fn issue(
    state: &State,
    content_type: Option<&str>,
    body: &[u8],
) -> Result<serde_json::Value, OAuthError> {
    let clients = match &state.auth {
        Auth::Clients(clients) => clients,
        Auth::Open => return Err(OAuthError::request("this server asks for no token")),
    };
    let form = content_type.unwrap_or_default();
    if !form.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
        return Err(OAuthError::request("want application/x-www-form-urlencoded"));
    }
    let mut parameters: HashMap<String, String> = HashMap::new();
    for (name, value) in url::form_urlencoded::parse(body) {
        if parameters.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(OAuthError::request("a parameter is repeated"));
        }
    }
    let parameter = |name: &str| parameters.get(name).map(String::as_str);
    match parameter("grant_type") {
        Some("client_credentials") => {}
        Some(_) => {
            let description = "want grant_type client_credentials";
            return Err(OAuthError { error: "unsupported_grant_type", description });
        }
        None => return Err(OAuthError::request("no grant_type")),
    }
    if parameter("client_assertion_type") != Some(ASSERTION_TYPE) {
        return Err(OAuthError::request("client_assertion_type is not jwt-bearer"));
    }
    let assertion = parameter("client_assertion")
        .ok_or(OAuthError::request("no client_assertion"))?;
    let now = state.clock.now();
    let modes = state.modes();
    // A second clock would hide a skew that was ordered.
    let is_skewed = modes.skew.clock != Shift::NONE || modes.skew.judge != Shift::NONE;
    let also = match state.behaviour.assertion_clock {
        AssertionClock::VirtualOrReal if !is_skewed => Some(state.clock.real_now()),
        AssertionClock::Virtual | AssertionClock::VirtualOrReal => None,
    };
    let judged_at = modes.skew.judge.of(now);
    let token_url = &state.urls.token;
    let judge = Judge { clients, token_url, now: judged_at, also };
    let proof = judge.judge(assertion)?;
    let offered = state.offered_types();
    let mut issued = state.issued();
    issued.forget(now, also);
    if issued.assertions.len() >= state.limits.tokens {
        let description = "too many assertions at once";
        return Err(OAuthError { error: "temporarily_unavailable", description });
    }
    let seen = (proof.client.id.clone(), proof.jti);
    if issued.assertions.insert(seen, proof.expires).is_some() {
        return Err(OAuthError::client("jti was used before"));
    }
    let wanted = parameter("scope").unwrap_or_default();
    let (grant, granted) = Grant::of(wanted, &offered, proof.client.types.as_ref())
        .ok_or(OAuthError {
            error: "invalid_scope",
            description: "no scope can be granted",
        })?;
    if issued.tokens.len() >= state.limits.tokens {
        let description = "too many tokens at once";
        return Err(OAuthError { error: "temporarily_unavailable", description });
    }
    let token = URL_SAFE_NO_PAD.encode(state.random.bytes::<32>());
    let lifetime = state.behaviour.token_lifetime;
    let grant = match &modes.token.granted {
        Some(types) => Grant::Types(types.iter().cloned().collect()),
        None => grant,
    };
    let caller = Caller { client: proof.client.id.clone(), grant, is_free: false };
    let ordinal = u32::try_from(issued.ordinals.len() + 1).unwrap_or(u32::MAX);
    // Bounded like the tokens; what came after is unknown to the log.
    if issued.ordinals.len() < state.limits.tokens {
        issued.ordinals.insert(token.clone(), ordinal);
    }
    issued.tokens.insert(token.clone(), Token { caller, expires: now.plus(lifetime) });
    Ok(reply(&modes.token, &token, lifetime, &granted))
}

/// A token reply, as the modes want it.
fn reply(
    mode: &scenario::Token,
    token: &str,
    lifetime: Duration,
    granted: &str,
) -> serde_json::Value {
    let kind = mode.kind.as_deref().unwrap_or("bearer");
    let mut reply = json!({ "access_token": token, "token_type": kind });
    let expires_in = match &mode.expires_in {
        ExpiresIn::Absent => None,
        ExpiresIn::Number => Some(json!(lifetime.as_secs())),
        ExpiresIn::Other(seconds) => Some(json!(seconds)),
        ExpiresIn::Text(text) => Some(json!(text)),
    };
    let scope = match &mode.scope {
        scenario::Scope::Absent => None,
        scenario::Scope::AsGranted => Some(json!(granted)),
        scenario::Scope::Text(text) => Some(json!(text)),
    };
    if let Some(object) = reply.as_object_mut() {
        object.extend(expires_in.map(|value| ("expires_in".to_owned(), value)));
        object.extend(scope.map(|value| ("scope".to_owned(), value)));
    }
    reply
}

impl Issued {
    /// Makes all tokens worthless.
    pub(crate) fn revoke(&mut self) {
        self.tokens.clear();
    }

    /// Drops what time has made worthless. An assertion is kept until it is over by every
    /// clock that could still accept it.
    fn forget(&mut self, now: Instant, also: Option<Instant>) {
        let earliest = also.map_or(now, |also| also.min(now));
        self.tokens.retain(|_, token| token.expires > now);
        self.assertions.retain(|_, expires| *expires > earliest);
    }
}

/// Who calls, by the `Authorization` header.
pub(crate) fn caller(
    state: &State,
    authorization: Option<&str>,
) -> Result<Caller, Box<Response>> {
    match &state.auth {
        Auth::Open => {
            let grant = Grant::everything();
            return Ok(Caller { client: String::new(), grant, is_free: false });
        }
        Auth::Clients(_) => {}
    }
    let Some(token) = authorization.and_then(bearer_token) else {
        return Err(Box::new(challenge(
            "Bearer realm=\"fhir\"",
            "an access token is needed",
        )));
    };
    let now = state.clock.now();
    match state.issued().tokens.get(token) {
        Some(known) if known.expires > now => Ok(known.caller.clone()),
        Some(_) | None => Err(Box::new(challenge(
            "Bearer realm=\"fhir\", error=\"invalid_token\"",
            "the access token is unknown or expired",
        ))),
    }
}

/// Whose token a request carries.
pub(crate) fn bearer(state: &State, authorization: Option<&str>) -> Bearer {
    let Some(authorization) = authorization else { return Bearer::None };
    let token = bearer_token(authorization).unwrap_or_default();
    let ordinal = state.issued().ordinals.get(token).copied();
    ordinal.map_or(Bearer::Unknown, Bearer::Ours)
}

fn bearer_token(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Refuses when the caller may not read a type.
pub(crate) fn check_read(caller: &Caller, resource_type: &str) -> Result<(), Refusal> {
    if caller.grant.allows(resource_type) {
        Ok(())
    } else {
        Err(Refusal::forbidden(format!(
            "the access token does not cover {resource_type}"
        )))
    }
}

fn challenge(value: &'static str, text: &str) -> Response {
    let mut response = fhir(StatusCode::UNAUTHORIZED, &outcome("error", "login", text));
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(value));
    response
}

fn no_store(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
