//! `clock`: two clocks, quantised to a millisecond.
//!
//! The host has one clock, which an operator may set back; the monotonic one then stands
//! still until the other has caught up. It starts anew with every guest. In a deterministic
//! chain both stand still at the export's own moment.

use wasmtime::Result;

use crate::{bindings::wit::clock, context::Context};

impl clock::Host for Context {
    fn monotonic_ms(&mut self) -> Result<u64> {
        self.latest_ms = self.latest_ms.max(self.wall_ms()?);
        Ok(self.latest_ms)
    }

    fn wall_ms(&mut self) -> Result<u64> {
        self.uses.count("clock", "", 0);
        // Before 1970 there is nothing to tell.
        Ok(u64::try_from(self.time().unix_ms()).unwrap_or(0))
    }
}
