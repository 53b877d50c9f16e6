//! What the server can do, and where its tokens come from.

use std::sync::PoisonError;

use bulkhead_model::SafeUrl;
use bulkhead_net::{Origin, StatusCode, header};
use url::Url;

use super::{
    Client, Server,
    door::{Door, FHIR_JSON, WithToken, date, get},
};
use crate::{
    capability::Capability,
    error::{Doing, Error},
    operation_outcome::clean,
    smart::{Smart, TokenEndpoint},
    token::Endpoint,
};

impl Client {
    /// Reads the capability statement, the SMART configuration and the server's time.
    ///
    /// Both documents are public; the token is sent for the first one only when the server
    /// insists. A statement that cannot be read says nothing, which is remarked on. What was
    /// found before stands in for an answer that cannot be had for now; only the time is then
    /// not known.
    ///
    /// # Errors
    ///
    /// [`Error::Network`], [`Error::Busy`] or [`Error::Refused`] when there is no capability
    /// statement to be had.
    pub async fn discover(&self) -> Result<Server, Error> {
        let found = self.ask_what_it_can().await;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match (found, known.as_ref()) {
            (Ok(server), _) => {
                *known = Some(server.clone());
                Ok(server)
            }
            (Err(error), Some(known)) if error.is_transient() => {
                tracing::warn!(%error, "going on with what the server said before");
                Ok(Server { date: None, ..known.clone() })
            }
            (Err(error), _) => Err(error),
        }
    }

    async fn ask_what_it_can(&self) -> Result<Server, Error> {
        let url = join(&self.base, "metadata");
        let request = get(url, FHIR_JSON)
            .header(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache"));
        let mut response = self.door.send_open(Doing::Discover, request.clone()).await?;
        let insists =
            matches!(response.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        if insists && self.door.has_token() {
            response = self.door.send(Doing::Discover, request, WithToken::Yes).await?;
        }
        // After a redirect to another origin the clock would be a stranger's.
        let own = Origin::of(&response.url) == Origin::of(&self.base);
        let date =
            date(&response).filter(|_| own).map(bulkhead_model::Instant::floor_seconds);
        let capability = capability(&self.door, response).await?;
        // Only a request for a token needs it, and asks again then.
        let smart = smart(&self.door).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "no SMART configuration for now");
            None
        });
        Ok(Server { capability, smart, date })
    }
}

/// Where to ask for tokens, and how to spell scopes there.
///
/// An operator's URL wins; then the SMART configuration; then the capability statement, as
/// older servers have it.
pub(super) async fn token_endpoint(
    door: &Door,
    configured: Option<&TokenEndpoint>,
) -> Result<Endpoint, Error> {
    let (smart, failed) = match smart(door).await {
        Ok(smart) => (smart.unwrap_or_default(), None),
        Err(error) => (Smart::default(), Some(error)),
    };
    let dialect = smart.dialect();
    let algorithms = smart.token_endpoint_auth_signing_alg_values_supported;
    if let Some(at) = configured {
        // With a configured endpoint only the dialect and the algorithm were at stake.
        return Ok(Endpoint { at: at.clone(), dialect, algorithms });
    }
    let base = door.base();
    let mut stated = smart.token_endpoint;
    if stated.is_none() {
        let request = get(join(base, "metadata"), FHIR_JSON);
        let response = door.send_open(Doing::Discover, request).await?;
        stated = capability(door, response).await?.token_endpoint;
    }
    stated
        .and_then(|text| TokenEndpoint::read(&text, base))
        .map(|at| Endpoint { at, dialect, algorithms })
        // A configuration that could not be read may well name one.
        .ok_or_else(|| {
            failed.unwrap_or_else(|| Error::NoTokenEndpoint { base: SafeUrl::of(base) })
        })
}

/// The SMART configuration; `None` when the server has none, or one that is not JSON.
async fn smart(door: &Door) -> Result<Option<Smart>, Error> {
    let url = join(door.base(), ".well-known/smart-configuration");
    let request = get(url, "application/json");
    let response = door.send_open(Doing::Discover, request).await?;
    if response.status.is_server_error()
        || response.status == StatusCode::TOO_MANY_REQUESTS
    {
        return Err(door.refusal(Doing::Discover, response).await);
    }
    if !response.status.is_success() {
        return Ok(None);
    }
    let body = door.document(Doing::Discover, response).await?;
    let smart = serde_json::from_slice(&body);
    if smart.is_err() {
        tracing::warn!(base = %SafeUrl::of(door.base()), "the SMART configuration is no JSON");
    }
    Ok(smart.ok())
}

async fn capability(
    door: &Door,
    response: bulkhead_net::Response,
) -> Result<Capability, Error> {
    if !response.status.is_success() {
        return Err(door.refusal(Doing::Discover, response).await);
    }
    let answer = described(&response);
    let body = door.document(Doing::Discover, response).await?;
    Ok(Capability::read(&body).unwrap_or_else(|why| {
        tracing::warn!(answer, %why, "the capability statement cannot be read");
        Capability::unreadable(&answer, &why)
    }))
}

/// Where an answer came from and as what, without what must not be shown of its address.
fn described(response: &bulkhead_net::Response) -> String {
    let (url, status) = (SafeUrl::of(&response.url), response.status.as_u16());
    let stated = response.text(&header::CONTENT_TYPE).unwrap_or_default();
    let essence = stated.split(';').next().and_then(clean);
    let label = essence.map_or("without a type".to_owned(), |name| format!("`{name}`"));
    format!("the answer of `{url}` (HTTP {status}, {label})")
}

/// A path below the base, which ends in a slash. Both paths are constants that parse.
fn join(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path()));
    url
}
