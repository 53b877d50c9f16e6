//! What one plugin may use, and what it has used.
//!
//! [`Limits`] is what the operator sets. A guest's own sums are `meter.rs`; what one batch may
//! take, however many calls and guests it needs, is `budget.rs`; what the host does for a guest
//! is `work.rs`; what all lanes of a stage share is `shared.rs`, its rates `bucket.rs`.

mod bucket;
mod budget;
mod meter;
mod shared;
mod work;

use std::time::Duration;

use bulkhead_model::ByteSize;

pub(crate) use self::{
    budget::{Allowance, Budget},
    meter::Meter,
    shared::{FileKey, Shared, Shown},
    work::Work,
};

/// What one plugin may use: each instance of it, unless it says otherwise. Every field binds,
/// and an operator can set each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory, summed over all memories.
    pub memory: ByteSize,
    /// Linear memories.
    pub memories: usize,
    /// Elements of tables, summed over all tables.
    pub table_elements: usize,
    /// Tables.
    pub tables: usize,
    /// Instances of core modules.
    pub instances: usize,
    /// Live handles.
    pub handles: usize,
    /// Wall time of one call, waiting for the host included.
    pub call: Duration,
    /// Processor time of one call, to the engine's tick of 5 ms, with what the host computes
    /// for it (columns, fields, hashes).
    pub cpu: Duration,
    /// Wall time of one batch, over all calls that retries and halves take, pauses included.
    pub batch: Duration,
    /// Processor time of one batch, likewise, with that of fresh guests which start for it.
    pub batch_cpu: Duration,
    /// Bytes that one call may return, and that each of its calls to the host may pass.
    pub return_bytes: ByteSize,
    /// HTTP requests of all instances of a stage in one run.
    pub http_requests: u64,
    /// Bytes of their bodies, both ways.
    pub http_bytes: ByteSize,
    /// Time in which they are under way, summed.
    pub http_time: Duration,
    /// How many times the size of a record that which a transform makes of it may have.
    pub expansion: u32,
    /// Events and gauges that are shown, a second, over all instances of a stage.
    pub events_per_second: u32,
    /// How many of them at once after a quiet while.
    pub event_burst: u32,
    /// Bytes of artifacts before compression, for one file of the export.
    pub artifact_bytes: ByteSize,
    /// Artifacts begun, for one file of the export.
    pub artifacts: u64,
    /// Bytes of artifacts before compression, a run, over all instances.
    pub run_artifact_bytes: ByteSize,
    /// Artifacts begun, a run, over all instances.
    pub run_artifacts: u64,
    /// What a stage may keep as state, in bytes.
    pub state_bytes: ByteSize,
    /// One value of it.
    pub state_value_bytes: ByteSize,
    /// Deaths within [`Limits::restart_window`], over all instances of a stage.
    pub restarts: u32,
    /// See [`Limits::restarts`].
    pub restart_window: Duration,
    /// Time to compile the plugin, which is done once and kept.
    pub compile: Duration,
    /// Memory to compile it in.
    pub compile_memory: ByteSize,
}

impl Default for Limits {
    /// 64 MiB holds a batch of 1 MiB as a tree several times over. 30 s of waiting covers a
    /// slow disk; 10 s of work is a thousand times what a batch takes. To find the one record
    /// of a batch that makes a guest spin takes 15 deaths: 5 minutes of work are twice that, 15
    /// minutes leave room for 8 retries with a minute's pause. An SDK plugin is three
    /// instances with one memory and two tables, one with a Python interpreter in it 40 with one
    /// memory and fewer than 16 tables. A file of 64 GiB is larger than any seen. A
    /// plugin of 10 MiB compiles in some 10 s and a few hundred MiB.
    fn default() -> Self {
        Self {
            memory: ByteSize::mib(64),
            memories: 8,
            table_elements: 20_000,
            tables: 16,
            instances: 64,
            handles: 64,
            call: Duration::from_secs(30),
            cpu: Duration::from_secs(10),
            batch: Duration::from_mins(15),
            batch_cpu: Duration::from_mins(5),
            return_bytes: ByteSize::mib(32),
            // Twenty million resources in Bundles of 500 are 40,000 requests; a terabyte is
            // more than such an export has; 30 days are the longest that an export may take.
            http_requests: 1_000_000,
            http_bytes: ByteSize::mib(1 << 20),
            http_time: Duration::from_hours(720),
            expansion: 10,
            events_per_second: 100,
            event_burst: 1_000,
            artifact_bytes: ByteSize::mib(64 << 10),
            artifacts: 10_000,
            run_artifact_bytes: ByteSize::mib(1 << 20),
            run_artifacts: 1_000_000,
            state_bytes: ByteSize::mib(16),
            state_value_bytes: ByteSize::from_bytes(64 << 10),
            restarts: 256,
            restart_window: Duration::from_mins(10),
            compile: Duration::from_mins(1),
            compile_memory: ByteSize::mib(1024),
        }
    }
}

/// What a record may grow to whatever its size: rows and extensions around a tiny record.
const LEAST_ROOM: u64 = 64 << 10;

/// What one output costs the host besides its bytes, about.
const OUTPUT: u64 = 256;

impl Limits {
    /// Whether a transform may make outputs of these sizes of a record of `input` bytes.
    pub(crate) fn allows(
        &self,
        input: usize,
        outputs: impl Iterator<Item = usize>,
    ) -> bool {
        let room = (input as u64).saturating_mul(self.expansion.into()).max(LEAST_ROOM);
        let made = outputs.map(|len| OUTPUT.saturating_add(len as u64));
        made.fold(0, u64::saturating_add) <= room.saturating_add(OUTPUT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attacks: 18.
    #[test]
    fn a_record_may_grow_by_a_factor_and_a_tiny_one_by_more() {
        let limits = Limits { expansion: 2, ..Limits::default() };
        let cases: [(&str, usize, &[usize], bool); 6] = [
            ("nothing of nothing", 0, &[], true),
            ("a tiny record grows a thousandfold", 40, &[40_000], true),
            ("not without end", 40, &[64 << 10, 1], false),
            ("a large one doubles", 1 << 20, &[2 << 20], true),
            ("a byte too many", 1 << 20, &[(2 << 20) + 1], false),
            ("empty rows cost something", 40, &[0; 300], false),
        ];
        for (name, input, outputs, expected) in cases {
            let allowed = limits.allows(input, outputs.iter().copied());
            assert_eq!(allowed, expected, "case: {name}");
        }
    }
}
