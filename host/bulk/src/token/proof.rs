//! How a client proves who it is when it asks for a token: by a signed assertion or a secret.
//!
//! Source: SMART App Launch 2.2, "Client Authentication: Asymmetric"; RFC 6749 section 2.3.1;
//! RFC 7523.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bulkhead_model::{Instant, Secret};
use bulkhead_net::{Method, Request, header};
use url::form_urlencoded;

use super::Endpoint;
use crate::{
    assertion::Assertion,
    error::Error,
    key::SigningKey,
    scope::Dialect,
    settings::{BackendServices, ClientSecret, SecretPlace},
    smart::TokenEndpoint,
};

/// What a client is registered with, and what it asks for.
#[derive(Debug)]
pub(crate) struct Registration {
    client_id: String,
    proof: Proof,
    pub(super) token_url: Option<TokenEndpoint>,
    pub(super) scope: Option<String>,
}

#[derive(Debug)]
enum Proof {
    Keys(Vec<Arc<SigningKey>>),
    Secret(Secret, SecretPlace),
}

impl From<&BackendServices> for Registration {
    fn from(services: &BackendServices) -> Self {
        Self {
            client_id: services.client_id.clone(),
            proof: Proof::Keys(services.keys.clone()),
            token_url: services.token_url.clone(),
            scope: services.scope.clone(),
        }
    }
}

impl From<&ClientSecret> for Registration {
    fn from(secret: &ClientSecret) -> Self {
        Self {
            client_id: secret.client_id.clone(),
            proof: Proof::Secret(secret.secret.clone(), secret.place),
            token_url: secret.token_url.clone(),
            scope: secret.scope.clone(),
        }
    }
}

impl Registration {
    /// A request for a token, dated `now`. Each needs an `id` of its own, because servers refuse
    /// replays.
    pub(super) fn request(
        &self,
        endpoint: &Endpoint,
        dialect: Dialect,
        now: Instant,
        id: [u8; 16],
    ) -> Result<Request, Error> {
        let text = header::HeaderValue::from_static;
        let mut request = Request::new(Method::POST, endpoint.at.url.clone())
            .header(header::ACCEPT, text("application/json"))
            .header(header::CONTENT_TYPE, text("application/x-www-form-urlencoded"));
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if let Some(scope) = self.scope(dialect) {
            form.append_pair("scope", scope);
        }
        match &self.proof {
            Proof::Keys(keys) => {
                let assertion = Assertion {
                    client_id: &self.client_id,
                    audience: &endpoint.at.audience,
                    now,
                    id,
                };
                let key = chosen(keys, &endpoint.algorithms)?;
                let signed =
                    assertion.sign(key).map_err(|source| Error::Key { source })?;
                form.append_pair("client_assertion_type", ASSERTION_TYPE);
                form.append_pair(
                    "client_assertion",
                    signed.expose_str().unwrap_or_default(),
                );
            }
            Proof::Secret(secret, SecretPlace::Body) => {
                form.append_pair("client_id", &self.client_id);
                form.append_pair("client_secret", plain(secret)?);
            }
            Proof::Secret(secret, SecretPlace::Header) => {
                let value = basic(&self.client_id, plain(secret)?)?;
                request = request.header(header::AUTHORIZATION, value);
            }
        }
        Ok(request.body(form.finish()))
    }

    fn scope(&self, dialect: Dialect) -> Option<&str> {
        match self.scope.as_deref() {
            None => Some(dialect.everything()),
            Some("") => None,
            Some(scope) => Some(scope),
        }
    }
}

/// The first key that signs as the server wants; lists of servers are not always right, so
/// without such a key the first one is tried.
fn chosen<'a>(
    keys: &'a [Arc<SigningKey>],
    algorithms: &[String],
) -> Result<&'a SigningKey, Error> {
    let taken = |key: &&Arc<SigningKey>| {
        let name = key.algorithm().name();
        algorithms.iter().any(|listed| listed == name)
    };
    let key = keys.iter().find(taken).or_else(|| keys.first());
    key.map(AsRef::as_ref)
        .ok_or(Error::Settings { reason: "there is no key to sign with" })
}

fn plain(secret: &Secret) -> Result<&str, Error> {
    let reason = "the client secret is no text";
    secret.expose_str().ok_or(Error::Settings { reason })
}

/// User and password, each encoded as in a form first.
fn basic(client_id: &str, secret: &str) -> Result<header::HeaderValue, Error> {
    let encode =
        |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = STANDARD.encode(format!("{}:{}", encode(client_id), encode(secret)));
    let reason = "the client secret cannot be sent";
    let value = header::HeaderValue::from_str(&format!("Basic {pair}"));
    let mut value = value.map_err(|_| Error::Settings { reason })?;
    value.set_sensitive(true);
    Ok(value)
}

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
