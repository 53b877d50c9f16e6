//! When exports looked at the server: which of two knows more of what both brought.

use std::{cmp::Ordering, collections::HashMap, time::Duration};

use bulkhead_ledger::{
    ExportRecord, Ledger, Look,
    delivered::{Entry, State, fingerprint},
};
use bulkhead_model::Instant;
use bulkhead_pipeline::{Change, Recall, Record};

use super::{
    Holdings, Span,
    decide::{Candidate, InFlight, OLDER, Setting, decide},
};

/// Clocks that are told in whole seconds, cut off: closer than this is no earlier.
const CUT: Duration = Duration::from_secs(1);

impl Holdings {
    /// What becomes of a record in the light of what was delivered, and of what looked later.
    pub(super) fn decided(
        &self,
        of: &Record,
        record: &Candidate,
        entry: Option<&Entry>,
        is_void: bool,
        in_flight: Option<&InFlight>,
    ) -> Recall {
        let is_known = self.is_outdated(of);
        let is_there = entry.is_some_and(|entry| entry.state == State::Live);
        if record.change == Change::Upsert && is_known && !is_there && !is_void {
            // A later look had it, and it was not for the destination, or is gone.
            return Recall::Skip(OLDER);
        }
        let looked = entry.and_then(|entry| self.looks.get(&entry.export).copied());
        let own = self.setting.snapshot;
        let entry_looked = match looked {
            _ if is_known => Ordering::Greater,
            Some(looked) if looked >= own.plus(CUT) => Ordering::Greater,
            Some(looked) if looked >= own => Ordering::Equal,
            Some(_) | None => Ordering::Less,
        };
        let setting = Setting { entry_looked, ..self.setting };
        decide(&setting, record, entry, is_void, in_flight)
    }

    /// Whether an export of everything is of a moment before the one up to which all of the type
    /// has come, and so is a version: a job that was given out again. When the clock is behind as
    /// well, the server itself went back, and has to be followed. Who joined meanwhile is asked for
    /// again by who asked: such an export is not enough.
    fn is_outdated(&self, record: &Record) -> bool {
        if self.span == Span::Changes || self.marks.is_empty() {
            return false;
        }
        let mark = self.marks.get(record.resource_type()).copied().or(self.mark_of_all);
        mark.is_some_and(|mark| {
            self.clock >= mark
                && self.setting.snapshot.plus(CUT) <= mark
                && record.envelope.last_updated.is_some_and(|at| at <= mark)
        })
    }
}

/// When the server looked: as it says, or else not long after the kick-off. A server that never
/// tells must be followed as well when it goes back.
pub(super) fn looked_at(look: &Look) -> Instant {
    let kickoff = look.server_date.unwrap_or(look.kickoff_instant);
    look.transaction_time.unwrap_or(kickoff)
}

/// When the other exports of a stream looked, by their fingerprints.
pub(super) fn looks(
    ledger: &Ledger,
    record: &ExportRecord,
) -> Result<HashMap<u64, Instant>, bulkhead_ledger::Error> {
    let others = ledger.looks(&record.stream)?.into_iter();
    let others = others.filter(|look| look.export != record.id);
    Ok(others.map(|look| (fingerprint(look.export.as_str()), looked_at(&look))).collect())
}
