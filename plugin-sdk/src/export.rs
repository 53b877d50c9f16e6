//! From a component's exports to one Rust type: the seats that hold the live instance, and
//! the one macro that a plugin calls.

use std::cell::RefCell;

use serde::de::DeserializeOwned;

use crate::{Filter, Problem, Problems, Sink, Transform};

/// Exports a type as the plugin of this component: `export!(filter T)`, `export!(transform T)`
/// or `export!(sink T)`. Once a crate. Outside Wasm it expands to nothing.
#[macro_export]
macro_rules! export {
    (filter $plugin:ty) => {
        $crate::export!(@in filter_world, FilterSeat, __export_filter, $plugin);
    };
    (transform $plugin:ty) => {
        $crate::export!(@in transform_world, TransformSeat, __export_transform, $plugin);
    };
    (sink $plugin:ty) => {
        $crate::export!(@in sink_world, SinkSeat, __export_sink, $plugin);
    };
    (@in $world:ident, $seat:ident, $export:ident, $plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, unreachable_pub, missing_docs, clippy::all, clippy::pedantic)]
        mod __bulkhead_exports {
            use super::*;
            use $crate::__private::{$seat, $world, lifecycle_world};

            ::std::thread_local! {
                static SEAT: $seat<$plugin> = const { $seat::empty() };
            }

            struct Component;

            $crate::__seat!($world Component SEAT);
            lifecycle_world::__export_lifecycle!(
                Component with_types_in $crate::__private::lifecycle_world
            );
            $world::$export!(Component with_types_in $crate::__private::$world);
        }
    };
}

/// Implements the world's traits for the component by way of its seat.
#[doc(hidden)]
#[macro_export]
macro_rules! __seat {
    (@lifecycle $component:ident $seat:ident) => {
        impl lifecycle_world::exports::bulkhead::plugin::lifecycle::Guest for $component {
            fn describe() -> ::std::string::String {
                $seat.with(|seat| seat.describe())
            }

            fn configure(
                config: ::std::string::String,
            ) -> ::std::result::Result<
                (),
                ::std::vec::Vec<lifecycle_world::exports::bulkhead::plugin::lifecycle::ConfigProblem>,
            > {
                $seat.with(|seat| seat.configure(&config)).map_err(|problems| {
                    problems
                        .into_iter()
                        .map(|problem| {
                            lifecycle_world::exports::bulkhead::plugin::lifecycle::ConfigProblem {
                                pointer: problem.pointer,
                                code: problem.code,
                                message: problem.message,
                            }
                        })
                        .collect()
                })
            }
        }
    };
    (filter_world $component:ident $seat:ident) => {
        $crate::__seat!(@lifecycle $component $seat);

        impl filter_world::exports::bulkhead::plugin::filter::Guest for $component {
            fn evaluate(
                of: &filter_world::exports::bulkhead::plugin::filter::Batch,
            ) -> ::std::result::Result<
                filter_world::exports::bulkhead::plugin::filter::Decision,
                filter_world::exports::bulkhead::plugin::filter::PluginError,
            > {
                $seat.with(|seat| seat.evaluate(of))
            }
        }
    };
    (transform_world $component:ident $seat:ident) => {
        $crate::__seat!(@lifecycle $component $seat);

        impl transform_world::exports::bulkhead::plugin::transform::Guest for $component {
            fn apply(
                of: &transform_world::exports::bulkhead::plugin::transform::Batch,
            ) -> ::std::result::Result<
                transform_world::exports::bulkhead::plugin::transform::Changes,
                transform_world::exports::bulkhead::plugin::transform::PluginError,
            > {
                $seat.with(|seat| seat.apply(of))
            }
        }
    };
    (sink_world $component:ident $seat:ident) => {
        $crate::__seat!(@lifecycle $component $seat);

        impl sink_world::exports::bulkhead::plugin::sink::Guest for $component {
            fn open(
                work: sink_world::exports::bulkhead::plugin::sink::Assignment,
            ) -> ::std::result::Result<(), sink_world::exports::bulkhead::plugin::sink::PluginError>
            {
                $seat.with(|seat| seat.open(work))
            }

            fn deliver(
                of: &sink_world::exports::bulkhead::plugin::sink::Batch,
            ) -> ::std::result::Result<
                sink_world::exports::bulkhead::plugin::sink::Receipt,
                sink_world::exports::bulkhead::plugin::sink::PluginError,
            > {
                $seat.with(|seat| seat.deliver(of))
            }

            fn flush() -> ::std::result::Result<
                sink_world::exports::bulkhead::plugin::sink::Checkpoint,
                sink_world::exports::bulkhead::plugin::sink::PluginError,
            > {
                $seat.with(|seat| seat.flush())
            }

            fn close(
                why: sink_world::exports::bulkhead::plugin::sink::CloseReason,
            ) -> ::std::result::Result<
                ::std::option::Option<sink_world::exports::bulkhead::plugin::sink::Checkpoint>,
                sink_world::exports::bulkhead::plugin::sink::PluginError,
            > {
                $seat.with(|seat| seat.close(why))
            }

            fn conclude(
                done: sink_world::exports::bulkhead::plugin::sink::FinishedExport,
            ) -> ::std::result::Result<(), sink_world::exports::bulkhead::plugin::sink::PluginError>
            {
                $seat.with(|seat| seat.conclude(done))
            }
        }
    };
}

/// Reads the settings, or says what is wrong with them and where.
fn settings<S: DeserializeOwned>(config: &str) -> Result<S, Problems> {
    serde_json::from_str(config)
        .map_err(|error| vec![Problem::new("", "settings", error.to_string())])
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn settings_of<S: DeserializeOwned>(config: &str) -> Result<S, Problems> {
    settings(config)
}

macro_rules! seat {
    ($(#[$doc:meta])* $name:ident, $role:ident) => {
        $(#[$doc])*
        pub struct $name<T>(RefCell<Option<T>>);

        impl<T: $role> $name<T> {
            /// A seat that nobody has taken yet.
            pub const fn empty() -> Self {
                Self(RefCell::new(None))
            }

            /// The plugin's manifest as JSON.
            pub fn describe(&self) -> String {
                T::manifest().to_json()
            }

            /// Makes the instance.
            ///
            /// # Errors
            ///
            /// Every problem with the settings.
            pub fn configure(&self, config: &str) -> Result<(), Problems> {
                let plugin = T::new(settings(config)?)?;
                self.0.replace(Some(plugin));
                Ok(())
            }
        }
    };
}

seat!(
    /// Holds a filter.
    FilterSeat,
    Filter
);
seat!(
    /// Holds a transform.
    TransformSeat,
    Transform
);
seat!(
    /// Holds a sink.
    SinkSeat,
    Sink
);

#[cfg(target_arch = "wasm32")]
mod live;
