//! How far back a stream asks, where experience has raised it.

use std::time::Duration;

use bulkhead_model::Instant;
use rusqlite::{OptionalExtension, params};

use crate::{Error, Ledger, column};

/// An overlap that a stream has learnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearntOverlap {
    /// So long before the watermark it asks from.
    pub overlap: Duration,
    /// What taught it, in the words of who raised it.
    pub reason: String,
    /// When.
    pub at: Instant,
}

impl Ledger {
    /// The overlap that `stream` has learnt; `None` when it has never been raised.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn overlap(&self, stream: &str) -> Result<Option<LearntOverlap>, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached("SELECT ms, reason, at FROM overlap WHERE stream = ?1")?
                .query_row([stream], |row| {
                    Ok(LearntOverlap {
                        overlap: Duration::from_millis(column::unsigned(row, 0)?),
                        reason: row.get(1)?,
                        at: column::instant(row, 2)?,
                    })
                })
                .optional()?)
        })
    }

    /// Raises the overlap of `stream` to `overlap`, rounded up to milliseconds; gives whether
    /// it was less before. It never falls: what was late once can be so again.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn raise_overlap(
        &self,
        stream: &str,
        overlap: Duration,
        reason: &str,
        now: Instant,
    ) -> Result<bool, Error> {
        let up = overlap.as_nanos().div_ceil(1_000_000);
        let ms = column::signed("overlap", u64::try_from(up).unwrap_or(u64::MAX))?;
        self.write(|tx| {
            let raised = tx
                .prepare_cached(
                    "INSERT INTO overlap (stream, ms, reason, at) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT DO UPDATE SET
                         ms = excluded.ms, reason = excluded.reason, at = excluded.at
                     WHERE excluded.ms > overlap.ms",
                )?
                .execute(params![stream, ms, reason, now.unix_ms()])?;
            Ok(raised > 0)
        })
    }
}
