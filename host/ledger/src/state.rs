//! What plugins asked to remember: bytes by namespace and key, within a quota.
//!
//! The bytes are the guest's and opaque; who may use which namespace is decided above, by
//! the grant. This file only bounds what a guest can make us keep.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::{Error, Ledger, column, error::Fault};

/// How much one namespace may hold.
///
/// Every entry counts its key, its value and [`StateQuota::ENTRY_BYTES`] for the row, so
/// that many empty values are not free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateQuota {
    /// Longest key, in bytes.
    pub key_bytes: usize,
    /// Longest value, in bytes.
    pub value_bytes: usize,
    /// Largest namespace, in bytes.
    pub namespace_bytes: u64,
}

impl StateQuota {
    /// What a row costs besides key and value, in bytes: about its index entry and header.
    pub const ENTRY_BYTES: u64 = 64;
}

impl Default for StateQuota {
    /// Bookmarks and small indexes: 256 B a key, 64 KiB a value, 16 MiB a namespace.
    fn default() -> Self {
        Self { key_bytes: 256, value_bytes: 64 << 10, namespace_bytes: 16 << 20 }
    }
}

impl Ledger {
    /// The value at `key`, or `None`.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn state_get(
        &self,
        namespace: &str,
        key: &str,
    ) -> Result<Option<Vec<u8>>, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT value FROM state WHERE namespace = ?1 AND key = ?2",
                )?
                .query_row([namespace, key], |row| row.get(0))
                .optional()?)
        })
    }

    /// Stores `value` at `key`, in place of what was there.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] for a key or value over its limit, [`Error::Quota`] when the
    /// namespace would outgrow its own, or a failure of the database. Nothing is stored then.
    pub fn state_set(
        &self,
        namespace: &str,
        key: &str,
        value: &[u8],
        quota: &StateQuota,
    ) -> Result<(), Error> {
        column::bounded("state key", key.len(), quota.key_bytes)?;
        column::bounded("state value", value.len(), quota.value_bytes)?;
        self.write(|tx| {
            let freed = entry(tx, namespace, key)?.unwrap_or(0);
            let added = cost(key.len(), value.len());
            let needed =
                usage(tx, namespace)?.saturating_sub(freed).saturating_add(added);
            // A value that shrinks is welcome even where the quota was lowered below use.
            if needed > quota.namespace_bytes && added > freed {
                let (namespace, limit) = (namespace.to_owned(), quota.namespace_bytes);
                return Err(Error::Quota { namespace, needed, limit }.into());
            }
            tx.prepare_cached(
                "INSERT INTO state (namespace, key, value) VALUES (?1, ?2, ?3)
                 ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value",
            )?
            .execute(params![namespace, key, value])?;
            account(tx, namespace, needed)
        })
    }

    /// Removes what is at `key`; removing nothing is no error.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn state_delete(&self, namespace: &str, key: &str) -> Result<(), Error> {
        self.write(|tx| {
            let Some(freed) = entry(tx, namespace, key)? else {
                return Ok(());
            };
            tx.prepare_cached("DELETE FROM state WHERE namespace = ?1 AND key = ?2")?
                .execute([namespace, key])?;
            let used = usage(tx, namespace)?.saturating_sub(freed);
            account(tx, namespace, used)
        })
    }

    /// How many bytes of its quota a namespace uses.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn state_usage(&self, namespace: &str) -> Result<u64, Error> {
        self.read(|connection| usage(connection, namespace))
    }
}

/// What the entry at `key` costs, or `None` when there is none. Does not read the value.
fn entry(tx: &Transaction<'_>, namespace: &str, key: &str) -> Result<Option<u64>, Fault> {
    let length: Option<usize> = tx
        .prepare_cached(
            "SELECT length(value) FROM state WHERE namespace = ?1 AND key = ?2",
        )?
        .query_row([namespace, key], |row| column::unsigned(row, 0))
        .optional()?
        .map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    Ok(length.map(|length| cost(key.len(), length)))
}

fn cost(key: usize, value: usize) -> u64 {
    column::wide(key)
        .saturating_add(column::wide(value))
        .saturating_add(StateQuota::ENTRY_BYTES)
}

fn usage(connection: &Connection, namespace: &str) -> Result<u64, Fault> {
    Ok(connection
        .prepare_cached("SELECT bytes FROM state_usage WHERE namespace = ?1")?
        .query_row([namespace], |row| column::unsigned(row, 0))
        .optional()?
        .unwrap_or(0))
}

fn account(tx: &Transaction<'_>, namespace: &str, bytes: u64) -> Result<(), Fault> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO state_usage (namespace, bytes) VALUES (?1, ?2)",
    )?
    .execute(params![namespace, column::signed("namespace", bytes)?])?;
    Ok(())
}
