//! One file's lane asks what is known of its records.

use std::{
    future::ready,
    sync::{Arc, PoisonError},
};

use bulkhead_ledger::delivered::{Entry, KeyHash, PatientsRef, ResourceKey};
use bulkhead_ndjson::Envelope;
use bulkhead_pipeline::{Batch, Digests, Memory, MemoryError, Recall, Record};
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
        digests: &'a Digests,
    ) -> BoxFuture<'a, Result<Vec<Recall>, MemoryError>> {
        let file = self.file;
        let mut asked = None;
        // Whatever lands meanwhile is either still in flight or known by now.
        if let Ok(landings) = self.holdings.landings.try_read() {
            let of_now = self.holdings.asked(batch);
            if let Some(entries) = self.holdings.delivered.at_hand(&of_now.keys) {
                // No disk to wait for.
                let recall = |entries| {
                    self.holdings.recall(file, batch, digests, &of_now, entries)
                };
                let recalls = entries
                    .map(recall)
                    .map_err(|error| MemoryError::Read(Box::new(error)));
                return ready(recalls).boxed();
            }
            asked = Some((*landings, of_now));
        }
        let (batch, digests) = (batch.clone(), digests.clone());
        let holdings = Arc::clone(&self.holdings);
        // The ledger of resources reads from disk.
        let answers = tokio::task::spawn_blocking(move || {
            let landings =
                holdings.landings.read().unwrap_or_else(PoisonError::into_inner);
            // What may be known stays so; what was not may have become so.
            let asked = asked.filter(|(then, asked)| {
                *then == *landings || !asked.may_be_known.contains(&false)
            });
            let asked = asked.map_or_else(|| holdings.asked(&batch), |(_, asked)| asked);
            let entries = holdings.delivered.get_many(&asked.keys)?;
            Ok::<_, bulkhead_ledger::Error>(
                holdings.recall(file, &batch, &digests, &asked, entries),
            )
        });
        async move {
            match answers.await {
                Ok(Ok(recalls)) => Ok(recalls),
                Ok(Err(error)) => Err(MemoryError::Read(Box::new(error))),
                Err(error) => Err(MemoryError::Read(Box::new(error))),
            }
        }
        .boxed()
    }

    fn expects_news(&self) -> bool {
        !self.holdings.compares()
    }
}

/// What a batch is asked about.
pub(super) struct Asked {
    /// Of each record; `None` of one without an id: nothing can be known of it, and nothing
    /// remembered.
    pub(super) hashes: Vec<Option<KeyHash>>,
    /// Whether there may be an entry, of each that has a hash.
    pub(super) may_be_known: Vec<bool>,
    /// The keys of those of which there may be one.
    pub(super) keys: Vec<ResourceKey>,
}

impl Holdings {
    /// Whether an entry was made by the chain as it is defined now.
    pub(in crate::export) fn is_of_now(&self, entry: &Entry) -> bool {
        entry.epoch == self.setting.epoch
    }

    /// What to ask of a batch.
    pub(super) fn asked(&self, batch: &Batch) -> Asked {
        let records = batch.records();
        let hash =
            |record: &Record| KeyHash::new(record.resource_type(), record.id()?).ok();
        let hashes: Vec<Option<KeyHash>> = records.iter().map(hash).collect();
        let may_be_known = self.delivered().may_have(hashes.iter().flatten().copied());
        let mut keys = Vec::new();
        if may_be_known.contains(&true) {
            let keyed = records.iter().zip(&hashes).filter(|(_, hash)| hash.is_some());
            let known = keyed.zip(&may_be_known).filter(|(_, may)| **may);
            let key = |record: &Record| {
                ResourceKey::new(record.resource_type(), record.id()?).ok()
            };
            keys.extend(known.filter_map(|((record, _), _)| key(record)));
        }
        Asked { hashes, may_be_known, keys }
    }
}

/// Whose a resource is, as the ledger of resources keeps it.
pub(super) fn patients(envelope: &Envelope) -> PatientsRef<'_> {
    let of = &envelope.patients;
    PatientsRef {
        primary: &of.primary,
        linked: &of.linked,
        mentioned: &of.mentioned,
        primary_unresolved: of.primary_unresolved,
        unresolved: of.unresolved,
    }
}
