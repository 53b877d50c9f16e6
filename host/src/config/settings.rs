//! `[sync]` and `[limits]`: how far to reach back, and what this machine may spend.

use std::time::Duration;

use bulkhead_model::ByteSize;
use bulkhead_ndjson::FramerLimits;

use super::reader::Reader;

/// How incremental exports are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyncConfig {
    /// Asked again before the watermark. Covers transactions that were under way, clocks
    /// that are cut to seconds and servers whose nodes disagree.
    pub(crate) overlap: Duration,
    /// How far the server's clock may be behind ours when it does not tell the time.
    pub(crate) clock_skew: Duration,
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
    /// The longest that the server may take to prepare an export.
    pub(crate) export_time: Duration,
}

pub(crate) fn sync(sync: &Reader<'_>) -> SyncConfig {
    let config = SyncConfig {
        overlap: sync.duration("overlap").unwrap_or(Duration::from_mins(5)),
        clock_skew: sync.duration("clock-skew").unwrap_or(Duration::from_mins(5)),
    };
    sync.finish();
    config
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
        longest_poll: limits.duration("longest-poll").unwrap_or(Duration::from_mins(15)),
        // Real servers have taken weeks.
        export_time: limits.duration("export-time").unwrap_or(Duration::from_hours(720)),
    };
    limits.finish();
    config
}
