//! Why an artifact did not get where it should.

use std::{io, path::PathBuf};

/// Why an artifact could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name is not relative, climbs, or has characters that are not allowed.
    #[error("artifact name is not allowed")]
    BadName,
    /// The writer was used after an error.
    #[error("writing to an artifact that has failed before")]
    Closed,
    /// The disk or the quota is full.
    #[error("no space left in store `{store}`")]
    Full {
        /// The store.
        store: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The store's directory cannot be used.
    #[error("opening store `{store}` at {}", path.display())]
    Open {
        /// The store.
        store: String,
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The address is not one that this version can write to.
    #[error("store `{store}` has an address that this version cannot write to: {url}")]
    UnknownScheme {
        /// The store.
        store: String,
        /// The address.
        url: String,
    },
    /// The system did not take it.
    #[error("writing to store `{store}`")]
    Write {
        /// The store.
        store: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// What an operator can do.
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Full { .. } => {
                Some("free some space and run again: it goes on where it was")
            }
            Self::Open { .. } => Some(
                "create the directory, or let the user who runs bulkhead write to it",
            ),
            Self::UnknownScheme { .. } => {
                Some("write `file:///an/absolute/path` or a path")
            }
            Self::BadName | Self::Closed | Self::Write { .. } => None,
        }
    }

    pub(crate) fn writing(store: &str, source: io::Error) -> Self {
        let store = store.to_owned();
        if matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ) {
            return Self::Full { store, source };
        }
        Self::Write { store, source }
    }
}
