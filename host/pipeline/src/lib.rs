//! The heart: lines become records, stages give verdicts, a sink takes what is left, and
//! every record is accounted for.
//!
//! ```text
//! Block → Intake → Batch → Memory::recall → Chain ⟲ Stage::judge → settle → Batch
//!       → Sink::deliver → Advance
//! ```
//!
//! This crate knows neither FHIR servers nor Wasm nor files: a test's closure is a full
//! citizen stage. Nothing here runs by itself; a [`Lane`] moves when it is given a block, so
//! back-pressure is the absence of code.

mod advance;
mod asked;
mod batch;
mod chain;
mod deletion;
mod intake;
mod kept;
mod lane;
mod limit;
mod memory;
mod recalled;
mod referred;
mod replayed;
#[cfg(test)]
mod rig;
mod sink;
mod stage;
mod tally;
mod verdict;

pub use advance::{Advance, Quarantined};
pub use asked::{Asked, Unasked};
pub use batch::{Batch, Change, Kinds, Record};
pub use chain::{Chain, ChainError, ChainLimits, Pause};
pub use intake::{FileKind, Intake, IntakeError, Taken};
pub use kept::{Keeping, Kept, Label, Remains, Source};
pub use lane::{Caution, Lane, LaneError, LaneLimits};
pub use limit::Limit;
pub use memory::{Digests, Handled, Memory, MemoryError, Recall};
pub use recalled::Recalled;
pub use sink::{Checkpoint, CloseReason, Positions, Receipt, Sink, SinkError};
pub use stage::{Crash, Stage, StageError};
pub use tally::{Counts, Tally};
pub use verdict::{Output, Reject, RejectClass, Verdict};
