//! Who was in a cohort when it was last delivered: who is there no more has left it.
//!
//! Patients are hashes ([`PatientKey`]), 16 bytes each; the same patient has the same in every
//! ledger, so who has the ids can tell who is meant.

use std::collections::BTreeSet;

use bulkhead_model::PatientKey;
use rusqlite::{OptionalExtension, params, types::Type};

use crate::{Error, Ledger};

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
                .prepare_cached("SELECT key FROM cohort_member WHERE snapshot = ?1")?
                .query_map([snapshot], |row| {
                    let key: Vec<u8> = row.get(0)?;
                    let damaged = |key: Vec<u8>| {
                        let why =
                            format!("{} bytes of a patient's hash", key.len()).into();
                        rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, why)
                    };
                    <[u8; 16]>::try_from(key).map(PatientKey::from_bytes).map_err(damaged)
                })?
                .collect::<Result<_, _>>()?;
            Ok(Some(members))
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
        members: impl IntoIterator<Item = PatientKey>,
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
                "INSERT OR IGNORE INTO cohort_member (snapshot, key) VALUES (?1, ?2)",
            )?;
            for member in members {
                insert.execute(params![snapshot, member.to_bytes()])?;
            }
            Ok(())
        })
    }
}
