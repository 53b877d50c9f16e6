//! The engine: what Wasm may be at all, and the clock that interrupts it.
//!
//! Every feature that no plugin needs is off, because each has had its advisories: garbage
//! collection, exceptions, threads, 64-bit and several memories, tail calls, component async.
//! NaNs are canonical, so that a plugin is a function of its input.

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
    let off = WasmFeatures::GC
        | WasmFeatures::FUNCTION_REFERENCES
        | WasmFeatures::EXCEPTIONS
        | WasmFeatures::THREADS
        | WasmFeatures::MEMORY64
        | WasmFeatures::MULTI_MEMORY
        | WasmFeatures::RELAXED_SIMD
        | WasmFeatures::TAIL_CALL;
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .concurrency_support(false)
        .wasm_features(off, false)
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
