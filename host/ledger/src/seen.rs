//! What was seen last, by subject and name: enough to tell what has changed since.

use std::collections::BTreeMap;

use rusqlite::params;

use crate::Ledger;
use crate::error::Error;

impl Ledger {
    /// What was seen last of `subject`, by name.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn seen(&self, subject: &str) -> Result<BTreeMap<String, String>, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached("SELECT name, value FROM seen WHERE subject = ?1")?
                .query_map([subject], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?)
        })
    }

    /// Replaces what was seen of `subject` as a whole.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn see(
        &self,
        subject: &str,
        values: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        self.write(|tx| {
            tx.prepare_cached("DELETE FROM seen WHERE subject = ?1")?
                .execute([subject])?;
            let mut insert = tx.prepare_cached(
                "INSERT INTO seen (subject, name, value) VALUES (?1, ?2, ?3)",
            )?;
            for (name, value) in values {
                insert.execute(params![subject, name, value])?;
            }
            Ok(())
        })
    }
}
