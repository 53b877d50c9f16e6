//! The jobs that are kept: each a plan, a clock and an owner.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use bulkhead_model::{Instant, Level};

use super::plan::Plan;
use crate::auth::Caller;

/// One export as the server keeps it.
#[derive(Clone)]
pub(crate) struct Job {
    /// Who kicked it off; only they may see it.
    pub(crate) client: String,
    /// The how manieth kick-off of this server it was, from 1.
    pub(crate) ordinal: u32,
    pub(crate) level: Level,
    pub(crate) kicked_off: Instant,
    pub(crate) expires: Instant,
    pub(crate) transaction_time: Instant,
    pub(crate) request: String,
    /// Whether the manifest has a `deleted` list.
    pub(crate) is_incremental: bool,
    /// How many polls it has answered.
    pub(crate) polls: u32,
    pub(crate) is_done: bool,
    pub(crate) plan: Arc<Plan>,
}

/// All jobs, at most a given number.
pub(crate) struct Jobs {
    jobs: BTreeMap<String, Job>,
    most: usize,
    /// How many there ever were.
    kicked_off: u32,
}

impl Jobs {
    pub(crate) fn new(most: usize) -> Self {
        Self { jobs: BTreeMap::new(), most, kicked_off: 0 }
    }

    /// Whether there is room for one more, once the expired are gone.
    pub(crate) fn make_room(&mut self, now: Instant) -> bool {
        self.jobs.retain(|_, job| job.expires > now);
        self.jobs.len() < self.most
    }

    /// Keeps a job; false when there is no room.
    pub(crate) fn insert(&mut self, id: String, mut job: Job) -> bool {
        self.kicked_off = self.kicked_off.saturating_add(1);
        job.ordinal = self.kicked_off;
        let has_room = self.jobs.len() < self.most;
        match self.jobs.entry(id) {
            Entry::Vacant(place) if has_room => {
                place.insert(job);
                true
            }
            Entry::Vacant(_) | Entry::Occupied(_) => false,
        }
    }

    /// A job of a caller that has not expired.
    pub(crate) fn find(
        &mut self,
        id: &str,
        caller: &Caller,
        now: Instant,
    ) -> Option<&mut Job> {
        let is_theirs = |job: &Job| caller.is_free || job.client == caller.client;
        self.jobs.get_mut(id).filter(|job| is_theirs(job) && job.expires > now)
    }

    /// A job, whosever it is.
    pub(crate) fn get(&self, id: &str) -> Option<&Job> {
        self.jobs.get(id)
    }

    pub(crate) fn remove(&mut self, id: &str) {
        self.jobs.remove(id);
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&String, &Job)> {
        self.jobs.iter()
    }
}
