//! Who may open what is sealed: public keys in the configuration, private ones with the operator.

use std::{fmt, str::FromStr};

use age::x25519;
use bulkhead_model::Secret;

use crate::Error;

/// A public key that bodies are sealed to: `age1…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient(x25519::Recipient);

/// Why a text is no public key. Never with the text: it may be a private one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecipientError {
    /// No `age1…`.
    #[error(
        "not a public key of age: it begins with `age1` and is printed by `age-keygen -y`"
    )]
    NotAKey,
    /// A private key.
    #[error(
        "a private key: here stand public ones, `age1…`. It has lain in a file that is not \
         meant for it: make another with `age-keygen`"
    )]
    Private,
}

impl Recipient {
    pub(super) fn key(&self) -> &dyn age::Recipient {
        &self.0
    }
}

impl FromStr for Recipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim_start().to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
            return Err(RecipientError::Private);
        }
        text.parse().map(Self).map_err(|_| RecipientError::NotAKey)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Private keys, as `age-keygen` writes them. They cannot be printed.
pub struct Identities(Vec<Box<dyn age::Identity + Send + Sync>>);

impl Identities {
    /// From the content of such a file.
    ///
    /// # Errors
    ///
    /// [`Error::Identity`] when it holds none, or something else.
    pub fn parse(text: &Secret) -> Result<Self, Error> {
        // What the parser says names a line at most, never what stands in it.
        let refuse = |why: String| Error::Identity { why };
        let file = age::IdentityFile::from_buffer(text.expose())
            .map_err(|error| refuse(error.to_string()))?;
        let all = file.into_identities().map_err(|error| refuse(error.to_string()))?;
        if all.is_empty() {
            return Err(refuse("it holds no identity".to_owned()));
        }
        Ok(Self(all))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.0.iter().map(|identity| -> &dyn age::Identity { &**identity })
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identities").finish_non_exhaustive()
    }
}
