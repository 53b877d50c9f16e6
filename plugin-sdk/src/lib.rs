//! Write a Bulkhead plugin: a filter, a transform or a sink.
//!
//! A plugin is one type that implements [`Filter`], [`Transform`] or [`Sink`], exported once:
//!
//! ```
//! use bulkhead_plugin::{Batch, Decision, Filter, Manifest, PluginError, Problems, Role};
//!
//! /// Keeps what changed after a moment.
//! struct Recent {
//!     after_ms: i64,
//! }
//!
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! #[serde(deny_unknown_fields, rename_all = "kebab-case")]
//! struct Settings {
//!     /// Unix milliseconds.
//!     after_ms: i64,
//! }
//!
//! impl Filter for Recent {
//!     type Settings = Settings;
//!
//!     fn manifest() -> Manifest {
//!         Manifest::new::<Settings>("recent", "0.1.0", Role::Filter)
//!     }
//!
//!     fn new(settings: Settings) -> Result<Self, Problems> {
//!         Ok(Self { after_ms: settings.after_ms })
//!     }
//!
//!     fn evaluate(&mut self, batch: &Batch<'_>) -> Result<Decision, PluginError> {
//!         Ok(Decision::keep_where(batch.last_updated().iter().map(|at| *at > self.after_ms)))
//!     }
//! }
//!
//! bulkhead_plugin::export!(filter Recent);
//! # fn main() {}
//! ```
//!
//! What a plugin can do is what it imports, and it imports what it calls: [`Batch::bodies`],
//! [`artifacts`], [`keyed_hash`] and the rest are each one interface of `wit/`, which the
//! manifest must ask for and the operator must grant. A plugin that never calls
//! [`Batch::bodies`] provably never sees a resource.
//!
//! [`testing`] runs the same logic natively on a table of cases, without Wasm. The contract
//! itself is documented in `wit/*.wit`.

pub mod artifacts;
mod batch;
mod bindings;
pub mod clock;
mod cohort;
mod export;
mod filter;
pub mod keyed_hash;
mod manifest;
pub mod outbound_http;
mod positions;
mod problem;
pub mod random;
mod sink;
pub mod state;
pub mod telemetry;
mod transform;

#[cfg_attr(target_arch = "wasm32", path = "host/wasm.rs")]
#[cfg_attr(not(target_arch = "wasm32"), path = "host/native.rs")]
mod host;

#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use batch::{Batch, Bodies, Change, TextColumn};
pub use cohort::{CohortError, Membership, Memberships};
pub use filter::{Decision, Filter};
pub use manifest::{Capability, Manifest, Reject, Role};
pub use positions::Positions;
pub use problem::{Failure, PluginError, Problem, Problems, RejectClass, Rejection};
pub use sink::{
    Assignment, Checkpoint, CloseReason, FinishedExport, FinishedFile, Receipt, Sink,
};
pub use transform::{Action, Changes, Edit, Output, Transform};

#[doc(hidden)]
pub mod __private {
    //! What [`crate::export!`] expands to. Not for use by hand.
    pub use crate::bindings::{
        filter_world, lifecycle_world, sink_world, transform_world,
    };
    pub use crate::export::{FilterSeat, SinkSeat, TransformSeat};
}
