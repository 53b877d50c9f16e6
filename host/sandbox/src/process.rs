//! Children: processes in which this program does what it would not do in its own.
//!
//! ```text
//! parent                                     child, the same program started anew
//! Compiler::compile ── order: wasm ───────►  child::compile   bounded, walled in
//!                   ◄── code, or why not ──
//! Apart::start      ── setup: code ───────►  child::run       walled in, then the guest
//! Apart::call       ── call ──────────────►
//! serve             ◄── what it asks ──────  child::remote    the host's answers, no data
//!                   ◄── answer ────────────
//! ```
//!
//! Parent and child share one socket, and speak frames over it: a length, then values of
//! [`wire`]. The parent trusts nothing that it hears: lengths are bounded, what does not parse
//! ends the child.

pub(crate) mod apart;
pub(crate) mod children;
pub(crate) mod frame;
pub(crate) mod message;
mod serve;
pub(crate) mod wire;
pub(crate) mod words;

pub use children::Children;
