//! `[sync]` and `[limits]`: how far to reach back, what proves that all came, and what this
//! machine may spend.

use std::time::Duration;

use bulkhead_model::{ByteSize, ResourceType};
use bulkhead_ndjson::FramerLimits;

use super::reader::Reader;
use crate::watermark::all_types;

/// How incremental exports are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyncConfig {
    /// Asked again before the watermark. Covers transactions that were under way, clocks
    /// that are cut to seconds and servers whose nodes disagree.
    pub(crate) overlap: Duration,
    /// How far the server's clock may be behind ours when it does not tell the time.
    pub(crate) clock_skew: Duration,
    /// Which types are counted by search after an export.
    pub(crate) probe: ProbeMode,
    /// By how many percent a count may exceed what came.
    pub(crate) probe_tolerance: u64,
    /// What becomes of files that would look the same if they had been cut short.
    pub(crate) unproven_files: UnprovenFiles,
    /// What becomes of resources that came with elements left out, unasked.
    pub(crate) incomplete: Incomplete,
    /// Types whose omission is accepted.
    pub(crate) accept_omission: Vec<ResourceType>,
    /// How long ended exports stay in the ledger.
    pub(crate) keep_history: Duration,
    /// Whether it is remembered of each resource what was delivered.
    pub(crate) remembers: Remembers,
    /// What becomes of resources that left the cohort.
    pub(crate) left: LeftPolicy,
    /// How the history of who joined is asked for, before everything is.
    pub(crate) backfill: Vec<BackfillWay>,
    /// More patients than this who joined at once are not asked for by `$everything`.
    pub(crate) everything_most: u64,
    /// More patients than this who joined at once are not asked for one by one.
    pub(crate) backfill_most: u64,
    /// More than this share of a type, in percent, is not deleted because an export of
    /// everything lacks it.
    pub(crate) most_deletions: u64,
    /// How many delivered resources are read again by id after an export of changes.
    pub(crate) samples: u64,
    /// How long it is remembered of a deleted resource that it was deleted.
    pub(crate) keep_deleted: Duration,
    /// An export that took longer than this is followed by another at once.
    pub(crate) catch_up: Option<Duration>,
    /// Everything is asked for again after this long.
    pub(crate) full_resync: Option<Duration>,
    /// How long the export log may grow; `None` for none.
    pub(crate) export_log: Option<ByteSize>,
}

/// Whether it is remembered of each resource what was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remembers {
    /// Nothing: duplicates of the overlap are delivered, nothing is called back.
    Nothing,
    /// Its version, digests and patients, in the state folder.
    Resources,
}

/// How the history of who joined is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BackfillWay {
    /// With `$everything` of each.
    Everything,
    /// With a kick-off that names them.
    Patient,
}

/// What becomes of resources that left the cohort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeftPolicy {
    /// They stay where they were delivered.
    Keep,
    /// They are taken back.
    Retract,
}

/// Which types are counted by search after an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProbeMode {
    /// Those of which an export of everything brought none, and those that are quieter than
    /// they used to be.
    Absent,
    /// All.
    All,
    /// None: absence is taken as it is.
    Off,
}

/// What becomes of files that would look the same if they had been cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnprovenFiles {
    /// They are taken as whole.
    Accept,
    /// They hold the watermark of their type.
    Hold,
}

/// What becomes of resources that came with elements left out, unasked, and would replace whole
/// ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Incomplete {
    /// They are delivered: the server tags all that it has.
    Deliver,
    /// They are not delivered, and hold the watermark of their type.
    Hold,
}

/// What this machine may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LimitsConfig {
    /// Files downloaded and processed at once.
    pub(crate) files_in_flight: usize,
    /// Where blocks and lines end.
    pub(crate) framer: FramerLimits,
    /// Tries of one file.
    pub(crate) file_tries: u32,
    /// The longest wait between two polls, whatever the server asks.
    pub(crate) longest_poll: Duration,
    /// The longest that a server may be too busy to hand out a file.
    pub(crate) file_wait: Duration,
    /// The longest that the server may take to prepare an export.
    pub(crate) export_time: Duration,
    /// The longest that a server may be too busy to begin an export.
    pub(crate) kickoff_wait: Duration,
}

pub(crate) fn sync(sync: &Reader<'_>) -> SyncConfig {
    let config = SyncConfig {
        overlap: sync.duration("overlap").unwrap_or(Duration::from_mins(5)),
        clock_skew: sync.duration("clock-skew").unwrap_or(Duration::from_mins(5)),
        probe: match sync.word("probe", &["absent", "all", "off"]).as_deref() {
            Some("all") => ProbeMode::All,
            Some("off") => ProbeMode::Off,
            _ => ProbeMode::Absent,
        },
        // Resources change while an export runs, and some servers estimate.
        probe_tolerance: sync.number("probe-tolerance", 0..1_001).unwrap_or(1),
        unproven_files: match sync.word("unproven-files", &["hold", "accept"]).as_deref()
        {
            Some("accept") => UnprovenFiles::Accept,
            _ => UnprovenFiles::Hold,
        },
        incomplete: match sync.word("incomplete", &["hold", "deliver"]).as_deref() {
            Some("deliver") => Incomplete::Deliver,
            _ => Incomplete::Hold,
        },
        accept_omission: accept_omission(sync),
        // A year and a month: what was done a year ago can still be shown.
        keep_history: sync
            .duration("keep-history")
            .unwrap_or(Duration::from_hours(9_600)),
        remembers: match sync.word("remember", &["resources", "nothing"]).as_deref() {
            Some("nothing") => Remembers::Nothing,
            _ => Remembers::Resources,
        },
        left: match sync.word("left", &["retract", "keep"]).as_deref() {
            Some("keep") => LeftPolicy::Keep,
            _ => LeftPolicy::Retract,
        },
        backfill: backfill(sync),
        // Each is several requests, of a door that is not made for bulk.
        everything_most: sync.number("everything-most", 0..100_001).unwrap_or(50),
        backfill_most: sync.number("backfill-most", 0..1_000_001).unwrap_or(5_000),
        most_deletions: sync.number("most-deletions", 0..101).unwrap_or(10),
        samples: sync.number("samples", 0..1_001).unwrap_or(10),
        // As long as an export's own history.
        keep_deleted: sync
            .duration("keep-deleted")
            .unwrap_or(Duration::from_hours(9_600)),
        catch_up: sync.duration("catch-up").or(Some(Duration::from_hours(1))),
        full_resync: sync.duration("full-resync"),
        export_log: export_log(sync),
    };
    sync.finish();
    config
}

/// The ways of a backfill, in the order in which they are tried.
fn backfill(sync: &Reader<'_>) -> Vec<BackfillWay> {
    let Some(names) = sync.texts("backfill") else {
        return vec![BackfillWay::Patient, BackfillWay::Everything];
    };
    let mut ways = Vec::new();
    for name in names {
        match name.as_str() {
            "everything" => ways.push(BackfillWay::Everything),
            "patient" => ways.push(BackfillWay::Patient),
            _ => sync.problem_at(
                "backfill",
                format!(
                    "`{name}` in `sync.backfill` is no way to ask for the history of who joined: \
                     want `patient` or `everything`; what is left is an export of everything"
                ),
            ),
        }
    }
    ways
}

/// A size, or `off`.
fn export_log(sync: &Reader<'_>) -> Option<ByteSize> {
    let default = ByteSize::mib(64);
    let Some(text) = sync.text("export-log") else { return Some(default) };
    if text == "off" {
        return None;
    }
    let size = text.parse();
    if let Err(error) = &size {
        let what =
            format!("`{text}` in `sync.export-log` is neither `off` nor a size: {error}");
        sync.problem_at("export-log", what);
    }
    Some(size.unwrap_or(default))
}

fn accept_omission(sync: &Reader<'_>) -> Vec<ResourceType> {
    let mut types = Vec::new();
    for name in sync.texts("accept-omission").unwrap_or_default() {
        match omission(&name) {
            Ok(name) => types.push(name),
            Err(error) => sync.problem_at(
                "accept-omission",
                format!("`{name}` in `sync.accept-omission` is {error}"),
            ),
        }
    }
    types
}

/// A type whose omission is accepted; `*` stands for all of them together, which are judged
/// when no type is asked for by name.
///
/// # Errors
///
/// When it is no name of a type.
pub(crate) fn omission(
    name: &str,
) -> Result<ResourceType, bulkhead_model::ResourceTypeError> {
    if name == "*" { Ok(all_types()) } else { name.parse() }
}

pub(crate) fn limits(limits: &Reader<'_>) -> LimitsConfig {
    let framer = FramerLimits::default();
    let bytes = |key: &str, default: usize| {
        limits.parsed::<ByteSize>(key).map_or(default, ByteSize::as_usize)
    };
    let number = |key: &str, default: u64, most: u64| {
        limits.number(key, 1..most + 1).unwrap_or(default)
    };
    let config = LimitsConfig {
        // Two cores are busy with four: while one lane waits for the disk, another computes.
        files_in_flight: usize::try_from(number("files-in-flight", 4, 64)).unwrap_or(4),
        framer: FramerLimits {
            block_bytes: bytes("block", framer.block_bytes).clamp(4 << 10, 16 << 20),
            block_lines: framer.block_lines,
            line_bytes: bytes("line", framer.line_bytes).max(4 << 10),
        },
        file_tries: u32::try_from(number("file-tries", 5, 100)).unwrap_or(5),
        file_wait: limits.duration("file-wait").unwrap_or(Duration::from_hours(1)),
        longest_poll: limits.duration("longest-poll").unwrap_or(Duration::from_mins(15)),
        // Real servers have taken weeks.
        export_time: limits.duration("export-time").unwrap_or(Duration::from_hours(720)),
        kickoff_wait: limits.duration("kickoff-wait").unwrap_or(Duration::from_mins(30)),
    };
    limits.finish();
    config
}
