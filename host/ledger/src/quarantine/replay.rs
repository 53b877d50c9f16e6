//! Records on their way through a chain again: which export sends which entry, on which line,
//! and what became of it.
//!
//! A replay is an export of its own. Its entries are assigned to it, all at once, before it
//! delivers anything, so that one that is killed goes on with the same lines.

use rusqlite::{OptionalExtension, params};

use super::search::{FOUND, Found, Place, found};
use crate::{Error, ExportId, Ledger, column};

/// An entry's line in a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The entry.
    pub place: Place,
    /// The file of the replay.
    pub file: u32,
    /// The line of that file, from 1.
    pub line: u64,
}

impl Ledger {
    /// Assigns entries to a replay, all of them or none.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn plan_replay(
        &self,
        replay: &ExportId,
        planned: &[Planned],
    ) -> Result<(), Error> {
        self.write(|tx| {
            let mut assign = tx.prepare_cached(
                "UPDATE quarantine SET replay = ?6, replay_file = ?7, replay_line = ?8
                 WHERE export = ?1 AND file = ?2 AND line = ?3 AND stage = ?4 AND part = ?5",
            )?;
            for Planned { place, file, line } in planned {
                assign.execute(params![
                    place.export,
                    place.file,
                    column::signed("line number", place.line)?,
                    place.stage,
                    place.part,
                    replay.as_str(),
                    file,
                    column::signed("line number", *line)?,
                ])?;
            }
            Ok(())
        })
    }

    /// The entries of one file of a replay, in the order of its lines.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn replayed(&self, replay: &ExportId, file: u32) -> Result<Vec<Found>, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(&format!(
                    "SELECT {FOUND} FROM quarantine q JOIN export e ON e.seq = q.export
                     WHERE q.replay = ?1 AND q.replay_file = ?2 ORDER BY q.replay_line"
                ))?
                .query_map(params![replay.as_str(), file], found)?
                .collect::<Result<_, _>>()?)
        })
    }

    /// How many entries each file of a replay has, by its number.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn replay_files(&self, replay: &ExportId) -> Result<Vec<(u32, u64)>, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT replay_file, count(*) FROM quarantine WHERE replay = ?1
                     GROUP BY replay_file ORDER BY replay_file",
                )?
                .query_map([replay.as_str()], |row| {
                    Ok((row.get(0)?, column::unsigned(row, 1)?))
                })?
                .collect::<Result<_, _>>()?)
        })
    }

    /// Where the record stood that a replay sent on a line: place of the export, file and line.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn replayed_from(
        &self,
        replay: &ExportId,
        file: u32,
        line: u64,
    ) -> Result<Option<(i64, u32, u64)>, Error> {
        let line = column::signed("line number", line)?;
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT export, file, line FROM quarantine
                     WHERE replay = ?1 AND replay_file = ?2 AND replay_line = ?3",
                )?
                .query_row(params![replay.as_str(), file, line], |row| {
                    Ok((row.get(0)?, row.get(1)?, column::unsigned(row, 2)?))
                })
                .optional()?)
        })
    }

    /// Marks as replayed what came through: every entry of a closed file that was not refused
    /// again. Their bodies are still in the sealed files. May be called again. Gives how many
    /// entries of the replay are replayed.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn settle_replay(&self, replay: &ExportId) -> Result<u64, Error> {
        self.write(|tx| {
            tx.prepare_cached(
                "UPDATE quarantine SET kept = 'replayed'
                 WHERE replay = ?1 AND kept = 'sealed'
                     AND EXISTS (SELECT 1 FROM file f JOIN export r ON r.seq = f.export
                         WHERE r.id = ?1 AND f.file = quarantine.replay_file
                             AND f.state = 'closed')
                     AND NOT EXISTS (SELECT 1 FROM quarantine x JOIN export r ON r.seq = x.export
                         WHERE r.id = ?1 AND x.file = quarantine.replay_file
                             AND x.line = quarantine.replay_line)",
            )?
            .execute([replay.as_str()])?;
            Ok(tx
                .prepare_cached(
                    "SELECT count(*) FROM quarantine WHERE replay = ?1 AND kept = 'replayed'",
                )?
                .query_row([replay.as_str()], |row| column::unsigned(row, 0))?)
        })
    }

    /// Sealed files that still hold the bodies of replayed records: export and name, and
    /// whether others are in them that are needed.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn untidy(&self) -> Result<Vec<(ExportId, String, bool)>, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT e.id, q.segment, EXISTS (SELECT 1 FROM quarantine o
                         WHERE o.export = q.export AND o.segment = q.segment
                             AND o.kept = 'sealed')
                     FROM quarantine q JOIN export e ON e.seq = q.export
                     WHERE q.kept = 'replayed' AND q.segment IS NOT NULL
                     GROUP BY q.export, q.segment",
                )?
                .query_map([], |row| {
                    Ok((column::word(row, 0)?, row.get(1)?, row.get(2)?))
                })?
                .collect::<Result<_, _>>()?)
        })
    }

    /// Notes that a sealed file holds no replayed record any more.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn tidied(&self, id: &ExportId, segment: &str) -> Result<(), Error> {
        self.write(|tx| {
            tx.prepare_cached(
                "UPDATE quarantine SET segment = NULL
                 WHERE export = (SELECT seq FROM export WHERE id = ?1) AND segment = ?2
                     AND kept = 'replayed'",
            )?
            .execute(params![id.as_str(), segment])?;
            Ok(())
        })
    }

    /// Every export in the order in which they began: place, id and stream.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn export_order(&self) -> Result<Vec<(i64, ExportId, String)>, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached("SELECT seq, id, stream FROM export ORDER BY seq")?
                .query_map([], |row| {
                    Ok((row.get(0)?, column::word(row, 1)?, row.get(2)?))
                })?
                .collect::<Result<_, _>>()?)
        })
    }
}
