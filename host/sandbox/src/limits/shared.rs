//! What all lanes of a stage share: the rate of events, deaths, artifacts of the run.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bulkhead_model::Instant;
use bulkhead_pipeline::Limit;

use super::{Limits, bucket::Bucket};

/// What all lanes of a stage have used.
#[derive(Debug)]
pub(crate) struct Shared {
    inner: Mutex<Inner>,
    /// Held while the stage's state is read or written, by the thread that does so.
    state: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug)]
struct Inner {
    events: Bucket,
    has_told_of_events: bool,
    deaths: VecDeque<Instant>,
    written: Written,
    /// Of files that are not closed. A guest that dies does not have its file anew.
    files: BTreeMap<FileKey, Written>,
    /// What the operator was told once, and about which store or destination.
    told: BTreeSet<(&'static str, String)>,
}

/// The file of an export that a sink works on; without a number, its conclusion.
pub(crate) type FileKey = (Arc<str>, Option<u32>);

/// Artifacts of one file, or of the run.
#[derive(Clone, Copy, Debug, Default)]
struct Written {
    artifacts: u64,
    bytes: u64,
}

impl Written {
    /// Adds, unless that is more than `most`.
    fn add(&mut self, artifacts: u64, bytes: u64, most: Self) -> Result<(), Kind> {
        let sum = Self {
            artifacts: self.artifacts.saturating_add(artifacts),
            bytes: self.bytes.saturating_add(bytes),
        };
        if artifacts > 0 && sum.artifacts > most.artifacts {
            return Err(Kind::Artifacts);
        }
        if bytes > 0 && sum.bytes > most.bytes {
            return Err(Kind::Bytes);
        }
        *self = sum;
        Ok(())
    }
}

enum Kind {
    Artifacts,
    Bytes,
}

/// Whether an event is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    No,
    /// Not, and nobody was told of it yet.
    NoAndTell,
    Yes,
}

impl Shared {
    pub(crate) fn new(limits: &Limits) -> Self {
        let inner = Mutex::new(Inner {
            events: Bucket::new(limits.events_per_second, limits.event_burst),
            has_told_of_events: false,
            deaths: VecDeque::new(),
            written: Written::default(),
            files: BTreeMap::new(),
            told: BTreeSet::new(),
        });
        Self { inner, state: Arc::default() }
    }

    /// The turn to read or write the stage's state. Whoever acts holds it to the end, given up
    /// or not: what a call began is done before what a later one begins.
    pub(crate) async fn turn_at_state(&self) -> tokio::sync::OwnedMutexGuard<()> {
        Arc::clone(&self.state).lock_owned().await
    }

    /// Whether one more event or gauge is shown.
    pub(crate) fn shows(&self, now: Instant) -> Shown {
        let mut inner = self.lock();
        if inner.events.take(now) {
            Shown::Yes
        } else if std::mem::replace(&mut inner.has_told_of_events, true) {
            Shown::No
        } else {
            Shown::NoAndTell
        }
    }

    /// Whether the operator hears of it for the first time in this run: what a guest can make
    /// happen as often as it likes must not fill a log. `code` is of a fixed set, and so is
    /// `about`: a name that was granted, or none.
    pub(crate) fn is_news(&self, code: &'static str, about: &str) -> bool {
        self.lock().told.insert((code, about.to_owned()))
    }

    /// Counts a death; says whether the stage may have another guest.
    pub(crate) fn may_restart(&self, now: Instant, limits: &Limits) -> bool {
        let mut inner = self.lock();
        let deaths = &mut inner.deaths;
        let window = i64::try_from(limits.restart_window.as_millis()).unwrap_or(i64::MAX);
        let is_over =
            |death: &Instant| now.unix_ms().saturating_sub(death.unix_ms()) >= window;
        while deaths.front().is_some_and(is_over) {
            deaths.pop_front();
        }
        // Never longer than the limit and one.
        if deaths.len() > limits.restarts as usize {
            deaths.pop_front();
        }
        deaths.push_back(now);
        deaths.len() <= limits.restarts as usize
    }

    /// Counts artifacts begun and bytes written against the sums of the file, over all guests
    /// that work on it one after the other, and of the run.
    ///
    /// # Errors
    ///
    /// The limit that they are over; nothing is counted then.
    pub(crate) fn write(
        &self,
        file: &FileKey,
        artifacts: u64,
        bytes: u64,
        limits: &Limits,
    ) -> Result<(), Limit> {
        let a_file =
            Written { artifacts: limits.artifacts, bytes: limits.artifact_bytes.bytes() };
        let a_run = Written {
            artifacts: limits.run_artifacts,
            bytes: limits.run_artifact_bytes.bytes(),
        };
        let mut inner = self.lock();
        let mut with = inner.files.get(file).copied().unwrap_or_default();
        with.add(artifacts, bytes, a_file).map_err(|kind| match kind {
            Kind::Artifacts => Limit::Artifacts,
            Kind::Bytes => Limit::ArtifactBytes,
        })?;
        inner.written.add(artifacts, bytes, a_run).map_err(|kind| match kind {
            Kind::Artifacts => Limit::RunArtifacts,
            Kind::Bytes => Limit::RunArtifactBytes,
        })?;
        inner.files.insert(file.clone(), with);
        Ok(())
    }

    /// Forgets a file that is closed.
    pub(crate) fn closed(&self, file: &FileKey) {
        self.lock().files.remove(file);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Numbers alone: half an addition is none.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bulkhead_model::ByteSize;

    use super::*;

    #[test]
    fn deaths_are_forgotten_after_the_window() {
        let limits = Limits {
            restarts: 2,
            restart_window: Duration::from_secs(10),
            ..Limits::default()
        };
        let cases = [
            ("the first", 0, true),
            ("the second", 9_999, true),
            ("the first is forgotten", 10_000, true),
            ("one too many", 19_998, false),
            ("long after", 60_000, true),
        ];
        let shared = Shared::new(&limits);
        for (name, ms, expected) in cases {
            let may = shared.may_restart(Instant::from_unix_ms(ms), &limits);
            assert_eq!(may, expected, "case: {name}");
        }
    }

    #[test]
    fn artifacts_are_counted_a_file_and_a_run() {
        let limits = Limits {
            artifacts: 2,
            run_artifacts: 3,
            artifact_bytes: ByteSize::from_bytes(10),
            run_artifact_bytes: ByteSize::from_bytes(15),
            ..Limits::default()
        };
        let shared = Shared::new(&limits);
        let (one, two) = (("e1".into(), Some(0)), ("e1".into(), Some(1)));
        let write = |file: &FileKey, artifacts, bytes| {
            shared.write(file, artifacts, bytes, &limits)
        };
        assert_eq!(write(&one, 2, 10), Ok(()), "all that a file may");
        assert_eq!(write(&one, 1, 0), Err(Limit::Artifacts));
        assert_eq!(write(&one, 0, 1), Err(Limit::ArtifactBytes));
        assert_eq!(write(&one, 0, 0), Ok(()), "nothing is always allowed");
        assert_eq!(write(&two, 1, 5), Ok(()), "another file, up to the run's sums");
        assert_eq!(write(&two, 1, 0), Err(Limit::RunArtifacts));
        assert_eq!(write(&two, 0, 1), Err(Limit::RunArtifactBytes));
        shared.closed(&one);
        assert_eq!(write(&one, 1, 0), Err(Limit::RunArtifacts), "the run's sums stay");
    }

    /// Attacks: 43.
    #[test]
    fn what_can_be_made_to_happen_again_and_again_is_told_once() {
        let shared = Shared::new(&Limits::default());
        let told =
            [("full", "lake"), ("full", "lake"), ("full", "sea"), ("closed", "lake")];
        let told = told.map(|(code, about)| shared.is_news(code, about));
        assert_eq!(told, [true, false, true, true]);
    }

    #[test]
    fn what_is_over_the_rate_is_told_once() {
        use Shown::{No, NoAndTell, Yes};
        let limits = Limits { events_per_second: 1, event_burst: 1, ..Limits::default() };
        let shared = Shared::new(&limits);
        let shown = |ms| shared.shows(Instant::from_unix_ms(ms));
        let told = [shown(0), shown(0), shown(0), shown(1_000), shown(1_000)];
        assert_eq!(told, [Yes, NoAndTell, No, Yes, No]);
    }
}
