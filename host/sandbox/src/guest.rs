//! One live guest: a store, its exports, and calls that end in time.
//!
//! After any error the guest is thrown away; the next call is made on a fresh one. A store
//! holds one guest, so guests share neither memory nor fate.

use std::{future::Future, time::Duration};

use bulkhead_pipeline::{Batch, Crash};
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
    limits::Meter,
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
        bound(&mut store, &limits, |context| &mut context.meter);
        let started = plugin.linked().instantiate_async(&mut store);
        let instance = within(limits.call, started)
            .await
            .map_err(|ended| Error::Died { crash: ended.of_guest(&store) })?;
        let refuse = |source| Error::Link { source };
        let lifecycle = LifecycleExports::new(&mut store, &instance).map_err(refuse)?;
        let exports = exports(plugin.manifest().role, &mut store, &instance)?;
        Ok(Self { store, exports, lifecycle, limits })
    }

    /// A fresh guest with its settings.
    pub(crate) async fn configured(plugin: &Plugin) -> Result<Self, Error> {
        let mut guest = Self::start(plugin).await?;
        guest.refresh();
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

    /// Lends a batch for one call: time and return budget are fresh.
    pub(crate) fn lend(&mut self, batch: &Batch) -> Result<Resource<Batch>, Crash> {
        self.refresh();
        self.store.data_mut().kinds = batch.kinds().clone();
        let owned = self.store.data_mut().table.push(batch.clone());
        owned.map_err(|_| Crash::Memory)
    }

    /// Fresh time for one call.
    pub(crate) fn refresh(&mut self) {
        self.store.data_mut().meter.renew(&self.limits);
        self.store.set_epoch_deadline(1);
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
