//! What an export leaves behind beside data and watermarks: what its kick-off met, how much
//! each type usually brings, which omissions an operator accepted, and whether the server
//! still keeps its job.
//!
//! What follows from it is the app's to decide: counts come here as they were read.
//!
//! Source: Bulk Data IG, "Bulk Data Delete Request" (the DELETE after the last file).

use std::collections::BTreeMap;

use bulkhead_model::{Instant, ResourceType};
use rusqlite::{Transaction, params};

use crate::{
    Error, ExportId, ExportRecord, Ledger, Phase, Proof, column,
    error::Fault,
    ledger::journal::{self, COLUMNS},
};

/// How much of one type exports of one subject usually bring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    /// Resources in the last full export that counts; `None` before the first.
    pub full_count: Option<u64>,
    /// When that export was kicked off.
    pub full_at: Option<Instant>,
    /// Incremental exports since then.
    pub runs: u64,
    /// Resources in all of them together.
    pub resources: u64,
    /// How many of the latest ones in a row brought none.
    pub quiet: u64,
    /// The most that brought none in a row, before the present row.
    pub longest_quiet: u64,
}

/// An omission that an operator accepted for one export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Omission {
    /// What the type's watermark belongs to.
    pub stream: String,
    /// The export.
    pub export: ExportId,
    /// The type.
    pub resource_type: ResourceType,
    /// What spoke against the type, for people.
    pub verdict: String,
    /// Why it was accepted, in the operator's words.
    pub reason: String,
    /// Who accepted it.
    pub accepted_by: String,
    /// When.
    pub at: Instant,
}

impl Ledger {
    /// Notes what the kick-off of an export met, as JSON of the app's. Replaces what was
    /// noted before.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownExport`], or a failure of the database.
    pub fn note_evidence(&self, id: &ExportId, evidence: &str) -> Result<(), Error> {
        self.write(|tx| {
            let seq = known(tx, id)?;
            tx.prepare_cached("UPDATE export SET evidence = ?2 WHERE seq = ?1")?
                .execute(params![seq, evidence])?;
            Ok(())
        })
    }

    /// Notes whether a file would have shown it to be cut short, before it is closed. A file
    /// that is begun anew loses the note.
    ///
    /// # Errors
    ///
    /// [`Error::Phase`], [`Error::UnknownExport`], [`Error::UnknownFile`], or a failure of
    /// the database.
    pub fn note_proof(
        &self,
        id: &ExportId,
        file: u32,
        proof: Proof,
    ) -> Result<(), Error> {
        self.write(|tx| {
            let seq = journal::under_way(tx, id, "note the proof of a file of")?;
            let noted = tx
                .prepare_cached(
                    "UPDATE file SET unproven = ?3 WHERE export = ?1 AND file = ?2",
                )?
                .execute(params![seq, file, proof == Proof::Unproven])?;
            if noted == 0 {
                return Err(Error::UnknownFile { id: id.clone(), file }.into());
            }
            Ok(())
        })
    }

    /// The baselines of a subject, by type.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn baselines(
        &self,
        subject: &str,
    ) -> Result<BTreeMap<ResourceType, Baseline>, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT resource_type, full_count, full_at, runs, resources, quiet,
                         longest_quiet
                     FROM baseline WHERE subject = ?1",
                )?
                .query_map([subject], |row| {
                    let baseline = Baseline {
                        full_count: column::unsigned_or_none(row, 1)?,
                        full_at: column::instant_or_none(row, 2)?,
                        runs: column::unsigned(row, 3)?,
                        resources: column::unsigned(row, 4)?,
                        quiet: column::unsigned(row, 5)?,
                        longest_quiet: column::unsigned(row, 6)?,
                    };
                    Ok((column::word(row, 0)?, baseline))
                })?
                .collect::<Result<_, _>>()?)
        })
    }

    /// The latest accepted omissions of `stream`, newest first, at most `limit`.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn omissions(&self, stream: &str, limit: u32) -> Result<Vec<Omission>, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT stream, export, resource_type, verdict, reason, accepted_by, at
                     FROM omission WHERE stream = ?1 ORDER BY seq DESC LIMIT ?2",
                )?
                .query_map(params![stream, limit], |row| {
                    Ok(Omission {
                        stream: row.get(0)?,
                        export: column::word(row, 1)?,
                        resource_type: column::word(row, 2)?,
                        verdict: row.get(3)?,
                        reason: row.get(4)?,
                        accepted_by: row.get(5)?,
                        at: column::instant(row, 6)?,
                    })
                })?
                .collect::<Result<_, _>>()?)
        })
    }

    /// Replaces the report of a completed export, by one that also tells which watermarks the
    /// completion held.
    ///
    /// # Errors
    ///
    /// [`Error::Phase`] unless the export is completed, [`Error::UnknownExport`], or a failure
    /// of the database.
    pub fn amend_report(&self, id: &ExportId, report: &str) -> Result<(), Error> {
        self.write(|tx| {
            let Some((seq, phase)) = journal::standing(tx, id)? else {
                return Err(Error::UnknownExport { id: id.clone() }.into());
            };
            if phase != Phase::Completed {
                let action = "amend the report of";
                return Err(Error::Phase { id: id.clone(), phase, action }.into());
            }
            tx.prepare_cached("UPDATE export SET report = ?2 WHERE seq = ?1")?
                .execute(params![seq, report])?;
            Ok(())
        })
    }

    /// Ended exports of `chain` whose job the server may still keep, oldest first, at most
    /// `limit`.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn unreleased(
        &self,
        chain: &str,
        limit: u32,
    ) -> Result<Vec<ExportRecord>, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM export
                     WHERE chain = ?1 AND finished_at IS NOT NULL AND released_at IS NULL
                         AND status_url IS NOT NULL
                     ORDER BY seq LIMIT ?2"
                ))?
                .query_map(params![chain, limit], journal::record)?
                .collect::<Result<_, _>>()?)
        })
    }

    /// Notes that the job of an ended export needs no DELETE any more, and forgets its status
    /// URL and manifest, which may be capabilities.
    ///
    /// # Errors
    ///
    /// [`Error::Phase`] while the export is under way, [`Error::UnknownExport`], or a failure
    /// of the database.
    pub fn released(&self, id: &ExportId, now: Instant) -> Result<(), Error> {
        self.write(|tx| {
            let Some((seq, phase)) = journal::standing(tx, id)? else {
                return Err(Error::UnknownExport { id: id.clone() }.into());
            };
            if !phase.is_end() {
                let action = "release the job of";
                return Err(Error::Phase { id: id.clone(), phase, action }.into());
            }
            tx.prepare_cached(
                "UPDATE export SET released_at = ?2, status_url = NULL, manifest = NULL
                 WHERE seq = ?1",
            )?
            .execute(params![seq, now.unix_ms()])?;
            Ok(())
        })
    }
}

fn known(tx: &Transaction<'_>, id: &ExportId) -> Result<i64, Fault> {
    match journal::standing(tx, id)? {
        Some((seq, _)) => Ok(seq),
        None => Err(Error::UnknownExport { id: id.clone() }.into()),
    }
}

/// Writes one baseline in the caller's transaction.
pub(crate) fn put_baseline(
    tx: &Transaction<'_>,
    subject: &str,
    resource_type: &ResourceType,
    baseline: &Baseline,
) -> Result<(), Fault> {
    let number = |count| column::signed("count of resources", count);
    tx.prepare_cached(
        "INSERT OR REPLACE INTO baseline (subject, resource_type, full_count, full_at, runs,
             resources, quiet, longest_quiet)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        subject,
        resource_type.as_str(),
        baseline.full_count.map(number).transpose()?,
        column::ms(baseline.full_at),
        number(baseline.runs)?,
        number(baseline.resources)?,
        number(baseline.quiet)?,
        number(baseline.longest_quiet)?,
    ])?;
    Ok(())
}

/// Writes one accepted omission in the caller's transaction.
pub(crate) fn put_omission(
    tx: &Transaction<'_>,
    omission: &Omission,
) -> Result<(), Fault> {
    tx.prepare_cached(
        "INSERT INTO omission (stream, export, resource_type, verdict, reason, accepted_by, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        omission.stream,
        omission.export.as_str(),
        omission.resource_type.as_str(),
        omission.verdict,
        omission.reason,
        omission.accepted_by,
        omission.at.unix_ms(),
    ])?;
    Ok(())
}
