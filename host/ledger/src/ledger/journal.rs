//! The journal: how far each export came, one phase at a time.
//!
//! Intent is written before the kick-off is sent, and every later phase after what it names
//! has happened: what a crash loses is at most the knowledge of one step, never a false claim.
//!
//! Source: Bulk Data IG, "Bulk Data Kick-off Request" (no idempotency key) and "Bulk Data
//! Status Request".

use bulkhead_model::Instant;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::files;
use crate::{
    Completion, Error, ExportId, ExportRecord, Held, Ledger, NewExport, NewFile, Phase,
    column, error::Fault, evidence, watermark,
};

impl Ledger {
    /// Journals the intent to export, before the kick-off is sent.
    ///
    /// # Errors
    ///
    /// [`Error::Unfinished`] when the stream has an export under way, [`Error::Exists`] when
    /// the id is taken, or a failure of the database.
    pub fn begin(&self, new: &NewExport<'_>) -> Result<(), Error> {
        self.write(|tx| {
            if let Some(record) = unfinished(tx, new.stream)? {
                let stream = new.stream.to_owned();
                return Err(Error::Unfinished { stream, id: record.id }.into());
            }
            if standing(tx, new.id)?.is_some() {
                return Err(Error::Exists { id: new.id.clone() }.into());
            }
            tx.prepare_cached(
                "INSERT INTO export (id, stream, chain, request, fingerprint,
                     kickoff_instant, server_date, since, phase)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                new.id.as_str(),
                new.stream,
                new.chain,
                new.request,
                new.fingerprint,
                new.kickoff_instant.unix_ms(),
                column::ms(new.server_date),
                column::ms(new.since),
                Phase::Intent.as_str(),
            ])?;
            Ok(())
        })
    }

    /// Journals where to poll, before the first poll.
    ///
    /// # Errors
    ///
    /// [`Error::Phase`] unless the export is an intent, [`Error::UnknownExport`], or a
    /// failure of the database.
    pub fn accepted(&self, id: &ExportId, status_url: &str) -> Result<(), Error> {
        self.write(|tx| {
            let seq = advance(tx, id, Phase::Accepted, "accept")?;
            tx.prepare_cached("UPDATE export SET status_url = ?2 WHERE seq = ?1")?
                .execute(params![seq, status_url])?;
            Ok(())
        })
    }

    /// Journals the manifest and the files it names, in one transaction.
    ///
    /// May be called again before delivery: with fresh links when the old ones expired, or
    /// with further files when the manifest has grown by a page. Of several transaction
    /// times the earliest stays.
    ///
    /// # Errors
    ///
    /// [`Error::ManifestChanged`] when a file known by now is missing or another,
    /// [`Error::Phase`], [`Error::UnknownExport`], [`Error::TooLarge`], or a failure of the
    /// database.
    pub fn manifested(
        &self,
        id: &ExportId,
        manifest: &str,
        transaction_time: Option<Instant>,
        files: &[NewFile],
    ) -> Result<(), Error> {
        self.write(|tx| {
            let seq = advance(tx, id, Phase::Manifested, "note the manifest of")?;
            tx.prepare_cached(
                "UPDATE export SET manifest = ?2, transaction_time =
                     min(coalesce(transaction_time, ?3), coalesce(?3, transaction_time))
                 WHERE seq = ?1",
            )?
            .execute(params![
                seq,
                manifest,
                column::ms(transaction_time)
            ])?;
            files::enter(tx, id, seq, files)
        })
    }

    /// Journals that no file is left to deliver: each is closed, or failed for good.
    ///
    /// A failed file keeps the watermark of its type where it is: see [`Ledger::complete`].
    ///
    /// # Errors
    ///
    /// [`Error::Undelivered`] when a file is still open, [`Error::Phase`] unless the export's
    /// files are under way, [`Error::UnknownExport`], or a failure of the database.
    pub fn delivered(&self, id: &ExportId) -> Result<(), Error> {
        self.write(|tx| {
            let seq = advance(tx, id, Phase::Delivered, "call delivered")?;
            let open: Option<u32> = tx
                .prepare_cached(
                    "SELECT min(file) FROM file WHERE export = ?1 AND state = 'open'",
                )?
                .query_row([seq], |row| row.get(0))?;
            if let Some(file) = open {
                return Err(Error::Undelivered { id: id.clone(), file }.into());
            }
            Ok(())
        })
    }

    /// Journals that the sink has concluded.
    ///
    /// # Errors
    ///
    /// [`Error::Phase`] unless the export is delivered, [`Error::UnknownExport`], or a
    /// failure of the database.
    pub fn concluded(&self, id: &ExportId) -> Result<(), Error> {
        self.write(|tx| advance(tx, id, Phase::Concluded, "conclude").map(drop))
    }

    /// Ends an export: report, watermarks, baselines, accepted omissions and phase in one
    /// transaction. Only after this may the server's job be deleted.
    ///
    /// A watermark moves only forward, only for a type whose files are all closed, and only
    /// when the export asked from no later than where the old one stands. What does not
    /// move is returned with its reason and will be asked for again. `set_by` is written as
    /// `id`, whatever it says.
    ///
    /// # Errors
    ///
    /// [`Error::Phase`] unless the sink has concluded, [`Error::UnknownExport`], or a
    /// failure of the database.
    pub fn complete(
        &self,
        id: &ExportId,
        completion: &Completion<'_>,
        now: Instant,
    ) -> Result<Vec<Held>, Error> {
        self.write(|tx| {
            let seq = end(tx, id, Phase::Completed, "complete", now)?;
            tx.prepare_cached("UPDATE export SET report = ?2 WHERE seq = ?1")?
                .execute(params![seq, completion.report])?;
            let mut held = Vec::new();
            for (resource_type, watermark) in completion.watermarks {
                held.extend(watermark::set(tx, id, seq, resource_type, watermark)?);
            }
            for (resource_type, baseline) in completion.baselines {
                let subject = completion.subject;
                evidence::put_baseline(tx, subject, resource_type, baseline)?;
            }
            for omission in completion.omissions {
                evidence::put_omission(tx, omission)?;
            }
            Ok(held)
        })
    }

    /// Ends an export with an error. No watermark moves.
    ///
    /// # Errors
    ///
    /// [`Error::Phase`] when it has ended, [`Error::UnknownExport`], or a failure of the
    /// database.
    pub fn fail(&self, id: &ExportId, reason: &str, now: Instant) -> Result<(), Error> {
        self.give_up(id, Phase::Failed, "fail", reason, now)
    }

    /// Gives an export up that is not itself at fault. No watermark moves.
    ///
    /// # Errors
    ///
    /// As [`Ledger::fail`].
    pub fn abandon(
        &self,
        id: &ExportId,
        reason: &str,
        now: Instant,
    ) -> Result<(), Error> {
        self.give_up(id, Phase::Abandoned, "abandon", reason, now)
    }

    fn give_up(
        &self,
        id: &ExportId,
        phase: Phase,
        action: &'static str,
        reason: &str,
        now: Instant,
    ) -> Result<(), Error> {
        self.write(|tx| {
            let seq = end(tx, id, phase, action, now)?;
            tx.prepare_cached("UPDATE export SET failure = ?2 WHERE seq = ?1")?
                .execute(params![seq, reason])?;
            Ok(())
        })
    }

    /// The export of `stream` that has not ended, to be resumed at its phase.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn unfinished(&self, stream: &str) -> Result<Option<ExportRecord>, Error> {
        self.read(|connection| unfinished(connection, stream))
    }

    /// One export, or `None` when the journal does not hold it.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn export(&self, id: &ExportId) -> Result<Option<ExportRecord>, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM export WHERE id = ?1"))?
                .query_row([id.as_str()], record)
                .optional()?)
        })
    }

    /// The latest exports over all streams, newest first, at most `limit`.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn exports(&self, limit: u32) -> Result<Vec<ExportRecord>, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM export ORDER BY seq DESC LIMIT ?1"
                ))?
                .query_map([limit], record)?
                .collect::<Result<_, _>>()?)
        })
    }

    /// Every stream that has an export or a watermark, in the order of their names.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn streams(&self) -> Result<Vec<String>, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT stream FROM export UNION SELECT stream FROM watermark ORDER BY 1",
                )?
                .query_map([], |row| row.get(0))?
                .collect::<Result<_, _>>()?)
        })
    }

    /// Forgets exports that ended before `before`, with their files and quarantine
    /// positions, and returns how many. Watermarks stay.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn forget(&self, before: Instant) -> Result<usize, Error> {
        self.write(|tx| {
            Ok(tx
                .prepare_cached("DELETE FROM export WHERE finished_at < ?1")?
                .execute([before.unix_ms()])?)
        })
    }
}

/// An export's row and phase, or `None` when there is none.
pub(crate) fn standing(
    connection: &Connection,
    id: &ExportId,
) -> Result<Option<(i64, Phase)>, Fault> {
    Ok(connection
        .prepare_cached("SELECT seq, phase FROM export WHERE id = ?1")?
        .query_row([id.as_str()], |row| Ok((row.get(0)?, column::word(row, 1)?)))
        .optional()?)
}

/// An export's row, given that its files are under way.
pub(crate) fn under_way(
    tx: &Transaction<'_>,
    id: &ExportId,
    action: &'static str,
) -> Result<i64, Fault> {
    match standing(tx, id)? {
        Some((seq, Phase::Manifested)) => Ok(seq),
        Some((_, phase)) => Err(Error::Phase { id: id.clone(), phase, action }.into()),
        None => Err(Error::UnknownExport { id: id.clone() }.into()),
    }
}

fn advance(
    tx: &Transaction<'_>,
    id: &ExportId,
    next: Phase,
    action: &'static str,
) -> Result<i64, Fault> {
    change(tx, id, next, action, None)
}

fn end(
    tx: &Transaction<'_>,
    id: &ExportId,
    next: Phase,
    action: &'static str,
    now: Instant,
) -> Result<i64, Fault> {
    change(tx, id, next, action, Some(now))
}

fn change(
    tx: &Transaction<'_>,
    id: &ExportId,
    next: Phase,
    action: &'static str,
    finished_at: Option<Instant>,
) -> Result<i64, Fault> {
    let Some((seq, phase)) = standing(tx, id)? else {
        return Err(Error::UnknownExport { id: id.clone() }.into());
    };
    if !phase.may_become(next) {
        return Err(Error::Phase { id: id.clone(), phase, action }.into());
    }
    tx.prepare_cached("UPDATE export SET phase = ?2, finished_at = ?3 WHERE seq = ?1")?
        .execute(params![seq, next.as_str(), column::ms(finished_at)])?;
    Ok(seq)
}

fn unfinished(
    connection: &Connection,
    stream: &str,
) -> Result<Option<ExportRecord>, Fault> {
    Ok(connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM export WHERE stream = ?1 AND finished_at IS NULL"
        ))?
        .query_row([stream], record)
        .optional()?)
}

/// The columns that [`record`] reads, in its order.
pub(crate) const COLUMNS: &str = "id, stream, chain, request, fingerprint, kickoff_instant, server_date, \
     since, phase, status_url, manifest, transaction_time, failure, report, finished_at, \
     evidence, released_at";

/// One export, from [`COLUMNS`].
pub(crate) fn record(row: &Row<'_>) -> rusqlite::Result<ExportRecord> {
    let kickoff_instant = column::instant(row, 5)?;
    Ok(ExportRecord {
        id: column::word(row, 0)?,
        stream: row.get(1)?,
        chain: row.get(2)?,
        request: row.get(3)?,
        fingerprint: row.get(4)?,
        kickoff_instant,
        server_date: column::instant_or_none(row, 6)?,
        since: column::instant_or_none(row, 7)?,
        phase: column::word(row, 8)?,
        status_url: row.get(9)?,
        manifest: row.get(10)?,
        transaction_time: column::instant_or_none(row, 11)?,
        failure: row.get(12)?,
        report: row.get(13)?,
        started_at: kickoff_instant,
        finished_at: column::instant_or_none(row, 14)?,
        evidence: row.get(15)?,
        released_at: column::instant_or_none(row, 16)?,
    })
}
