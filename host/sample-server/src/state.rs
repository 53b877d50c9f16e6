//! What all handlers share.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bulkhead_model::ResourceType;
use tokio::sync::watch;

use crate::{
    auth::{Auth, Issued},
    behaviour::Behaviour,
    clock::{Clock, Stopwatch},
    cues::{Cues, Moment},
    data::Data,
    export::Jobs,
    request_log::RequestLog,
    scenario::{Change, Fault, Modes},
    server::{Limits, RandomBytes},
    store::{Snapshot, Store},
};

/// Where the server answers, as clients see it.
pub(crate) struct Urls {
    /// The FHIR base, without a slash at the end.
    pub(crate) base: String,
    pub(crate) token: String,
    /// The server's origin, without a slash at the end.
    pub(crate) home: String,
    /// The second origin; empty when there is none.
    pub(crate) elsewhere: String,
}

/// The server's state. No lock is held across an await, and none is taken within another.
pub(crate) struct State {
    pub(crate) auth: Auth,
    pub(crate) behaviour: Behaviour,
    pub(crate) clock: Clock,
    pub(crate) data: Data,
    pub(crate) limits: Limits,
    pub(crate) random: RandomBytes,
    pub(crate) urls: Urls,
    pub(crate) seed: u64,
    pub(crate) stopwatch: Stopwatch,
    pub(crate) modes: Mutex<Arc<Modes>>,
    /// What is still to happen to the data.
    pub(crate) changes: Mutex<Vec<Change>>,
    pub(crate) cues: Mutex<Cues>,
    /// Tells those who wait how many faults struck.
    pub(crate) strikes: watch::Sender<u64>,
    pub(crate) issued: Mutex<Issued>,
    pub(crate) jobs: Mutex<Jobs>,
    pub(crate) log: Mutex<RequestLog>,
    pub(crate) store: Mutex<Store>,
    /// How many rounds of the script have been played.
    pub(crate) round: Mutex<u32>,
}

impl State {
    pub(crate) fn cues(&self) -> MutexGuard<'_, Cues> {
        self.cues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn changes(&self) -> MutexGuard<'_, Vec<Change>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the server is now.
    pub(crate) fn modes(&self) -> Arc<Modes> {
        Arc::clone(&self.modes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The faults that strike at a request.
    pub(crate) fn strike(&self, moment: &Moment) -> Vec<Arc<Fault>> {
        let now = self.clock.now();
        let (faults, total) = {
            let mut cues = self.cues();
            (cues.strike(moment, now), cues.total())
        };
        self.strikes.send_replace(total);
        faults
    }

    pub(crate) fn issued(&self) -> MutexGuard<'_, Issued> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, RequestLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.store().snapshot().clone()
    }

    /// The types that the server holds.
    pub(crate) fn offered_types(&self) -> BTreeSet<ResourceType> {
        self.store().snapshot().tables.keys().cloned().collect()
    }

    /// Whether files and polls ask for a token.
    pub(crate) fn requires_token(&self) -> bool {
        match self.auth {
            Auth::Clients(_) => true,
            Auth::Open => false,
        }
    }
}
