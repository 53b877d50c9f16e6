//! What the guests of a stage really called, by export.
//!
//! Counts and names alone; the names are the operator's or the manifest's, so their number is
//! bounded. Rows go with their export. A process that is killed takes with it what it had not
//! written yet.

use bulkhead_model::Instant;
use rusqlite::params;

use crate::{Error, ExportId, Ledger, column, ledger::journal};

/// Calls of one kind, of one stage, added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginUse {
    /// The stage.
    pub stage: String,
    /// SHA-256 of the plugin.
    pub digest: String,
    /// The interface; `batches` for batches that were handed over, `deaths` for guests that
    /// died.
    pub interface: String,
    /// Which store, cohort, key, field, or manner of death; empty where there is no name.
    pub name: String,
    /// Calls that were answered.
    pub calls: u64,
    /// Bytes that passed, where bytes pass.
    pub bytes: u64,
    /// Calls that named what was not granted.
    pub refused: u64,
}

/// The same over all exports that are remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastUse {
    /// The sums.
    pub of: PluginUse,
    /// Exports in which it was called at all.
    pub exports: u64,
    /// When it was called last, to the file or export.
    pub latest: Instant,
}

impl Ledger {
    /// Adds to what the stages of an export called.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownExport`], or a failure of the database.
    pub fn note_uses(
        &self,
        id: &ExportId,
        uses: &[PluginUse],
        now: Instant,
    ) -> Result<(), Error> {
        self.write(|tx| {
            let Some((seq, _)) = journal::standing(tx, id)? else {
                return Err(Error::UnknownExport { id: id.clone() }.into());
            };
            let mut add = tx.prepare_cached(
                "INSERT INTO plugin_use (export, stage, digest, interface, name, calls, bytes,
                     refused, at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                 ON CONFLICT DO UPDATE SET calls = calls + excluded.calls,
                     bytes = bytes + excluded.bytes, refused = refused + excluded.refused,
                     at = excluded.at",
            )?;
            for one in uses {
                add.execute(params![
                    seq,
                    one.stage,
                    one.digest,
                    one.interface,
                    one.name,
                    column::signed("count of calls", one.calls)?,
                    column::signed("count of bytes", one.bytes)?,
                    column::signed("count of calls", one.refused)?,
                    now.unix_ms(),
                ])?;
            }
            Ok(())
        })
    }

    /// What the stages of `chain` called in all exports that are remembered.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn uses(&self, chain: &str) -> Result<Vec<PastUse>, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT u.stage, u.digest, u.interface, u.name, SUM(u.calls),
                         SUM(u.bytes), SUM(u.refused), COUNT(*), MAX(u.at)
                     FROM plugin_use u JOIN export e ON e.seq = u.export
                     WHERE e.chain = ?1
                     GROUP BY u.stage, u.digest, u.interface, u.name
                     ORDER BY u.stage, u.digest, u.interface, u.name",
                )?
                .query_map([chain], |row| {
                    Ok(PastUse {
                        of: PluginUse {
                            stage: row.get(0)?,
                            digest: row.get(1)?,
                            interface: row.get(2)?,
                            name: row.get(3)?,
                            calls: column::unsigned(row, 4)?,
                            bytes: column::unsigned(row, 5)?,
                            refused: column::unsigned(row, 6)?,
                        },
                        exports: column::unsigned(row, 7)?,
                        latest: column::instant(row, 8)?,
                    })
                })?
                .collect::<Result<_, _>>()?)
        })
    }

    /// What the stages of one export called.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn uses_of(&self, id: &ExportId) -> Result<Vec<PluginUse>, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT u.stage, u.digest, u.interface, u.name, u.calls, u.bytes,
                         u.refused
                     FROM plugin_use u JOIN export e ON e.seq = u.export
                     WHERE e.id = ?1
                     ORDER BY u.stage, u.digest, u.interface, u.name",
                )?
                .query_map([id.as_str()], |row| {
                    Ok(PluginUse {
                        stage: row.get(0)?,
                        digest: row.get(1)?,
                        interface: row.get(2)?,
                        name: row.get(3)?,
                        calls: column::unsigned(row, 4)?,
                        bytes: column::unsigned(row, 5)?,
                        refused: column::unsigned(row, 6)?,
                    })
                })?
                .collect::<Result<_, _>>()?)
        })
    }
}
