//! Why a bulk request failed. Whose fault it is lies in `blame`.

mod blame;

use std::time::Duration;

use bulkhead_model::SafeUrl;
use bulkhead_net::Origin;

use crate::{
    gunzip::GunzipError, key::KeyError, manifest::ManifestError,
    operation_outcome::Outcome, settings::BoxError,
};

pub use blame::Blame;

/// Why a bulk request failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server asks for fewer requests, or is overloaded (HTTP 429 or 5xx).
    #[error("{doing}: `{url}` is busy (HTTP {status})")]
    Busy {
        /// What we were doing.
        doing: Doing,
        /// Who is busy.
        url: SafeUrl,
        /// The HTTP status.
        status: u16,
        /// How long the server asks us to wait, unclamped.
        retry_after: Option<Duration>,
        /// What the server said.
        outcome: Box<Outcome>,
    },
    /// A file is compressed and damaged or cut short.
    #[error("decompressing `{url}`")]
    Corrupt {
        /// Which file.
        url: SafeUrl,
        /// What is wrong.
        #[source]
        source: GunzipError,
    },
    /// A file is encoded in a way we did not offer.
    #[error("downloading `{url}`: content encoding `{encoding}` was not asked for")]
    Encoding {
        /// Which file.
        url: SafeUrl,
        /// The encoding; server-controlled, cleaned.
        encoding: String,
    },
    /// The access token that was given by other means cannot be read.
    #[error("reading the access token")]
    Bearer {
        /// What is wrong.
        #[source]
        source: BoxError,
    },
    /// More came out of a compressed file than text shrinks to: a decompression bomb.
    #[error("downloading `{url}`: unpacks to more than {ratio} times its size")]
    Inflated {
        /// Which file.
        url: SafeUrl,
        /// The limit.
        ratio: u32,
    },
    /// The job failed.
    #[error("the export job `{url}` failed (HTTP {status}): {outcome}")]
    JobFailed {
        /// The status URL.
        url: SafeUrl,
        /// The HTTP status.
        status: u16,
        /// What the server said.
        outcome: Box<Outcome>,
    },
    /// The job is not known any more: expired or cancelled.
    #[error("the export job `{url}` is gone")]
    JobGone {
        /// The status URL.
        url: SafeUrl,
    },
    /// The job did not end in the time allowed.
    #[error("the export job `{url}` did not end within {after:?}")]
    JobTimeout {
        /// The status URL.
        url: SafeUrl,
        /// How long we waited.
        after: Duration,
    },
    /// An answer is not the JSON it should be.
    #[error("{doing}: the answer of `{url}` cannot be read")]
    Json {
        /// What we were doing.
        doing: Doing,
        /// Who answered.
        url: SafeUrl,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The signing key cannot be used.
    #[error("signing the client assertion")]
    Key {
        /// What is wrong.
        #[source]
        source: KeyError,
    },
    /// The kick-off may have reached the server; whether a job runs is not known.
    #[error("the kick-off to `{url}` brought no answer; a job may be running")]
    KickoffUnknown {
        /// The kick-off URL.
        url: SafeUrl,
        /// What went wrong; `None` when a gateway answered in the server's stead.
        #[source]
        source: Option<bulkhead_net::Error>,
    },
    /// The manifest says that a file needs an authorization or a decryption of its own.
    #[error(
        "downloading `{url}`: the manifest's extension `{extension}` says that it takes more than the access token to read it"
    )]
    Locked {
        /// Which file.
        url: SafeUrl,
        /// The name of the extension; server-controlled, cleaned.
        extension: String,
    },
    /// The manifest is not what the IG describes.
    #[error("reading the manifest `{url}`")]
    Manifest {
        /// Where it came from.
        url: SafeUrl,
        /// What is wrong.
        #[source]
        source: ManifestError,
    },
    /// A file is no NDJSON by its media type: a login page, a storage error.
    #[error("downloading `{url}`: it is `{media_type}`, not NDJSON")]
    MediaType {
        /// Which file.
        url: SafeUrl,
        /// The media type; server-controlled, cleaned.
        media_type: String,
    },
    /// What came is not what the manifest says of the file.
    #[error("downloading `{url}`: its {claim} is not the one in the manifest")]
    Mismatch {
        /// Which file.
        url: SafeUrl,
        /// What differs: `checksum` or `length`.
        claim: &'static str,
    },
    /// The network failed, or refused by its rules.
    #[error("{doing}")]
    Network {
        /// What we were doing.
        doing: Doing,
        /// What went wrong.
        #[source]
        source: bulkhead_net::Error,
    },
    /// The kick-off was accepted without saying where its status is.
    #[error(
        "the kick-off to `{url}` was answered HTTP {status} without a usable Content-Location"
    )]
    NoStatusUrl {
        /// The kick-off URL.
        url: SafeUrl,
        /// The HTTP status.
        status: u16,
    },
    /// No token endpoint is known.
    #[error("`{base}` announces no token endpoint")]
    NoTokenEndpoint {
        /// The FHIR base.
        base: SafeUrl,
    },
    /// The path leads out of the FHIR base.
    #[error("refusing to read `{path}`: not below the FHIR base")]
    Path {
        /// The path as given by the caller.
        path: String,
    },
    /// The server refuses the request.
    #[error("{doing}: `{url}` refused (HTTP {status}): {outcome}")]
    Refused {
        /// What we were doing.
        doing: Doing,
        /// Who refused.
        url: SafeUrl,
        /// The HTTP status.
        status: u16,
        /// What the server said.
        outcome: Box<Outcome>,
    },
    /// The settings cannot work.
    #[error("setting up the source: {reason}")]
    Settings {
        /// Why.
        reason: &'static str,
    },
    /// More bytes than the limit, after decompression.
    #[error("downloading `{url}`: longer than {limit} bytes")]
    TooLarge {
        /// Which file.
        url: SafeUrl,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The authorization server refuses the client, the key or the scope.
    #[error("asking `{url}` for a token: refused with `{code}`")]
    TokenRefused {
        /// The token endpoint.
        url: SafeUrl,
        /// The OAuth error code; server-controlled, cleaned.
        code: String,
        /// How far the server's clock is ahead of ours, in seconds, when it is known.
        clock_offset: Option<i64>,
    },
    /// A fresh token was refused too.
    #[error("{doing}: `{url}` refuses our access token")]
    Unauthorized {
        /// What we were doing.
        doing: Doing,
        /// Who refused.
        url: SafeUrl,
    },
    /// The status endpoint kept failing for too long.
    #[error("the export job `{url}` cannot be asked: its status endpoint keeps failing")]
    Unreachable {
        /// The status URL.
        url: SafeUrl,
        /// The last failure, when it was one of the network.
        #[source]
        source: Option<bulkhead_net::Error>,
    },
}

/// What we were doing when something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Cancelling the job.
    Cancel,
    /// Reading capability statement or SMART configuration.
    Discover,
    /// Downloading a file.
    Download,
    /// Sending the kick-off.
    Kickoff,
    /// Asking for the status.
    Poll,
    /// Reading a resource.
    Read,
    /// Asking for an access token.
    Token,
}

impl std::fmt::Display for Doing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cancel => "cancelling the export job",
            Self::Discover => "asking what the server can do",
            Self::Download => "downloading a file",
            Self::Kickoff => "kicking off the export",
            Self::Poll => "asking for the status of the export",
            Self::Read => "reading from the server",
            Self::Token => "asking for an access token",
        })
    }
}

impl Error {
    /// Whether the same request may succeed later.
    ///
    /// An unknown kick-off is not transient: sending it again may start a second job.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Busy { .. } | Self::Corrupt { .. } | Self::Mismatch { .. } => true,
            Self::Network { source, .. } => source.is_transient(),
            Self::Refused { outcome, .. } => outcome.is_transient(),
            Self::Bearer { .. }
            | Self::Encoding { .. }
            | Self::Inflated { .. }
            | Self::JobFailed { .. }
            | Self::JobGone { .. }
            | Self::JobTimeout { .. }
            | Self::Json { .. }
            | Self::Key { .. }
            | Self::KickoffUnknown { .. }
            | Self::Locked { .. }
            | Self::Manifest { .. }
            | Self::MediaType { .. }
            | Self::NoStatusUrl { .. }
            | Self::NoTokenEndpoint { .. }
            | Self::Path { .. }
            | Self::Settings { .. }
            | Self::TooLarge { .. }
            | Self::TokenRefused { .. }
            | Self::Unauthorized { .. }
            | Self::Unreachable { .. } => false,
        }
    }

    /// How long the server asks us to wait, unclamped.
    pub fn retry_after(&self) -> Option<Duration> {
        if let Self::Busy { retry_after, .. } = self { *retry_after } else { None }
    }

    /// Whether a file's link may have expired, so that a fresh manifest may help.
    pub fn is_expired_link(&self) -> bool {
        let says_so = |status: u16, outcome: &Outcome| {
            matches!(status, 401 | 403 | 404 | 410) || outcome.is_expired_link
        };
        matches!(self, Self::Unauthorized { doing: Doing::Download, .. })
            || matches!(
                self,
                Self::Refused { doing: Doing::Download, status, outcome, .. }
                    if says_so(*status, outcome)
            )
    }

    /// The origin to list as trusted, when the token was withheld from it.
    pub fn untrusted_origin(&self) -> Option<&Origin> {
        if let Self::Network {
            source: bulkhead_net::Error::Credential { origin }, ..
        } = self
        {
            Some(origin)
        } else {
            None
        }
    }
}
