//! Entries of a ledger of resources that tell of no delivery.
//!
//! Entries are written before the checkpoint that counts. When a file fails for good, or its
//! export is given up, those beyond its last checkpoint are void: they must not make anything
//! a duplicate.

use std::collections::BTreeMap;

use rusqlite::params;

use crate::{Error, Ledger, column};

/// What is void: by hash of the export's id and index of the file, the last line of which the
/// entries count.
pub type Voids = BTreeMap<(u64, u32), u64>;

impl Ledger {
    /// Calls void what entries say of lines of this file beyond `through`. Of two calls the
    /// one with the earlier line holds.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn void(&self, export: u64, file: u32, through: u64) -> Result<(), Error> {
        let through = column::signed("line number", through)?;
        self.write(|tx| {
            tx.prepare_cached(
                "INSERT INTO void (export, file, through) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET through = min(through, excluded.through)",
            )?
            .execute(params![export.cast_signed(), file, through])?;
            Ok(())
        })
    }

    /// Everything that is void.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn voids(&self) -> Result<Voids, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached("SELECT export, file, through FROM void")?
                .query_map([], |row| {
                    let export: i64 = row.get(0)?;
                    let key = (export.cast_unsigned(), row.get(1)?);
                    Ok((key, column::unsigned(row, 2)?))
                })?
                .collect::<Result<_, _>>()?)
        })
    }
}
