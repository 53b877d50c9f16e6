//! One live guest: a store, its exports, and calls that end in time.
//!
//! After any error the guest is thrown away; the next call is made on a fresh one. A store
//! holds one guest, so guests share neither memory nor fate.

use std::{future::Future, time::Duration};

use bulkhead_model::Instant;
use bulkhead_pipeline::{Batch, Crash, Limit};
use wasmtime::{
    Store, Trap, UpdateDeadline,
    component::{Instance, Resource, ResourceTableError},
};

use crate::{
    Error, Limits, Plugin,
    bindings::{
        filter::{FilterExports, exports::bulkhead::plugin::filter},
        lifecycle::LifecycleExports,
        sink::{SinkExports, exports::bulkhead::plugin::sink},
        transform::{TransformExports, exports::bulkhead::plugin::transform},
    },
    context::Context,
    convert,
    deterministic::Moment,
    limits::{Allowance, Meter},
    manifest::Role,
};

/// What a guest exports, by role.
pub(crate) enum Exports {
    Filter(filter::Guest),
    Sink(sink::Guest),
    Transform(transform::Guest),
}

/// One live guest.
pub(crate) struct Guest {
    pub(crate) store: Store<Context>,
    pub(crate) exports: Exports,
    lifecycle: LifecycleExports,
    limits: Limits,
    /// The time of the call at hand.
    allowance: Allowance,
}

impl Guest {
    /// A fresh guest, not configured.
    ///
    /// Clocks that stand still show `frozen_at`.
    pub(crate) async fn start(
        plugin: &Plugin,
        frozen_at: Instant,
    ) -> Result<Self, Error> {
        let limits = *plugin.limits();
        let mut store = Store::new(plugin.engine(), plugin.context(frozen_at));
        bound(&mut store, &limits, |context| &mut context.meter);
        let started = plugin.linked().instantiate_async(&mut store);
        let instance = within(limits.call, started)
            .await
            .map_err(|ended| Error::Died { crash: ended.of_guest(&store) })?;
        let refuse = |source| Error::Link { source };
        let lifecycle = LifecycleExports::new(&mut store, &instance).map_err(refuse)?;
        let exports = exports(plugin.manifest().role, &mut store, &instance)?;
        let allowance = Allowance::of_a_call(&limits);
        Ok(Self { store, exports, lifecycle, limits, allowance })
    }

    /// A fresh guest with its settings.
    pub(crate) async fn configured(
        plugin: &Plugin,
        frozen_at: Instant,
    ) -> Result<Self, Error> {
        let mut guest = Self::start(plugin, frozen_at).await?;
        guest.refresh(Moment::Start);
        let calls = guest.lifecycle.bulkhead_plugin_lifecycle();
        let answer = calls.call_configure(&mut guest.store, plugin.settings());
        match within(guest.limits.call, answer).await {
            Ok(Ok(())) => Ok(guest),
            Ok(Err(problems)) => {
                Err(Error::Settings { problems: convert::config_problems(problems) })
            }
            Err(ended) => Err(Error::Died { crash: ended.of_guest(&guest.store) }),
        }
    }

    /// Lends a batch for one call, which has this time and a fresh return budget.
    pub(crate) fn lend(
        &mut self,
        batch: &Batch,
        allowance: Allowance,
    ) -> Result<Resource<Batch>, Crash> {
        self.begin(allowance, Moment::Batch(batch.id()));
        self.store.data_mut().kinds = batch.kinds().clone();
        let owned = self.store.data_mut().table.push(batch.clone());
        owned.map_err(|_| Crash::Limit(Limit::Handles))
    }

    /// Fresh time for one call.
    pub(crate) fn refresh(&mut self, moment: Moment) {
        self.begin(Allowance::of_a_call(&self.limits), moment);
    }

    fn begin(&mut self, allowance: Allowance, moment: Moment) {
        self.allowance = allowance;
        let context = self.store.data_mut();
        context.meter.renew(&allowance);
        context.chance.begin(moment);
        self.store.set_epoch_deadline(1);
    }

    /// Takes the batch back.
    pub(crate) fn take_back(&mut self, lent: Resource<Batch>) {
        // It is gone already only when the guest broke the contract and was thrown away.
        let _ = self.store.data_mut().table.delete(lent);
    }

    /// The longest that the call at hand may take.
    pub(crate) const fn wall(&self) -> Duration {
        self.allowance.wall
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
    // turn. A tick that passed while it waited for the host counts once, however long.
    store.epoch_deadline_callback(move |mut store| {
        let may_run = meter(store.data_mut()).tick();
        Ok(if may_run { UpdateDeadline::Yield(1) } else { UpdateDeadline::Interrupt })
    });
}

fn exports(
    role: Role,
    store: &mut Store<Context>,
    instance: &Instance,
) -> Result<Exports, Error> {
    let refuse = |source| Error::Link { source };
    Ok(match role {
        Role::Filter => {
            let exports = FilterExports::new(store, instance).map_err(refuse)?;
            Exports::Filter(exports.bulkhead_plugin_filter().clone())
        }
        Role::Sink => {
            let exports = SinkExports::new(store, instance).map_err(refuse)?;
            Exports::Sink(exports.bulkhead_plugin_sink().clone())
        }
        Role::Transform => {
            let exports = TransformExports::new(store, instance).map_err(refuse)?;
            Exports::Transform(exports.bulkhead_plugin_transform().clone())
        }
    })
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
    pub(crate) fn of_guest(&self, store: &Store<Context>) -> Crash {
        let context = store.data();
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
