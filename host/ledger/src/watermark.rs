//! Watermarks: from when to ask next, one per stream and resource type.
//!
//! The safe direction is back: an early watermark costs duplicates, which idempotent sinks
//! absorb; a late one loses data for ever. So a watermark moves only when nothing before its
//! new place can be missing, and stays otherwise.
//!
//! Source: Bulk Data IG, "Bulk Data Kick-off Request", `_since` and `transactionTime`; the
//! project's watermark rule (`docs/architecture.md`).

use std::collections::BTreeMap;

use bulkhead_model::{Instant, ResourceType};
use rusqlite::{OptionalExtension, Transaction, params};

use crate::{Error, ExportId, Ledger, column, error::Fault};

/// Up to when a stream's resources of one type are delivered, and from which clocks we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// Everything the server held at this instant is delivered. Unshifted: the overlap is
    /// subtracted when asking, so that a raised overlap acts at once.
    pub effective: Instant,
    /// The export that moved it here.
    pub set_by: ExportId,
    /// The earliest transaction time of that export, when the server gave a usable one.
    pub transaction_time: Option<Instant>,
    /// The server's clock right before its kick-off.
    pub server_date: Option<Instant>,
    /// Our clock right before its kick-off.
    pub kickoff_instant: Instant,
}

/// A watermark that did not move, though an export offered to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The resource type.
    pub resource_type: ResourceType,
    /// Why it stays.
    pub reason: HeldReason,
}

/// Why a watermark did not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeldReason {
    /// The new place lies before the old one: an older snapshot, or a restored server.
    Behind,
    /// The export asked from later than the old place, or there is none: resources in
    /// between were never asked for.
    Gap,
    /// A file that may concern the type failed: one of it, one without a type, or one that
    /// names deletions.
    Undelivered,
}

/// A reset of a stream's watermarks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatermarkReset {
    /// Why, in the words of who did it.
    pub reason: String,
    /// How many watermarks were removed.
    pub removed: u64,
    /// When.
    pub at: Instant,
}

impl Ledger {
    /// The watermarks of `stream`. A type without one has never been completed: ask for all.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn watermarks(
        &self,
        stream: &str,
    ) -> Result<BTreeMap<ResourceType, Watermark>, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT resource_type, effective, set_by, transaction_time, server_date,
                         kickoff_instant
                     FROM watermark WHERE stream = ?1",
                )?
                .query_map([stream], |row| {
                    let watermark = Watermark {
                        effective: column::instant(row, 1)?,
                        set_by: column::word(row, 2)?,
                        transaction_time: column::instant_or_none(row, 3)?,
                        server_date: column::instant_or_none(row, 4)?,
                        kickoff_instant: column::instant(row, 5)?,
                    };
                    Ok((column::word(row, 0)?, watermark))
                })?
                .collect::<Result<_, _>>()?)
        })
    }

    /// Removes every watermark of `stream`, so that the next export is a full one, keeps the
    /// reason, and returns how many there were.
    ///
    /// An incremental export under way cannot bring them back: it ends with
    /// [`HeldReason::Gap`].
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn reset_watermarks(
        &self,
        stream: &str,
        reason: &str,
        now: Instant,
    ) -> Result<u64, Error> {
        self.write(|tx| {
            let removed = tx
                .prepare_cached("DELETE FROM watermark WHERE stream = ?1")?
                .execute([stream])?;
            let removed = column::wide(removed);
            tx.prepare_cached(
                "INSERT INTO watermark_reset (stream, reason, removed, at)
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                stream,
                reason,
                column::signed("count of watermarks", removed)?,
                now.unix_ms(),
            ])?;
            Ok(removed)
        })
    }

    /// The latest resets of `stream`, newest first, at most `limit`.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn watermark_resets(
        &self,
        stream: &str,
        limit: u32,
    ) -> Result<Vec<WatermarkReset>, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT reason, removed, at FROM watermark_reset WHERE stream = ?1
                     ORDER BY seq DESC LIMIT ?2",
                )?
                .query_map(params![stream, limit], |row| {
                    Ok(WatermarkReset {
                        reason: row.get(0)?,
                        removed: column::unsigned(row, 1)?,
                        at: column::instant(row, 2)?,
                    })
                })?
                .collect::<Result<_, _>>()?)
        })
    }
}

/// Moves one watermark in the caller's transaction, or says why it stays.
pub(crate) fn set(
    tx: &Transaction<'_>,
    id: &ExportId,
    seq: i64,
    resource_type: &ResourceType,
    watermark: &Watermark,
) -> Result<Option<Held>, Fault> {
    let (stream, since) = tx
        .prepare_cached("SELECT stream, since FROM export WHERE seq = ?1")?
        .query_row([seq], |row| {
            Ok((row.get::<_, String>(0)?, column::instant_or_none(row, 1)?))
        })?;
    let old = tx
        .prepare_cached(
            "SELECT effective FROM watermark WHERE stream = ?1 AND resource_type = ?2",
        )?
        .query_row(params![stream, resource_type.as_str()], |row| column::instant(row, 0))
        .optional()?;
    let undelivered: bool = tx
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM file
             WHERE export = ?1 AND state <> 'closed' AND (array = 'deleted'
                 OR array = 'output' AND coalesce(resource_type, ?2) = ?2))",
        )?
        .query_row(params![seq, resource_type.as_str()], |row| row.get(0))?;
    let reason = if undelivered {
        Some(HeldReason::Undelivered)
    } else {
        hold(since, old, watermark.effective)
    };
    if let Some(reason) = reason {
        return Ok(Some(Held { resource_type: resource_type.clone(), reason }));
    }
    tx.prepare_cached(
        "INSERT OR REPLACE INTO watermark (stream, resource_type, effective, set_by,
             transaction_time, server_date, kickoff_instant)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        stream,
        resource_type.as_str(),
        watermark.effective.unix_ms(),
        id.as_str(),
        column::ms(watermark.transaction_time),
        column::ms(watermark.server_date),
        watermark.kickoff_instant.unix_ms(),
    ])?;
    Ok(None)
}

/// Whether the clocks alone keep a watermark at `old` from moving to `new`.
fn hold(
    since: Option<Instant>,
    old: Option<Instant>,
    new: Instant,
) -> Option<HeldReason> {
    let gap = since.is_some_and(|since| old.is_none_or(|old| old < since));
    if gap {
        Some(HeldReason::Gap)
    } else if old.is_some_and(|old| new < old) {
        Some(HeldReason::Behind)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items: S3.
    /// Faults: F26.
    #[test]
    fn moves_only_forward_and_never_over_a_gap() {
        let cases = [
            ("first, full", None, None, 100, None),
            ("first, incremental", Some(50), None, 100, Some(HeldReason::Gap)),
            ("full after another", None, Some(90), 100, None),
            ("with overlap", Some(85), Some(90), 100, None),
            ("without overlap", Some(90), Some(90), 100, None),
            ("asked too late", Some(91), Some(90), 100, Some(HeldReason::Gap)),
            ("older snapshot", Some(85), Some(90), 89, Some(HeldReason::Behind)),
            ("older full snapshot", None, Some(90), 89, Some(HeldReason::Behind)),
            ("same place", Some(85), Some(90), 90, None),
        ];
        for (name, since, old, new, expected) in cases {
            let at = Instant::from_unix_ms;
            assert_eq!(
                hold(since.map(at), old.map(at), at(new)),
                expected,
                "case: {name}"
            );
        }
    }
}
