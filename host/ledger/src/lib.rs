//! What is durably done: the memory of Bulkhead between two breaths and between two runs.
//!
//! One `SQLite` file holds the journal of exports (how far each came), a checkpoint per file
//! (which lines a sink called durable), a watermark per resource type (from when to ask
//! next), how much each type usually brings, the positions of quarantined lines, who was in a
//! cohort, what plugins called, and what they asked to remember. Beside it lies the hash-chained
//! [`audit`] log, and one [`delivered`] ledger a chain and
//! source says of each resource what was last delivered. A call that returned `Ok` has been
//! synced to disk.
//!
//! This crate decides nothing about exports: it refuses what would make the record untrue (a
//! checkpoint that goes backwards, a phase out of order, a watermark over a gap) and leaves
//! the rest to the app. It reads no clock; time arrives as arguments.
//!
//! # What the file holds
//!
//! No row that this crate writes of its own holds patient data: lines are named by their
//! position, never by an id or by content, and patients by a hash. Three things deserve care
//! all the same, which is why the file is `0600` and its directory is created `0700`:
//!
//! - `status_url` and `manifest` may hold capability URLs: who has them has the data.
//! - `request`, `failure`, `report` and `tally` are the app's words, stored as they come.
//! - checkpoint tokens and plugin state are bytes a guest chose. They are opaque here;
//!   whoever grants a plugin state lets it write to this file.
//!
//! Source: Bulk Data IG, "Bulk Data Export Operation Request Flow" (a client may persist the
//! status URL and resume), and the project's watermark rule (`docs/architecture.md`).

pub mod audit;
pub mod delivered;

mod cohort;
mod column;
mod drift;
mod error;
mod evidence;
mod export_id;
mod ledger;
mod looks;
mod overlap;
mod phase;
mod place;
mod quarantine;
mod record;
mod run_lock;
mod schema;
mod seen;
mod state;
mod uses;
mod void;
mod watermark;

pub use error::Error;
pub use evidence::{Baseline, Omission};
pub use export_id::{ExportId, ExportIdError};
pub use ledger::Ledger;
pub use looks::Look;
pub use overlap::LearntOverlap;
pub use phase::Phase;
pub use quarantine::QuarantineEntry;
pub use record::{
    Completion, ExportRecord, FileArray, FileCheckpoint, FileRecord, FileState,
    NewExport, NewFile, Proof,
};
pub use run_lock::RunLock;
pub use state::StateQuota;
pub use uses::{PastUse, PluginUse};
pub use void::Voids;
pub use watermark::{Held, HeldReason, Watermark, WatermarkReset};
