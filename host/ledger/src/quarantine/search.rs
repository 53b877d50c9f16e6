//! Looking for entries over all exports, and removing them.

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_model::Instant;
use rusqlite::{Row, Transaction, params};

use super::{Kept, QuarantineEntry, entry};
use crate::{Error, ExportId, Ledger, column, error::Fault};

/// Which entries are meant; without a word, all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Search<'a> {
    /// Of this export.
    pub export: Option<&'a ExportId>,
    /// Of exports of this chain.
    pub chain: Option<&'a str>,
    /// That this stage refused.
    pub stage: Option<&'a str>,
    /// With this code.
    pub code: Option<&'a str>,
    /// Of exports that began before.
    pub before: Option<Instant>,
    /// In which state.
    pub which: Which,
}

/// In which state entries are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// In any.
    #[default]
    All,
    /// Of ended exports, and not on their way through a chain.
    Resting,
    /// The same, with a sealed body.
    Sealed,
}

impl Which {
    const fn number(self) -> u8 {
        match self {
            Self::All => 0,
            Self::Resting => 1,
            Self::Sealed => 2,
        }
    }
}

/// Where an entry stands among all, in the order of exports: after which to look on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Place of the export in the order in which they began.
    pub export: i64,
    /// Index of the file.
    pub file: u32,
    /// Number of the line.
    pub line: u64,
    /// The stage.
    pub stage: String,
    /// Which of the records of the line.
    pub part: u32,
}

/// An entry with its export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it stands among all.
    pub place: Place,
    /// Its export.
    pub export: ExportId,
    /// The chain.
    pub chain: String,
    /// When the export began.
    pub at: Instant,
    /// The entry.
    pub entry: QuarantineEntry,
    /// The export that sent it, or sends it, through the chain again.
    pub replay: Option<ExportId>,
}

/// What is removed, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Entries.
    pub entries: u64,
    /// Of those, with a sealed body.
    pub sealed: u64,
}

impl Ledger {
    /// Entries in the order of their places, from the one after `after` on, at most `limit`.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn search_quarantine(
        &self,
        search: &Search<'_>,
        after: Option<&Place>,
        limit: u32,
    ) -> Result<Vec<Found>, Error> {
        let (export, file, line, stage, part) = match after {
            Some(place) => {
                let line = column::signed("line number", place.line)?;
                (place.export, place.file, line, place.stage.as_str(), place.part)
            }
            None => (-1, 0, 0, "", 0),
        };
        self.read(|connection| {
            Ok(connection
                .prepare_cached(&format!(
                    "SELECT {FOUND} FROM quarantine q JOIN export e ON e.seq = q.export
                     WHERE {WHERE}
                         AND (q.export, q.file, q.line, q.stage, q.part)
                             > (?7, ?8, ?9, ?10, ?11)
                     ORDER BY q.export, q.file, q.line, q.stage, q.part LIMIT ?12"
                ))?
                .query_map(
                    params![
                        search.export.map(ExportId::as_str),
                        search.chain,
                        search.stage,
                        search.code,
                        column::ms(search.before),
                        search.which.number(),
                        export,
                        file,
                        line,
                        stage,
                        part,
                        limit,
                    ],
                    found,
                )?
                .collect::<Result<_, _>>()?)
        })
    }

    /// How many entries of an export there are, by what became of their bodies.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn kept(&self, id: &ExportId) -> Result<BTreeMap<Kept, u64>, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT kept, count(*) FROM quarantine
                     WHERE export = (SELECT seq FROM export WHERE id = ?1) GROUP BY kept",
                )?
                .query_map([id.as_str()], |row| {
                    Ok((column::word(row, 0)?, column::unsigned(row, 1)?))
                })?
                .collect::<Result<_, _>>()?)
        })
    }

    /// The sealed files that hold a body which is still needed: of one file of an export, or of
    /// all.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn segments(
        &self,
        id: &ExportId,
        file: Option<u32>,
    ) -> Result<BTreeSet<String>, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT DISTINCT segment FROM quarantine
                     WHERE export = (SELECT seq FROM export WHERE id = ?1)
                         AND (?2 IS NULL OR file = ?2) AND kept = 'sealed'",
                )?
                .query_map(params![id.as_str(), file], |row| row.get(0))?
                .collect::<Result<_, _>>()?)
        })
    }

    /// Whether an export is there and still under way.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn is_under_way(&self, id: &ExportId) -> Result<bool, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM export WHERE id = ?1 AND finished_at IS NULL)",
                )?
                .query_row([id.as_str()], |row| row.get(0))?)
        })
    }

    /// What [`Ledger::purge_quarantine`] would remove.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn count_quarantine(&self, search: &Search<'_>) -> Result<Purged, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(&format!(
                    "SELECT count(*), coalesce(sum(q.kept = 'sealed'), 0)
                     FROM quarantine q JOIN export e ON e.seq = q.export WHERE {WHERE}"
                ))?
                .query_row(meant(search), |row| {
                    let entries = column::unsigned(row, 0)?;
                    Ok(Purged { entries, sealed: column::unsigned(row, 1)? })
                })?)
        })
    }

    /// Removes entries. The sealed files that no entry names any more are the caller's to
    /// remove.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn purge_quarantine(&self, search: &Search<'_>) -> Result<u64, Error> {
        self.write(|tx| remove(tx, search))
    }
}

fn remove(tx: &Transaction<'_>, search: &Search<'_>) -> Result<u64, Fault> {
    let removed = tx
        .prepare_cached(&format!(
            "DELETE FROM quarantine WHERE (export, file, line, stage, part) IN (
                 SELECT q.export, q.file, q.line, q.stage, q.part
                 FROM quarantine q JOIN export e ON e.seq = q.export WHERE {WHERE})"
        ))?
        .execute(meant(search))?;
    Ok(column::wide(removed))
}

type Meant<'a> =
    (Option<&'a str>, Option<&'a str>, Option<&'a str>, Option<&'a str>, Option<i64>, u8);

fn meant<'a>(search: &Search<'a>) -> Meant<'a> {
    (
        search.export.map(ExportId::as_str),
        search.chain,
        search.stage,
        search.code,
        column::ms(search.before),
        search.which.number(),
    )
}

/// The columns that [`found`] reads, in its order.
pub(super) const FOUND: &str = "e.seq, e.id, e.chain, e.kickoff_instant, q.replay, q.file, \
     q.line, q.resource_type, q.stage, q.class, q.code, q.part, q.kept, q.segment, q.made_by";

/// What a [`Search`] means, as parameters 1 to 6.
const WHERE: &str = "(?1 IS NULL OR e.id = ?1) AND (?2 IS NULL OR e.chain = ?2)
     AND (?3 IS NULL OR q.stage = ?3) AND (?4 IS NULL OR q.code = ?4)
     AND (?5 IS NULL OR e.kickoff_instant < ?5)
     AND (?6 = 0 OR (e.finished_at IS NOT NULL AND NOT EXISTS (
         SELECT 1 FROM export r WHERE r.id = q.replay AND r.finished_at IS NULL)))
     AND (?6 < 2 OR q.kept = 'sealed')";

/// One entry, from [`FOUND`].
pub(super) fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    let entry = entry(row, 5)?;
    Ok(Found {
        place: Place {
            export: row.get(0)?,
            file: entry.file,
            line: entry.line,
            stage: entry.stage.clone(),
            part: entry.part,
        },
        export: column::word(row, 1)?,
        chain: row.get(2)?,
        at: column::instant(row, 3)?,
        replay: column::word_or_none(row, 4)?,
        entry,
    })
}
