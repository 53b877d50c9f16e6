//! `[destinations.NAME]`: where sinks may send HTTP requests to, with what, and as whom.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use bulkhead_egress::http::{Base, DestinationLimits, Method, Rules, grantable};
use bulkhead_model::ByteSize;
use bulkhead_net::{Cidr, ClearText, Place, PlaceFault, header::HeaderName};
use url::Url;

use super::{SecretSource, reader::Reader, secrets};

/// One destination.
#[derive(Clone, Debug)]
pub(crate) struct DestinationConfig {
    /// Where it is, and what may be dialled for it.
    pub(crate) place: Place,
    /// What a guest may ask of it.
    pub(crate) rules: Rules,
    /// Ranges of addresses beside the public ones.
    pub(crate) allow: Vec<Cidr>,
    /// What it may take.
    pub(crate) limits: DestinationLimits,
    /// As whom it is spoken to.
    pub(crate) auth: DestinationAuth,
    /// Further root certificates, PEM.
    pub(crate) roots: Vec<PathBuf>,
    /// Client certificate and key, PEM.
    pub(crate) identity: Option<SecretSource>,
}

/// As whom a destination is spoken to.
#[derive(Clone, Debug)]
pub(crate) enum DestinationAuth {
    /// A user and a password.
    Basic {
        /// The user.
        user: String,
        /// Where the password is.
        password: SecretSource,
    },
    /// Where a token is.
    Bearer(SecretSource),
    /// Tokens by OAuth 2.0 client credentials.
    ClientCredentials {
        /// The token endpoint.
        endpoint: Box<Place>,
        /// As registered.
        client_id: String,
        /// Where the secret is.
        client_secret: SecretSource,
        /// What to ask for.
        scope: Option<String>,
    },
    /// Nobody in particular.
    None,
}

impl DestinationAuth {
    /// As whom, without anything secret.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Basic { user, .. } => format!("as `{user}`"),
            Self::Bearer(_) => "with a bearer token".to_owned(),
            Self::ClientCredentials { endpoint, client_id, .. } => {
                format!("as client `{client_id}` of {}", endpoint.url())
            }
            Self::None => "as nobody in particular".to_owned(),
        }
    }
}

impl DestinationConfig {
    /// What decides where data goes and as whose: a change of it begins anew. Limits, ranges
    /// and certificates do not count, as they only decide whether it gets there.
    pub(crate) fn definition(&self) -> String {
        let headers: Vec<&str> =
            self.rules.headers.iter().map(HeaderName::as_str).collect();
        format!(
            "{} {} {} {}",
            self.address(),
            self.methods(),
            headers.join(","),
            self.auth.shown()
        )
    }

    /// Where all that it gets lies below.
    pub(crate) fn address(&self) -> String {
        format!("{}{}", self.place.origin(), self.rules.base.as_str())
    }

    /// Headers that a plugin can fill with what it likes: those that are granted, and the one
    /// for which the contract has a field.
    pub(crate) fn headers(&self) -> Vec<String> {
        let granted = self.rules.headers.iter().map(HeaderName::to_string);
        let mut all: Vec<String> =
            granted.chain(["idempotency-key".to_owned()]).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Its methods, parted by commas.
    pub(crate) fn methods(&self) -> String {
        let methods: Vec<&str> =
            self.rules.methods.iter().map(|method| method.as_str()).collect();
        methods.join(", ")
    }
}

pub(crate) fn read(
    root: &Reader<'_>,
    folder: &Path,
) -> BTreeMap<String, DestinationConfig> {
    let tables = root.named("destinations").into_iter();
    tables.filter_map(|(name, table)| Some((name, one(&table, folder)?))).collect()
}

fn one(table: &Reader<'_>, folder: &Path) -> Option<DestinationConfig> {
    let allow = ranges(table);
    let clear_text = if table.flag("insecure").unwrap_or(false) {
        ClearText::Allowed
    } else {
        ClearText::OnThisMachine
    };
    let place = table
        .required_text("url", "as in \"https://warehouse.example.org/fhir/\"")
        .and_then(|url| place(table, "url", &url, &allow, clear_text));
    let rules = rules(table, place.as_ref().map(Place::url));
    let auth = auth(table, folder, &allow, clear_text);
    let identity = identity(table, folder);
    let roots = table.texts("roots").unwrap_or_default();
    let limits = limits(table);
    table.finish();
    Some(DestinationConfig {
        place: place?,
        rules: rules?,
        allow,
        limits,
        auth: auth?,
        roots: roots.into_iter().map(|path| folder.join(path)).collect(),
        identity,
    })
}

fn ranges(table: &Reader<'_>) -> Vec<Cidr> {
    let mut ranges = Vec::new();
    for text in table.texts("allow-cidr").unwrap_or_default() {
        match text.parse::<Cidr>() {
            Ok(range) => ranges.push(range),
            Err(error) => table.problem_at(
                "allow-cidr",
                format!("`{text}` in `{}` is {error}", table.path("allow-cidr")),
            ),
        }
    }
    ranges
}

/// A URL that may be a destination, or a problem that says which setting would make it one.
fn place(
    table: &Reader<'_>,
    key: &str,
    text: &str,
    allow: &[Cidr],
    clear_text: ClearText,
) -> Option<Place> {
    let at = table.path(key);
    let url: Url = match text.parse() {
        Ok(url) => url,
        Err(error) => {
            table.problem_at(key, format!("`{at}` is no URL: {error}"));
            return None;
        }
    };
    let fault = match Place::new(url, allow.to_vec(), clear_text) {
        Ok(place) => return Some(place),
        Err(fault) => fault,
    };
    let remedy = match fault {
        PlaceFault::Address => "list its network in `allow-cidr`, if that is meant",
        PlaceFault::ClearText => {
            "write `https`; or `insecure = true`, and everybody on the way can read what is sent"
        }
        PlaceFault::Extra => {
            "a secret belongs into `auth`, a path below into `path-prefix`"
        }
        PlaceFault::Scheme => "write an `https` URL",
    };
    // The text is not repeated: it may hold a password.
    table.problem_at(key, format!("`{at}`: {fault}; {remedy}"));
    None
}

/// What a guest may ask; every key is looked at, with or without a URL.
fn rules(table: &Reader<'_>, url: Option<&Url>) -> Option<Rules> {
    let prefix = table.text("path-prefix").unwrap_or("/".to_owned());
    let base = url.map(|url| Base::new(url, &prefix));
    if let Some(Err(fault)) = &base {
        let message = format!(
            "`{}` = \"{prefix}\" below the URL's path has {fault}: write a plain path, as in \
             \"/ingest\"",
            table.path("path-prefix")
        );
        table.problem_at("path-prefix", message);
    }
    let mut methods = BTreeSet::new();
    let listed = table.texts("methods").unwrap_or(vec!["POST".to_owned()]);
    if listed.is_empty() {
        let message =
            format!("`{}` is empty: nothing could be sent", table.path("methods"));
        table.problem_at("methods", message);
    }
    for text in listed {
        match Method::ALL.into_iter().find(|method| method.as_str() == text) {
            Some(method) => {
                methods.insert(method);
            }
            None => table.problem_at(
                "methods",
                format!(
                    "`{text}` in `{}`: write \"DELETE\", \"GET\", \"PATCH\", \"POST\" or \"PUT\"",
                    table.path("methods")
                ),
            ),
        }
    }
    let mut headers = Vec::new();
    for text in table.texts("headers").unwrap_or_default() {
        match grantable(&text) {
            Ok(header) => headers.push(header),
            Err(fault) => table.problem_at(
                "headers",
                format!("`{text}` in `{}` is {fault}: remove it", table.path("headers")),
            ),
        }
    }
    headers.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    headers.dedup();
    Some(Rules { base: base?.ok()?, methods, headers })
}

fn auth(
    table: &Reader<'_>,
    folder: &Path,
    allow: &[Cidr],
    clear_text: ClearText,
) -> Option<DestinationAuth> {
    let auth = table.section("auth");
    if !auth.is_present() {
        return Some(DestinationAuth::None);
    }
    let kinds = ["basic", "bearer", "client-credentials"];
    let named: Vec<&str> = kinds.into_iter().filter(|kind| auth.is_table(kind)).collect();
    let found = match named.as_slice() {
        ["basic"] => basic(&auth.section("basic"), folder),
        ["bearer"] => {
            secrets::read(&auth.section("bearer"), folder).map(DestinationAuth::Bearer)
        }
        ["client-credentials"] => {
            let client = auth.section("client-credentials");
            client_credentials(&client, folder, allow, clear_text)
        }
        _ => {
            auth.problem(format!(
                "`{}` names one of `bearer = {{ file = \"…\" }}`, `basic = {{ user = \"…\", \
                 password = {{ file = \"…\" }} }}` and `client-credentials = {{ … }}`",
                table.path("auth")
            ));
            None
        }
    };
    auth.finish();
    found
}

fn basic(basic: &Reader<'_>, folder: &Path) -> Option<DestinationAuth> {
    let user = basic.required_text("user", "as the server knows it");
    let password = secret(basic, "password", folder);
    basic.finish();
    let (user, password) = (user?, password?);
    if user.contains(':') || user.chars().any(char::is_control) {
        let at = basic.path("user");
        basic.problem_at("user", format!("`{at}` cannot hold `:` or control characters"));
        return None;
    }
    Some(DestinationAuth::Basic { user, password })
}

fn client_credentials(
    client: &Reader<'_>,
    folder: &Path,
    allow: &[Cidr],
    clear_text: ClearText,
) -> Option<DestinationAuth> {
    let endpoint = client
        .required_text("token-url", "the token endpoint")
        .and_then(|url| place(client, "token-url", &url, allow, clear_text));
    let client_id = client.required_text("client-id", "as registered");
    let client_secret = secret(client, "client-secret", folder);
    let scope = client.text("scope");
    client.finish();
    Some(DestinationAuth::ClientCredentials {
        endpoint: Box::new(endpoint?),
        client_id: client_id?,
        client_secret: client_secret?,
        scope,
    })
}

/// A secret by reference, which must be there.
fn secret(table: &Reader<'_>, key: &str, folder: &Path) -> Option<SecretSource> {
    if table.is_table(key) {
        return secrets::read(&table.section(key), folder);
    }
    let at = table.path(key);
    table.problem_at(
        key,
        format!("`{at}` must be `{{ file = \"…\" }}` or `{{ env = \"…\" }}`"),
    );
    None
}

fn identity(table: &Reader<'_>, folder: &Path) -> Option<SecretSource> {
    table.has("identity").then(|| secret(table, "identity", folder)).flatten()
}

fn limits(table: &Reader<'_>) -> DestinationLimits {
    let default = DestinationLimits::default();
    let bytes = |key: &str, default: u64| {
        table.parsed::<ByteSize>(key).map_or(default, ByteSize::bytes)
    };
    let timeout = table.duration("timeout").unwrap_or(default.timeout);
    if timeout.is_zero() {
        let at = table.path("timeout");
        table.problem_at("timeout", format!("`{at}` must be longer than nothing"));
    }
    DestinationLimits {
        concurrency: table
            .number("concurrency", 1..MOST_AT_ONCE + 1)
            .and_then(|number| usize::try_from(number).ok())
            .and_then(NonZeroUsize::new)
            .unwrap_or(default.concurrency),
        timeout,
        request_bytes: bytes("request-bytes", default.request_bytes),
        response_bytes: bytes("response-bytes", default.response_bytes),
    }
}

/// More would be rude to any server, as at a source.
const MOST_AT_ONCE: u64 = 256;

#[cfg(test)]
mod tests;
