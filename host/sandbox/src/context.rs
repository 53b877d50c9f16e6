//! What stands behind a live guest: its limits, its handles and what it was granted.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::hmac;
use bulkhead_egress::{Stores, http::Destinations};
use bulkhead_ledger::{Ledger, StateQuota};
use bulkhead_model::{Instant, PatientSet, Secret};
use bulkhead_pipeline::{Batch, Crash, Kinds};
use wasmtime::component::{Resource, ResourceTable};

use crate::{Grants, Limits, Manifest, limits::Meter, provide::outbound_http::Spending};

/// Where a stage's small durable values lie.
#[derive(Clone, Debug)]
pub struct StateStore {
    /// The ledger that keeps them.
    pub ledger: Ledger,
    /// The stage's own namespace.
    pub namespace: String,
    /// How much it may keep.
    pub quota: StateQuota,
}

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// Fills a buffer with randomness.
pub type Entropy = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// What the operator has; grants decide what of it a plugin reaches.
#[derive(Clone)]
pub struct Resources {
    /// Cohorts by name, frozen for the run.
    pub cohorts: BTreeMap<String, Arc<PatientSet>>,
    /// Keys by name. They never enter the sandbox.
    pub keys: BTreeMap<String, hmac::Key>,
    /// Stores by name.
    pub stores: Stores,
    /// Destinations by name.
    pub destinations: Destinations,
    /// Small durable values.
    pub state: Option<StateStore>,
    /// The clock, given by whoever owns it.
    pub now: Clock,
    /// Randomness, likewise.
    pub random: Entropy,
}

impl Resources {
    /// Adds a key for keyed hashing.
    #[must_use]
    pub fn with_key(mut self, name: &str, key: &Secret) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose());
        self.keys.insert(name.to_owned(), key);
        self
    }
}

/// What a stage's instances counted, over all files. Names are those of the manifest: their
/// number is bounded.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Mutex<BTreeMap<String, u64>>>);

impl Metrics {
    /// Adds to a counter.
    pub(crate) fn count(&self, name: &str, delta: u64) {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match counters.get_mut(name) {
            Some(counter) => *counter = counter.saturating_add(delta),
            None => {
                counters.insert(name.to_owned(), delta);
            }
        }
    }

    /// All counters.
    pub fn counters(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Events that one instance may emit; what is over is counted.
const EVENTS: u32 = 10_000;

/// What stands behind one live guest.
pub(crate) struct Context {
    pub(crate) table: ResourceTable,
    pub(crate) meter: Meter,
    /// The latest time the guest was told by its monotonic clock.
    pub(crate) latest_ms: u64,
    pub(crate) kinds: Kinds,
    pub(crate) stage: Arc<str>,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) grants: Arc<Grants>,
    pub(crate) resources: Arc<Resources>,
    pub(crate) metrics: Metrics,
    pub(crate) events_left: u32,
    pub(crate) spending: Spending,
}

impl Context {
    pub(crate) fn new(
        stage: Arc<str>,
        limits: &Limits,
        manifest: Arc<Manifest>,
        grants: Arc<Grants>,
        resources: Arc<Resources>,
        metrics: Metrics,
        spending: Spending,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        Self {
            table,
            meter: Meter::new(limits),
            latest_ms: 0,
            kinds: Kinds::default(),
            stage,
            manifest,
            grants,
            resources,
            metrics,
            events_left: EVENTS,
            spending,
        }
    }

    /// Lends the guest a batch, under a number in its own table.
    pub(crate) fn lend(&mut self, batch: &Batch) -> Result<Resource<Batch>, Crash> {
        self.kinds = batch.kinds().clone();
        self.table.push(batch.clone()).map_err(|_| Crash::Memory)
    }

    /// Takes it back.
    pub(crate) fn take_back(&mut self, lent: Resource<Batch>) {
        // It is gone already only when the guest broke the contract and is thrown away.
        let _ = self.table.delete(lent);
    }
}
