//! Files and their checkpoints: which lines a sink has called durable.
//!
//! A checkpoint, its tally and the positions quarantined on the way to it are one
//! transaction: after a crash the counts are those of the lines that are durable, no more
//! and no fewer. Files are written to only while the export is [`crate::Phase::Manifested`].

use std::collections::BTreeSet;

use bulkhead_model::ResourceType;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::journal;
use crate::{
    Error, ExportId, FileCheckpoint, FileRecord, FileState, Ledger, NewFile, Proof,
    QuarantineEntry, column, error::Fault, quarantine,
};

impl Ledger {
    /// Moves an open file's checkpoint to `checkpoint` and adds `quarantined`, the positions
    /// refused since the last one, in one transaction.
    ///
    /// Repeating a checkpoint is no error; entries replace those of the same position.
    ///
    /// # Errors
    ///
    /// [`Error::Backwards`], [`Error::PrefixChanged`], [`Error::FileNotOpen`],
    /// [`Error::Phase`], [`Error::TooLarge`], [`Error::UnknownExport`],
    /// [`Error::UnknownFile`], or a failure of the database.
    pub fn checkpoint(
        &self,
        id: &ExportId,
        file: u32,
        checkpoint: &FileCheckpoint,
        quarantined: &[QuarantineEntry],
    ) -> Result<(), Error> {
        self.write(|tx| {
            let seq = advance(tx, id, file, checkpoint, FileState::Open)?;
            quarantine::put(tx, id, seq, quarantined)
        })
    }

    /// Closes an open file: it is durable to its last line, which is `checkpoint`'s.
    /// `quarantined` is as for [`Ledger::checkpoint`].
    ///
    /// # Errors
    ///
    /// As [`Ledger::checkpoint`].
    pub fn close_file(
        &self,
        id: &ExportId,
        file: u32,
        checkpoint: &FileCheckpoint,
        quarantined: &[QuarantineEntry],
    ) -> Result<(), Error> {
        self.write(|tx| {
            let seq = advance(tx, id, file, checkpoint, FileState::Closed)?;
            quarantine::put(tx, id, seq, quarantined)
        })
    }

    /// Gives an open file up, for this try or for good. Its checkpoint stays.
    ///
    /// # Errors
    ///
    /// [`Error::FileNotOpen`], [`Error::Phase`], [`Error::UnknownExport`],
    /// [`Error::UnknownFile`], or a failure of the database.
    pub fn fail_file(&self, id: &ExportId, file: u32, reason: &str) -> Result<(), Error> {
        self.write(|tx| {
            let seq = journal::under_way(tx, id, "fail a file of")?;
            let standing = standing(tx, id, seq, file)?;
            require_open(id, file, &standing)?;
            tx.prepare_cached(
                "UPDATE file SET state = 'failed', failure = ?3 WHERE export = ?1 AND file = ?2",
            )?
            .execute(params![seq, file, reason])?;
            Ok(())
        })
    }

    /// Opens every failed file again, for the next try from its checkpoint on, and returns
    /// how many.
    ///
    /// # Errors
    ///
    /// [`Error::Phase`], [`Error::UnknownExport`], or a failure of the database.
    pub fn reopen_files(&self, id: &ExportId) -> Result<usize, Error> {
        self.write(|tx| {
            let seq = journal::under_way(tx, id, "reopen the files of")?;
            Ok(tx
                .prepare_cached(
                    "UPDATE file SET state = 'open', failure = NULL
                     WHERE export = ?1 AND state = 'failed'",
                )?
                .execute([seq])?)
        })
    }

    /// Forgets how far a file came that is not closed, with its quarantine positions, and
    /// opens it: for a file that the server now serves with other lines. What the sink got
    /// comes again; sinks are idempotent.
    ///
    /// # Errors
    ///
    /// [`Error::FileNotOpen`] when it is closed, [`Error::Phase`],
    /// [`Error::UnknownExport`], [`Error::UnknownFile`], or a failure of the database.
    pub fn restart_file(&self, id: &ExportId, file: u32) -> Result<(), Error> {
        self.write(|tx| {
            let seq = journal::under_way(tx, id, "restart a file of")?;
            let state = standing(tx, id, seq, file)?.state;
            match state {
                FileState::Open | FileState::Failed => {}
                FileState::Closed => {
                    return Err(Error::FileNotOpen { id: id.clone(), file, state }.into());
                }
            }
            tx.prepare_cached(
                "UPDATE file SET state = 'open', failure = NULL, durable_through = NULL,
                     token = NULL, prefix_hash = NULL, tally = NULL, unproven = 0
                 WHERE export = ?1 AND file = ?2",
            )?
            .execute(params![seq, file])?;
            tx.prepare_cached("DELETE FROM quarantine WHERE export = ?1 AND file = ?2")?
                .execute(params![seq, file])?;
            Ok(())
        })
    }

    /// The files of an export, by index. Empty for an export without a manifest, or unknown.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn files(&self, id: &ExportId) -> Result<Vec<FileRecord>, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT file, array, resource_type, count, state, failure,
                         durable_through, token, prefix_hash, tally, unproven
                     FROM file WHERE export = (SELECT seq FROM export WHERE id = ?1)
                     ORDER BY file",
                )?
                .query_map([id.as_str()], record)?
                .collect::<Result<_, _>>()?)
        })
    }
}

/// Enters the files of a manifest, given that none known by now has changed.
pub(super) fn enter(
    tx: &Transaction<'_>,
    id: &ExportId,
    seq: i64,
    files: &[NewFile],
) -> Result<(), Fault> {
    let mut offered = BTreeSet::new();
    for new in files {
        let count = new
            .count
            .map(|count| column::signed("count of a file", count))
            .transpose()?;
        let entered = tx
            .prepare_cached(
                "INSERT INTO file (export, file, array, resource_type, count, state)
                 VALUES (?1, ?2, ?3, ?4, ?5, 'open')
                 ON CONFLICT (export, file) DO UPDATE SET file = file
                 WHERE array = excluded.array AND resource_type IS excluded.resource_type
                     AND count IS excluded.count",
            )?
            .execute(params![
                seq,
                new.index,
                new.array.as_str(),
                new.resource_type.as_ref().map(ResourceType::as_str),
                count,
            ])?;
        // Not entered: known by now as another. Entered twice: a manifest has no such places.
        if entered == 0 || !offered.insert(new.index) {
            return Err(Error::ManifestChanged { id: id.clone(), file: new.index }.into());
        }
    }
    // Every offered file is known now; a known one that was not offered has gone.
    let mut indexes = tx.prepare_cached("SELECT file FROM file WHERE export = ?1")?;
    for index in indexes.query_map([seq], |row| row.get(0))? {
        let file: u32 = index?;
        if !offered.contains(&file) {
            return Err(Error::ManifestChanged { id: id.clone(), file }.into());
        }
    }
    Ok(())
}

/// What of a file decides whether it may be written to.
struct Standing {
    state: FileState,
    durable: Option<(u64, [u8; 16])>,
}

fn standing(
    tx: &Transaction<'_>,
    id: &ExportId,
    seq: i64,
    file: u32,
) -> Result<Standing, Fault> {
    tx.prepare_cached(
        "SELECT state, durable_through, prefix_hash FROM file WHERE export = ?1 AND file = ?2",
    )?
    .query_row(params![seq, file], |row| {
        let durable_through = column::unsigned_or_none(row, 1)?;
        Ok(Standing {
            state: column::word(row, 0)?,
            durable: durable_through.zip(row.get::<_, Option<[u8; 16]>>(2)?),
        })
    })
    .optional()?
    .ok_or_else(|| Error::UnknownFile { id: id.clone(), file }.into())
}

fn require_open(id: &ExportId, file: u32, standing: &Standing) -> Result<(), Error> {
    match standing.state {
        FileState::Open => Ok(()),
        state @ (FileState::Closed | FileState::Failed) => {
            Err(Error::FileNotOpen { id: id.clone(), file, state })
        }
    }
}

fn advance(
    tx: &Transaction<'_>,
    id: &ExportId,
    file: u32,
    checkpoint: &FileCheckpoint,
    state: FileState,
) -> Result<i64, Fault> {
    let FileCheckpoint { durable_through: to, token, prefix_hash, tally } = checkpoint;
    column::bounded("checkpoint token", token.len(), FileCheckpoint::TOKEN_LIMIT)?;
    let seq = journal::under_way(tx, id, "move a checkpoint of")?;
    let standing = standing(tx, id, seq, file)?;
    require_open(id, file, &standing)?;
    if let Some((from, hash)) = standing.durable {
        if *to < from {
            return Err(Error::Backwards { id: id.clone(), file, from, to: *to }.into());
        }
        if *to == from && *prefix_hash != hash {
            return Err(Error::PrefixChanged { id: id.clone(), file, line: from }.into());
        }
    }
    tx.prepare_cached(
        "UPDATE file SET state = ?3, durable_through = ?4, token = ?5, prefix_hash = ?6,
             tally = ?7
         WHERE export = ?1 AND file = ?2",
    )?
    .execute(params![
        seq,
        file,
        state.as_str(),
        column::signed("line number", *to)?,
        token,
        prefix_hash,
        tally,
    ])?;
    Ok(seq)
}

fn record(row: &Row<'_>) -> rusqlite::Result<FileRecord> {
    let checkpoint = match column::unsigned_or_none(row, 6)? {
        Some(durable_through) => Some(FileCheckpoint {
            durable_through,
            token: row.get(7)?,
            prefix_hash: row.get(8)?,
            tally: row.get(9)?,
        }),
        None => None,
    };
    Ok(FileRecord {
        index: row.get(0)?,
        array: column::word(row, 1)?,
        resource_type: column::word_or_none(row, 2)?,
        count: column::unsigned_or_none(row, 3)?,
        state: column::word(row, 4)?,
        checkpoint,
        failure: row.get(5)?,
        proof: if row.get(10)? { Proof::Unproven } else { Proof::Proven },
    })
}
