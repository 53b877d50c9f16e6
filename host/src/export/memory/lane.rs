//! One file's lane asks what is known of its records.

use std::sync::Arc;

use bulkhead_ledger::delivered::{Entry, Patients};
use bulkhead_ndjson::Envelope;
use bulkhead_pipeline::{Batch, Memory, MemoryError, Recall};
use futures::{FutureExt, future::BoxFuture};

use super::Holdings;

/// The memory of one file's lane.
pub(super) struct LaneMemory {
    pub(super) holdings: Arc<Holdings>,
    pub(super) file: u32,
}

impl Memory for LaneMemory {
    fn recall<'a>(
        &'a mut self,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Vec<Recall>, MemoryError>> {
        let (holdings, file, batch) =
            (Arc::clone(&self.holdings), self.file, batch.clone());
        // The ledger of resources reads from disk.
        let asked = tokio::task::spawn_blocking(move || holdings.recall(file, &batch));
        async move {
            match asked.await {
                Ok(Ok(recalls)) => Ok(recalls),
                Ok(Err(error)) => Err(MemoryError::Read(Box::new(error))),
                Err(error) => Err(MemoryError::Read(Box::new(error))),
            }
        }
        .boxed()
    }
}

impl Holdings {
    /// Whether an entry was made by the chain as it is defined now.
    pub(in crate::export) fn is_of_now(&self, entry: &Entry) -> bool {
        entry.epoch == self.setting.epoch
    }
}

/// Whose a resource is, as the ledger of resources keeps it.
pub(super) fn patients(envelope: &Envelope) -> Patients {
    let of = &envelope.patients;
    Patients {
        primary: of.primary.clone(),
        linked: of.linked.clone(),
        mentioned: of.mentioned.clone(),
        primary_unresolved: of.primary_unresolved,
        unresolved: of.unresolved,
    }
}
