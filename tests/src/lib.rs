//! What whole-program tests and isolation tests share: what was built for tests to run, and the
//! search for what must not get out. Guests are made by `guest-builder`.
//!
//! The tests themselves are in the test binaries `it` and `isolation`.

mod built;
mod canary;

pub use built::{plugin, program};
pub use canary::{look, walk};
