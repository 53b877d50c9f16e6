//! What whole-program tests and isolation tests share: hostile guests, made of text; what was
//! built for tests to run; the search for what must not get out.
//!
//! The tests themselves are in the test binaries `it` and `isolation`.

mod bomb;
mod built;
mod canary;
mod fail;
mod guest;
mod parts;

pub use bomb::Bomb;
pub use built::{plugin, program};
pub use canary::{look, walk};
pub use guest::{Ending, Forgery, Guest, Head, Tampered, Unsigned, all};
pub use parts::{Parts, Strings};
