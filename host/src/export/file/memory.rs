//! What of one file goes to the ledger of resources, and when.

use std::{mem, sync::Arc};

use bulkhead_pipeline::{Advance, Handled, Lane};

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
        let handled = left(&holdings, index, through, handled)?;
        let id = self.id.clone();
        self.ledger(move |ledger| {
            match handled {
                Some(handled) => holdings.commit(index, through, &handled)?,
                None => holdings.sync()?,
            }
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

    /// Writes down what the sink has taken and not yet made durable, once it is much.
    pub(super) async fn write_ahead(&self, lane: &mut Lane) -> anyhow::Result<()> {
        let Some(holdings) = &self.holdings else { return Ok(()) };
        let Some((through, mut handled)) = lane.take_handled() else { return Ok(()) };
        self.origin.mend(&mut handled);
        let index = self.index;
        let Some(handled) = left(holdings, index, through, handled)? else {
            return Ok(());
        };
        let holdings = Arc::clone(holdings);
        self.ledger(move |_| holdings.write_ahead(index, through, &handled)).await
    }
}

/// Writes down at once what can be; gives back what has to wait for something.
fn left(
    holdings: &Holdings,
    index: u32,
    through: u64,
    handled: Vec<Handled>,
) -> Result<Option<Vec<Handled>>, bulkhead_ledger::Error> {
    match holdings.write_at_once(index, through, &handled) {
        Some(written) => written.map(|()| None),
        None => Ok(Some(handled)),
    }
}
