//! Fresh links: a manifest that is read again has them, where the old ones have run out.
//!
//! Source: Bulk Data IG, "Response - Complete Status", `Expires`.

use bulkhead_bulk::Error as BulkError;

use super::{FileWork, JobLost, Origin};
use crate::clock;

impl FileWork {
    /// Fetches the manifest once more before a link is tried that has run out by now. What
    /// the server then says of the job does not count: the old link may still be good.
    pub(super) async fn refresh_in_time(&mut self) -> anyhow::Result<()> {
        if !self.origin.has_run_out(clock::now()) {
            return Ok(());
        }
        let refreshed = self.refresh().await;
        self.origin.note_refresh(clock::now());
        match refreshed {
            Err(error) if !error.is::<JobLost>() => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Fetches the manifest once more: servers refresh expired links in it.
    pub(super) async fn refresh(&mut self) -> anyhow::Result<()> {
        let Origin::Remote { file: own, status_url, .. } = &mut self.origin else {
            return Ok(());
        };
        match self.export.client.manifest_again(status_url).await {
            Ok(manifest) => match manifest.renewed(own) {
                Some(file) => {
                    own.url = file.url.clone();
                    own.expires = file.expires;
                    Ok(())
                }
                // A manifest may not change: this is another export's.
                None => Err(JobLost.into()),
            },
            Err(BulkError::JobGone { .. }) => Err(JobLost.into()),
            // The old link is tried once more; what it says then is what counts.
            Err(_) => Ok(()),
        }
    }
}
