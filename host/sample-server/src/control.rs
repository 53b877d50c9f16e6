//! The handle by which a test or a demo reaches into a running server.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

use bulkhead_model::{Instant, Level, ResourceType};

use crate::{
    changes,
    cues::Struck,
    data::{Changes, Data, Script, play},
    error::Error,
    export::counts,
    manners::{Lapse, lapses},
    request_log::LoggedRequest,
    scenario::{Fault, Modes, Scenario, What},
    state::State,
};

/// A job as the control shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobView {
    /// The last segment of the status URL.
    pub id: String,
    /// The client that kicked it off; empty on an open server.
    pub client: String,
    /// Of whom it is.
    pub level: Level,
    /// The manifest's `transactionTime`.
    pub transaction_time: Instant,
    /// How many polls it has answered.
    pub polls: u32,
    /// Whether a poll has found it done.
    pub is_done: bool,
    /// Resources in `output`, by type.
    pub output: BTreeMap<String, u64>,
}

/// Changes the data and the clock of a running server and tells what was asked of it.
#[derive(Clone)]
pub struct Control(pub(crate) Arc<State>);

impl Control {
    /// The virtual time.
    pub fn now(&self) -> Instant {
        self.0.clock.now()
    }

    /// Moves the virtual time forward.
    pub fn advance(&self, by: Duration) {
        self.0.clock.advance(by);
    }

    /// Creates or replaces a resource. The server sets `meta.versionId` and
    /// `meta.lastUpdated` and leaves every other byte; the time that it set is returned.
    ///
    /// # Errors
    ///
    /// [`Error::Put`] when `resource` is no JSON object with `resourceType` and a valid `id`.
    pub fn put(&self, resource: &str) -> Result<Instant, Error> {
        let now = self.now();
        self.0.store().put(resource, now)
    }

    /// Deletes a resource and returns when; `None` when there is none.
    pub fn delete(&self, resource_type: &str, id: &str) -> Option<Instant> {
        let now = self.now();
        self.0.store().delete(resource_type, id, now)
    }

    /// Plays the next round of the script and moves the virtual time to a minute after it.
    ///
    /// # Errors
    ///
    /// [`Error::NoScript`] when the data is a folder.
    pub fn next_round(&self) -> Result<BTreeMap<ResourceType, Changes>, Error> {
        let Data::MadeUp(made_up) = &self.0.data else { return Err(Error::NoScript) };
        let script = Script::new(made_up.patients, made_up.seed);
        let round = {
            let mut round = self.0.round.lock().unwrap_or_else(PoisonError::into_inner);
            *round += 1;
            *round
        };
        play(&mut self.0.store(), &script, &self.0.urls.base, round)?;
        self.0.clock.advance_to(Script::time_of(round).plus(Duration::from_mins(1)));
        Ok(script.summary(round))
    }

    /// The ids of all live resources, by type.
    pub fn ids(&self) -> BTreeMap<ResourceType, Vec<String>> {
        let snapshot = self.0.snapshot();
        let ids = snapshot.tables.iter().map(|(resource_type, table)| {
            (
                resource_type.clone(),
                table.lines().map(|line| line.id.to_owned()).collect(),
            )
        });
        ids.collect()
    }

    /// All jobs that are kept, by id.
    pub fn jobs(&self) -> Vec<JobView> {
        let jobs = self.0.jobs();
        let views = jobs.all().map(|(id, job)| JobView {
            id: id.clone(),
            client: job.client.clone(),
            level: job.level.clone(),
            transaction_time: job.transaction_time,
            polls: job.polls,
            is_done: job.is_done,
            output: counts(&job.plan.output)
                .into_iter()
                .map(|(name, count)| (name.to_owned(), count))
                .collect(),
        });
        views.collect()
    }

    /// Orders one more fault, from the next request on.
    ///
    /// # Errors
    ///
    /// [`Error::Scenario`] when the fault cannot be played.
    pub fn order(&self, fault: Fault) -> Result<(), Error> {
        let problems = Scenario::default().with(fault.clone()).problems();
        if !problems.is_empty() {
            return Err(Error::Scenario { problems });
        }
        self.0.cues().order(fault);
        Ok(())
    }

    /// Puts the server into other modes, from the next request on.
    pub fn set_modes(&self, set: impl FnOnce(&mut Modes)) {
        let mut modes = self.0.modes.lock().unwrap_or_else(PoisonError::into_inner);
        set(Arc::make_mut(&mut modes));
    }

    /// Lets something happen to the data at once.
    ///
    /// # Errors
    ///
    /// [`Error::Put`] when there is no such resource, or none can be made of the text.
    pub fn change(&self, what: &What) -> Result<(), Error> {
        changes::now(&self.0, what)
    }

    /// Drops all faults.
    pub fn relent(&self) {
        self.0.cues().clear();
    }

    /// The latest faults that struck, oldest first.
    pub fn struck(&self) -> Vec<Struck> {
        self.0.cues().struck()
    }

    /// Waits until the fault of this name has struck so many times.
    pub async fn wait_struck(&self, name: &str, times: usize) {
        let mut strikes = self.0.strikes.subscribe();
        loop {
            strikes.mark_unchanged();
            let struck =
                self.struck().iter().filter(|struck| struck.name == name).count();
            // The sender lives as long as this handle.
            if struck >= times || strikes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Opens the gate of this name, for good.
    pub fn release(&self, gate: &str) {
        self.0.cues().release(gate);
    }

    /// The client's breaches of good manners, by the latest requests.
    pub fn lapses(&self) -> Vec<Lapse> {
        lapses(&self.requests())
    }

    /// The latest requests and how they were answered, oldest first.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.0.log().all()
    }
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Control(..)")
    }
}
