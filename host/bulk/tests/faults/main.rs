//! Every fault of the checklist, ordered of the sample server over real sockets: what the
//! client makes of it.
//!
//! Owns the tables, one for each part of an export; `rig` runs a row. What only the program
//! can decide (watermarks, retractions, exit codes) is in `tests/it/faults.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking; its tables are read here and nowhere else"
)]

mod bodies;
mod files;
mod jobs;
mod kickoffs;
mod lines;
mod manifests;
mod pages;
mod repeats;
mod rig;
mod row;
mod servers;
mod tokens;
