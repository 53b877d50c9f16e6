//! What becomes of a record in the light of what was delivered before: a pure function.
//!
//! The rules, and why each is safe:
//!
//! - The same bytes of the same version are not delivered again: the destination has them.
//! - An older version is passed over only where this export's snapshot cannot know better: it
//!   came beside a newer one in the same export, or the snapshot is older than the version that
//!   was delivered (a replica that lags). A snapshot that is newer and shows an older version
//!   means that the server went back, and the destination must follow.
//! - A deletion of what is not at the destination ends here: nobody there knows the id.
//! - A deletion beside the resource itself in one export is not believed.
//! - What this very file delivered in an earlier try is delivered again, for the sink replaces
//!   that try.
//!
//! Source: Bulk Data IG, "Response - Complete Status" (`deleted` SHALL NOT list what `output`
//! has); the project's checklist, items 110, 111, 134, §3.3 step 5.

use bulkhead_ledger::delivered::{Entry, State};
use bulkhead_model::Instant;
use bulkhead_pipeline::{Change, Recall};

/// Dropped: the destination has just this.
pub(crate) const UNCHANGED: &str = "unchanged";
/// Dropped: the destination has a newer version.
pub(crate) const OLDER: &str = "older";
/// Dropped: a deletion of what the destination does not have.
pub(crate) const NOT_DELIVERED: &str = "never-delivered";
/// Dropped: a deletion of what the same export brought.
pub(crate) const ALSO_IN_OUTPUT: &str = "also-in-output";

/// The record at hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) change: Change,
    pub(crate) last_updated: Option<Instant>,
    pub(crate) raw: u64,
    pub(crate) file: u32,
    pub(crate) line: u64,
}

/// A version that a lane of this export has taken in and not yet made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InFlight {
    pub(crate) last_updated: Option<Instant>,
    pub(crate) raw: u64,
    pub(crate) file: u32,
    pub(crate) line: u64,
}

/// What this export is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// Under which definition of the stream it delivers.
    pub(crate) epoch: u64,
    /// Its fingerprint.
    pub(crate) export: u64,
    /// When the server looked.
    pub(crate) snapshot: Instant,
}

/// Decides. `is_void` says that the entry's own delivery came to nothing.
pub(crate) fn decide(
    setting: &Setting,
    record: &Candidate,
    entry: Option<&Entry>,
    is_void: bool,
    in_flight: Option<&InFlight>,
) -> Recall {
    let is_own = entry.is_some_and(|entry| {
        entry.export == setting.export
            && entry.file == record.file
            && entry.line >= record.line
    });
    let is_live = entry.is_some_and(|entry| entry.state == State::Live);
    // A later line of this file's earlier try says nothing of what was there before it: take it
    // that something was. A retraction too many is harmless, one too few is not.
    // What another line brought of it in this export may yet become durable; and what came to
    // nothing may have taken the place of something.
    let beside = in_flight
        .filter(|known| known.file != record.file || known.line < record.line)
        .map(|known| (known.last_updated, known.raw));
    let delivered_before = is_live || is_own || is_void || beside.is_some();
    let pass = Recall::Pass { delivered_before };
    match record.change {
        Change::Retract => return Recall::Pass { delivered_before: true },
        Change::Delete => {
            let came = entry.is_some_and(|entry| {
                let brought = [entry.export, entry.seen].contains(&setting.export);
                is_live && !is_own && brought
            });
            return if in_flight.is_some() || came {
                Recall::Skip(ALSO_IN_OUTPUT)
            } else if delivered_before {
                pass
            } else {
                Recall::Skip(NOT_DELIVERED)
            };
        }
        Change::Upsert => {}
    }
    if let Some((last_updated, raw)) = beside {
        if raw == record.raw {
            return Recall::Skip(UNCHANGED);
        }
        if is_before(record.last_updated, last_updated) {
            return Recall::Skip(OLDER);
        }
    }
    let Some(entry) =
        entry.filter(|entry| !is_own && !is_void && entry.epoch == setting.epoch)
    else {
        return pass;
    };
    if entry.state == State::Live
        && entry.raw == record.raw
        && entry.last_updated == record.last_updated
    {
        return Recall::Skip(UNCHANGED);
    }
    let snapshot_is_older =
        entry.last_updated.is_some_and(|known| setting.snapshot < known);
    let same_export = entry.export == setting.export;
    if is_before(record.last_updated, entry.last_updated)
        && (same_export || snapshot_is_older)
    {
        return Recall::Skip(OLDER);
    }
    pass
}

fn is_before(one: Option<Instant>, other: Option<Instant>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one < other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Option<Instant> {
        Some(Instant::from_unix_ms(seconds * 1000))
    }

    fn entry(state: State, export: u64, updated: i64, raw: u64) -> Entry {
        Entry {
            state,
            epoch: 1,
            export,
            file: 0,
            line: 5,
            seen: 0,
            last_updated: at(updated),
            raw,
            content: raw,
            patients: bulkhead_ledger::delivered::Patients::default(),
        }
    }

    /// Items: 110, 111, 134. Faults: F23, F24, F29.
    #[test]
    fn decides_by_what_the_destination_has_and_what_the_snapshot_can_know() {
        use Change::{Delete, Retract, Upsert};
        let setting =
            Setting { epoch: 1, export: 9, snapshot: Instant::from_unix_ms(100_000) };
        let before = Recall::Pass { delivered_before: true };
        let new = Recall::Pass { delivered_before: false };
        let live = |export, updated, raw| Some(entry(State::Live, export, updated, raw));
        let gone = |export, updated| Some(entry(State::Deleted, export, updated, 0));
        let flying = |file, line, updated, raw| {
            Some(InFlight { last_updated: at(updated), raw, file, line })
        };
        // name, change, lastUpdated, raw, line, entry, void, in flight, expected
        let cases = [
            ("never seen", Upsert, 50, 7, 9, None, false, None, new),
            (
                "the same again",
                Upsert,
                50,
                7,
                9,
                live(3, 50, 7),
                false,
                None,
                Recall::Skip(UNCHANGED),
            ),
            ("the same, touched", Upsert, 60, 7, 9, live(3, 50, 7), false, None, before),
            ("changed", Upsert, 60, 8, 9, live(3, 50, 7), false, None, before),
            (
                "changed without a new time",
                Upsert,
                50,
                8,
                9,
                live(3, 50, 7),
                false,
                None,
                before,
            ),
            (
                "the server went back",
                Upsert,
                40,
                8,
                9,
                live(3, 50, 7),
                false,
                None,
                before,
            ),
            (
                "a replica lags",
                Upsert,
                40,
                8,
                9,
                live(3, 150, 7),
                false,
                None,
                Recall::Skip(OLDER),
            ),
            (
                "older in the same export",
                Upsert,
                40,
                8,
                9,
                live(9, 50, 7),
                false,
                None,
                Recall::Skip(OLDER),
            ),
            (
                "its delivery came to nothing",
                Upsert,
                50,
                7,
                9,
                live(3, 50, 7),
                true,
                None,
                before,
            ),
            (
                "its retraction came to nothing",
                Upsert,
                50,
                7,
                9,
                Some(entry(State::Retracted, 3, 150, 7)),
                true,
                None,
                before,
            ),
            (
                "its deletion came to nothing",
                Delete,
                0,
                0,
                9,
                gone(3, 50),
                true,
                None,
                before,
            ),
            ("an own line again", Upsert, 50, 7, 5, live(9, 50, 7), false, None, before),
            (
                "an own line before",
                Upsert,
                50,
                7,
                9,
                live(9, 50, 7),
                false,
                None,
                Recall::Skip(UNCHANGED),
            ),
            (
                "twice at once",
                Upsert,
                50,
                7,
                9,
                None,
                false,
                flying(1, 2, 50, 7),
                Recall::Skip(UNCHANGED),
            ),
            (
                "older at once",
                Upsert,
                40,
                8,
                9,
                None,
                false,
                flying(1, 2, 50, 7),
                Recall::Skip(OLDER),
            ),
            ("newer at once", Upsert, 60, 8, 9, None, false, flying(1, 2, 50, 7), before),
            ("itself at once", Upsert, 50, 7, 9, None, false, flying(0, 9, 50, 7), new),
            (
                "made again after a deletion",
                Upsert,
                90,
                8,
                9,
                gone(3, 50),
                false,
                None,
                new,
            ),
            (
                "a replica from before a deletion",
                Upsert,
                90,
                8,
                9,
                gone(3, 150),
                false,
                None,
                Recall::Skip(OLDER),
            ),
            (
                "retracted and back",
                Upsert,
                50,
                7,
                9,
                Some(entry(State::Retracted, 3, 50, 7)),
                false,
                None,
                new,
            ),
            (
                "a replica from before a retraction",
                Upsert,
                50,
                7,
                9,
                Some(entry(State::Retracted, 3, 150, 7)),
                false,
                None,
                Recall::Skip(OLDER),
            ),
            ("deleted", Delete, 0, 0, 9, live(3, 50, 7), false, None, before),
            (
                "deleted again",
                Delete,
                0,
                0,
                9,
                gone(3, 50),
                false,
                None,
                Recall::Skip(NOT_DELIVERED),
            ),
            (
                "deleted, never known",
                Delete,
                0,
                0,
                9,
                None,
                false,
                None,
                Recall::Skip(NOT_DELIVERED),
            ),
            (
                "deleted and in output",
                Delete,
                0,
                0,
                9,
                live(9, 50, 7),
                false,
                None,
                Recall::Skip(ALSO_IN_OUTPUT),
            ),
            (
                "deleted and in output, where it was unchanged",
                Delete,
                0,
                0,
                9,
                live(3, 50, 7).map(|entry| Entry { seen: 9, ..entry }),
                false,
                None,
                Recall::Skip(ALSO_IN_OUTPUT),
            ),
            (
                "deleted and in flight",
                Delete,
                0,
                0,
                9,
                None,
                false,
                flying(1, 2, 50, 7),
                Recall::Skip(ALSO_IN_OUTPUT),
            ),
            ("an own deletion again", Delete, 0, 0, 5, gone(9, 50), false, None, before),
            ("called back", Retract, 0, 0, 9, live(3, 50, 7), false, None, before),
        ];
        for (name, change, updated, raw, line, entry, is_void, in_flight, expected) in
            cases
        {
            let last_updated = if change == Upsert { at(updated) } else { None };
            let record = Candidate { change, last_updated, raw, file: 0, line };
            let found =
                decide(&setting, &record, entry.as_ref(), is_void, in_flight.as_ref());
            assert_eq!(found, expected, "case: {name}");
        }
    }

    #[test]
    fn another_definition_of_the_stream_delivers_everything_again() {
        let setting =
            Setting { epoch: 2, export: 9, snapshot: Instant::from_unix_ms(100_000) };
        let record = Candidate {
            change: Change::Upsert,
            last_updated: at(50),
            raw: 7,
            file: 0,
            line: 9,
        };
        let known = entry(State::Live, 3, 50, 7);
        let found = decide(&setting, &record, Some(&known), false, None);
        assert_eq!(found, Recall::Pass { delivered_before: true });
    }
}
