//! Why a request was not sent, or got no answer.

use std::time::Duration;

use bulkhead_net as net;

use super::{path::PathFault, quota::Spent, rules::Method, token::TokenFault};

/// Why a request was not sent, or got no answer. Holds nothing that a guest said: it is for
/// the operator's log.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The host's address is not one that may be dialled.
    #[error("its name leads to private or reserved addresses, none of which is allowed")]
    Address,
    /// A body where none can be.
    #[error("a body with {}", method.as_str())]
    BodyNotTaken {
        /// The method.
        method: Method,
    },
    /// The body is larger than the operator lets it be.
    #[error("a body of {bytes} bytes, and {most} are the most")]
    BodyTooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// There was no connection: nothing was sent.
    #[error("no connection")]
    Connect {
        /// Why.
        #[source]
        source: net::Error,
    },
    /// A header that is not granted, twice there, or with a value that is none.
    #[error("a header that is not granted, is there twice or has a value that is none")]
    Header,
    /// A method that is not granted.
    #[error("{}, which is not granted", method.as_str())]
    Method {
        /// The method.
        method: Method,
    },
    /// A path that is not plainly below the destination's.
    #[error("a path that is not plainly below the destination's: {fault}")]
    Path {
        /// What is wrong with it.
        fault: PathFault,
    },
    /// The exchange broke off, or what came is no HTTP. The request may have arrived.
    #[error("the exchange broke off or was not HTTP")]
    Protocol {
        /// Why.
        #[source]
        source: net::Error,
    },
    /// Records that cannot be written in the framing asked for.
    #[error("records that cannot be written so: {what}")]
    Records {
        /// What is wrong with them.
        what: &'static str,
    },
    /// More headers came than anybody needs.
    #[error("the answer has more headers than anybody needs")]
    ResponseTooLarge,
    /// A limit of the plugin is used up.
    #[error("{spent} is used up")]
    Spent {
        /// Which.
        spent: Spent,
    },
    /// There was no answer in time. The request may have arrived.
    #[error("no answer within {waited:?}")]
    TimedOut {
        /// How long it was waited for.
        waited: Duration,
    },
    /// TLS did not come about.
    #[error("no TLS connection")]
    Tls {
        /// Why.
        #[source]
        source: net::Error,
    },
    /// The token endpoint gave no token: nothing was sent.
    #[error("no access token")]
    Token {
        /// Why.
        #[source]
        source: TokenFault,
    },
    /// The operator granted no destination of this name.
    #[error("a destination that is not granted")]
    UnknownDestination,
}

impl HttpError {
    /// What the network's words mean here.
    pub(crate) fn of(error: net::Error) -> Self {
        if error.is_tls() {
            return Self::Tls { source: error };
        }
        match error {
            net::Error::Address { .. } => Self::Address,
            net::Error::Connect { .. } => Self::Connect { source: error },
            net::Error::Head { .. } => Self::ResponseTooLarge,
            net::Error::Timeout { waited, .. } => Self::TimedOut { waited },
            net::Error::Body { .. }
            | net::Error::Credential { .. }
            | net::Error::Insecure { .. }
            | net::Error::Redirect { .. }
            | net::Error::Scheme { .. }
            | net::Error::Send { .. }
            | net::Error::Setup { .. }
            | net::Error::Slow { .. }
            | net::Error::TooLarge { .. }
            | _ => Self::Protocol { source: error },
        }
    }

    /// The same failure in one word, for counting.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Address => "http-address",
            Self::BodyNotTaken { .. } => "http-body-not-taken",
            Self::BodyTooLarge { .. } => "http-body-too-large",
            Self::Connect { .. } => "http-connect-failed",
            Self::Header => "http-header",
            Self::Method { .. } => "http-method",
            Self::Path { .. } => "http-path",
            Self::Protocol { .. } => "http-protocol",
            Self::Records { .. } => "http-records",
            Self::ResponseTooLarge => "http-response-too-large",
            Self::Spent { spent } => spent.code(),
            Self::TimedOut { .. } => "http-timed-out",
            Self::Tls { .. } => "http-tls-failed",
            Self::Token { .. } => "http-token",
            Self::UnknownDestination => "http-unknown-destination",
        }
    }

    /// What an operator can do about it; `destination` is its name in the configuration.
    pub fn hint(&self, destination: &str) -> String {
        let at = |key: &str| format!("`destinations.{destination}.{key}`");
        match self {
            Self::Address => format!(
                "if this is right, add the network of its address to {}",
                at("allow-cidr")
            ),
            Self::BodyNotTaken { .. } | Self::Path { .. } | Self::Records { .. } => {
                "the plugin asks for what nobody can have: tell its authors".to_owned()
            }
            Self::BodyTooLarge { .. } => {
                format!("raise {} or let the plugin send fewer records at once", at("request-bytes"))
            }
            Self::Connect { .. } | Self::Protocol { .. } => {
                format!("check {} and that it is up", at("url"))
            }
            Self::Header => format!("if the plugin may set it, add it to {}", at("headers")),
            Self::Method { method } => {
                format!("if the plugin may, add \"{}\" to {}", method.as_str(), at("methods"))
            }
            Self::ResponseTooLarge => "ask the server's people".to_owned(),
            Self::Spent { spent } => {
                format!("raise `{}` of the plugin, or ask why it needs so much", spent.setting())
            }
            Self::TimedOut { .. } => format!("raise {}", at("timeout")),
            Self::Tls { .. } => format!(
                "check its certificate, {} and {}",
                at("roots"),
                at("identity")
            ),
            Self::Token { .. } => format!("check {}", at("auth")),
            Self::UnknownDestination => {
                "name it in `grants.destinations` of the plugin, or in its settings as it is \
                 granted"
                    .to_owned()
            }
        }
    }
}
