//! `wasi:clocks`: the clocks of the grant `clock`, to a millisecond; without it time stands still
//! at 1970, and every wait is over at once.

use std::{pin::Pin, time::Duration};

use tokio::time::Sleep;
use wasmtime::{Result, component::Resource};
use wasmtime_wasi::{
    async_trait,
    p2::{
        DynPollable, Pollable,
        bindings::clocks::{
            monotonic_clock,
            wall_clock::{self, Datetime},
        },
        subscribe,
    },
};

use crate::{bindings::wit::clock::Host as _, context::Context};

const NANOS: u64 = 1_000_000;

impl wall_clock::Host for Context {
    fn now(&mut self) -> Result<Datetime> {
        let ms = if self.grants.clock { self.wall_ms()? } else { 0 };
        let nanoseconds = u32::try_from(ms % 1_000 * NANOS)?;
        Ok(Datetime { seconds: ms / 1_000, nanoseconds })
    }

    fn resolution(&mut self) -> Result<Datetime> {
        Ok(Datetime { seconds: 0, nanoseconds: u32::try_from(NANOS)? })
    }
}

impl monotonic_clock::Host for Context {
    fn now(&mut self) -> Result<u64> {
        let ms = if self.grants.clock { self.monotonic_ms()? } else { 0 };
        Ok(ms.saturating_mul(NANOS))
    }

    fn resolution(&mut self) -> Result<u64> {
        Ok(NANOS)
    }

    fn subscribe_instant(&mut self, when: u64) -> Result<Resource<DynPollable>> {
        let now = monotonic_clock::Host::now(self)?;
        monotonic_clock::Host::subscribe_duration(self, when.saturating_sub(now))
    }

    fn subscribe_duration(&mut self, nanos: u64) -> Result<Resource<DynPollable>> {
        // Where time stands still, no time passes. Else to the millisecond, rounded up: a wait
        // must not measure what the clock hides. The wall time of the call ends it in any case.
        let is_live = self.grants.clock && self.resources.deterministic.is_none();
        let ms = if is_live { nanos.div_ceil(NANOS) } else { 0 };
        let wait = Wait(Box::pin(tokio::time::sleep(Duration::from_millis(ms))));
        let wait = self.table.push(wait)?;
        subscribe(&mut self.table, wait)
    }
}

/// A wait that has an end.
struct Wait(Pin<Box<Sleep>>);

#[async_trait]
impl Pollable for Wait {
    async fn ready(&mut self) {
        if self.0.is_elapsed() {
            // A guest that asks again and again must not starve its neighbours.
            tokio::task::yield_now().await;
        } else {
            self.0.as_mut().await;
        }
    }
}
