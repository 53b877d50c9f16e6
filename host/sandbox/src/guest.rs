//! One live guest: a store, its exports, and calls that end in time.
//!
//! After any error the guest is thrown away; the next call is made on a fresh one. A store
//! holds one guest, so guests share neither memory nor fate.

use std::{future::Future, time::Duration};

use bulkhead_pipeline::{Batch, Crash};
use wasmtime::{
    Store, Trap, UpdateDeadline,
    component::{Instance, Resource},
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
    engine::TICK,
    error::ConfigProblem,
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
}

impl Guest {
    /// A fresh guest, not configured.
    pub(crate) async fn start(plugin: &Plugin) -> Result<Self, Error> {
        let limits = *plugin.limits();
        let mut store = Store::new(plugin.engine(), plugin.context());
        store.limiter(|context| &mut context.meter);
        store.set_hostcall_fuel(limits.return_bytes.as_usize());
        store.set_max_component_handles(limits.handles);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| {
            let context = store.data_mut();
            if context.ticks_left == 0 {
                context.ran_out_of_time = true;
                return Ok(UpdateDeadline::Interrupt);
            }
            context.ticks_left -= 1;
            Ok(UpdateDeadline::Yield(1))
        });
        allow(&mut store, &limits);
        let started = plugin.linked().instantiate_async(&mut store);
        let instance = within(limits.call, started)
            .await
            .map_err(|crash| Error::Died { how: describe(crash.of(&store)) })?;
        let refuse = |source| Error::Link { source };
        let lifecycle = LifecycleExports::new(&mut store, &instance).map_err(refuse)?;
        let exports = exports(plugin.manifest().role, &mut store, &instance)?;
        Ok(Self { store, exports, lifecycle, limits })
    }

    /// A fresh guest with its settings.
    pub(crate) async fn configured(plugin: &Plugin) -> Result<Self, Error> {
        let mut guest = Self::start(plugin).await?;
        let calls = guest.lifecycle.bulkhead_plugin_lifecycle();
        allow(&mut guest.store, &guest.limits);
        let answer =
            within(guest.limits.call, calls.call_configure(&mut guest.store, plugin.settings()));
        match answer.await {
            Ok(Ok(())) => Ok(guest),
            Ok(Err(problems)) => Err(Error::Settings {
                problems: problems
                    .into_iter()
                    .map(|problem| ConfigProblem {
                        pointer: problem.pointer,
                        code: problem.code,
                        message: problem.message,
                    })
                    .collect(),
            }),
            Err(crash) => Err(Error::Died { how: describe(crash.of(&guest.store)) }),
        }
    }

    /// The manifest as the guest tells it.
    pub(crate) async fn describe(&mut self) -> Result<String, Error> {
        let calls = self.lifecycle.bulkhead_plugin_lifecycle();
        allow(&mut self.store, &self.limits);
        let told = within(self.limits.call, calls.call_describe(&mut self.store)).await;
        told.map_err(|crash| Error::Died { how: describe(crash.of(&self.store)) })
    }

    /// Lends a batch for one call: time and return budget are fresh.
    pub(crate) fn lend(&mut self, batch: &Batch) -> Result<Resource<Batch>, Crash> {
        self.refresh();
        self.store.data_mut().kinds = batch.kinds().clone();
        let owned = self.store.data_mut().table.push(batch.clone());
        owned.map_err(|_| Crash::Memory)
    }

    /// Fresh time for one call.
    pub(crate) fn refresh(&mut self) {
        allow(&mut self.store, &self.limits);
    }

    /// Takes the batch back.
    pub(crate) fn take_back(&mut self, lent: Resource<Batch>) {
        // It is gone already only when the guest broke the contract and was thrown away.
        let _ = self.store.data_mut().table.delete(lent);
    }

    /// The longest a call may take.
    pub(crate) const fn wall(&self) -> Duration {
        self.limits.call
    }
}

fn allow(store: &mut Store<Context>, limits: &Limits) {
    let ticks = limits.cpu.as_millis().div_ceil(TICK.as_millis());
    let context = store.data_mut();
    context.ticks_left = u64::try_from(ticks).unwrap_or(u64::MAX);
    context.ran_out_of_time = false;
    store.set_epoch_deadline(1);
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
    /// Whose fault it was, as far as the guest goes. The engine's words are for developers:
    /// they carry no guest text.
    pub(crate) fn of(self, store: &Store<Context>) -> Crash {
        let context = store.data();
        let crash = match &self {
            Self::Late => Crash::Deadline,
            Self::Error(_) if context.ran_out_of_time => Crash::Deadline,
            Self::Error(_) if context.meter.was_refused => Crash::Memory,
            Self::Error(error) => match error.downcast_ref::<Trap>() {
                Some(Trap::Interrupt) => Crash::Deadline,
                Some(_) => Crash::Trap,
                None if error.to_string().contains("hostcalls has been exhausted") => {
                    Crash::Memory
                }
                None => Crash::Trap,
            },
        };
        if let Self::Error(error) = &self {
            let cause = error.root_cause();
            tracing::debug!(stage = %context.stage, ?crash, %cause, "a guest was stopped");
        }
        crash
    }
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

pub(crate) const fn describe(crash: Crash) -> &'static str {
    match crash {
        Crash::Contract => "broke the contract",
        Crash::Deadline => "ran out of time",
        Crash::Memory => "ran out of memory",
        Crash::Trap => "trapped",
    }
}
