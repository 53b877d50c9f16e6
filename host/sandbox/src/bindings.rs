//! The contract as the host sees it: generated from `wit/`, imports once, exports by role.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::restriction
)]

/// Every interface that a guest may import.
pub(crate) mod imports {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "all-imports",
        imports: {
            default: trappable,
            "bulkhead:plugin/artifacts": async | trappable,
            "bulkhead:plugin/keyed-hash": async | trappable,
            "bulkhead:plugin/outbound-http": async | trappable,
            "bulkhead:plugin/projection": async | trappable,
            "bulkhead:plugin/state": async | trappable,
        },
        with: {
            "bulkhead:plugin/batches.batch": bulkhead_pipeline::Batch,
            "bulkhead:plugin/artifacts.writer": crate::provide::artifacts::OpenArtifact,
        },
    });
}

/// What every guest exports.
pub(crate) mod lifecycle {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "lifecycle-exports",
        exports: { default: async },
    });
}

macro_rules! role {
    ($module:ident, $world:literal) => {
        pub(crate) mod $module {
            wasmtime::component::bindgen!({
                path: "../../wit",
                world: $world,
                exports: { default: async },
                with: {
                    "bulkhead:plugin/types": crate::bindings::imports::bulkhead::plugin::types,
                    "bulkhead:plugin/batches": crate::bindings::imports::bulkhead::plugin::batches,
                },
            });
        }
    };
}

role!(filter, "filter-exports");
role!(transform, "transform-exports");
role!(sink, "sink-exports");

pub(crate) use imports::bulkhead::plugin as wit;
