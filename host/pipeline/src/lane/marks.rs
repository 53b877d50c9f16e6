//! States of a file on their way to becoming durable, and the quarantine entries between them.

use std::collections::VecDeque;

use crate::{Quarantined, Tally};

/// A state of the file that counts once the sink has made `needs` durable.
pub(super) struct Mark {
    pub(super) through: u64,
    /// The last line of which the sink took a record.
    pub(super) needs: u64,
    pub(super) prefix_hash: [u8; 16],
    pub(super) tally: Tally,
}

/// Marks in file order. Entries in quarantine are handed out once, with the mark they precede.
#[derive(Default)]
pub(super) struct Marks {
    /// Each with the number of entries that precede it and were not handed out.
    marks: VecDeque<(Mark, usize)>,
    quarantined: VecDeque<Quarantined>,
}

impl Marks {
    pub(super) fn quarantine(&mut self, entries: impl IntoIterator<Item = Quarantined>) {
        self.quarantined.extend(entries);
    }

    pub(super) fn push(&mut self, mark: Mark) {
        // Of marks that need the same word of the sink the latest says it all.
        if self.marks.back().is_some_and(|(last, _)| last.needs == mark.needs) {
            self.marks.pop_back();
        }
        self.marks.push_back((mark, self.quarantined.len()));
    }

    /// The furthest mark that `durable_through` covers, with the entries up to it.
    pub(super) fn reach(
        &mut self,
        durable_through: u64,
    ) -> Option<(Mark, Vec<Quarantined>)> {
        let mut reached = None;
        while self.marks.front().is_some_and(|(mark, _)| mark.needs <= durable_through) {
            reached = self.marks.pop_front();
        }
        let (mark, preceding) = reached?;
        let entries = self.quarantined.drain(..preceding).collect();
        for (_, later) in &mut self.marks {
            *later -= preceding;
        }
        Some((mark, entries))
    }

    /// All entries that were not handed out.
    pub(super) fn into_quarantined(self) -> Vec<Quarantined> {
        self.quarantined.into()
    }
}
