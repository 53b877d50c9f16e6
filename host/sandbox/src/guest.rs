//! One live guest: a store, its exports, and calls that end in time.
//!
//! After any error the guest is thrown away; the next call is made on a fresh one. A store
//! holds one guest, so guests share neither memory nor fate.

use std::{future::Future, time::Duration};

use bulkhead_model::Instant;
use bulkhead_pipeline::{Batch, Crash, Limit};
use wasmtime::{
    Store, Trap, UpdateDeadline,
    component::{InstancePre, ResourceTableError},
};

use crate::{
    Error, Limits, Plugin,
    calls::{Answer, Call, Exports, Terms},
    context::Context,
    deterministic::Moment,
    limits::{Allowance, FileKey, Meter},
};

/// One live guest of this process.
pub(crate) struct Guest {
    store: Store<Context>,
    exports: Exports,
}

impl Guest {
    /// A fresh guest, not configured.
    ///
    /// Clocks that stand still show `frozen_at`. Adds to `spent` the ticks that it took.
    pub(crate) async fn start(
        plugin: &Plugin,
        linked: &InstancePre<Context>,
        frozen_at: Instant,
        spent: &mut u64,
    ) -> Result<Self, Error> {
        let limits = plugin.limits();
        let mut store = Store::new(linked.engine(), plugin.context(frozen_at));
        bound(&mut store, limits, |context| &mut context.meter);
        let started = linked.instantiate_async(&mut store);
        let started = within(limits.call, started).await;
        *spent = spent.saturating_add(store.data().meter.ticks_used());
        let instance = started
            .map_err(|ended| Error::Died { crash: ended.of_guest(store.data()) })?;
        let exports = Exports::of(Some(plugin.manifest().role), &mut store, &instance);
        let exports = exports.map_err(|source| Error::Link { source })?;
        Ok(Self { store, exports })
    }

    /// What it does is of this file.
    pub(crate) fn work_on(&mut self, file: FileKey) {
        self.store.data_mut().file = file;
    }

    /// Puts what the operator granted in reach.
    pub(crate) fn equip(&mut self, plugin: &Plugin) {
        self.store.data_mut().resources = plugin.resources();
    }

    /// Calls the guest: its time and its return budget are fresh.
    pub(crate) async fn call(
        &mut self,
        call: Call,
        terms: &Terms,
    ) -> Result<Answer, Crash> {
        let context = self.store.data_mut();
        context.meter.renew(&terms.allowance);
        context.chance.begin(terms.moment);
        self.store.set_epoch_deadline(1);
        let answer = self.exports.call(&mut self.store, call);
        let answer = within(terms.allowance.wall, answer).await;
        answer.map_err(|ended| ended.of_guest(self.store.data()))
    }

    /// Calls the guest over a batch, which it has for this call.
    pub(crate) async fn lend(
        &mut self,
        batch: &Batch,
        call: fn(u32) -> Call,
        allowance: Allowance,
    ) -> Result<Answer, Crash> {
        let lent = self.store.data_mut().lend(batch)?;
        let terms = Terms { allowance, moment: Moment::Batch(batch.id()) };
        let answer = self.call(call(lent.rep()), &terms).await?;
        self.store.data_mut().take_back(lent);
        Ok(answer)
    }

    /// What was refused first in the call at hand.
    pub(crate) fn refused(&self) -> Option<Limit> {
        self.store.data().meter.refused()
    }

    /// Ticks that the call at hand took so far.
    pub(crate) fn ticks_used(&self) -> u64 {
        self.store.data().meter.ticks_used()
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
    meter(store.data_mut()).renew(&Allowance::of_a_call(limits));
    store.set_epoch_deadline(1);
    // At every tick the guest gives way, so that neighbours and the wall clock come to their
    // turn. A tick that passed while it waited for the host counts once, however long; what
    // the host computed meanwhile is charged by `Context::worked`.
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
            Self::Late => return Crash::Limit(meter.wall_of()),
            Self::Error(error) => error,
        };
        let interrupted =
            (error.downcast_ref() == Some(&Trap::Interrupt)).then_some(meter.ticks_of());
        let limit = meter.time_out().or(interrupted).or(meter.refused());
        limit.or_else(|| used_up(error)).map_or(Crash::Trap, Crash::Limit)
    }
}

/// What a guest used up of which the engine keeps count.
///
/// Most of its errors have no public type, only their text; tests hold each fast.
fn used_up(error: &wasmtime::Error) -> Option<Limit> {
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        return Some(Limit::Handles);
    }
    let cause = error.root_cause().to_string();
    TEXTS.iter().find(|(text, _)| cause.contains(text)).map(|(_, limit)| *limit)
}

const TEXTS: [(&str, Limit); 5] = [
    ("fuel allocated for hostcalls", Limit::ReturnBytes),
    ("resource limit exceeded: instance", Limit::Instances),
    ("resource limit exceeded: memory", Limit::Memories),
    ("resource limit exceeded: table", Limit::Tables),
    ("store handle limit exceeded", Limit::Handles),
];

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
