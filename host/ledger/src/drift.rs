//! What of each file was held against the ledger of resources, in the app's words.

use rusqlite::params;

use crate::{Error, ExportId, Ledger, ledger::journal};

impl Ledger {
    /// Keeps `counts`, JSON of the app, for a file of an export whose files are under way.
    ///
    /// # Errors
    ///
    /// [`Error::Phase`], [`Error::UnknownExport`], or a failure of the database, which an
    /// unknown file is too.
    pub fn note_drift(
        &self,
        id: &ExportId,
        file: u32,
        counts: &str,
    ) -> Result<(), Error> {
        self.write(|tx| {
            let seq = journal::under_way(tx, id, "note the drift of")?;
            tx.prepare_cached(
                "INSERT INTO drift (export, file, counts) VALUES (?1, ?2, ?3)
                 ON CONFLICT (export, file) DO UPDATE SET counts = excluded.counts",
            )?
            .execute(params![seq, file, counts])?;
            Ok(())
        })
    }

    /// What was kept for each file of an export, by file.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn drifts(&self, id: &ExportId) -> Result<Vec<(u32, String)>, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT file, counts FROM drift
                     WHERE export = (SELECT seq FROM export WHERE id = ?1) ORDER BY file",
                )?
                .query_map([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?)
        })
    }
}
