//! What parent and child say to each other.
//!
//! ```text
//! parent                         child
//! Setup ───────────────────────►        loads the code, puts its walls up
//!       ◄─────────────────────── Begun
//! Request ─────────────────────►        calls the guest
//!       ◄─────────────────────── Word::Ask, as often as the guest calls the host
//! the host's answer ───────────►
//!       ◄─────────────────────── Word::Answer, or Word::Died, after which it is gone
//! ```

use bulkhead_model::ByteSize;
use bulkhead_pipeline::{Crash, Limit};

use super::{
    wire::{Source, Wire},
    words::{choice, record},
};
use crate::{
    Isolation, Limits, Walls,
    bindings::wit::{
        artifacts::{Compression, Digest, Framing},
        outbound_http::{self, Head},
        telemetry::{Level, Value},
        types::Positions,
    },
    calls::{Answer, Call},
    limits::Allowance,
    manifest::Role,
};

/// What a child is to run, and how.
pub(crate) struct Setup {
    pub(crate) isolation: Isolation,
    pub(crate) limits: Limits,
    /// None when it is only asked for its manifest.
    pub(crate) role: Option<Role>,
    /// What the guest's imports lead to.
    pub(crate) imports: Imports,
    /// The compiled component.
    pub(crate) code: Vec<u8>,
}

/// What a guest's imports lead to.
pub(crate) enum Imports {
    /// The host, for these interfaces and those that come with every batch.
    Granted(Vec<String>),
    /// Nothing: whatever is called traps.
    Traps,
}

/// Whether a child is ready.
pub(crate) type Begun = Result<Walls, Refusal>;

/// Why a child does not run a guest.
pub(crate) enum Refusal {
    /// The walls that this kernel lacks.
    Walls(String),
    /// An import that leads nowhere, or code that is not for this engine.
    Link(String),
}

/// What the parent wants of a guest.
pub(crate) enum Request {
    /// An answer, within this time.
    Call { call: Call, allowance: Allowance },
    /// Its manifest.
    Describe,
    /// That it is there.
    Start,
}

/// What a child says during a request.
pub(crate) enum Word {
    /// The guest's answer, and what it took.
    Answer { answer: Answer, took: Took },
    /// The guest calls the host.
    Ask(Ask),
    /// The guest died.
    Died { crash: Crash, took: Took },
    /// The guest is there, and what its start took.
    Started { took: Took },
    /// The guest's manifest.
    Told(String),
    /// The guest is not what its role must be: the engine's words.
    Unlinked(String),
}

/// What a call took, by the child's count.
#[derive(Clone, Copy, Default)]
pub(crate) struct Took {
    pub(crate) ticks: u64,
    /// What the guest was refused first.
    pub(crate) refused: Option<Limit>,
}

/// A guest's call of the host. Handles are numbers of the parent's own table.
pub(crate) enum Ask {
    Column {
        column: Column,
        of: u32,
    },
    KindNames,
    Bodies {
        of: u32,
        start: u32,
        count: u32,
    },
    Clock(Hand),
    Cohort {
        of: u32,
        cohort: String,
    },
    Commit(u32),
    Count {
        metric: String,
        delta: u64,
    },
    Create {
        store: String,
        name: String,
        compression: Compression,
        digest: Digest,
    },
    DropWriter(u32),
    Event {
        level: Level,
        code: String,
        fields: Vec<(String, Value)>,
    },
    Field {
        of: u32,
        field: String,
    },
    Gauge {
        metric: String,
        value: f64,
    },
    Hash {
        key: String,
        values: Vec<Vec<u8>>,
    },
    Random(u32),
    Send {
        destination: String,
        head: Head,
        body: Vec<u8>,
    },
    SendRecords {
        destination: String,
        head: Head,
        of: u32,
        which: Positions,
        framing: outbound_http::Framing,
    },
    StateDelete(String),
    StateGet(String),
    StateSet {
        key: String,
        value: Vec<u8>,
    },
    Write {
        writer: u32,
        bytes: Vec<u8>,
    },
    WriteRecords {
        writer: u32,
        of: u32,
        which: Positions,
        framing: Framing,
    },
}

/// What can be asked of a batch.
#[derive(Clone, Copy)]
pub(crate) enum Column {
    Attempt,
    ByteLen,
    ByteLens,
    Changes,
    Id,
    Kinds,
    LastUpdated,
    Len,
    Seqs,
}

/// One of the two clocks.
#[derive(Clone, Copy)]
pub(crate) enum Hand {
    Monotonic,
    Wall,
}

impl Ask {
    /// The interface that must be granted for it; `None` comes with every batch.
    pub(crate) const fn interface(&self) -> Option<&'static str> {
        match self {
            Self::Column { .. } | Self::KindNames => None,
            Self::Bodies { .. } => Some("bodies"),
            Self::Clock(_) => Some("clock"),
            Self::Cohort { .. } => Some("cohorts"),
            Self::Commit(_)
            | Self::Create { .. }
            | Self::DropWriter(_)
            | Self::Write { .. }
            | Self::WriteRecords { .. } => Some("artifacts"),
            Self::Count { .. } | Self::Event { .. } | Self::Gauge { .. } => {
                Some("telemetry")
            }
            Self::Field { .. } => Some("projection"),
            Self::Hash { .. } => Some("keyed-hash"),
            Self::Random(_) => Some("random"),
            Self::Send { .. } | Self::SendRecords { .. } => Some("outbound-http"),
            Self::StateDelete(_) | Self::StateGet(_) | Self::StateSet { .. } => {
                Some("state")
            }
        }
    }
}

record!(Setup { isolation, limits, role, imports, code });
record!(Walls { landlock, seccomp });
choice!(Imports { 0 Granted(interfaces), 1 Traps });
choice!(Isolation { 0 InProcess, 1 Process, 2 ProcessUnconfined });
choice!(Refusal { 0 Walls(missing), 1 Link(why) });
record!(Took { ticks, refused });
record!(Allowance { wall, wall_of, ticks, ticks_of });
choice!(Request { 0 Call { call, allowance }, 1 Describe, 2 Start });
choice!(Word {
    0 Answer { answer, took },
    1 Ask(ask),
    2 Died { crash, took },
    3 Started { took },
    4 Told(manifest),
    5 Unlinked(why),
});
choice!(Role { 0 Filter, 1 Sink, 2 Transform });
choice!(Crash { 0 Contract, 1 Limit(limit), 2 Trap });
choice!(Limit {
    0 ArtifactBytes,
    1 Artifacts,
    2 Batch,
    3 BatchCpu,
    4 Call,
    5 Cpu,
    6 Expansion,
    7 Handles,
    8 Instances,
    9 Memories,
    10 Memory,
    11 Restarts,
    12 ReturnBytes,
    13 RunArtifactBytes,
    14 RunArtifacts,
    15 StateBytes,
    16 StateValueBytes,
    17 TableElements,
    18 Tables,
    19 HttpBytes,
    20 HttpRequests,
    21 HttpTime,
});
choice!(Column {
    0 Attempt,
    1 ByteLen,
    2 ByteLens,
    3 Changes,
    4 Id,
    5 Kinds,
    6 LastUpdated,
    7 Len,
    8 Seqs,
});
choice!(Hand { 0 Monotonic, 1 Wall });
choice!(Ask {
    0 Column { column, of },
    1 KindNames,
    2 Bodies { of, start, count },
    3 Clock(hand),
    4 Cohort { of, cohort },
    5 Commit(writer),
    6 Count { metric, delta },
    7 Create { store, name, compression, digest },
    8 DropWriter(writer),
    9 Event { level, code, fields },
    10 Field { of, field },
    11 Gauge { metric, value },
    12 Hash { key, values },
    13 Random(len),
    14 StateDelete(key),
    15 StateGet(key),
    16 StateSet { key, value },
    17 Write { writer, bytes },
    18 WriteRecords { writer, of, which, framing },
    19 Send { destination, head, body },
    20 SendRecords { destination, head, of, which, framing },
});
choice!(Call {
    0 Apply(of),
    1 Close(why),
    2 Conclude(done),
    3 Configure(settings),
    4 Deliver(of),
    5 Evaluate(of),
    6 Flush,
    7 Open(work),
});
choice!(Answer {
    0 Changes(changes),
    1 Checkpoint(checkpoint),
    2 Closed(checkpoint),
    3 Configured(outcome),
    4 Decision(decision),
    5 Done(outcome),
    6 Receipt(receipt),
});

/// What of the limits binds in a child; the rest binds in the parent.
impl Wire for Limits {
    fn put(&self, to: &mut Vec<u8>) {
        let counts = [
            self.memories,
            self.table_elements,
            self.tables,
            self.instances,
            self.handles,
        ];
        self.memory.bytes().put(to);
        for count in counts {
            (count as u64).put(to);
        }
        self.call.put(to);
        self.cpu.put(to);
        self.return_bytes.bytes().put(to);
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        fn count(from: &mut Source<'_>) -> Option<usize> {
            usize::try_from(u64::take(from)?).ok()
        }
        Some(Self {
            memory: ByteSize::from_bytes(u64::take(from)?),
            memories: count(from)?,
            table_elements: count(from)?,
            tables: count(from)?,
            instances: count(from)?,
            handles: count(from)?,
            call: Wire::take(from)?,
            cpu: Wire::take(from)?,
            return_bytes: ByteSize::from_bytes(u64::take(from)?),
            ..Self::default()
        })
    }
}

#[cfg(test)]
mod tests;
