//! What stands behind a live guest: its limits, its handles and what it was granted.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::hmac;
use bulkhead_egress::{Stores, http::Destinations};
use bulkhead_ledger::{Ledger, StateQuota};
use bulkhead_model::{Instant, PatientSet, Secret};
use bulkhead_pipeline::{Batch, Crash, Kinds, Limit};
use wasmtime::component::{Resource, ResourceTable};

use crate::{
    Determinism, Grants, Limits, Manifest, Uses,
    deterministic::Chance,
    engine::Ticks,
    limits::{FileKey, Meter, Shared, Work},
    provide::outbound_http::Spending,
};

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
    /// In a deterministic chain guests see neither of the two.
    pub deterministic: Option<Determinism>,
}

impl Resources {
    /// Adds a key for keyed hashing.
    #[must_use]
    pub fn with_key(mut self, name: &str, key: &Secret) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose());
        self.keys.insert(name.to_owned(), key);
        self
    }

    /// What a guest has before it took its settings: time and chance alone.
    pub(crate) fn at_start(&self) -> Self {
        Self {
            cohorts: BTreeMap::new(),
            keys: BTreeMap::new(),
            stores: Stores::default(),
            destinations: Destinations::default(),
            state: None,
            now: Arc::clone(&self.now),
            random: Arc::clone(&self.random),
            deterministic: self.deterministic.clone(),
        }
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
    /// What is in reach: until the guest took its settings, nothing but time and chance.
    pub(crate) resources: Arc<Resources>,
    pub(crate) metrics: Metrics,
    pub(crate) limits: Limits,
    /// What all lanes of the stage use together.
    pub(crate) shared: Arc<Shared>,
    /// The file that this guest works on.
    pub(crate) file: FileKey,
    /// The time at which clocks stand that stand still.
    pub(crate) frozen_at: Instant,
    /// Chance where it is not the machine's.
    pub(crate) chance: Chance,
    pub(crate) uses: Uses,
    pub(crate) spending: Spending,
    /// The clock by which work of the host is measured.
    ticks: Ticks,
}

impl Context {
    #[expect(
        clippy::too_many_arguments,
        reason = "one for each thing that stands behind a guest"
    )]
    pub(crate) fn new(
        stage: Arc<str>,
        limits: &Limits,
        manifest: Arc<Manifest>,
        grants: Arc<Grants>,
        resources: Arc<Resources>,
        metrics: Metrics,
        spending: Spending,
        shared: Arc<Shared>,
        chance: Chance,
        frozen_at: Instant,
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
            limits: *limits,
            shared,
            file: (Arc::default(), None),
            frozen_at,
            chance,
            uses: Uses::default(),
            spending,
            ticks: Ticks::default(),
        }
    }

    /// The same, and what its guest calls is counted here.
    pub(crate) fn counted_by(self, uses: &Uses) -> Self {
        Self { uses: uses.clone(), ..self }
    }

    /// The same, and what the host does for its guest is measured by this clock.
    pub(crate) fn timed_by(self, ticks: &Ticks) -> Self {
        Self { ticks: ticks.clone(), ..self }
    }

    /// Begins something that the host computes because the guest asked for it.
    pub(crate) fn work(&self) -> Work {
        Work::begin(&self.ticks)
    }

    /// Ends it, on the guest's time.
    pub(crate) fn worked(&mut self, work: &Work) {
        self.meter.charge(work.cost());
    }

    /// The time as the guest may know it.
    pub(crate) fn time(&self) -> Instant {
        match self.resources.deterministic {
            Some(_) => self.frozen_at,
            None => (self.resources.now)(),
        }
    }

    /// Fills `bytes` with chance as the guest may have it.
    pub(crate) fn draw(&mut self, bytes: &mut [u8]) {
        match self.resources.deterministic {
            Some(_) => self.chance.fill(bytes),
            None => (self.resources.random)(bytes),
        }
    }

    /// Of a guest that is only asked what it is: it has nothing.
    pub(crate) fn of_nobody(limits: &Limits) -> Self {
        let resources = Resources {
            cohorts: BTreeMap::new(),
            keys: BTreeMap::new(),
            stores: Stores::default(),
            destinations: Destinations::default(),
            state: None,
            now: Arc::new(|| Instant::from_unix_ms(0)),
            random: Arc::new(|_| {}),
            deterministic: None,
        };
        Self::new(
            "".into(),
            limits,
            Arc::new(Manifest::of_nobody()),
            Arc::default(),
            Arc::new(resources),
            Metrics::default(),
            Spending::new(limits),
            Arc::new(Shared::new(limits)),
            Chance::new(None, "", ""),
            Instant::from_unix_ms(0),
        )
    }

    /// Lends the guest a batch, under a number in its own table.
    pub(crate) fn lend(&mut self, batch: &Batch) -> Result<Resource<Batch>, Crash> {
        self.kinds = batch.kinds().clone();
        self.table.push(batch.clone()).map_err(|_| Crash::Limit(Limit::Handles))
    }

    /// Takes it back.
    pub(crate) fn take_back(&mut self, lent: Resource<Batch>) {
        // It is gone already only when the guest broke the contract and is thrown away.
        let _ = self.table.delete(lent);
    }

    /// Notes that something was refused to the guest for `limit`, and says so the first time
    /// in a run.
    pub(crate) fn used_up(&mut self, limit: Limit) {
        if self.shared.is_news(limit.setting(), "") {
            tracing::warn!(stage = %self.stage, "plugin used up its {limit}: raise it, or ask its authors");
        }
        self.meter.refuse(limit);
    }
}
