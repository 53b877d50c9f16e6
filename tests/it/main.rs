//! Whole-program tests: the real binary, first-party plugins as shipped, and servers on
//! 127.0.0.1. What one crate can show alone is tested in that crate.
//!
//! `cargo xtask test` builds the binary and the plugins first. `BULKHEAD_PLUGINS` names the
//! folder of the plugins; it is `target/plugins` by default.

#![cfg(test)]
#![expect(
    clippy::format_push_string,
    reason = "tests say what they expect by failing, and are read more often than run"
)]

mod audit;
mod backfill;
mod bytes;
mod canaries;
mod changes;
mod completeness;
mod counting;
mod destinations;
mod deterministic;
mod export_log;
mod exports;
mod faults;
mod gone;
mod jobs;
mod kills;
mod links;
mod members;
mod network;
mod plugins;
mod processes;
mod quarantine;
mod refusals;
mod remarks;
mod replaced;
mod rig;
mod setup;
mod signatures;
mod stopping;
mod volume;
