//! Live guests against the sandbox's public API: what hostile ones run into, and that nobody
//! else notices.
//!
//! Guests are written as core modules in the text format and made components by the same
//! tool that plugin authors use; see [`guest`].

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests say what they expect by failing, as tests do"
)]

mod capabilities;
mod crashes;
mod deterministic;
mod features;
mod guest;
mod http;
mod isolation;
mod keys;
mod limits;
mod loading;
mod returns;
mod sinks;
mod supply;
mod uses;
mod wasi;
