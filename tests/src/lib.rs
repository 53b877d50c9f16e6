//! What whole-program tests and isolation tests share: hostile guests, made of text.
//!
//! The tests themselves are in the test binaries `it` and `isolation`.

mod canary;
mod guest;

pub use canary::{look, walk};
pub use guest::{Ending, Guest, Head, all};
