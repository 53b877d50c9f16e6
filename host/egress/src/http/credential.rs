//! As whom a destination is spoken to. Everything here stays in the host: a guest has no
//! word for it, and it is added after what the guest asked was admitted.

use std::{fmt, sync::Arc};

use bulkhead_model::{Instant, Secret};
use bulkhead_net::{Authorization, Place};

use super::{error::HttpError, quota::Quota, token::Tokens};

/// Tells the time.
pub type Now = Arc<dyn Fn() -> Instant + Send + Sync>;

/// As whom, as the operator configured it.
#[derive(Clone, Debug)]
pub enum Auth {
    /// A user and a password.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token that was got by other means.
    Bearer(Secret),
    /// Tokens from a token endpoint.
    ClientCredentials(Box<ClientCredentials>),
    /// Nobody in particular.
    None,
}

/// What a token endpoint wants to know.
///
/// Source: RFC 6749 section 4.4.
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    /// The token endpoint.
    pub endpoint: Place,
    /// As registered.
    pub client_id: String,
    /// The secret.
    pub client_secret: Secret,
    /// What to ask for.
    pub scope: Option<String>,
}

/// The credential at work.
pub(crate) enum Credential {
    Basic { user: String, password: Secret },
    Bearer(Secret),
    None,
    Tokens(Box<Tokens>),
}

/// What a request was sent with.
pub(crate) struct Given {
    pub(crate) authorization: Option<Authorization>,
    /// Which token it was, when it can be had anew.
    pub(crate) serial: Option<u64>,
}

impl Credential {
    /// What to send a request with. A request for a token is of this quota.
    ///
    /// # Errors
    ///
    /// [`HttpError::Token`] when there is none to be had, [`HttpError::Spent`].
    pub(crate) async fn give(&self, quota: &Quota) -> Result<Given, HttpError> {
        let plain = |authorization| Given { authorization, serial: None };
        Ok(match self {
            Self::Basic { user, password } => plain(Some(Authorization::Basic {
                user: user.clone(),
                password: password.clone(),
            })),
            Self::Bearer(token) => plain(Some(Authorization::Bearer(token.clone()))),
            Self::None => plain(None),
            Self::Tokens(tokens) => Given::token(tokens.token(quota).await?),
        })
    }

    /// What to send it with once more, where the token of that number was not taken; `None`
    /// where there is no other for now.
    ///
    /// # Errors
    ///
    /// As [`Credential::give`].
    pub(crate) async fn renew(
        &self,
        refused: u64,
        quota: &Quota,
    ) -> Result<Option<Given>, HttpError> {
        match self {
            Self::Basic { .. } | Self::Bearer(_) | Self::None => Ok(None),
            Self::Tokens(tokens) => {
                Ok(tokens.another(refused, quota).await?.map(Given::token))
            }
        }
    }
}

impl Given {
    fn token((bearer, serial): (Secret, u64)) -> Self {
        Self { authorization: Some(Authorization::Bearer(bearer)), serial: Some(serial) }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Basic(..)",
            Self::Bearer(_) => "Bearer(..)",
            Self::None => "None",
            Self::Tokens(_) => "Tokens(..)",
        })
    }
}
