//! What an operator may set about a source. Every limit is a field.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bulkhead_model::{ByteSize, Secret};
use bulkhead_net::{Origin, header::HeaderName};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{key::SigningKey, smart::TokenEndpoint};

/// One source of data and how to speak to it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The FHIR base URL.
    pub base: Url,
    /// How to authenticate.
    pub auth: Auth,
    /// Other ways in which the server writes its own base.
    pub aliases: Vec<Url>,
    /// What addresses begin with that the server writes wrongly.
    pub rewrite: Option<Rewrite>,
    /// Further origins that may see the access token, besides the base's.
    pub trusted_origins: Vec<Origin>,
    /// How to send the kick-off.
    pub method: KickoffMethod,
    /// Which edition of the IG to speak.
    pub version: Version,
    /// The name of the profile that the operator chose, which was applied already.
    pub profile: Option<String>,
    /// How `_since` is written.
    pub since_style: SinceStyle,
    /// How commas within a filter are written.
    pub filter_commas: FilterCommas,
    /// Whether servers may pass over parameters that they do not know.
    pub handling: Handling,
    /// The header that names the client in every request to the FHIR server, where the
    /// server wants one (`Epic-Client-ID`).
    pub client_id_header: Option<HeaderName>,
    /// Extensions of output items that are passed over, by name: neither held against a
    /// file nor a reason to refuse it.
    pub ignored_extensions: BTreeSet<String>,
    /// How long files live where the server sends no `Expires`.
    pub file_lifetime: Option<Duration>,
    /// When to ask, and when to give up.
    pub poll: PollLimits,
    /// What is read into memory or followed, at most.
    pub limits: Limits,
}

impl Settings {
    /// Defaults for a base URL: no authentication, everything else found out.
    pub fn new(base: Url) -> Self {
        Self {
            base,
            auth: Auth::None,
            aliases: Vec::new(),
            rewrite: None,
            trusted_origins: Vec::new(),
            method: KickoffMethod::Auto,
            version: Version::Auto,
            profile: None,
            since_style: SinceStyle::Seconds,
            filter_commas: FilterCommas::Escaped,
            handling: Handling::Strict,
            client_id_header: None,
            ignored_extensions: BTreeSet::new(),
            file_lifetime: None,
            poll: PollLimits::default(),
            limits: Limits::default(),
        }
    }

    /// The origins that the operator named, for `bulkhead_net::Config::trusted_origins`.
    pub fn operator_origins(&self) -> BTreeSet<Origin> {
        let token_url = match &self.auth {
            Auth::BackendServices(services) => {
                services.token_url.as_ref().map(|endpoint| &endpoint.url)
            }
            Auth::ClientSecret(secret) => {
                secret.token_url.as_ref().map(|endpoint| &endpoint.url)
            }
            Auth::Bearer(_) | Auth::None => None,
        };
        [Some(&self.base), token_url]
            .into_iter()
            .flatten()
            .filter_map(Origin::of)
            .chain(self.trusted_origins.iter().cloned())
            .collect()
    }

    /// The origins that may see the access token.
    pub(crate) fn token_origins(&self) -> BTreeSet<Origin> {
        Origin::of(&self.base)
            .into_iter()
            .chain(self.trusted_origins.iter().cloned())
            .collect()
    }
}

/// How to authenticate.
#[derive(Clone, Debug)]
pub enum Auth {
    /// SMART Backend Services: a signed assertion buys short-lived tokens.
    BackendServices(BackendServices),
    /// A token that was issued by other means, and is renewed by them.
    Bearer(Bearer),
    /// A secret buys short-lived tokens.
    ClientSecret(ClientSecret),
    /// No authentication, or mutual TLS, which is the network's business.
    None,
}

/// What SMART Backend Services needs.
///
/// Source: SMART App Launch 2.2, "Backend Services".
#[derive(Clone, Debug)]
pub struct BackendServices {
    /// The registered client id.
    pub client_id: String,
    /// The registered keys: the first that signs in a way the server lists is used, or the
    /// first of all. There is at least one.
    pub keys: Vec<Arc<SigningKey>>,
    /// The token endpoint; `None` asks the server's SMART configuration.
    pub token_url: Option<TokenEndpoint>,
    /// The scope to ask for; `None` chooses by what the server announces, empty sends none.
    pub scope: Option<String>,
}

/// What client credentials with a shared secret need.
///
/// Source: RFC 6749 sections 2.3.1 and 4.4.
#[derive(Clone, Debug)]
pub struct ClientSecret {
    /// The registered client id.
    pub client_id: String,
    /// The secret.
    pub secret: Secret,
    /// Where it stands in a request.
    pub place: SecretPlace,
    /// The token endpoint; `None` asks the server's SMART configuration.
    pub token_url: Option<TokenEndpoint>,
    /// The scope to ask for; `None` chooses by what the server announces, empty sends none.
    pub scope: Option<String>,
}

/// Where the client's secret stands in a request for a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretPlace {
    /// In the form, beside the client id.
    Body,
    /// In `Authorization: Basic`, which every server has to know.
    #[default]
    Header,
}

/// A cause whose type is none of a caller's business.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Where a token is to be read that others renew: before every use.
#[derive(Clone)]
pub struct Bearer(Arc<dyn Fn() -> Result<Secret, BoxError> + Send + Sync>);

impl Bearer {
    /// A token that is read anew each time.
    pub fn read_by(
        read: impl Fn() -> Result<Secret, BoxError> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(read))
    }

    pub(crate) fn read(&self) -> Result<Secret, BoxError> {
        (self.0)()
    }
}

impl From<Secret> for Bearer {
    /// A token that stays.
    fn from(token: Secret) -> Self {
        Self::read_by(move || Ok(token.clone()))
    }
}

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bearer(…)")
    }
}

/// What addresses of a server begin with that does not know its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// As the server writes them.
    pub from: Url,
    /// As they are.
    pub to: Url,
}

/// How to send the kick-off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KickoffMethod {
    /// By version, falling back when the server answers 405.
    #[default]
    Auto,
    /// GET with a query.
    Get,
    /// POST with a `Parameters` resource.
    Post,
}

/// Which edition of the Bulk Data IG a server follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Version {
    /// What the server's capability statement says, else like version 2.
    #[default]
    Auto,
    /// 1.0 (STU 1).
    #[serde(alias = "1")]
    V1,
    /// 2.0 (STU 2).
    #[serde(alias = "2")]
    V2,
    /// 3.0 (STU 3).
    #[serde(alias = "3")]
    V3,
    /// 4.0: POST only, no comma lists.
    #[serde(alias = "4")]
    V4,
}

/// How `_since` is written. Always in whole seconds of UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SinceStyle {
    /// `2026-11-22T10:00:00.000Z`.
    Millis,
    /// `2026-11-22T10:00:00+00:00`.
    Offset,
    /// `2026-11-22T10:00:00Z`.
    #[default]
    Seconds,
    /// Not at all: the server refuses it, or does something else with it. Every export is
    /// then of everything.
    Unsupported,
}

/// How commas within a `_typeFilter` are written before version 4, in which a comma also stands
/// between filters: also in one that is repeated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FilterCommas {
    /// As `%2C`, which the server decodes with the filter itself.
    #[default]
    Escaped,
    /// As they are: the server takes each parameter for one filter.
    Plain,
}

/// What a server is to do with parameters that it does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Handling {
    /// Pass over them: `Prefer: handling=lenient`. A `_type` or `patient` that is passed
    /// over widens what is exported, and only the outcome files tell.
    Lenient,
    /// Refuse the request.
    #[default]
    Strict,
}

/// When to ask for the status, and when to give up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollLimits {
    /// Never asks again sooner than this. Default: 1 s.
    pub floor: Duration,
    /// Never waits longer than this, whatever `Retry-After` says. Default: 15 min; servers
    /// have asked for five hours.
    pub ceiling: Duration,
    /// The first wait when the server names none. Default: 2 s.
    pub first: Duration,
    /// Where the doubling of unasked waits ends. Default: 60 s.
    pub backoff_cap: Duration,
    /// Gives up on the job after this long. Default: 30 days; exports of weeks are known.
    pub job_timeout: Duration,
    /// Failures in a row that must be exceeded, together with `failure_time`, before a
    /// failing status endpoint is given up. Default: 10.
    pub failures: u32,
    /// How long a status endpoint must have been failing before it is given up.
    /// Default: 30 min.
    pub failure_time: Duration,
    /// Answers in a row that may not be about the job before one is believed: a 200 that is
    /// no manifest, a refusal without an `OperationOutcome` or with one that says no more
    /// than `exception`, a 401 or 403. Default: 3.
    pub doubts: u32,
}

impl Default for PollLimits {
    fn default() -> Self {
        Self {
            floor: Duration::from_secs(1),
            ceiling: Duration::from_mins(15),
            first: Duration::from_secs(2),
            backoff_cap: Duration::from_mins(1),
            job_timeout: Duration::from_hours(30 * 24),
            failures: 10,
            failure_time: Duration::from_mins(30),
            doubts: 3,
        }
    }
}

/// What is read into memory or followed, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A manifest page, a capability statement, a FHIR read. Default: 64 MiB, room for a
    /// manifest of 20,000 files or a group of as many members.
    pub document: ByteSize,
    /// An error body. Default: 64 KiB; what is longer is not an `OperationOutcome`.
    pub error_body: ByteSize,
    /// Pages of a manifest or a search. Default: 10,000.
    pub pages: u32,
    /// One output file, decoded. Default: 1 TiB. A bound on decompression bombs, not a
    /// working limit.
    pub file: ByteSize,
    /// How many bytes may come out of one that is compressed, beyond the first MiB.
    /// Default: 1000, which one layer of gzip can hardly reach and two layers pass easily.
    pub inflation: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document: ByteSize::mib(64),
            error_body: ByteSize::from_bytes(64 << 10),
            pages: 10_000,
            file: ByteSize::mib(1 << 20),
            inflation: 1000,
        }
    }
}
