//! Whose fault an error is, and what an operator could do about it.

use super::{Doing, Error};
use crate::{manifest::ManifestError, operation_outcome::Complaint};

/// Whose turn it is to change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// This program or its machine.
    Host,
    /// What lies between.
    Network,
    /// Whoever wrote the configuration or registered the client.
    Operator,
    /// The FHIR server.
    Server,
}

impl Blame {
    /// As it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Network => "network",
            Self::Operator => "operator",
            Self::Server => "server",
        }
    }
}

impl Error {
    /// Whose turn it is to change something.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Bearer { .. }
            | Self::Key { .. }
            | Self::NoTokenEndpoint { .. }
            | Self::Path { .. }
            | Self::Refused { status: 401 | 403, .. }
            | Self::Refused { doing: Doing::Discover, status: 404 | 410, .. }
            | Self::Settings { .. }
            | Self::TokenRefused { .. }
            | Self::TooLarge { .. }
            | Self::Unauthorized { .. } => Blame::Operator,
            Self::KickoffUnknown { .. } | Self::Unreachable { .. } => Blame::Network,
            Self::Network { source, .. } => match source {
                bulkhead_net::Error::Address { .. }
                | bulkhead_net::Error::Credential { .. }
                | bulkhead_net::Error::Insecure { .. }
                | bulkhead_net::Error::TooLarge { .. } => Blame::Operator,
                bulkhead_net::Error::Redirect { .. }
                | bulkhead_net::Error::Scheme { .. } => Blame::Server,
                bulkhead_net::Error::Setup { .. } => Blame::Host,
                bulkhead_net::Error::Body { .. }
                | bulkhead_net::Error::Connect { .. }
                | bulkhead_net::Error::Send { .. }
                | bulkhead_net::Error::Timeout { .. }
                | _ => Blame::Network,
            },
            Self::Busy { .. }
            | Self::Corrupt { .. }
            | Self::Encoding { .. }
            | Self::Inflated { .. }
            | Self::JobFailed { .. }
            | Self::JobGone { .. }
            | Self::JobTimeout { .. }
            | Self::Json { .. }
            | Self::Locked { .. }
            | Self::Manifest { .. }
            | Self::MediaType { .. }
            | Self::Mismatch { .. }
            | Self::NoStatusUrl { .. }
            | Self::Refused { .. } => Blame::Server,
        }
    }

    /// Whether it is about signing in, and says nothing of what was to be asked for.
    pub fn is_of_token(&self) -> bool {
        match self {
            Self::Bearer { .. }
            | Self::Key { .. }
            | Self::NoTokenEndpoint { .. }
            | Self::TokenRefused { .. } => true,
            Self::Busy { doing, .. }
            | Self::Json { doing, .. }
            | Self::Network { doing, .. }
            | Self::Refused { doing, .. } => *doing == Doing::Token,
            Self::Corrupt { .. }
            | Self::Encoding { .. }
            | Self::Inflated { .. }
            | Self::JobFailed { .. }
            | Self::JobGone { .. }
            | Self::JobTimeout { .. }
            | Self::KickoffUnknown { .. }
            | Self::Locked { .. }
            | Self::Manifest { .. }
            | Self::MediaType { .. }
            | Self::Mismatch { .. }
            | Self::NoStatusUrl { .. }
            | Self::Path { .. }
            | Self::Settings { .. }
            | Self::TooLarge { .. }
            | Self::Unauthorized { .. }
            | Self::Unreachable { .. } => false,
        }
    }

    /// Whether a change of settings or rights lets the same request succeed, so that nothing
    /// that took long to make should be given up for it.
    pub fn is_mendable(&self) -> bool {
        match self {
            Self::Network { source, .. } => {
                source.is_tls()
                    || matches!(
                        source,
                        bulkhead_net::Error::Address { .. }
                            | bulkhead_net::Error::Credential { .. }
                            | bulkhead_net::Error::Insecure { .. }
                    )
            }
            // What refuses in FHIR's words is the server, not storage whose links run out.
            Self::Refused { status: 401 | 403, outcome, .. } => outcome.is_fhir,
            Self::Busy { .. }
            | Self::Corrupt { .. }
            | Self::Encoding { .. }
            | Self::Inflated { .. }
            | Self::JobFailed { .. }
            | Self::JobGone { .. }
            | Self::JobTimeout { .. }
            | Self::Json { .. }
            | Self::KickoffUnknown { .. }
            | Self::Locked { .. }
            | Self::Manifest { .. }
            | Self::MediaType { .. }
            | Self::Mismatch { .. }
            | Self::NoStatusUrl { .. }
            | Self::Path { .. }
            | Self::Refused { .. }
            | Self::Settings { .. }
            | Self::TooLarge { .. }
            | Self::Unreachable { .. } => false,
            Self::Bearer { .. }
            | Self::Key { .. }
            | Self::NoTokenEndpoint { .. }
            | Self::TokenRefused { .. }
            | Self::Unauthorized { .. } => true,
        }
    }

    /// What an operator could do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Busy { doing: Doing::Kickoff, .. } => Some(
                "the server may still run an earlier export of this client: wait for it or cancel it"
                    .to_owned(),
            ),
            Self::JobGone { .. } => Some("start the export again from the same watermark".to_owned()),
            Self::KickoffUnknown { .. } => {
                Some("look on the server for a running job before kicking off again".to_owned())
            }
            Self::Locked { extension, .. } => Some(format!(
                "if the file can be read all the same, add `{extension}` to ignore-extensions"
            )),
            Self::Bearer { .. } => {
                Some("write a fresh token where `source.auth.bearer` says".to_owned())
            }
            Self::Manifest { source: ManifestError::Elsewhere { origin }, .. }
            | Self::Network {
                source: bulkhead_net::Error::Credential { origin }
                    | bulkhead_net::Error::Insecure { origin, .. },
                ..
            } if !origin.is_https() && !origin.is_loopback() => Some(WRONG_BASE.to_owned()),
            Self::Manifest { source: ManifestError::Elsewhere { origin }, .. } => {
                Some(format!("if this is right, add `{origin}` to trusted-origins"))
            }
            Self::Network { source, .. } => source.hint(),
            Self::NoStatusUrl { .. } => {
                Some("a job may be left on the server: look for it there".to_owned())
            }
            Self::NoTokenEndpoint { .. } => Some("set token-url".to_owned()),
            Self::TokenRefused { code, clock_offset, .. } => Some(match (code.as_str(), clock_offset) {
                ("invalid_scope", _) => {
                    "set scope to what the client is registered for, or to nothing".to_owned()
                }
                (_, Some(offset)) if offset.abs() > 30 => format!(
                    "check client-id and the key or secret; with a key, clocks must agree: the server's is {offset} s off ours"
                ),
                _ => "check client-id, the key or secret and its registration with the server".to_owned(),
            }),
            Self::Refused { doing: Doing::Discover, status: 404 | 410, .. } => Some(
                "every FHIR server has this address below its base: check `source.base-url`"
                    .to_owned(),
            ),
            Self::Refused { outcome, status, .. } => refusal_hint(outcome.complaint(), *status),
            Self::Inflated { .. } | Self::TooLarge { .. } => Some("raise the limit if the file is right".to_owned()),
            Self::Unauthorized { .. } => {
                Some("check that the client is authorised for this request".to_owned())
            }
            Self::Corrupt { .. }
            | Self::Encoding { .. }
            | Self::JobFailed { .. }
            | Self::JobTimeout { .. }
            | Self::Json { .. }
            | Self::Key { .. }
            | Self::Manifest { .. }
            | Self::MediaType { .. }
            | Self::Mismatch { .. }
            | Self::Path { .. }
            | Self::Settings { .. }
            | Self::Busy { .. }
            | Self::Unreachable { .. } => None,
        }
    }
}

/// A token must never be offered to clear text for a server's slip.
const WRONG_BASE: &str = "the server, behind a proxy, writes addresses that begin with http://: \
    say in `source.rewrite` what they begin with and what they should begin with, or let its \
    people mend its base address";

fn refusal_hint(complaint: Complaint, status: u16) -> Option<String> {
    let text = match complaint {
        Complaint::AlreadyRunning => {
            "an earlier export is still running: wait for it or cancel it"
        }
        Complaint::Method => "set the kick-off method to the other of get and post",
        Complaint::NotAllowed => "check the scopes and rights of the client",
        Complaint::TooRecent => {
            "the server limits how often this export may be asked for: wait"
        }
        Complaint::UnsupportedParameter => {
            "leave out the parameter that the server names"
        }
        Complaint::Other if matches!(status, 401 | 403) => {
            "check the scopes and rights of the client"
        }
        Complaint::Other => return None,
    };
    Some(text.to_owned())
}
