//! What becomes of a file that cannot be had: it has failed, or it waits for other settings.

use bulkhead_bulk::Error as BulkError;

use super::FileWork;
use crate::{advice::advice, export::logged::bulk_error, output::FileProgress};

impl FileWork {
    /// Writes down that it has failed.
    pub(super) async fn fail(
        &self,
        error: &anyhow::Error,
        progress: &FileProgress,
    ) -> anyhow::Result<()> {
        let reason = self.reason(error);
        self.give_up_try().await?;
        self.export.ledger.fail_file(&self.id, self.index, &reason)?;
        progress.failed(&reason);
        Ok(())
    }

    /// Why the file could not be had, and what to do.
    fn reason(&self, error: &anyhow::Error) -> String {
        let hint = bulk_error(error).and_then(BulkError::hint);
        let hint = hint.or_else(|| advice(error, &self.export.chain));
        let hint = hint.map_or_else(String::new, |hint| format!(" ({hint})"));
        format!("{error:#}{hint}")
    }

    /// Leaves the file open for a run with other settings; this one stops when all others are
    /// through.
    pub(super) async fn set_aside(
        &self,
        error: anyhow::Error,
        progress: &FileProgress,
    ) -> anyhow::Result<()> {
        let Some(shared) = self.origin.shared() else {
            return self.fail(&error, progress).await;
        };
        self.give_up_try().await?;
        progress.failed(&self.reason(&error));
        shared.set_aside(error);
        Ok(())
    }
}
