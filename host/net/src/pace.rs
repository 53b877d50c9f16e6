//! How often one origin is asked: how many requests at once, how far apart, and not at all
//! while it asks for patience.
//!
//! No clock is read: what must pass is a timer that was set when the wait began.
//!
//! Source: RFC 9110 section 10.2.3 (`Retry-After`).

use std::{
    pin::Pin,
    sync::{Arc, Mutex as SyncMutex, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep},
};

/// What is known of one origin. Shared by all requests to it.
pub(crate) struct Pace {
    slots: Arc<Semaphore>,
    interval: Duration,
    /// Runs since the last request began. Held while one request waits for it, so that the
    /// others queue behind in the order in which they came.
    apart: Mutex<Option<Pin<Box<Sleep>>>>,
    /// Runs until the origin wants to be asked again. Never held across an await.
    quiet: SyncMutex<Option<Shared<BoxFuture<'static, ()>>>>,
}

impl Pace {
    pub(crate) fn new(at_once: usize, interval: Duration) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(at_once)),
            interval,
            apart: Mutex::new(None),
            quiet: SyncMutex::new(None),
        }
    }

    /// Waits for a slot, and until enough time has passed since the last request.
    pub(crate) async fn enter(&self) -> Option<OwnedSemaphorePermit> {
        // `None` only for a closed semaphore, and none is ever closed.
        let permit = Arc::clone(&self.slots).acquire_owned().await.ok();
        if !self.interval.is_zero() {
            let mut apart = self.apart.lock().await;
            if let Some(timer) = apart.as_mut() {
                timer.as_mut().await;
            }
            *apart = Some(Box::pin(sleep(self.interval)));
        }
        permit
    }

    /// Waits while the origin wants no more requests.
    pub(crate) async fn quiet(&self) {
        loop {
            let quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner).clone();
            match quiet {
                Some(quiet) if quiet.peek().is_none() => quiet.await,
                Some(_) | None => return,
            }
        }
    }

    /// Whether the origin wants no requests now.
    pub(crate) fn is_hushed(&self) -> bool {
        let quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        quiet.as_ref().is_some_and(|quiet| quiet.clone().now_or_never().is_none())
    }

    /// The origin wants no more requests for this long.
    pub(crate) fn hush(&self, wait: Duration) {
        let timer = sleep(wait);
        let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        let running = quiet.take().filter(|quiet| quiet.peek().is_none());
        let both = async move {
            if let Some(running) = running {
                running.await;
            }
            timer.await;
        };
        *quiet = Some(both.boxed().shared());
    }
}

impl std::fmt::Debug for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pace").field("interval", &self.interval).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;

    /// Long enough that nothing which waits for it ends, short enough to wait for.
    const MOMENT: Duration = Duration::from_millis(20);
    const HOUR: Duration = Duration::from_hours(1);

    /// Items: 118.
    #[tokio::test]
    async fn requests_keep_their_distance_and_one_that_gives_up_changes_nothing() {
        let pace = Pace::new(8, MOMENT);
        let start = Instant::now();
        for _ in 0..4 {
            assert!(pace.enter().await.is_some());
        }
        assert!(start.elapsed() >= MOMENT * 3);

        let pace = Pace::new(8, HOUR);
        assert!(pace.enter().await.is_some());
        for _ in 0..2 {
            assert!(timeout(MOMENT, pace.enter()).await.is_err());
        }
    }

    /// Items: 118.
    #[tokio::test]
    async fn of_two_wishes_for_quiet_the_longer_one_counts() {
        let pace = Pace::new(1, Duration::ZERO);
        pace.quiet().await;
        let start = Instant::now();
        pace.hush(MOMENT * 2);
        pace.hush(Duration::from_millis(1));
        pace.quiet().await;
        assert!(start.elapsed() >= MOMENT * 2);
        pace.quiet().await;
        assert!(!pace.is_hushed());
        pace.hush(Duration::from_millis(1));
        pace.hush(HOUR);
        assert!(timeout(MOMENT, pace.quiet()).await.is_err());
        assert!(pace.is_hushed());
    }

    /// Items: 118.
    #[tokio::test]
    async fn no_more_requests_than_slots_are_under_way() {
        let pace = Pace::new(2, Duration::ZERO);
        let (first, _second) = (pace.enter().await, pace.enter().await);
        assert!(timeout(MOMENT, pace.enter()).await.is_err());
        drop(first);
        assert!(pace.enter().await.is_some());
    }
}
