//! `[source]`: the server, what to ask it for, and how to sign in.

use std::path::Path;

use bulkhead_bulk::{KickoffMethod, TokenEndpoint, Version};
use bulkhead_model::{Level, ResourceType};
use bulkhead_net::Origin;
use url::Url;

use super::{SecretSource, reader::Reader, secrets};

/// Where data comes from.
#[derive(Clone, Debug)]
pub(crate) struct SourceConfig {
    /// What the watermarks belong to. The base URL, unless the operator gives a name that
    /// stays when the URL changes.
    pub(crate) name: String,
    /// The FHIR base.
    pub(crate) base_url: Url,
    /// Of whom the export is.
    pub(crate) level: Level,
    /// Types to ask for, sent explicitly so that a missing one can be noticed.
    pub(crate) types: Vec<ResourceType>,
    /// `_typeFilter` queries.
    pub(crate) type_filters: Vec<String>,
    /// Origins beside the base's that may get the token.
    pub(crate) trusted_origins: Vec<Origin>,
    /// Origins that may be spoken to without TLS.
    pub(crate) insecure_origins: Vec<Origin>,
    /// How to kick off.
    pub(crate) method: KickoffMethod,
    /// Which version of Bulk Data the server speaks.
    pub(crate) version: Version,
    /// How to sign in.
    pub(crate) auth: AuthConfig,
}

/// How to sign in.
#[derive(Clone, Debug)]
pub(crate) enum AuthConfig {
    /// SMART Backend Services.
    BackendServices {
        /// As registered.
        client_id: String,
        /// The private key.
        key: SecretSource,
        /// Where to ask for tokens, when discovery is not to be trusted.
        token_url: Option<TokenEndpoint>,
        /// What to ask for; `Some("")` asks for nothing.
        scope: Option<String>,
    },
    /// A token that was given by other means.
    Bearer(SecretSource),
    /// An open server.
    None,
}

pub(crate) fn read(root: &Reader<'_>, folder: &Path) -> SourceConfig {
    let source = root.section("source");
    if !source.is_present() {
        root.problem(
            "`[source]` is missing: it names the server, see `bulkhead init --print`",
        );
    }
    let base_url = base_url(&source);
    let name = source.text("name").unwrap_or_else(|| base_url.to_string());
    let config = SourceConfig {
        name,
        base_url,
        level: level(&source),
        types: types(&source),
        type_filters: source.texts("type-filters").unwrap_or_default(),
        trusted_origins: origins(&source, "trusted-origins"),
        insecure_origins: origins(&source, "insecure-origins"),
        method: match source.word("method", &["auto", "get", "post"]).as_deref() {
            Some("get") => KickoffMethod::Get,
            Some("post") => KickoffMethod::Post,
            _ => KickoffMethod::Auto,
        },
        version: match source.word("version", &["auto", "1", "2", "3", "4"]).as_deref() {
            Some("1") => Version::V1,
            Some("2") => Version::V2,
            Some("3") => Version::V3,
            Some("4") => Version::V4,
            _ => Version::Auto,
        },
        auth: auth(&source, folder),
    };
    source.finish();
    config
}

/// A stand-in where there is a problem, so that reading can go on to find the others.
fn nowhere() -> Url {
    #[expect(clippy::expect_used, reason = "a constant that parses")]
    Url::parse("https://nowhere.invalid/").expect("a URL")
}

fn base_url(source: &Reader<'_>) -> Url {
    if source.is_present() {
        let what = "the FHIR base, for example https://ehr.example.org/fhir";
        source.required_text("base-url", what);
    }
    let Some(url) = source.parsed::<Url>("base-url") else { return nowhere() };
    if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
        source.problem_at("base-url", "`source.base-url` must begin with https://");
        return nowhere();
    }
    if url.query().is_some() || url.fragment().is_some() {
        source.problem_at("base-url", "`source.base-url` must have no `?` and no `#`");
    }
    if !url.username().is_empty() || url.password().is_some() {
        let message =
            "`source.base-url` must not carry a user or a password: use `[source.auth]`";
        source.problem_at("base-url", message);
    }
    url
}

fn level(source: &Reader<'_>) -> Level {
    if source.is_table("level") {
        let table = source.section("level");
        let group = table.required_text("group", "the id of a Group on the server");
        table.finish();
        return Level::Group(group.unwrap_or_default());
    }
    match source.word("level", &["system", "patient"]).as_deref() {
        Some("patient") => Level::Patient,
        _ => Level::System,
    }
}

fn types(source: &Reader<'_>) -> Vec<ResourceType> {
    let mut types = Vec::new();
    for name in source.texts("types").unwrap_or_default() {
        match name.parse() {
            Ok(name) if types.contains(&name) => {
                source
                    .problem_at("types", format!("`source.types` names `{name}` twice"));
            }
            Ok(name) => types.push(name),
            Err(error) => {
                source.problem_at(
                    "types",
                    format!("`{name}` in `source.types` is {error}"),
                );
            }
        }
    }
    types
}

fn origins(source: &Reader<'_>, key: &str) -> Vec<Origin> {
    let mut origins = Vec::new();
    for text in source.texts(key).unwrap_or_default() {
        match text.parse() {
            Ok(origin) => origins.push(origin),
            Err(error) => {
                let message = format!("`{text}` in `source.{key}`: {error}");
                source.problem_at(key, message);
            }
        }
    }
    origins
}

fn auth(source: &Reader<'_>, folder: &Path) -> AuthConfig {
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
    let token_url = auth.parsed::<TokenEndpoint>("token-url");
    let scope = auth.text("scope");
    auth.finish();
    match (client_id, key) {
        (Some(client_id), Some(key)) => {
            AuthConfig::BackendServices { client_id, key, token_url, scope }
        }
        _ => AuthConfig::None,
    }
}
