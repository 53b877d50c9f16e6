//! Everything that touches Wasm: engine, packages, grants, capabilities, live guests.
//!
//! ```text
//! bytes ─► Package (digest, manifest, imports) ─► grant::check ─► Plugin (linked, tried)
//!       ─► PluginStage / PluginSink ─► guest ─► convert ─► verdicts, receipts
//! ```
//!
//! What a plugin can do is what it imports and what was granted. An interface that is not
//! granted is not linked, so a guest that imports it fails to load, by name, before it has
//! run one instruction. Each capability is one file under `provide/`, all of one shape.

mod bindings;
mod cache;
mod context;
mod convert;
mod deterministic;
mod engine;
mod error;
pub mod fuzzing;
mod grant;
mod guest;
mod limits;
mod manifest;
mod package;
mod plugin;
mod provide;
mod signature;
mod sink;
mod stage;
mod uses;

pub use cache::Cache;
pub use context::{Clock, Entropy, Metrics, Resources, StateStore};
pub use deterministic::Determinism;
pub use engine::Sandbox;
pub use error::{ConfigProblem, Error};
pub use grant::{Denied, Grants, Telemetry, beyond_grants};
pub use limits::Limits;
pub use manifest::{Capability, Manifest, RejectCode, Role};
pub use package::{
    Anatomy, CustomSection, EMBEDDED_MANIFEST, Extent, Package, SectionPlace, Tool,
};
pub use plugin::Plugin;
pub use provide::wasi::VirtualWasi;
pub use signature::{Day, KeyId, Signature, SignatureError, Signer, TrustedKey};
pub use sink::{Conclusion, PluginSink};
pub use stage::PluginStage;
pub use uses::{BATCHES, DEATHS, Use, Uses};
