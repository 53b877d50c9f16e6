//! Why a request failed.

use std::time::Duration;

use bulkhead_model::SafeUrl;

use crate::origin::Origin;

/// A cause whose type is none of a caller's business.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a request failed. No variant prints a query string or a credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The host resolves to addresses that a server may not send us to.
    #[error("refusing `{url}`: its address lies in a private or reserved network")]
    Address {
        /// What was to be fetched.
        url: SafeUrl,
        /// The origin to list as trusted, should it be right.
        origin: Origin,
    },
    /// The body broke off or could not be read.
    #[error("reading the body of `{url}`")]
    Body {
        /// What was being fetched.
        url: SafeUrl,
        /// What went wrong.
        #[source]
        source: BoxError,
    },
    /// No connection came about; the server has not seen the request.
    #[error("connecting to `{url}`")]
    Connect {
        /// What was to be fetched.
        url: SafeUrl,
        /// What went wrong.
        #[source]
        source: BoxError,
    },
    /// The credential must not go there.
    #[error("refusing to send the access token to `{origin}`")]
    Credential {
        /// The origin to list as trusted, should it be right.
        origin: Origin,
    },
    /// The answer has more headers than anybody needs.
    #[error("the answer of `{url}` has too many or too large headers")]
    Head {
        /// What was asked.
        url: SafeUrl,
    },
    /// Clear text to a host that is not this machine.
    #[error("refusing clear-text `{url}`")]
    Insecure {
        /// What was to be fetched.
        url: SafeUrl,
        /// The origin to list as insecure, should it be right.
        origin: Origin,
    },
    /// A redirect that must not be followed.
    #[error("refusing the redirect that `{url}` answered: {reason}")]
    Redirect {
        /// Who redirected.
        url: SafeUrl,
        /// Which rule it breaks.
        reason: RedirectFault,
    },
    /// The scheme is neither `http` nor `https`.
    #[error("refusing `{url}`: neither http nor https")]
    Scheme {
        /// What was to be fetched.
        url: SafeUrl,
    },
    /// The request may or may not have reached the server.
    #[error("sending the request to `{url}`")]
    Send {
        /// What was to be fetched.
        url: SafeUrl,
        /// What went wrong.
        #[source]
        source: BoxError,
    },
    /// The client could not be set up (certificates, TLS).
    #[error("setting up the network client")]
    Setup {
        /// What went wrong.
        #[source]
        source: BoxError,
    },
    /// Bytes came, but too few to ever be done.
    #[error("`{url}` sent fewer than {least_per_minute} bytes a minute")]
    Slow {
        /// What was being fetched.
        url: SafeUrl,
        /// The least that is borne.
        least_per_minute: u64,
    },
    /// Nothing came for too long.
    #[error("`{url}` sent nothing for {waited:?}")]
    Timeout {
        /// What was being fetched.
        url: SafeUrl,
        /// How long we waited.
        waited: Duration,
    },
    /// The body is longer than the caller takes.
    #[error("the body of `{url}` is longer than {limit} bytes")]
    TooLarge {
        /// What was being fetched.
        url: SafeUrl,
        /// The limit, in bytes.
        limit: usize,
    },
}

/// Which rule a redirect breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectFault {
    /// From `https` to `http`.
    #[error("it leads from https to http")]
    Downgrade,
    /// No usable `Location`.
    #[error("it names no usable target")]
    Location,
    /// Only GET is redirected.
    #[error("only GET requests may be redirected")]
    Method,
    /// More than five in a row.
    #[error("too many in a row")]
    TooMany,
}

impl Error {
    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Body { .. }
            | Self::Connect { .. }
            | Self::Send { .. }
            | Self::Slow { .. }
            | Self::Timeout { .. } => true,
            Self::Address { .. }
            | Self::Credential { .. }
            | Self::Head { .. }
            | Self::Insecure { .. }
            | Self::Redirect { .. }
            | Self::Scheme { .. }
            | Self::Setup { .. }
            | Self::TooLarge { .. } => false,
        }
    }

    /// Whether it was TLS that did not come about: a certificate, a name, a version.
    ///
    /// Told by the kind of the system's error, which is how rustls reports through it.
    pub fn is_tls(&self) -> bool {
        let (Self::Connect { source, .. } | Self::Send { source, .. }) = self else {
            return false;
        };
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(source.as_ref());
        while let Some(error) = cause {
            if is_invalid_data(error) {
                return true;
            }
            cause = error.source();
        }
        false
    }

    /// Whether the server may have acted on the request although no answer arrived.
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::Body { .. }
            | Self::Head { .. }
            | Self::Send { .. }
            | Self::Slow { .. }
            | Self::Timeout { .. }
            | Self::TooLarge { .. }
            | Self::Redirect { .. } => true,
            Self::Address { .. }
            | Self::Connect { .. }
            | Self::Credential { .. }
            | Self::Insecure { .. }
            | Self::Scheme { .. }
            | Self::Setup { .. } => false,
        }
    }

    /// The same, showing another address: that of a patient is not for printing.
    #[must_use]
    pub fn showing(self, shown: &SafeUrl) -> Self {
        let url = shown.clone();
        match self {
            Self::Address { origin, .. } => Self::Address { url, origin },
            Self::Body { source, .. } => Self::Body { url, source },
            Self::Connect { source, .. } => Self::Connect { url, source },
            Self::Credential { origin } => Self::Credential { origin },
            Self::Head { .. } => Self::Head { url },
            Self::Insecure { origin, .. } => Self::Insecure { url, origin },
            Self::Redirect { reason, .. } => Self::Redirect { url, reason },
            Self::Scheme { .. } => Self::Scheme { url },
            Self::Send { source, .. } => Self::Send { url, source },
            Self::Setup { source } => Self::Setup { source },
            Self::Slow { least_per_minute, .. } => Self::Slow { url, least_per_minute },
            Self::Timeout { waited, .. } => Self::Timeout { url, waited },
            Self::TooLarge { limit, .. } => Self::TooLarge { url, limit },
        }
    }

    /// What an operator could do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Address { origin, .. } | Self::Credential { origin } => {
                Some(format!("if this is right, add `{origin}` to trusted-origins"))
            }
            Self::Insecure { origin, .. } => {
                Some(format!("use https, or add `{origin}` to insecure-origins"))
            }
            Self::Body { .. }
            | Self::Connect { .. }
            | Self::Head { .. }
            | Self::Redirect { .. }
            | Self::Scheme { .. }
            | Self::Send { .. }
            | Self::Setup { .. }
            | Self::Slow { .. }
            | Self::Timeout { .. }
            | Self::TooLarge { .. } => None,
        }
    }
}

/// Whether it, or an error of the system within it, is of that kind.
fn is_invalid_data(error: &(dyn std::error::Error + 'static)) -> bool {
    let Some(io) = error.downcast_ref::<std::io::Error>() else { return false };
    io.kind() == std::io::ErrorKind::InvalidData
        || io.get_ref().is_some_and(|inner| is_invalid_data(inner))
}
