//! What the measurements share: rounds that take turns, made-up data, the program's children.
//!
//! A number of one machine on one day says little, so every measurement is a ratio to a
//! baseline that took turns with it. What came out is in `docs/performance.md`.

#![expect(clippy::disallowed_methods, reason = "measuring is reading clocks")]

pub mod children;
pub mod data;
pub mod lanes;
pub mod native;
pub mod remembering;
pub mod resources;
pub mod rounds;
