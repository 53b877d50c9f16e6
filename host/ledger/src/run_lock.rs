//! At most one run on a ledger: the lock file beside the database.
//!
//! The lock is the operating system's, not the file's existence: a killed run leaves the
//! file and frees the lock. It is advisory and of this machine; a ledger on a network share
//! used from two machines is not protected.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

use crate::{Error, place};

/// Proof that no other run writes to this ledger. Freed when dropped.
#[derive(Debug)]
#[must_use = "the lock is freed as soon as this is dropped"]
pub struct RunLock {
    // Held for the lock that its open descriptor carries.
    _file: File,
}

impl RunLock {
    /// Takes the lock of the database at `database`, without waiting.
    pub(crate) fn take(database: &Path) -> Result<Self, Error> {
        let file = place::open_private(&path(database))
            .map_err(|source| Error::Io { path: database.to_owned(), source })?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                Err(Error::Locked { path: database.to_owned() })
            }
            Err(TryLockError::Error(source)) => {
                Err(Error::Io { path: database.to_owned(), source })
            }
        }
    }
}

/// `<database>.lock`. The file stays: removing it could split the lock in two.
fn path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}
