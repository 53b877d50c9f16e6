//! What becomes of a record in the light of what was delivered before: a pure function.
//!
//! The rules, and why each is safe:
//!
//! - The same bytes of the same version are not delivered again: the destination has them.
//! - An older version is passed over only where this export's snapshot cannot know better: it
//!   came beside a newer one in the same export, or the snapshot is older than the version that
//!   was delivered (a replica that lags). A snapshot that is newer and shows an older version
//!   means that the server went back, and the destination must follow.
//! - What an export brought that looked at the server later stands, whatever one says that looked
//!   before it: a job that the server gives out again, a replica that lags.
//! - A deletion of what is not at the destination ends here: nobody there knows the id.
//! - A deletion beside the resource itself in one export is not believed.
//! - What this very file delivered in an earlier try is delivered again, for the sink replaces
//!   that try.
//!
//! Source: Bulk Data IG, "Response - Complete Status" (`deleted` SHALL NOT list what `output`
//! has); the project's checklist, items 110, 111, 134, §3.3 step 5.

use std::cmp::Ordering;

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
    /// When it had looked for the export that delivered the entry at hand, compared with that.
    pub(crate) entry_looked: Ordering,
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
            let is_outdated = setting.entry_looked == Ordering::Greater;
            return if in_flight.is_some() || came {
                Recall::Skip(ALSO_IN_OUTPUT)
            } else if is_live && !is_own && !is_void && is_outdated {
                Recall::Skip(OLDER)
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
    // What was taken back may have to come again: who left may have come back.
    if entry.state == State::Live
        && setting.entry_looked == Ordering::Greater
        && !is_before(entry.last_updated, record.last_updated)
    {
        return Recall::Skip(OLDER);
    }
    let snapshot_is_older = setting.entry_looked != Ordering::Less
        || entry.last_updated.is_some_and(|known| setting.snapshot < known);
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
mod tests;
