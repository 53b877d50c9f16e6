//! `[source.auth]`: how to sign in.

use std::path::Path;

use bulkhead_bulk::{Defaults, SecretPlace, TokenEndpoint};
use bulkhead_net::header::HeaderName;
use url::Url;

use super::Reader;
use crate::config::{SecretSource, secrets};

/// How to sign in.
#[derive(Clone, Debug)]
pub(crate) enum AuthConfig {
    /// SMART Backend Services.
    BackendServices(Box<ServicesConfig>),
    /// A token that was given by other means.
    Bearer(SecretSource),
    /// Client credentials with a secret.
    ClientSecret(Box<SecretConfig>),
    /// An open server.
    None,
}

/// What SMART Backend Services needs.
#[derive(Clone, Debug)]
pub(crate) struct ServicesConfig {
    /// As registered.
    pub(crate) client_id: String,
    /// The private key, or a set of several.
    pub(crate) key: SecretSource,
    /// The id under which the key is registered; of a set, which key to use.
    pub(crate) kid: Option<String>,
    /// The registered URL of the public set, to be named in assertions.
    pub(crate) jwks_url: Option<Url>,
    /// Where to ask for tokens, when discovery is not to be trusted.
    pub(crate) token_url: Option<TokenEndpoint>,
    /// What to ask for; `Some("")` asks for nothing.
    pub(crate) scope: Option<String>,
    /// The header that names the client in every request.
    pub(crate) client_id_header: Option<HeaderName>,
}

/// What client credentials with a secret need.
#[derive(Clone, Debug)]
pub(crate) struct SecretConfig {
    /// As registered.
    pub(crate) client_id: String,
    /// The secret.
    pub(crate) secret: SecretSource,
    /// Where it stands in a request.
    pub(crate) place: SecretPlace,
    /// Where to ask for tokens, when discovery is not to be trusted.
    pub(crate) token_url: Option<TokenEndpoint>,
    /// What to ask for; `Some("")` asks for nothing.
    pub(crate) scope: Option<String>,
    /// The header that names the client in every request.
    pub(crate) client_id_header: Option<HeaderName>,
}

pub(super) fn read(
    source: &Reader<'_>,
    folder: &Path,
    defaults: &Defaults,
) -> AuthConfig {
    let auth = source.section("auth");
    if !auth.is_present() {
        return AuthConfig::None;
    }
    if auth.has("bearer") && !auth.is_table("bearer") {
        let message =
            "`source.auth.bearer` must be `{ file = \"…\" }` or `{ env = \"…\" }`";
        auth.problem_at("bearer", message);
        return AuthConfig::None;
    }
    if auth.is_table("bearer") {
        let bearer = secrets::read(&auth.section("bearer"), folder);
        for key in OF_CLIENTS {
            leave_out(&auth, key, "bearer");
        }
        auth.finish();
        return bearer.map_or(AuthConfig::None, AuthConfig::Bearer);
    }
    let client_id = auth.required_text("client-id", "as registered with the server");
    if auth.has("client-secret") {
        return with_secret(&auth, client_id, folder, defaults);
    }
    let key = if auth.is_table("key") {
        secrets::read(&auth.section("key"), folder)
    } else if !auth.has("key") {
        auth.problem(
            "`[source.auth]` has neither a `key` nor a `client-secret`: write the one that is \
             registered with the server",
        );
        None
    } else {
        auth.problem_at(
            "key",
            "`source.auth.key` must be `{ file = \"…\" }` or `{ env = \"…\" }`",
        );
        None
    };
    leave_out(&auth, "client-secret-in", "key");
    let client_id_header = client_id_header(&auth, defaults);
    let (kid, jwks_url) = (auth.text("kid"), auth.parsed("jwks-url"));
    let token_url = auth.parsed::<TokenEndpoint>("token-url");
    let scope = auth.text("scope").or_else(|| defaults.scope.clone());
    auth.finish();
    match (client_id, key) {
        (Some(client_id), Some(key)) => {
            AuthConfig::BackendServices(Box::new(ServicesConfig {
                client_id,
                key,
                kid,
                jwks_url,
                token_url,
                scope,
                client_id_header,
            }))
        }
        _ => AuthConfig::None,
    }
}

/// What a token that is given has no use for.
const OF_CLIENTS: [&str; 9] = [
    "client-id",
    "client-id-header",
    "client-secret",
    "client-secret-in",
    "jwks-url",
    "key",
    "kid",
    "scope",
    "token-url",
];

/// Says that `key` does not go with `other`, when both are there.
fn leave_out(auth: &Reader<'_>, key: &str, other: &str) {
    if auth.has(key) {
        let message =
            format!("`source.auth` has a `{key}` and a `{other}`: leave one out");
        auth.problem_at(key, message);
    }
}

fn with_secret(
    auth: &Reader<'_>,
    client_id: Option<String>,
    folder: &Path,
    defaults: &Defaults,
) -> AuthConfig {
    let secret = if auth.is_table("client-secret") {
        secrets::read(&auth.section("client-secret"), folder)
    } else {
        let message =
            "`source.auth.client-secret` must be `{ file = \"…\" }` or `{ env = \"…\" }`";
        auth.problem_at("client-secret", message);
        None
    };
    for key in ["key", "kid", "jwks-url"] {
        leave_out(auth, key, "client-secret");
    }
    let place = match auth.word("client-secret-in", &["header", "body"]).as_deref() {
        Some("body") => SecretPlace::Body,
        _ => SecretPlace::Header,
    };
    let client_id_header = client_id_header(auth, defaults);
    let token_url = auth.parsed::<TokenEndpoint>("token-url");
    let scope = auth.text("scope").or_else(|| defaults.scope.clone());
    auth.finish();
    match (client_id, secret) {
        (Some(client_id), Some(secret)) => {
            AuthConfig::ClientSecret(Box::new(SecretConfig {
                client_id,
                secret,
                place,
                token_url,
                scope,
                client_id_header,
            }))
        }
        _ => AuthConfig::None,
    }
}

fn client_id_header(auth: &Reader<'_>, defaults: &Defaults) -> Option<HeaderName> {
    let default = defaults.client_id_header.as_ref();
    auth.parsed("client-id-header").or_else(|| default.and_then(|name| name.parse().ok()))
}
