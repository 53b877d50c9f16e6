//! `clock`: two clocks, quantised to a millisecond.
//!
//! The host keeps one clock and takes care that it never falls within a run, so both
//! functions may read it.

use wasmtime::Result;

use crate::{bindings::wit::clock, context::Context};

impl clock::Host for Context {
    fn monotonic_ms(&mut self) -> Result<u64> {
        self.wall_ms()
    }

    fn wall_ms(&mut self) -> Result<u64> {
        Ok(u64::try_from((self.resources.now)().unix_ms()).unwrap_or(0))
    }
}
