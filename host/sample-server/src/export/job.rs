//! The jobs that are kept: each a plan, a clock and an owner.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::Arc,
};

use bulkhead_model::{Instant, Level};

use super::{parameters::Wanted, plan::Plan};
use crate::{
    auth::{Caller, Grant},
    scenario::{Reuse, TransactionTime},
};

/// One export as the server keeps it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "what a job is and has is not one state: none excludes another"
)]
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
    /// When a poll first found it done.
    pub(crate) done_at: Option<Instant>,
    /// Whether a manifest has named files.
    pub(crate) has_files: bool,
    /// Whether polls tell its state in a header of its own.
    pub(crate) is_separate: bool,
    /// By what its blocks are organized.
    pub(crate) organized_by: Option<String>,
    /// How its transaction time is written.
    pub(crate) time: TransactionTime,
    /// What was asked for, and by what right, to plan again.
    pub(crate) wanted: Arc<Wanted>,
    pub(crate) grant: Grant,
    /// What makes a request the same as another.
    pub(crate) asked: String,
    /// Other clients that were handed it.
    pub(crate) shared_with: BTreeSet<String>,
    /// How many more polls find it running although it was cancelled.
    pub(crate) cancelled: Option<u32>,
    /// How many sets of links there were, when the latest was given out, and how often each
    /// file was asked for by it.
    pub(crate) generation: u32,
    pub(crate) linked_at: Instant,
    pub(crate) downloads: BTreeMap<(u32, usize), u32>,
    pub(crate) plan: Arc<Plan>,
}

/// All jobs, at most a given number.
pub(crate) struct Jobs {
    kept: BTreeMap<String, Job>,
    most: usize,
    /// How many there ever were.
    kicked_off: u32,
}

impl Jobs {
    pub(crate) fn new(most: usize) -> Self {
        Self { kept: BTreeMap::new(), most, kicked_off: 0 }
    }

    /// Whether there is room for one more, once the expired are gone.
    pub(crate) fn make_room(&mut self, now: Instant) -> bool {
        self.kept.retain(|_, job| job.expires > now);
        self.kept.len() < self.most
    }

    /// Keeps a job; false when there is no room.
    pub(crate) fn insert(&mut self, id: String, mut job: Job) -> bool {
        self.kicked_off = self.kicked_off.saturating_add(1);
        job.ordinal = self.kicked_off;
        let has_room = self.kept.len() < self.most;
        match self.kept.entry(id) {
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
        let is_theirs = |job: &Job| {
            caller.is_free
                || job.client == caller.client
                || job.shared_with.contains(&caller.client)
        };
        self.kept.get_mut(id).filter(|job| is_theirs(job) && job.expires > now)
    }

    /// The latest job that a kick-off may be handed again.
    pub(crate) fn same_as(
        &mut self,
        asked: &str,
        client: &str,
        reuse: Reuse,
        now: Instant,
    ) -> Option<String> {
        let same = self.kept.iter_mut().filter(|(_, job)| {
            job.asked == asked
                && job.expires > now
                && job.cancelled.is_none()
                && (reuse.done || !job.is_done)
                && (reuse.across_clients || job.client == client)
        });
        let (id, job) = same.max_by_key(|(_, job)| job.ordinal)?;
        job.shared_with.insert(client.to_owned());
        Some(id.clone())
    }

    /// The number of the next job, from 1.
    pub(crate) fn next_ordinal(&self) -> u32 {
        self.kicked_off.saturating_add(1)
    }

    /// A job, whosever it is.
    pub(crate) fn get(&self, id: &str) -> Option<&Job> {
        self.kept.get(id)
    }

    /// The same, to change it.
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Job> {
        self.kept.get_mut(id)
    }

    pub(crate) fn remove(&mut self, id: &str) {
        self.kept.remove(id);
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&String, &Job)> {
        self.kept.iter()
    }
}
