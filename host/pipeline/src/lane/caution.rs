//! What is known of a sink's deaths on a file.

use std::{collections::BTreeSet, ops::RangeInclusive};

use crate::Batch;

/// What is known of a sink's deaths on this file: near the last one, lines go one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caution {
    /// Lines of the batch on which the sink died: they are handed over one by one.
    pub alone: Option<RangeInclusive<u64>>,
    /// Lines that killed the sink alone: their records go to quarantine.
    pub poison: BTreeSet<u64>,
}

impl Caution {
    /// Learns from [`LaneError::SinkDied`](crate::LaneError::SinkDied) with these `lines` and
    /// so many `records`; gives whether there is something new to try.
    ///
    /// A line on which the sink dies for the first time is handed over alone the next time;
    /// when it dies on that line again, the line is poison.
    pub fn learn(&mut self, lines: &RangeInclusive<u64>, records: usize) -> bool {
        if records == 0 {
            return false;
        }
        let line = *lines.start();
        let was_alone = self.alone.as_ref().is_some_and(|alone| alone.contains(&line));
        if was_alone && lines.start() == lines.end() {
            return self.poison.insert(line);
        }
        let is_new = self.alone.as_ref() != Some(lines);
        self.alone = Some(lines.clone());
        is_new
    }

    /// Whether `batch` must be handed over line by line.
    pub(super) fn concerns(&self, batch: &Batch) -> bool {
        let (first, last) = (batch.first_seq(), batch.last_seq());
        let near =
            |alone: &RangeInclusive<u64>| first <= *alone.end() && *alone.start() <= last;
        self.alone.as_ref().is_some_and(near)
            || self.poison.range(first..=last).next().is_some()
    }
}
