//! What a scenario sets of the choices that a conformant server has.

use std::{
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use serde::Deserialize;

use super::units;
use crate::behaviour::{AssertionClock, Behaviour, Gzip, Ready};

/// Choices that a scenario makes; the rest stays as the server's options say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// When a job is done, by time.
    #[serde(deserialize_with = "units::some_duration")]
    pub ready_after: Option<Duration>,
    /// When a job is done, by polls.
    pub ready_after_polls: Option<u32>,
    /// `Retry-After` of a poll that finds the job unfinished.
    #[serde(deserialize_with = "units::some_duration")]
    pub retry_after: Option<Duration>,
    /// The most resources a file may hold.
    pub resources_per_file: Option<NonZeroU64>,
    /// The most deletions one `deleted` Bundle may hold.
    pub deletions_per_bundle: Option<NonZeroU32>,
    /// When files are sent gzip-encoded.
    pub gzip: Option<Gzip>,
    /// How long an access token lives.
    #[serde(deserialize_with = "units::some_duration")]
    pub token_lifetime: Option<Duration>,
    /// How long a job and its files stay.
    #[serde(deserialize_with = "units::some_duration")]
    pub job_lifetime: Option<Duration>,
    /// By which clock client assertions are judged.
    pub assertion_clock: Option<AssertionClock>,
}

impl Settings {
    /// A server's behaviour with these choices made.
    pub fn over(&self, behaviour: &Behaviour) -> Behaviour {
        let by_time = self.ready_after.map(Ready::After);
        let by_polls = self.ready_after_polls.map(Ready::AfterPolls);
        Behaviour {
            ready: by_time.or(by_polls).unwrap_or(behaviour.ready),
            retry_after: self.retry_after.unwrap_or(behaviour.retry_after),
            resources_per_file: self
                .resources_per_file
                .unwrap_or(behaviour.resources_per_file),
            deletions_per_bundle: self
                .deletions_per_bundle
                .unwrap_or(behaviour.deletions_per_bundle),
            gzip: self.gzip.unwrap_or(behaviour.gzip),
            token_lifetime: self.token_lifetime.unwrap_or(behaviour.token_lifetime),
            job_lifetime: self.job_lifetime.unwrap_or(behaviour.job_lifetime),
            assertion_clock: self.assertion_clock.unwrap_or(behaviour.assertion_clock),
        }
    }
}
