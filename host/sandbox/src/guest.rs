//! One live guest: a store, its exports, and calls that end in time.
//!
//! After any error the guest is thrown away; the next call is made on a fresh one. A store
//! holds one guest, so guests share neither memory nor fate.

use std::{future::Future, time::Duration};

use bulkhead_pipeline::{Batch, Crash};
use wasmtime::{
    Store, Trap, UpdateDeadline,
    component::{InstancePre, ResourceTableError},
};

use crate::{
    Error, Limits, Plugin,
    calls::{Answer, Call, Exports},
    context::Context,
    limits::Meter,
};

/// One live guest of this process.
pub(crate) struct Guest {
    store: Store<Context>,
    exports: Exports,
    limits: Limits,
}

impl Guest {
    /// A fresh guest, not configured.
    pub(crate) async fn start(
        plugin: &Plugin,
        linked: &InstancePre<Context>,
    ) -> Result<Self, Error> {
        let limits = *plugin.limits();
        let mut store = Store::new(linked.engine(), plugin.context());
        bound(&mut store, &limits, |context| &mut context.meter);
        let started = linked.instantiate_async(&mut store);
        let instance = within(limits.call, started)
            .await
            .map_err(|ended| Error::Died { crash: ended.of_guest(store.data()) })?;
        let exports = Exports::of(Some(plugin.manifest().role), &mut store, &instance);
        let exports = exports.map_err(|source| Error::Link { source })?;
        Ok(Self { store, exports, limits })
    }

    /// Calls the guest: its time and its return budget are fresh.
    pub(crate) async fn call(&mut self, call: Call) -> Result<Answer, Crash> {
        self.store.data_mut().meter.renew(&self.limits);
        self.store.set_epoch_deadline(1);
        let answer = self.exports.call(&mut self.store, call);
        let answer = within(self.limits.call, answer).await;
        answer.map_err(|ended| ended.of_guest(self.store.data()))
    }

    /// Calls the guest over a batch, which it has for this call.
    pub(crate) async fn lend(
        &mut self,
        batch: &Batch,
        call: fn(u32) -> Call,
    ) -> Result<Answer, Crash> {
        let lent = self.store.data_mut().lend(batch)?;
        let answer = self.call(call(lent.rep())).await?;
        self.store.data_mut().take_back(lent);
        Ok(answer)
    }
}

/// Puts a store under its limits and gives it the time of one call. No guest runs in a store
/// that has not been here.
pub(crate) fn bound<T: 'static>(
    store: &mut Store<T>,
    limits: &Limits,
    meter: fn(&mut T) -> &mut Meter,
) {
    store.limiter(move |data| meter(data));
    // Fresh for every call of the host and every answer to it, says wasmtime.
    store.set_hostcall_fuel(limits.return_bytes.as_usize());
    store.set_max_component_handles(limits.handles);
    meter(store.data_mut()).renew(limits);
    store.set_epoch_deadline(1);
    // At every tick the guest gives way, so that neighbours and the wall clock come to their
    // turn. A tick that passed while it waited for the host counts once, however long.
    store.epoch_deadline_callback(move |mut store| {
        let may_run = meter(store.data_mut()).tick();
        Ok(if may_run { UpdateDeadline::Yield(1) } else { UpdateDeadline::Interrupt })
    });
}

/// How a call ended that gave no answer.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The engine stopped it.
    Error(wasmtime::Error),
    /// Its wall time was over, wherever it was waiting.
    Late,
}

impl Ended {
    /// Whose fault it was, as far as the guest goes.
    pub(crate) fn of_guest(&self, context: &Context) -> Crash {
        let crash = self.of(&context.meter);
        if let Self::Error(error) = self {
            // The engine's words are for developers: they carry no guest text.
            let cause = error.root_cause();
            tracing::debug!(stage = %context.stage, ?crash, %cause, "a guest was stopped");
        }
        crash
    }

    /// The same of any store.
    pub(crate) fn of(&self, meter: &Meter) -> Crash {
        let error = match self {
            Self::Late => return Crash::Deadline,
            Self::Error(error) => error,
        };
        if meter.ran_out_of_time || error.downcast_ref() == Some(&Trap::Interrupt) {
            Crash::Deadline
        } else if meter.was_refused || is_too_much(error) {
            Crash::Memory
        } else {
            Crash::Trap
        }
    }
}

/// Whether a guest passed more bytes to the host, or held more handles, than it may.
///
/// The engine's error for bytes has no public type, only its text; a test holds it fast.
fn is_too_much(error: &wasmtime::Error) -> bool {
    matches!(error.downcast_ref(), Some(ResourceTableError::Full))
        || error.root_cause().to_string().contains("fuel allocated for hostcalls")
}

/// Runs a call for at most `wall`. A call that is given up leaves a store that must not be
/// used again.
pub(crate) async fn within<T>(
    wall: Duration,
    call: impl Future<Output = wasmtime::Result<T>>,
) -> Result<T, Ended> {
    match tokio::time::timeout(wall, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Ended::Error(error)),
        Err(_) => Err(Ended::Late),
    }
}
