//! Who was in a cohort when it was last delivered: who is there no more has left it.
//!
//! Patients are hashes ([`PatientKey`]), 16 bytes each; the same patient has the same in every
//! ledger, so who has the ids can tell who is meant.

use std::collections::BTreeSet;

use bulkhead_model::PatientKey;
use rusqlite::{OptionalExtension, params, types::Type};

use crate::{Error, Ledger};

/// Patients in one row: 64 KiB of them.
const PIECE: usize = 4096;

impl Ledger {
    /// The members of `cohort` as last kept for `stream`; `None` when none were.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn cohort_snapshot(
        &self,
        stream: &str,
        cohort: &str,
    ) -> Result<Option<BTreeSet<PatientKey>>, Error> {
        self.read(|connection| {
            let snapshot: Option<i64> = connection
                .prepare_cached(
                    "SELECT seq FROM cohort_snapshot WHERE stream = ?1 AND cohort = ?2",
                )?
                .query_row([stream, cohort], |row| row.get(0))
                .optional()?;
            let Some(snapshot) = snapshot else { return Ok(None) };
            let members = connection
                .prepare_cached(
                    "SELECT keys FROM cohort_piece WHERE snapshot = ?1 ORDER BY piece",
                )?
                .query_map([snapshot], |row| {
                    let keys = row.get_ref(0)?.as_blob()?;
                    let (keys, left) = keys.as_chunks();
                    if !left.is_empty() {
                        let why =
                            format!("{} bytes of a patient's hash", left.len()).into();
                        let damaged = rusqlite::Error::FromSqlConversionFailure;
                        return Err(damaged(0, Type::Blob, why));
                    }
                    Ok(keys.iter().copied().map(PatientKey::from_bytes).collect())
                })?
                .collect::<Result<Vec<Vec<PatientKey>>, _>>()?;
            Ok(Some(members.into_iter().flatten().collect()))
        })
    }

    /// Keeps `members` as those of `cohort` for `stream`, in place of those before: all of
    /// them or none.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn set_cohort_snapshot(
        &self,
        stream: &str,
        cohort: &str,
        members: &BTreeSet<PatientKey>,
    ) -> Result<(), Error> {
        self.write(|tx| {
            tx.prepare_cached(
                "DELETE FROM cohort_snapshot WHERE stream = ?1 AND cohort = ?2",
            )?
            .execute([stream, cohort])?;
            let snapshot: i64 = tx
                .prepare_cached(
                    "INSERT INTO cohort_snapshot (stream, cohort) VALUES (?1, ?2)
                     RETURNING seq",
                )?
                .query_row([stream, cohort], |row| row.get(0))?;
            let mut insert = tx.prepare_cached(
                "INSERT INTO cohort_piece (snapshot, piece, keys) VALUES (?1, ?2, ?3)",
            )?;
            let mut members = members.iter().map(|member| member.to_bytes());
            for number in 0_i64.. {
                let piece: Vec<[u8; 16]> = members.by_ref().take(PIECE).collect();
                if piece.is_empty() {
                    break;
                }
                insert.execute(params![snapshot, number, piece.as_flattened()])?;
            }
            Ok(())
        })
    }
}
