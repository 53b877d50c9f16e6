//! What the host computes because a guest asked for it: on the guest's time.
//!
//! The engine looks at its clock while a guest runs, and a tick that passed while the guest
//! waited counts once, however long that was. So a call that makes the host scan or hash for
//! long is measured here and charged; what waits for a disk or a server is not work.

use crate::engine::Ticks;

/// A piece of work under way.
#[derive(Debug)]
pub(crate) struct Work {
    clock: Ticks,
    since: u64,
    passed: u64,
}

impl Work {
    /// Begins, by this clock.
    pub(crate) fn begin(clock: &Ticks) -> Self {
        Self { since: clock.so_far(), passed: 0, clock: clock.clone() }
    }

    /// Lets neighbours have their turn, which is not on the guest's time.
    pub(crate) async fn rest(&mut self) {
        self.passed = self.took();
        tokio::task::yield_now().await;
        self.since = self.clock.so_far();
    }

    /// Ticks that it took by now.
    fn took(&self) -> u64 {
        let now = self.clock.so_far().saturating_sub(self.since);
        self.passed.saturating_add(now)
    }

    /// Ticks to charge at its end: all but the one that the engine sees itself.
    pub(crate) fn cost(&self) -> u64 {
        self.took().saturating_sub(1)
    }
}
