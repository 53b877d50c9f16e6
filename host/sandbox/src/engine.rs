//! The engine: what Wasm may be at all, and the clock that interrupts it.
//!
//! Features are off unless they are named here, because each has had its advisories: garbage
//! collection, exceptions, threads, 64-bit and several memories, tail calls, component async,
//! and whatever a later engine brings. NaNs are canonical, so that a plugin is a function of its input.

use std::{sync::Arc, thread, time::Duration};

use wasmtime::{Config, Engine, WasmBacktraceDetails, WasmFeatures};

use crate::{Cache, Error};

/// How often a running guest looks at its clock.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// The engine, its clock and its cache. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox {
    pub(crate) engine: Engine,
    pub(crate) cache: Option<Arc<Cache>>,
}

impl Sandbox {
    /// Sets the engine up. Without a cache every plugin is compiled at each start.
    ///
    /// # Errors
    ///
    /// [`Error::Engine`] when this machine cannot run it.
    pub fn new(cache: Option<Cache>) -> Result<Self, Error> {
        let refuse = |source| Error::Engine { source };
        let engine = Engine::new(&config()).map_err(refuse)?;
        // An own thread, not a task: a guest that spins must not be able to starve it.
        let weak = engine.weak();
        let ticking =
            thread::Builder::new().name("bulkhead-tick".to_owned()).spawn(move || {
                while let Some(engine) = weak.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    thread::sleep(TICK);
                }
            });
        ticking.map_err(|error| refuse(error.into()))?;
        Ok(Self { engine, cache: cache.map(Arc::new) })
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .concurrency_support(false)
        .wasm_features(WasmFeatures::all().difference(ON), false)
        .cranelift_nan_canonicalization(true)
        .max_wasm_stack(256 << 10)
        .async_stack_size(1 << 20)
        .async_stack_zeroing(true)
        // No frames, no core dumps: guest memory is patient data, and a guest that dies on
        // purpose shall not make us walk its stack.
        .wasm_backtrace_max_frames(None)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable);
    config
}

/// What compilers of plugins write: WebAssembly 2.0 without references to the host, and the
/// component model as it was finished.
const ON: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::COMPONENT_MODEL);
