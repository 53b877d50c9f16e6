//! How far what comes agrees with what was delivered: per type, as counts.
//!
//! In an export of everything each record is held against the ledger of resources, and what no
//! incremental export could have shown comes to light: edits without a new `lastUpdated`,
//! inserts with an old one, versions that went back. In an incremental export the overlap is
//! the detector: what turns up there for the first time became visible late.
//!
//! Source: the project's checklist, §3.2 (adaptive overlap), §3.4, §3.5 (the table of drift).

use std::{collections::BTreeMap, time::Duration};

use bulkhead_ledger::delivered::{Entry, State};
use bulkhead_model::Instant;
use bulkhead_pipeline::Tally;
use serde::{Deserialize, Serialize};

use super::decide::UNCHANGED;

/// What was found of one type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(crate) struct Drift {
    /// Held against the ledger.
    pub(crate) compared: u64,
    /// Ordinary changes: content and time are new.
    pub(crate) changed: u64,
    /// A new time and the same content.
    pub(crate) touched: u64,
    /// Other bytes that say the same: another order of keys, a link that was signed anew.
    pub(crate) rewritten: u64,
    /// Changed without a new time: no incremental export would have shown it.
    pub(crate) edited_silently: u64,
    /// New, with a time before the watermark: likewise.
    pub(crate) backdated: u64,
    /// Of an earlier time than what was delivered: the server went back.
    pub(crate) went_back: u64,
    /// Delivered before, not in an export of everything, never told to be deleted.
    pub(crate) deleted_silently: u64,
    /// Not in the export, and still there when asked for by id.
    pub(crate) left_out: u64,
    /// Visible only after an export whose snapshot they belonged to.
    pub(crate) late: u64,
    /// The longest that such a one was late.
    pub(crate) latest_ms: u64,
    /// Changed after this export's snapshot: to come again.
    pub(crate) after_snapshot: u64,
    /// By how much, at most.
    pub(crate) after_snapshot_ms: u64,
    /// Came with elements left out, while the destination has them whole: not delivered.
    pub(crate) incomplete: u64,
}

impl Drift {
    /// What no incremental export would have mended.
    pub(crate) const fn unseen(&self) -> u64 {
        self.edited_silently + self.backdated + self.went_back + self.deleted_silently
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.compared += other.compared;
        self.changed += other.changed;
        self.touched += other.touched;
        self.rewritten += other.rewritten;
        self.edited_silently += other.edited_silently;
        self.backdated += other.backdated;
        self.went_back += other.went_back;
        self.deleted_silently += other.deleted_silently;
        self.left_out += other.left_out;
        self.late += other.late;
        self.latest_ms = self.latest_ms.max(other.latest_ms);
        self.after_snapshot += other.after_snapshot;
        self.after_snapshot_ms = self.after_snapshot_ms.max(other.after_snapshot_ms);
        self.incomplete += other.incomplete;
    }

    /// Notes a record that changed after the snapshot.
    pub(crate) fn note_time(&mut self, last_updated: Option<Instant>, snapshot: Instant) {
        if let Some(updated) = last_updated
            && updated > snapshot
        {
            self.after_snapshot += 1;
            let by = ms(updated.since(snapshot));
            self.after_snapshot_ms = self.after_snapshot_ms.max(by);
        }
    }
}

/// Whether the export asked for everything or for changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    Changes,
    Whole,
}

/// What was delivered just now, of one resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) last_updated: Option<Instant>,
    pub(crate) raw: u64,
    pub(crate) content: u64,
}

/// Later than this is not late but old: a new member's history, a type newly allowed. It says
/// nothing of the overlap that the server needs.
const OLD: Duration = Duration::from_hours(1);

/// Holds one delivery against what was known. `mark` is the watermark that the export began
/// with; without one nothing was complete, so nothing can have been missed.
pub(crate) fn classify(
    drift: &mut Drift,
    span: Span,
    before: Option<&Entry>,
    arrival: &Arrival,
    mark: Option<Instant>,
) {
    let Some(mark) = mark else { return };
    drift.compared += 1;
    let is_new = arrival.last_updated.is_none_or(|updated| updated > mark);
    let lag = arrival.last_updated.filter(|updated| *updated <= mark);
    let lag = lag.map(|updated| mark.since(updated));
    match before.filter(|entry| entry.state == State::Live) {
        None => match (span, lag) {
            (_, None) => drift.changed += 1,
            (Span::Whole, Some(_)) => drift.backdated += 1,
            (Span::Changes, Some(lag)) => drift.note_late(lag),
        },
        Some(entry) if entry.content == arrival.content => {
            if entry.last_updated == arrival.last_updated {
                drift.rewritten += u64::from(entry.raw != arrival.raw);
            } else {
                drift.touched += 1;
            }
        }
        Some(entry) => {
            let went_back = matches!((arrival.last_updated, entry.last_updated),
                (Some(now), Some(then)) if now < then);
            if went_back {
                drift.went_back += 1;
            } else if is_new {
                drift.changed += 1;
            } else {
                match (span, lag) {
                    (Span::Changes, Some(lag))
                        if entry.last_updated != arrival.last_updated =>
                    {
                        drift.note_late(lag);
                    }
                    (Span::Changes | Span::Whole, _) => drift.edited_silently += 1,
                }
            }
        }
    }
}

impl Drift {
    fn note_late(&mut self, lag: Duration) {
        if lag <= OLD {
            self.late += 1;
            self.latest_ms = self.latest_ms.max(ms(lag));
        } else {
            self.changed += 1;
        }
    }
}

/// What was the same as before was held against the ledger as well: it ended there.
pub(crate) fn with_unchanged(
    mut drift: BTreeMap<String, Drift>,
    tally: &Tally,
) -> BTreeMap<String, Drift> {
    for (name, counts) in tally.iter() {
        if let Some(count) = counts.dropped.get(UNCHANGED) {
            drift.entry(name.to_owned()).or_default().compared += count;
        }
    }
    drift
}

/// The longest that anything was late, over all types.
pub(crate) fn longest_late(drift: &BTreeMap<String, Drift>) -> Option<Duration> {
    let late = drift.values().filter(|of| of.late > 0).map(|of| of.latest_ms).max()?;
    Some(Duration::from_millis(late))
}

/// How often to ask for everything, by what an export of everything found after `elapsed`:
/// so often that between two such exports less than one resource in ten thousand drifts, a day
/// at least and ninety at most. `None` when nothing was compared.
pub(crate) fn advised_interval(
    all: &Drift,
    held: u64,
    elapsed: Duration,
) -> Option<Duration> {
    let day = Duration::from_hours(24);
    if held == 0 || elapsed.is_zero() {
        return None;
    }
    if all.unseen() == 0 {
        return Some(day * 90);
    }
    // Resources a millisecond that drift, against those that may.
    let may = held as f64 / 10_000.0;
    let days = elapsed.as_secs_f64() / day.as_secs_f64() * may / all.unseen() as f64;
    Some(day.mul_f64(days.clamp(1.0, 90.0)))
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Instant {
        Instant::from_unix_ms(seconds * 1000)
    }

    fn known(state: State, updated: i64, content: u64) -> Entry {
        Entry {
            state,
            epoch: 1,
            export: 1,
            file: 0,
            line: 1,
            seen: 0,
            last_updated: Some(at(updated)),
            raw: content,
            content,
            patients: bulkhead_ledger::delivered::Patients::default(),
        }
    }

    /// Items: 134, S7.
    /// Faults: F24, F25.
    #[test]
    fn tells_kinds_of_drift_apart() {
        let whole = |changed: Drift| Drift { compared: 1, ..changed };
        let one = Drift::default;
        // name, span, before, lastUpdated, raw, content, expected; the mark is at 1000 s
        let cases = [
            ("new", Span::Whole, None, 1001, 1, 1, whole(Drift { changed: 1, ..one() })),
            (
                "inserted with an old time",
                Span::Whole,
                None,
                999,
                1,
                1,
                whole(Drift { backdated: 1, ..one() }),
            ),
            (
                "made again",
                Span::Whole,
                Some(known(State::Deleted, 5, 0)),
                1001,
                1,
                1,
                whole(Drift { changed: 1, ..one() }),
            ),
            (
                "changed",
                Span::Whole,
                Some(known(State::Live, 5, 1)),
                1001,
                2,
                2,
                whole(Drift { changed: 1, ..one() }),
            ),
            (
                "edited silently",
                Span::Whole,
                Some(known(State::Live, 5, 1)),
                5,
                2,
                2,
                whole(Drift { edited_silently: 1, ..one() }),
            ),
            (
                "edited with an old time",
                Span::Whole,
                Some(known(State::Live, 5, 1)),
                6,
                2,
                2,
                whole(Drift { edited_silently: 1, ..one() }),
            ),
            (
                "touched",
                Span::Whole,
                Some(known(State::Live, 5, 1)),
                1001,
                2,
                1,
                whole(Drift { touched: 1, ..one() }),
            ),
            (
                "rewritten",
                Span::Whole,
                Some(known(State::Live, 5, 1)),
                5,
                2,
                1,
                whole(Drift { rewritten: 1, ..one() }),
            ),
            (
                "went back",
                Span::Whole,
                Some(known(State::Live, 50, 1)),
                5,
                2,
                2,
                whole(Drift { went_back: 1, ..one() }),
            ),
            (
                "late",
                Span::Changes,
                None,
                910,
                1,
                1,
                whole(Drift { late: 1, latest_ms: 90_000, ..one() }),
            ),
            (
                "a late change",
                Span::Changes,
                Some(known(State::Live, 5, 1)),
                910,
                2,
                2,
                whole(Drift { late: 1, latest_ms: 90_000, ..one() }),
            ),
            (
                "old, not late",
                Span::Changes,
                None,
                -9000,
                1,
                1,
                whole(Drift { changed: 1, ..one() }),
            ),
        ];
        for (name, span, before, updated, raw, content, expected) in cases {
            let mut drift = Drift::default();
            let arrival = Arrival { last_updated: Some(at(updated)), raw, content };
            classify(&mut drift, span, before.as_ref(), &arrival, Some(at(1000)));
            assert_eq!(drift, expected, "case: {name}");
            let mut drift = Drift::default();
            classify(&mut drift, span, before.as_ref(), &arrival, None);
            assert_eq!(drift, Drift::default(), "without a mark: {name}");
        }
    }

    /// Items: S7.
    #[test]
    fn advises_by_what_drifted() {
        let day = Duration::from_hours(24);
        let of = |edited_silently| Drift { edited_silently, ..Drift::default() };
        let cases = [
            ("nothing held", of(3), 0, None),
            ("nothing drifted", of(0), 1000, Some(day * 90)),
            ("one in ten thousand in 10 days", of(10), 100_000, Some(day * 10)),
            ("much", of(100_000), 100_000, Some(day)),
        ];
        for (name, drift, held, expected) in cases {
            assert_eq!(
                advised_interval(&drift, held, day * 10),
                expected,
                "case: {name}"
            );
        }
    }
}
