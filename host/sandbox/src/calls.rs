//! What a guest can be asked, and its answers: one set for every role, wherever it lives.

use bulkhead_pipeline::Batch;
use wasmtime::{
    Result, Store, bail,
    component::{Instance, Resource},
};

use crate::{
    bindings::{
        filter::{FilterExports, exports::bulkhead::plugin::filter},
        lifecycle::{
            LifecycleExports, exports::bulkhead::plugin::lifecycle::ConfigProblem,
        },
        sink::{SinkExports, exports::bulkhead::plugin::sink},
        transform::{TransformExports, exports::bulkhead::plugin::transform},
        wit::types::PluginError,
    },
    deterministic::Moment,
    limits::Allowance,
    manifest::Role,
};

/// The time that one call has, and the moment that it is of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) allowance: Allowance,
    pub(crate) moment: Moment,
}

/// One call of a guest. A batch is lent by its number in the host's table.
pub(crate) enum Call {
    Apply(u32),
    Close(sink::CloseReason),
    Conclude(sink::FinishedExport),
    Configure(String),
    Deliver(u32),
    Evaluate(u32),
    Flush,
    Open(sink::Assignment),
}

/// A guest's answer. Guest-controlled: which one it is, too, must be looked at.
pub(crate) enum Answer {
    Changes(Result<transform::Changes, PluginError>),
    Checkpoint(Result<sink::Checkpoint, PluginError>),
    Closed(Result<Option<sink::Checkpoint>, PluginError>),
    Configured(Result<(), Vec<ConfigProblem>>),
    Decision(Result<filter::Decision, PluginError>),
    Done(Result<(), PluginError>),
    Receipt(Result<sink::Receipt, PluginError>),
}

/// What a guest exports.
pub(crate) struct Exports {
    lifecycle: LifecycleExports,
    role: OfRole,
}

enum OfRole {
    /// Only its lifecycle is called.
    Any,
    Filter(filter::Guest),
    Sink(sink::Guest),
    Transform(transform::Guest),
}

impl Exports {
    /// Those of `role`; without one, what every plugin exports.
    ///
    /// # Errors
    ///
    /// The engine's words for an export that is not there.
    pub(crate) fn of<T>(
        role: Option<Role>,
        store: &mut Store<T>,
        instance: &Instance,
    ) -> Result<Self> {
        let lifecycle = LifecycleExports::new(&mut *store, instance)?;
        let role = match role {
            None => OfRole::Any,
            Some(Role::Filter) => {
                let exports = FilterExports::new(&mut *store, instance)?;
                OfRole::Filter(exports.bulkhead_plugin_filter().clone())
            }
            Some(Role::Sink) => {
                let exports = SinkExports::new(&mut *store, instance)?;
                OfRole::Sink(exports.bulkhead_plugin_sink().clone())
            }
            Some(Role::Transform) => {
                let exports = TransformExports::new(&mut *store, instance)?;
                OfRole::Transform(exports.bulkhead_plugin_transform().clone())
            }
        };
        Ok(Self { lifecycle, role })
    }

    /// The guest's manifest as it tells it.
    ///
    /// # Errors
    ///
    /// As [`Exports::call`].
    pub(crate) async fn describe<T: Send>(&self, store: &mut Store<T>) -> Result<String> {
        self.lifecycle.bulkhead_plugin_lifecycle().call_describe(store).await
    }

    /// Calls the guest.
    ///
    /// # Errors
    ///
    /// When the guest gave no answer; its store must not be used again.
    pub(crate) async fn call<T: Send>(
        &self,
        store: &mut Store<T>,
        call: Call,
    ) -> Result<Answer> {
        let lent = Resource::<Batch>::new_borrow;
        Ok(match (&self.role, call) {
            (_, Call::Configure(settings)) => {
                let calls = self.lifecycle.bulkhead_plugin_lifecycle();
                Answer::Configured(calls.call_configure(store, &settings).await?)
            }
            (OfRole::Filter(calls), Call::Evaluate(of)) => {
                Answer::Decision(calls.call_evaluate(store, lent(of)).await?)
            }
            (OfRole::Transform(calls), Call::Apply(of)) => {
                Answer::Changes(calls.call_apply(store, lent(of)).await?)
            }
            (OfRole::Sink(calls), Call::Close(why)) => {
                Answer::Closed(calls.call_close(store, why).await?)
            }
            (OfRole::Sink(calls), Call::Conclude(done)) => {
                Answer::Done(calls.call_conclude(store, &done).await?)
            }
            (OfRole::Sink(calls), Call::Deliver(of)) => {
                Answer::Receipt(calls.call_deliver(store, lent(of)).await?)
            }
            (OfRole::Sink(calls), Call::Flush) => {
                Answer::Checkpoint(calls.call_flush(store).await?)
            }
            (OfRole::Sink(calls), Call::Open(work)) => {
                Answer::Done(calls.call_open(store, &work).await?)
            }
            (
                OfRole::Any | OfRole::Filter(_) | OfRole::Sink(_) | OfRole::Transform(_),
                _,
            ) => {
                bail!("a plugin of another role was called")
            }
        })
    }
}
