//! Guests for tests, made of text: components with the layouts of the canonical ABI, without
//! the SDK, so that they may do what no honest plugin does.
//!
//! ```text
//! tests/guests/*.wat ─► Guest (head, pieces) ─► Parts (a core module) ─► component
//! ```
//!
//! Knows the contract (`wit`) and nothing of the host, whose crates test with it.

mod bomb;
mod fail;
mod guest;
mod parts;

pub use bomb::Bomb;
pub use guest::{Ending, Forgery, Guest, Head, Tampered, Unsigned, all};
pub use parts::{Parts, Strings};
