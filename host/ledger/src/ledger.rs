//! The open ledger: one `SQLite` connection, shared by its clones.
//!
//! Every write is one immediate transaction, synced before the call returns. A call takes
//! about as long as the disk takes to sync: below a millisecond on most, some milliseconds
//! on a slow one. What is written is in `journal`, `files`, [`crate::watermark`],
//! [`crate::quarantine`] and [`crate::state`].

mod files;
pub(crate) mod journal;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::{
    Error, RunLock,
    error::Fault,
    place,
    schema::{self, Found},
};

/// What is durably done. Clones share one connection and take turns.
#[derive(Clone, Debug)]
pub struct Ledger {
    connection: Arc<Mutex<Connection>>,
    path: Arc<Path>,
}

impl Ledger {
    /// Opens the ledger at `path` for writing, makes it when it is missing, and brings its
    /// schema up to date.
    ///
    /// Does not take the run lock: see [`Ledger::lock`].
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::NotALedger`], [`Error::NewerSchema`], [`Error::Corrupt`],
    /// [`Error::Full`], or [`Error::Busy`] when another process holds it for seconds.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let io = |source| Error::Io { path: path.clone(), source };
        place::prepare(&path).map_err(io)?;
        if place::exposed(&path).map_err(io)? {
            // Looked at before it is narrowed: the mode of someone else's file is theirs.
            drop(connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY, |connection| {
                Ok(match schema::inspect(connection)? {
                    // Brought up to date below.
                    Found::Older(_) => Found::Current,
                    found @ (Found::Current | Found::Foreign | Found::Newer(_)) => found,
                })
            })?);
            place::narrow(&path).map_err(io)?;
        }
        let connection =
            connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE, |connection| {
                // Before anything is changed: the file may be someone else's.
                let found = schema::inspect(connection)?;
                match found {
                    Found::Foreign | Found::Newer(_) => return Ok(found),
                    Found::Current | Found::Older(_) => {}
                }
                for (pragma, value) in WRITER_PRAGMAS {
                    connection.pragma_update(None, pragma, value)?;
                }
                if matches!(found, Found::Older(_)) {
                    schema::migrate(connection)?;
                }
                schema::inspect(connection)
            })?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), path: path.into() })
    }

    /// A ledger that is gone with the last of its clones: to rehearse with, and for tests that
    /// need many.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn in_memory() -> Result<Self, Error> {
        let path = Path::new(":memory:");
        let access = OpenFlags::SQLITE_OPEN_READ_WRITE;
        let connection = connect(path, access, |connection| {
            schema::migrate(connection)?;
            schema::inspect(connection)
        })?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), path: path.into() })
    }

    /// Opens the ledger at `path` for reading, while a run may be writing to it.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] when there is none, [`Error::OlderSchema`] when only a run may
    /// bring it up to date, else as [`Ledger::open`].
    pub fn open_read_only(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        fs_err::metadata(&path).map_err(|source| {
            let path = path.clone();
            if source.kind() == io::ErrorKind::NotFound {
                Error::Missing { path }
            } else {
                Error::Io { path, source }
            }
        })?;
        let connection =
            connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY, |connection| {
                schema::inspect(connection)
            })?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), path: path.into() })
    }

    /// Claims the ledger for one run, without waiting. Reading needs no claim.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] when another run holds it, [`Error::Io`] when `<path>.lock` cannot
    /// be made.
    pub fn lock(&self) -> Result<RunLock, Error> {
        RunLock::take(&self.path)
    }

    /// Where the database lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` on a consistent state.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        // A poisoned lock is safe: a transaction that panicked was rolled back when dropped.
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        work(&connection).map_err(|fault| fault.at(&self.path))
    }

    /// Runs `work` in one transaction that is durable when this returns `Ok`, and leaves no
    /// trace when it returns `Err`.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let mut connection =
            self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let done = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(Fault::Sql)
            .and_then(|tx| {
                let value = work(&tx)?;
                tx.commit()?;
                Ok(value)
            });
        done.map_err(|fault| fault.at(&self.path))
    }
}

fn connect(
    path: &Path,
    access: OpenFlags,
    ready: impl FnOnce(&mut Connection) -> Result<Found, Fault>,
) -> Result<Connection, Error> {
    // No mutex inside SQLite: ours is around it. No URI: a path is a path.
    let opened =
        Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX);
    let prepared = opened.map_err(Fault::Sql).and_then(|mut connection| {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        for (pragma, value) in PRAGMAS {
            connection.pragma_update(None, pragma, value)?;
        }
        let found = ready(&mut connection)?;
        Ok((connection, found))
    });
    let (connection, found) = prepared.map_err(|fault| fault.at(path))?;
    match schema::refusal(&found, path) {
        Some(error) => Err(error),
        None => Ok(connection),
    }
}

/// How long a write waits for another connection's. Ours last milliseconds; a backup, longer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Room for every statement of this crate, so that each is compiled once.
const STATEMENTS: usize = 64;

/// What every connection obeys.
const PRAGMAS: [(&str, &str); 3] =
    [("foreign_keys", "ON"), ("trusted_schema", "OFF"), ("cell_size_check", "ON")];

/// What a writer obeys besides. `FULL` syncs the log at every commit; the `fullfsync` pair
/// makes that reach the platter on macOS and means nothing elsewhere.
const WRITER_PRAGMAS: [(&str, &str); 4] = [
    ("journal_mode", "WAL"),
    ("synchronous", "FULL"),
    ("fullfsync", "ON"),
    ("checkpoint_fullfsync", "ON"),
];

#[cfg(test)]
mod tests {
    use std::error::Error as StdError;

    use bulkhead_model::Instant;

    use super::*;
    use crate::NewExport;

    /// Faults: F38.
    #[test]
    fn a_full_disk_is_named_and_leaves_no_trace() -> Result<(), Box<dyn StdError>> {
        let directory = tempfile::tempdir()?;
        let ledger = Ledger::open(directory.path().join("l.db"))?;
        let id = "e1".parse()?;
        let request = "x".repeat(1 << 20);
        let new = NewExport {
            id: &id,
            stream: "s",
            chain: "c",
            request: &request,
            fingerprint: "f",
            kickoff_instant: Instant::from_unix_ms(0),
            server_date: None,
            since: None,
        };
        // A ceiling on pages fails as a full disk does.
        let pages = |limit: u32| {
            ledger.read(|connection| {
                connection
                    .pragma_update_and_check(None, "max_page_count", limit, |_| Ok(()))
                    .map_err(Fault::Sql)
            })
        };
        pages(1)?;
        let outcome = ledger.begin(&new);
        assert!(matches!(outcome, Err(Error::Full { .. })), "{outcome:?}");
        assert_eq!(ledger.exports(1)?, []);
        pages(1 << 20)?;
        ledger.begin(&new)?;
        assert_eq!(ledger.exports(1)?.len(), 1);
        Ok(())
    }
}
