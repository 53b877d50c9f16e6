//! What the guests of a stage really call, for auditors: calls and bytes by interface and name.
//!
//! The names are those that were granted, known when the plugin is loaded, so that counting
//! takes no lock and no memory; a name that was not granted is the guest's own and is counted
//! without being kept. Counted is a call of the guest or a batch, never a record.

use std::{
    cmp::Ordering as Order,
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bulkhead_pipeline::{Batch, Crash};

use crate::Grants;

/// Batches that were handed over stand under this.
pub const BATCHES: &str = "batches";
/// Guests that died stand under this, by manner of death.
pub const DEATHS: &str = "deaths";

/// What the guests of a stage call, over all files. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Uses(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    counters: Box<[Counter]>,
    /// By code. Off the hot path: a death costs a new guest.
    deaths: Mutex<BTreeMap<&'static str, u64>>,
}

#[derive(Debug)]
struct Counter {
    interface: &'static str,
    name: Box<str>,
    calls: AtomicU64,
    bytes: AtomicU64,
    refused: AtomicU64,
}

/// Calls of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The interface, [`BATCHES`] or [`DEATHS`].
    pub interface: &'static str,
    /// Which store, cohort, key, field or manner of death; empty where there is no name.
    pub name: String,
    /// Calls that were answered.
    pub calls: u64,
    /// Bytes that passed, where bytes pass.
    pub bytes: u64,
    /// Calls that named what was not granted.
    pub refused: u64,
}

impl Uses {
    /// Nothing yet, of a stage with these grants.
    pub(crate) fn of(grants: &Grants) -> Self {
        let plain = grants.interfaces().map(|interface| (interface, ""));
        let mut names: Vec<(&'static str, &str)> = plain.chain([(BATCHES, "")]).collect();
        let lists = [
            ("artifacts", &grants.stores),
            ("cohorts", &grants.cohorts),
            ("keyed-hash", &grants.keys),
            ("outbound-http", &grants.destinations),
            ("projection", &grants.fields),
        ];
        for (interface, granted) in lists {
            names.extend(granted.iter().map(|name| (interface, name.as_str())));
        }
        names.sort_unstable();
        names.dedup();
        let counters = names.into_iter().map(|(interface, name)| Counter {
            interface,
            name: name.into(),
            calls: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        });
        let (counters, deaths) = (counters.collect(), Mutex::default());
        Self(Arc::new(Inner { counters, deaths }))
    }

    /// A call was answered; `name` is granted, or empty.
    pub(crate) fn count(&self, interface: &str, name: &str, bytes: usize) {
        if let Some(counter) = self.find(interface, name) {
            counter.calls.fetch_add(1, Ordering::Relaxed);
            let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            counter.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// More bytes passed under a call that was counted.
    pub(crate) fn add_bytes(&self, interface: &str, name: &str, bytes: u64) {
        if let Some(counter) = self.find(interface, name) {
            counter.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// A call named what was not granted. Guest-controlled: the name is not kept.
    pub(crate) fn refuse(&self, interface: &str) {
        if let Some(counter) = self.find(interface, "") {
            counter.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A batch was handed over.
    pub(crate) fn handed_over(&self, batch: &Batch) {
        self.count(BATCHES, "", 0);
        self.add_bytes(BATCHES, "", batch.byte_len());
    }

    /// A guest died.
    pub(crate) fn died(&self, crash: Crash) {
        let mut deaths = self.0.deaths.lock().unwrap_or_else(PoisonError::into_inner);
        *deaths.entry(crash.code()).or_default() += 1;
    }

    /// What was counted since it was taken last.
    pub fn take(&self) -> Vec<Use> {
        let taken = self.0.counters.iter().map(|counter| Use {
            interface: counter.interface,
            name: counter.name.to_string(),
            calls: counter.calls.swap(0, Ordering::Relaxed),
            bytes: counter.bytes.swap(0, Ordering::Relaxed),
            refused: counter.refused.swap(0, Ordering::Relaxed),
        });
        let mut deaths = self.0.deaths.lock().unwrap_or_else(PoisonError::into_inner);
        let deaths = std::mem::take(&mut *deaths).into_iter().map(|(code, calls)| Use {
            interface: DEATHS,
            name: code.to_owned(),
            calls,
            bytes: 0,
            refused: 0,
        });
        let is_told = |of: &Use| of.calls > 0 || of.bytes > 0 || of.refused > 0;
        taken.chain(deaths).filter(is_told).collect()
    }

    fn find(&self, interface: &str, name: &str) -> Option<&Counter> {
        let order = |counter: &Counter| -> Order {
            counter.interface.cmp(interface).then_with(|| (*counter.name).cmp(name))
        };
        let at = self.0.counters.binary_search_by(order).ok()?;
        self.0.counters.get(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses() -> Uses {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Uses::of(&Grants {
            bodies: true,
            fields: names(&["status", "code.text"]),
            stores: names(&["lake", "archive"]),
            ..Grants::default()
        })
    }

    #[test]
    fn counts_what_is_granted_by_name_and_keeps_no_other_name() {
        let uses = uses();
        uses.count("artifacts", "lake", 0);
        uses.add_bytes("artifacts", "lake", 7);
        uses.count("bodies", "", 5);
        uses.count("bodies", "", 5);
        uses.count("projection", "jane-roe", 5);
        uses.refuse("projection");
        uses.died(Crash::Trap);
        let one = |interface, name: &str, calls, bytes, refused| Use {
            interface,
            name: name.to_owned(),
            calls,
            bytes,
            refused,
        };
        let expected = [
            one("artifacts", "lake", 1, 7, 0),
            one("bodies", "", 2, 10, 0),
            one("projection", "", 0, 0, 1),
            one(DEATHS, "plugin-trap", 1, 0, 0),
        ];
        assert_eq!(uses.take(), expected);
        assert_eq!(uses.take(), [], "what was taken is not told again");
    }

    #[test]
    fn knows_every_name_that_is_granted() {
        let uses = uses();
        for counter in &uses.0.counters {
            uses.count(counter.interface, &counter.name, 1);
        }
        assert!(uses.take().iter().all(|of| of.calls == 1));
        assert_eq!(uses.0.counters.len(), 3 + 1 + 2 + 2);
    }
}
