//! What whole-program tests and isolation tests share: hostile guests, made of text.
//!
//! The tests themselves are in the test binaries `it` and `isolation`.

mod guest;

pub use guest::{Ending, Guest, Head, all};
