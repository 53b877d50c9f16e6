//! What of one file goes to the ledger of resources, and when.

use std::{mem, sync::Arc};

use bulkhead_pipeline::Advance;

use super::FileWork;
use crate::export::memory::Holdings;

impl FileWork {
    /// Makes void what a try wrote down beyond the last checkpoint: the next one delivers it
    /// anew, whatever lines it comes on.
    pub(super) async fn give_up_try(&self) -> anyhow::Result<()> {
        if let Some(holdings) = &self.holdings {
            let through = self.resume().await?.map_or(0, |resume| resume.through);
            holdings.give_up(self.index, through)?;
        }
        Ok(())
    }

    /// Writes down which resources the destination has now. Before the checkpoint: an entry too
    /// many is told apart later, one too few would be a duplicate for ever.
    pub(super) async fn remember(
        &self,
        holdings: &Arc<Holdings>,
        advance: &mut Advance,
    ) -> anyhow::Result<()> {
        let (holdings, index) = (Arc::clone(holdings), self.index);
        let (through, handled) = (advance.through, mem::take(&mut advance.handled));
        let id = self.id.clone();
        self.ledger(move |ledger| {
            holdings.commit(index, through, &handled)?;
            let drift = holdings.drift(index);
            if drift.is_empty() {
                return Ok(());
            }
            // Counts and names: this cannot fail.
            let counts = serde_json::to_string(&drift).unwrap_or_default();
            ledger.note_drift(&id, index, &counts)
        })
        .await
    }
}
