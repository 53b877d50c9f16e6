//! `[source.auth]`: how to sign in.

use std::path::Path;

use bulkhead_bulk::{Defaults, TokenEndpoint};
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

pub(super) fn read(
    source: &Reader<'_>,
    folder: &Path,
    defaults: &Defaults,
) -> AuthConfig {
    let auth = source.section("auth");
    if !auth.is_present() {
        return AuthConfig::None;
    }
    if auth.is_table("bearer") {
        let bearer = secrets::read(&auth.section("bearer"), folder);
        auth.finish();
        return bearer.map_or(AuthConfig::None, AuthConfig::Bearer);
    }
    let client_id = auth.required_text("client-id", "as registered with the server");
    let key = if auth.is_table("key") {
        secrets::read(&auth.section("key"), folder)
    } else {
        auth.problem_at(
            "key",
            "`source.auth.key` must be `{ file = \"…\" }` or `{ env = \"…\" }`",
        );
        None
    };
    let default_header = defaults.client_id_header.as_ref();
    let client_id_header = auth
        .parsed("client-id-header")
        .or_else(|| default_header.and_then(|name| name.parse().ok()));
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
