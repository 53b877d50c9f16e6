//! A ledger of resources for tests, as small as it can be.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{FutureExt as _, future::BoxFuture, future::ready};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    Advance, Batch, Change, Digests, Handled, Memory, MemoryError, Recall, Record,
};

/// What is kept of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) export: u32,
    pub(super) line: u64,
    pub(super) raw: u64,
    pub(super) change: Change,
}

/// A ledger of resources as small as it can be: shared by exports and by tries.
#[derive(Clone, Debug, Default)]
pub(super) struct Known(Arc<Mutex<BTreeMap<String, Entry>>>);

impl Known {
    /// Holds each of `lines` as delivered by an export before this.
    pub(super) fn before(lines: impl IntoIterator<Item = (u64, String)>) -> Self {
        let known = Self::default();
        for (id, line) in lines {
            let raw = xxh3_64(line.as_bytes());
            let entry = Entry { export: 1, line: 1, raw, change: Change::Upsert };
            known.lock().insert(format!("Observation/o{id}"), entry);
        }
        known
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn memory(&self) -> Box<dyn Memory> {
        Box::new(self.clone())
    }

    /// As a host does before it writes the checkpoint down.
    pub(super) fn commit(&self, advance: &Advance) {
        for one in &advance.handled {
            let Handled { seq: line, change, raw, .. } = *one;
            let entry = Entry { export: 2, line, raw, change };
            self.lock().insert(format!("{}/{}", one.kind, one.id), entry);
        }
    }

    fn recall(&self, record: &Record) -> Recall {
        let known = self.lock();
        let key =
            format!("{}/{}", record.resource_type(), record.id().unwrap_or_default());
        match known.get(&key) {
            // Its own line, or a later one: this try goes over it once more.
            Some(own) if own.export == 2 && own.line >= record.seq => {
                Recall::Pass { delivered_before: true }
            }
            Some(known) if known.change == Change::Upsert => {
                let is_same = known.raw == xxh3_64(record.source());
                let is_upsert = record.change == Change::Upsert;
                if is_same && is_upsert {
                    Recall::Skip("unchanged")
                } else {
                    Recall::Pass { delivered_before: true }
                }
            }
            Some(_) | None if record.change != Change::Upsert => {
                Recall::Skip("never-delivered")
            }
            Some(_) | None => Recall::Pass { delivered_before: false },
        }
    }
}

impl Memory for Known {
    fn recall<'a>(
        &'a mut self,
        batch: &'a Batch,
        _: &'a Digests,
    ) -> BoxFuture<'a, Result<Vec<Recall>, MemoryError>> {
        let all =
            batch.records().iter().map(|record| Known::recall(self, record)).collect();
        ready(Ok(all)).boxed()
    }

    fn expects_news(&self) -> bool {
        self.lock().is_empty()
    }
}
