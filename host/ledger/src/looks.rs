//! When each export of a stream looked at the server: which of two knows more of a resource that
//! both brought.

use bulkhead_model::Instant;

use crate::{Error, ExportId, ExportRecord, Ledger, column};

/// The clocks of one export, as far as they are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The export.
    pub export: ExportId,
    /// The earliest transaction time seen for its job.
    pub transaction_time: Option<Instant>,
    /// The server's clock right before the kick-off.
    pub server_date: Option<Instant>,
    /// Our clock right before the kick-off.
    pub kickoff_instant: Instant,
}

impl Look {
    /// Of one export.
    pub fn of(record: &ExportRecord) -> Self {
        Self {
            export: record.id.clone(),
            transaction_time: record.transaction_time,
            server_date: record.server_date,
            kickoff_instant: record.kickoff_instant,
        }
    }
}

impl Ledger {
    /// The clocks of every export of `stream` that the ledger remembers, oldest first.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn looks(&self, stream: &str) -> Result<Vec<Look>, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT id, transaction_time, server_date, kickoff_instant
                     FROM export WHERE stream = ?1 ORDER BY seq",
                )?
                .query_map([stream], |row| {
                    Ok(Look {
                        export: column::word(row, 0)?,
                        transaction_time: column::instant_or_none(row, 1)?,
                        server_date: column::instant_or_none(row, 2)?,
                        kickoff_instant: column::instant(row, 3)?,
                    })
                })?
                .collect::<Result<_, _>>()?)
        })
    }
}
