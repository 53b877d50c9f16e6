//! Why the ledger refused or failed, and what the operator can do about it.
//!
//! Statements fail as [`Fault`], which knows no path; [`Fault::at`] makes an [`Error`] of it
//! at the one place where the path is known.

use std::{
    io,
    path::{Path, PathBuf},
};

use rusqlite::ErrorCode;

use crate::{ExportId, FileState, Phase};

/// Why a ledger could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The audit log cannot be read or written.
    #[error("using the audit log `{}`", path.display())]
    Audit {
        /// The log.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A checkpoint that would forget durable lines.
    #[error(
        "moving the checkpoint of file {file} of export `{id}` back from line {from} to line {to}"
    )]
    Backwards {
        /// The export.
        id: ExportId,
        /// Index of the file.
        file: u32,
        /// Last line known to be durable.
        from: u64,
        /// The line that was offered.
        to: u64,
    },
    /// Another connection wrote for longer than the busy timeout.
    #[error("waiting for another writer of ledger `{}`", path.display())]
    Busy {
        /// The ledger.
        path: PathBuf,
        /// What `SQLite` said.
        source: rusqlite::Error,
    },
    /// The file is damaged, or holds a value this program never writes.
    #[error("reading ledger `{}`, which is damaged", path.display())]
    Corrupt {
        /// The ledger.
        path: PathBuf,
        /// What `SQLite` or the decoder said.
        source: rusqlite::Error,
    },
    /// Any other failure of the database.
    #[error("using ledger `{}`", path.display())]
    Database {
        /// The ledger.
        path: PathBuf,
        /// What `SQLite` said.
        source: rusqlite::Error,
    },
    /// A ledger of resources failed.
    #[error("using the ledger of resources `{}`", path.display())]
    Delivered {
        /// Its folder.
        path: PathBuf,
        /// What the engine said.
        source: Box<fjall::Error>,
    },
    /// An entry of a ledger of resources is not one that this program writes.
    #[error("reading the ledger of resources `{}`, which is damaged", path.display())]
    DeliveredDamaged {
        /// Its folder.
        path: PathBuf,
    },
    /// Another process has a ledger of resources open.
    #[error("opening the ledger of resources `{}`: another process holds it", path.display())]
    DeliveredLocked {
        /// Its folder.
        path: PathBuf,
    },
    /// An entry of a ledger of resources has a form of another version of this program.
    #[error(
        "reading the ledger of resources `{}`: form {found} of an entry is not {known}, the one \
         known",
        path.display()
    )]
    DeliveredVersion {
        /// Its folder.
        path: PathBuf,
        /// The form found.
        found: u8,
        /// The form that this program knows.
        known: u8,
    },
    /// An export with this id is already in the journal.
    #[error("beginning export `{id}`, which the journal already holds")]
    Exists {
        /// The export.
        id: ExportId,
    },
    /// A file that is closed or failed was written to.
    #[error("writing to file {file} of export `{id}`, which is {state}")]
    FileNotOpen {
        /// The export.
        id: ExportId,
        /// Index of the file.
        file: u32,
        /// What the file is instead.
        state: FileState,
    },
    /// The disk is full.
    #[error("writing ledger `{}`: the disk is full", path.display())]
    Full {
        /// The ledger.
        path: PathBuf,
        /// What `SQLite` said.
        source: rusqlite::Error,
    },
    /// The file system refused something around the database.
    #[error("opening ledger `{}`", path.display())]
    Io {
        /// The ledger.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process runs exports on this ledger.
    #[error("locking ledger `{}`: another run holds it", path.display())]
    Locked {
        /// The ledger.
        path: PathBuf,
    },
    /// A manifest fetched again names other files than before.
    #[error("refreshing the manifest of export `{id}`: file {file} is not what it was")]
    ManifestChanged {
        /// The export.
        id: ExportId,
        /// Index of the first file that differs or is gone.
        file: u32,
    },
    /// There is no ledger to read.
    #[error("opening ledger `{}`: there is none", path.display())]
    Missing {
        /// The ledger.
        path: PathBuf,
    },
    /// The database was written by a newer version of this program.
    #[error(
        "opening ledger `{}`: its schema {found} is newer than {known}, the newest known",
        path.display()
    )]
    NewerSchema {
        /// The ledger.
        path: PathBuf,
        /// Schema version of the file.
        found: i32,
        /// Newest schema version this program knows.
        known: i32,
    },
    /// The file is a database of another program, or none at all.
    #[error("opening ledger `{}`: the file is something else", path.display())]
    NotALedger {
        /// The file.
        path: PathBuf,
    },
    /// The database is older than this program and was opened for reading only.
    #[error("opening ledger `{}`: its schema {found} is older than {known}", path.display())]
    OlderSchema {
        /// The ledger.
        path: PathBuf,
        /// Schema version of the file.
        found: i32,
        /// The schema version that reading needs.
        known: i32,
    },
    /// The export is not in a phase that allows this.
    #[error("cannot {action} export `{id}`, which is {phase}")]
    Phase {
        /// The export.
        id: ExportId,
        /// Where the export stands.
        phase: Phase,
        /// What was asked.
        action: &'static str,
    },
    /// The same lines were durable under another hash: the file's content changed.
    #[error(
        "moving the checkpoint of file {file} of export `{id}`: the first {line} lines are not \
         those that were durable"
    )]
    PrefixChanged {
        /// The export.
        id: ExportId,
        /// Index of the file.
        file: u32,
        /// Last line that both hashes cover.
        line: u64,
    },
    /// A plugin's namespace is full.
    #[error("storing state in `{namespace}`: {needed} bytes needed, {limit} allowed")]
    Quota {
        /// The namespace.
        namespace: String,
        /// Size of the namespace with the new value, in bytes.
        needed: u64,
        /// Size the namespace may have, in bytes.
        limit: u64,
    },
    /// Something was written through a read-only ledger.
    #[error("writing ledger `{}`, which is read-only", path.display())]
    ReadOnly {
        /// The ledger.
        path: PathBuf,
        /// What `SQLite` said.
        source: rusqlite::Error,
    },
    /// One value is over its limit.
    #[error("storing a {what}: {size} is over the limit of {limit}")]
    TooLarge {
        /// What was too large.
        what: &'static str,
        /// Its size, in bytes or lines.
        size: u64,
        /// The limit, in the same unit.
        limit: u64,
    },
    /// A file is still open.
    #[error("calling export `{id}` delivered, whose file {file} is still open")]
    Undelivered {
        /// The export.
        id: ExportId,
        /// Index of the first open file.
        file: u32,
    },
    /// The stream has an export that is neither finished nor given up.
    #[error("beginning an export of stream `{stream}`, where `{id}` is unfinished")]
    Unfinished {
        /// The stream.
        stream: String,
        /// The unfinished export.
        id: ExportId,
    },
    /// The journal holds no such export.
    #[error("looking for export `{id}`, which the journal does not hold")]
    UnknownExport {
        /// The export.
        id: ExportId,
    },
    /// The export has no such file.
    #[error("looking for file {file} of export `{id}`, which has none of that index")]
    UnknownFile {
        /// The export.
        id: ExportId,
        /// Index of the file.
        file: u32,
    },
}

impl Error {
    /// Whether the same call may succeed later without anybody's doing.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }

    /// What the operator can do, as one line, when there is anything.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Audit { .. } => Some(
                "the log lies beside the ledger, must be writable by the user who runs exports, \
                 and needs space on its disk; nothing is done that cannot be written down there",
            ),
            Self::Busy { .. } => {
                Some("find what else writes to the ledger, such as a backup or a shell")
            }
            Self::Corrupt { .. } => Some(
                "restore the ledger from a backup, or move it away: the next run is then a full one",
            ),
            Self::Delivered { .. } => Some(
                "its folder must be writable, with space on its disk; if it cannot be read, move \
                 it away: the next run then delivers again",
            ),
            Self::DeliveredDamaged { .. } => {
                Some("move its folder away: the next run then delivers again")
            }
            Self::DeliveredLocked { .. } => Some(
                "wait for the other run to end, or give this one a state folder of its own",
            ),
            Self::DeliveredVersion { .. } => Some(
                "use the version of the program that wrote it, or move its folder away",
            ),
            Self::Full { .. } => Some(
                "free space on the ledger's disk; the next run resumes where this one stopped",
            ),
            Self::Io { .. } | Self::ReadOnly { .. } => Some(
                "the ledger's directory must be writable by the user who runs exports",
            ),
            Self::Locked { .. } => Some(
                "wait for the other run to end, or give this one a ledger of its own",
            ),
            Self::Missing { .. } => {
                Some("the ledger is made by the first run; check its path")
            }
            Self::NewerSchema { .. } => {
                Some("use the version of the program that wrote it, or a newer one")
            }
            Self::NotALedger { .. } => {
                Some("point the ledger's path at a file of its own")
            }
            Self::OlderSchema { .. } => Some("the next run brings the ledger up to date"),
            Self::Unfinished { .. } => {
                Some("resume the unfinished export, or abandon it")
            }
            Self::Backwards { .. }
            | Self::Database { .. }
            | Self::Exists { .. }
            | Self::FileNotOpen { .. }
            | Self::ManifestChanged { .. }
            | Self::Phase { .. }
            | Self::PrefixChanged { .. }
            | Self::Quota { .. }
            | Self::TooLarge { .. }
            | Self::Undelivered { .. }
            | Self::UnknownExport { .. }
            | Self::UnknownFile { .. } => None,
        }
    }
}

/// A failure before the path of the ledger is added to it.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The ledger's own refusal, complete as it is.
    Refused(Box<Error>),
    /// The database failed.
    Sql(rusqlite::Error),
}

impl Fault {
    /// Names the ledger, and sorts database failures by what a caller can do about them.
    pub(crate) fn at(self, path: &Path) -> Error {
        let source = match self {
            Self::Refused(error) => return *error,
            Self::Sql(source) => source,
        };
        let path = path.to_owned();
        if is_undecodable(&source) {
            return Error::Corrupt { path, source };
        }
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt) => Error::Corrupt { path, source },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Error::Busy { path, source }
            }
            Some(ErrorCode::DiskFull) => Error::Full { path, source },
            Some(ErrorCode::NotADatabase) => Error::NotALedger { path },
            Some(ErrorCode::ReadOnly) => Error::ReadOnly { path, source },
            Some(_) | None => Error::Database { path, source },
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(source: rusqlite::Error) -> Self {
        Self::Sql(source)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Refused(Box::new(error))
    }
}

fn is_undecodable(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..)
    )
}
