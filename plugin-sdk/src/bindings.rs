//! The contract as Rust: generated from `wit/`, used by the rest of this crate, seen by no one.
//! The generated canonical ABI is the one place where this crate is unsafe.
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

/// Every import, once; the worlds below share these types.
pub(crate) mod imports {
    wit_bindgen::generate!({ path: "../wit", world: "all-imports" });
}

macro_rules! world {
    ($module:ident, $world:literal, $macro:literal, { $($shared:tt)* }) => {
        pub mod $module {
            wit_bindgen::generate!({
                path: "../wit",
                world: $world,
                pub_export_macro: true,
                export_macro_name: $macro,
                default_bindings_module: "bulkhead_plugin::__private",
                with: { $($shared)* },
            });
        }
    };
}

macro_rules! role {
    ($module:ident, $world:literal, $macro:literal) => {
        world!($module, $world, $macro, {
            "bulkhead:plugin/types@0.1.0": crate::bindings::imports::bulkhead::plugin::types,
            "bulkhead:plugin/batches@0.1.0": crate::bindings::imports::bulkhead::plugin::batches,
        });
    };
}

world!(lifecycle_world, "lifecycle-exports", "__export_lifecycle", {});
role!(filter_world, "filter-exports", "__export_filter");
role!(transform_world, "transform-exports", "__export_transform");
role!(sink_world, "sink-exports", "__export_sink");
