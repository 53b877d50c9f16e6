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
    /// A sealed file is not what was sealed.
    #[error("reading sealed file {}, which is damaged: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it; nothing of what it holds.
        why: String,
    },
    /// The disk or the quota is full.
    #[error("no space left in store `{store}`")]
    Full {
        /// The store.
        store: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file is no file of identities.
    #[error("reading an age identity: {why}")]
    Identity {
        /// What is wrong; nothing of what it holds.
        why: String,
    },
    /// A sealed file is for somebody else.
    #[error("none of these identities opens {}", path.display())]
    NotForUs {
        /// The file.
        path: PathBuf,
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
    /// The folder of sealed files, or one of them, cannot be used.
    #[error("using the sealed quarantine at {}", path.display())]
    Vault {
        /// The folder or the file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
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
            Self::Damaged { .. } => Some(
                "restore it from a backup; or remove it with `bulkhead quarantine purge`, and ask for the data again",
            ),
            Self::Identity { .. } => Some(
                "it is the file that `age-keygen -o FILE` writes, with a line `AGE-SECRET-KEY-…`",
            ),
            Self::NotForUs { .. } => Some(
                "name the identity whose public key stood in `quarantine.recipients` when it was sealed",
            ),
            Self::Vault { .. } => Some(
                "the folder `quarantine` of the state folder must be writable by the user who runs bulkhead, with space on its disk",
            ),
            Self::Full { .. } => {
                Some("free some space and run again: it goes on where it was")
            }
            Self::Open { .. } => Some(
                "it must be a folder that the user who runs bulkhead can write to, and not anybody (`chmod o-w`)",
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
