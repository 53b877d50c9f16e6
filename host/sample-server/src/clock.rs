//! The server's virtual clock.
//!
//! Starts at a given instant and runs with the real clock, or stands still until it is
//! advanced. The real clock is an argument, so that a test decides what time it is.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bulkhead_model::Instant;

/// Tells the real time. The app passes the system's clock, a test passes its own.
#[derive(Clone)]
pub struct RealClock(Arc<dyn Fn() -> Instant + Send + Sync>);

impl RealClock {
    /// From a function that tells the time.
    pub fn new(now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time now.
    pub fn now(&self) -> Instant {
        (self.0)()
    }
}

impl fmt::Debug for RealClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RealClock(..)")
    }
}

/// Tells how much real time has passed since some moment, for the gaps between requests.
#[derive(Clone)]
pub struct Stopwatch(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Stopwatch {
    /// From a function that tells what has passed.
    pub fn new(passed: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(passed))
    }

    /// One that stands still.
    pub fn stopped() -> Self {
        Self::new(|| Duration::ZERO)
    }

    pub(crate) fn passed(&self) -> Duration {
        (self.0)()
    }
}

impl fmt::Debug for Stopwatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stopwatch(..)")
    }
}

/// Time as this server's clients see it.
pub(crate) struct Clock {
    real: RealClock,
    real_start: Instant,
    start: Instant,
    advanced: Mutex<Duration>,
}

impl Clock {
    /// A clock that shows `start` now.
    pub(crate) fn new(real: RealClock, start: Instant) -> Self {
        let real_start = real.now();
        Self { real, real_start, start, advanced: Mutex::default() }
    }

    /// The virtual time.
    pub(crate) fn now(&self) -> Instant {
        let advanced = *self.advanced.lock().unwrap_or_else(PoisonError::into_inner);
        self.start.plus(self.real.now().since(self.real_start)).plus(advanced)
    }

    /// The real time.
    pub(crate) fn real_now(&self) -> Instant {
        self.real.now()
    }

    /// Moves the virtual time forward.
    pub(crate) fn advance(&self, by: Duration) {
        let mut advanced = self.advanced.lock().unwrap_or_else(PoisonError::into_inner);
        *advanced = advanced.saturating_add(by);
    }

    /// Moves the virtual time forward to `instant`, never back.
    pub(crate) fn advance_to(&self, instant: Instant) {
        let ahead = instant.since(self.now());
        self.advance(ahead);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[test]
    fn runs_with_the_real_clock_from_its_own_start() {
        let real = Arc::new(AtomicI64::new(1_000));
        let shared = Arc::clone(&real);
        let clock = Clock::new(
            RealClock::new(move || Instant::from_unix_ms(shared.load(Ordering::Relaxed))),
            Instant::from_unix_ms(500_000),
        );
        real.store(4_000, Ordering::Relaxed);
        assert_eq!(clock.now(), Instant::from_unix_ms(503_000));
        clock.advance(Duration::from_secs(10));
        assert_eq!(clock.now(), Instant::from_unix_ms(513_000));
        clock.advance_to(Instant::from_unix_ms(0));
        assert_eq!(clock.now(), Instant::from_unix_ms(513_000));
        assert_eq!(clock.real_now(), Instant::from_unix_ms(4_000));
    }
}
