//! States of a file on their way to becoming durable, and what is told with them: entries in
//! quarantine, and records that were handled.

use std::collections::VecDeque;

use crate::{Batch, Digests, Handled, Quarantined, Record, Tally};

/// A state of the file that counts once the sink has made `needs` durable.
pub(super) struct Mark {
    pub(super) through: u64,
    /// The last line of which the sink took a record.
    pub(super) needs: u64,
    pub(super) prefix_hash: [u8; 16],
    pub(super) tally: Tally,
}

/// How many of each precede a mark and were not handed out.
#[derive(Clone, Copy)]
struct Preceding {
    quarantined: usize,
    handled: usize,
}

/// Marks in file order. What is told with them is handed out once, with the mark it precedes.
#[derive(Default)]
pub(super) struct Marks {
    ahead: VecDeque<(Mark, Preceding)>,
    quarantined: VecDeque<Quarantined>,
    /// Bytes of bodies that wait with them.
    waiting: usize,
    /// Bounded by what the sink takes before it makes something durable, or by who drains it.
    handled: VecDeque<Handled>,
}

impl Marks {
    pub(super) fn quarantine(&mut self, entries: impl IntoIterator<Item = Quarantined>) {
        for entry in entries {
            self.waiting += entry.kept.waiting();
            self.quarantined.push_back(entry);
        }
    }

    /// What waits in quarantine, once its bodies are `much`, in groups of which all or none is
    /// handed out at once: marks are only ever added at the end. Whoever asks stores the bodies.
    pub(super) fn much_refused(
        &mut self,
        much: usize,
    ) -> Option<Vec<&mut [Quarantined]>> {
        if self.waiting < much {
            return None;
        }
        self.waiting = 0;
        let mut groups = Vec::new();
        let (mut rest, mut done) = (self.quarantined.make_contiguous(), 0);
        for (_, preceding) in &self.ahead {
            let len = preceding.quarantined.saturating_sub(done).min(rest.len());
            let (group, after) = rest.split_at_mut(len);
            (rest, done) = (after, done + len);
            groups.push(group);
        }
        groups.push(rest);
        groups.retain(|group| !group.is_empty());
        Some(groups)
    }

    /// Notes a record of `batch` that the sink took; of several rows of one resource, one.
    pub(super) fn handle(&mut self, batch: &Batch, record: &Record, digests: &Digests) {
        if self.handled.back().is_some_and(|last| last.is_of(record)) {
            return;
        }
        self.handled.extend(Handled::of(batch, record, digests));
    }

    pub(super) fn push(&mut self, mark: Mark) {
        // Of marks that need the same word of the sink the latest says it all.
        if self.ahead.back().is_some_and(|(last, _)| last.needs == mark.needs) {
            self.ahead.pop_back();
        }
        let (quarantined, handled) = (self.quarantined.len(), self.handled.len());
        self.ahead.push_back((mark, Preceding { quarantined, handled }));
    }

    /// The furthest mark that `durable_through` covers, with what precedes it.
    pub(super) fn reach(
        &mut self,
        durable_through: u64,
    ) -> Option<(Mark, Vec<Quarantined>, Vec<Handled>)> {
        let mut reached = None;
        while self.ahead.front().is_some_and(|(mark, _)| mark.needs <= durable_through) {
            reached = self.ahead.pop_front();
        }
        let (mark, preceding) = reached?;
        let entries: Vec<Quarantined> =
            self.quarantined.drain(..preceding.quarantined).collect();
        let left = entries.iter().map(|entry| entry.kept.waiting()).sum();
        self.waiting = self.waiting.saturating_sub(left);
        let handled = in_order(self.handled.drain(..preceding.handled).collect());
        for (_, later) in &mut self.ahead {
            later.quarantined -= preceding.quarantined;
            later.handled -= preceding.handled;
        }
        Some((mark, entries, handled))
    }

    /// What was handled so far, once it is much: it need not wait for its mark.
    pub(super) fn drain(&mut self, much: usize) -> Option<Vec<Handled>> {
        if self.handled.len() < much {
            return None;
        }
        for (_, preceding) in &mut self.ahead {
            preceding.handled = 0;
        }
        Some(in_order(self.handled.drain(..).collect()))
    }

    /// All that was not handed out.
    pub(super) fn into_rest(self) -> (Vec<Quarantined>, Vec<Handled>) {
        (self.quarantined.into(), in_order(self.handled.into()))
    }
}

/// By line, each resource of a line once. A sink takes records in several hand-overs and in
/// an order of its own.
fn in_order(mut handled: Vec<Handled>) -> Vec<Handled> {
    handled.sort_by_key(|one| one.seq);
    handled.dedup_by(|a, b| a.seq == b.seq && a.id == b.id && a.kind == b.kind);
    handled
}
