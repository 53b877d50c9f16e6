//! What the store was at earlier times, where a scenario asks for it.

use std::collections::VecDeque;

use bulkhead_model::Instant;

use super::Snapshot;

/// Snapshots by time, the latest last.
pub(crate) struct History(VecDeque<(Instant, Snapshot)>);

impl History {
    /// A history that starts with this.
    pub(super) fn new(at: Instant, snapshot: Snapshot) -> Self {
        Self(VecDeque::from([(at, snapshot)]))
    }

    pub(super) fn push(&mut self, at: Instant, snapshot: Snapshot) {
        if self.0.len() >= MOST_KEPT {
            self.0.pop_front();
        }
        self.0.push_back((at, snapshot));
    }

    /// The store at a time; the earliest known when it is before that.
    pub(super) fn as_of(&self, at: Instant) -> Option<&Snapshot> {
        let known = self.0.iter().rev().find(|(then, _)| *then <= at);
        known.or(self.0.front()).map(|(_, snapshot)| snapshot)
    }
}

/// Snapshots share all but the changes, so that these cost little beside the data.
const MOST_KEPT: usize = 1_000;
