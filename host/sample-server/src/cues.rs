//! When the faults of a scenario strike: the counters, the gates, and the log of what struck.
//!
//! One call a request, under one lock, before anything else happens to it: so counting
//! follows arrival.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use bulkhead_model::{Instant, Level};
use tokio::sync::Semaphore;

use crate::scenario::{Array, Fault, LevelKind, On, Per, Span};

/// A fault that struck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Struck {
    /// When, by the virtual clock.
    pub at: Instant,
    /// The name of the fault.
    pub name: String,
    /// At which door.
    pub on: On,
    /// The path of the request.
    pub path: String,
}

/// What is known of a request before it is answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moment {
    /// The doors that it knocks at: a poll that finds a manifest knocks at two.
    pub(crate) doors: Vec<On>,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) client: String,
    pub(crate) job: Option<JobFacts>,
    pub(crate) file: Option<FileFacts>,
    pub(crate) page: Option<u32>,
    pub(crate) level: Option<Level>,
}

#[derive(Clone, Debug)]
pub(crate) struct JobFacts {
    pub(crate) id: String,
    pub(crate) ordinal: u32,
    pub(crate) span: Span,
    pub(crate) transaction_time: Instant,
}

#[derive(Clone, Debug)]
pub(crate) struct FileFacts {
    pub(crate) number: u32,
    pub(crate) resource_type: String,
    pub(crate) array: Array,
}

/// The counters of a running server.
#[derive(Default)]
pub(crate) struct Cues {
    faults: Vec<Arc<Fault>>,
    counters: HashMap<(usize, String), u32>,
    struck: VecDeque<Struck>,
    /// How many ever struck.
    total: u64,
    gates: BTreeMap<String, Arc<Semaphore>>,
}

impl Cues {
    pub(crate) fn new(faults: Vec<Fault>) -> Self {
        Self { faults: faults.into_iter().map(Arc::new).collect(), ..Self::default() }
    }

    /// Adds a fault to those of the scenario.
    pub(crate) fn order(&mut self, fault: Fault) {
        self.faults.push(Arc::new(fault));
    }

    /// Drops all faults, those of the scenario too.
    pub(crate) fn clear(&mut self) {
        self.faults.clear();
        self.counters.clear();
    }

    /// Whether nothing was ordered.
    pub(crate) fn is_idle(&self) -> bool {
        self.faults.is_empty()
    }

    /// The faults that strike at a request, in their order.
    pub(crate) fn strike(&mut self, moment: &Moment, now: Instant) -> Vec<Arc<Fault>> {
        let mut strikes = Vec::new();
        for (index, fault) in self.faults.iter().enumerate() {
            if !is_about(fault, moment) {
                continue;
            }
            let counter = self.counters.entry((index, key(fault, moment))).or_default();
            let number = *counter;
            *counter = counter.saturating_add(1);
            if !is_due(fault, number) {
                continue;
            }
            if self.struck.len() >= MOST_STRUCK {
                self.struck.pop_front();
            }
            self.total += 1;
            self.struck.push_back(Struck {
                at: now,
                name: fault.name.clone(),
                on: fault.on,
                path: moment.path.clone(),
            });
            strikes.push(Arc::clone(fault));
        }
        strikes
    }

    pub(crate) fn struck(&self) -> Vec<Struck> {
        self.struck.iter().cloned().collect()
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The gate of this name; closed until it is released.
    pub(crate) fn gate(&mut self, name: &str) -> Arc<Semaphore> {
        let gate = self.gates.entry(name.to_owned());
        Arc::clone(gate.or_insert_with(|| Arc::new(Semaphore::new(0))))
    }

    /// Opens a gate for good: a closed semaphore keeps nobody waiting.
    pub(crate) fn release(&mut self, name: &str) {
        self.gate(name).close();
    }

    pub(crate) fn release_all(&self) {
        for gate in self.gates.values() {
            gate.close();
        }
    }
}

fn is_about(fault: &Fault, moment: &Moment) -> bool {
    if !moment.doors.contains(&fault.on) {
        return false;
    }
    // At a manifest, `file`, `type` and `array` name entries, not requests.
    let is_file = fault.on != On::Manifest;
    let file = moment.file.as_ref().filter(|_| is_file);
    let job = moment.job.as_ref();
    let level = moment.level.as_ref().map(|level| match level {
        Level::Group(_) => LevelKind::Group,
        Level::Patient => LevelKind::Patient,
        Level::System => LevelKind::System,
    });
    holds(fault.method.as_ref(), Some(&moment.method), |a, b| a.eq_ignore_ascii_case(b))
        && holds(fault.client.as_ref(), Some(&moment.client), |a, b| a == b)
        && holds(fault.job, job.map(|job| job.ordinal), |a, b| a == b)
        && holds(fault.span, job.map(|job| job.span), |a, b| a == b)
        && holds(fault.level, level, |a, b| a == b)
        && holds(fault.page, moment.page, |a, b| a == b)
        && (!is_file
            || (holds(fault.file, file.map(|file| file.number), |a, b| a == b)
                && holds(fault.array, file.map(|file| file.array), |a, b| a == b)
                && holds(
                    fault.resource_type.as_ref(),
                    file.map(|file| &file.resource_type),
                    |a, b| a == b,
                )))
}

/// Whether what is wanted, if anything is, is there.
fn holds<T>(wanted: Option<T>, found: Option<T>, same: impl Fn(T, T) -> bool) -> bool {
    match (wanted, found) {
        (None, _) => true,
        (Some(wanted), Some(found)) => same(wanted, found),
        (Some(_), None) => false,
    }
}

/// What the counter of a fault belongs to.
fn key(fault: &Fault, moment: &Moment) -> String {
    let job = moment.job.as_ref().map(|job| job.id.as_str()).unwrap_or_default();
    match fault.per {
        Per::Client => moment.client.clone(),
        Per::File => {
            let file = moment.file.as_ref().map_or(0, |file| file.number);
            format!("{job}/{file}")
        }
        Per::Job => job.to_owned(),
        Per::Server => String::new(),
    }
}

/// Whether the request of this number, from 0, is struck.
fn is_due(fault: &Fault, number: u32) -> bool {
    let Some(number) = number.checked_sub(fault.after) else { return false };
    let every = fault.every.get();
    number % every == 0 && fault.times.is_none_or(|times| number / every < times)
}

/// What the log of strikes keeps.
const MOST_STRUCK: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn moment(job: &str) -> Moment {
        let facts = JobFacts {
            id: job.to_owned(),
            ordinal: 1,
            span: Span::Full,
            transaction_time: Instant::from_unix_ms(0),
        };
        Moment { doors: vec![On::Poll], job: Some(facts), ..Moment::default() }
    }

    #[test]
    fn strikes_when_the_operator_said() {
        let two = NonZeroU32::MIN.saturating_add(1);
        let cases = [
            ("always", Fault::on(On::Poll), "ababab", "xxxxxx"),
            ("twice", Fault::on(On::Poll).times(2), "ababab", "xx...."),
            ("after one", Fault::on(On::Poll).after(1).times(1), "ababab", ".x...."),
            ("each second", Fault::on(On::Poll).every(two), "aaaaaa", "x.x.x."),
            (
                "once a job",
                Fault::on(On::Poll).per(Per::Job).times(1),
                "aabbac",
                "x.x..x",
            ),
            ("another door", Fault::on(On::File), "aa", ".."),
            ("another job", Fault::on(On::Poll).job(2), "aa", ".."),
            ("another span", Fault::on(On::Poll).span(Span::Incremental), "aa", ".."),
        ];
        for (name, fault, jobs, expected) in cases {
            let mut cues = Cues::new(vec![fault]);
            let now = Instant::from_unix_ms(0);
            let seen: String = jobs
                .chars()
                .map(|job| cues.strike(&moment(&job.to_string()), now).is_empty())
                .map(|is_empty| if is_empty { '.' } else { 'x' })
                .collect();
            assert_eq!(seen, expected, "case: {name}");
        }
    }
}
