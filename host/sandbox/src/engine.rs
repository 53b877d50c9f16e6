//! The engine: what Wasm may be at all, and the clock that interrupts it.
//!
//! Features are off unless they are named here, because each has had its advisories: garbage
//! collection, exceptions, threads, 64-bit and several memories, tail calls, component async,
//! and whatever a later engine brings. NaNs are canonical, so that a plugin is a function of its input.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use wasmtime::{Config, Engine, WasmBacktraceDetails, WasmFeatures};

use crate::{Cache, Children, Error, Isolation};

/// How often a running guest looks at its clock.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// Ticks of an engine's clock so far: by them the host's own work is measured. Clones share
/// the count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ticks(Arc<AtomicU64>);

impl Ticks {
    /// How many there were.
    pub(crate) fn so_far(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The engine, its clock and its cache. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox {
    pub(crate) engine: Engine,
    pub(crate) ticks: Ticks,
    pub(crate) cache: Option<Arc<Cache>>,
    pub(crate) children: Option<Children>,
    pub(crate) isolation: Isolation,
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
        let ticks = Ticks::default();
        tick(&engine, &ticks).map_err(|error| refuse(error.into()))?;
        let (cache, isolation) = (cache.map(Arc::new), Isolation::default());
        Ok(Self { engine, ticks, cache, children: None, isolation })
    }

    /// The same, which starts children for what shall not be done in this process: it compiles
    /// in them. Without, it compiles here, where nothing bounds the compiler.
    #[must_use]
    pub fn with_children(self, children: Children) -> Self {
        Self { children: Some(children), ..self }
    }

    /// The same, which runs the guests of plugins that are loaded with it there.
    #[must_use]
    pub fn isolating(&self, isolation: Isolation) -> Self {
        Self { isolation, ..self.clone() }
    }
}

/// Starts the clock of an engine, which ends with it. The clock runs when this returns: a
/// child then puts up walls that no thread could be set up behind.
pub(crate) fn tick(engine: &Engine, ticks: &Ticks) -> io::Result<()> {
    let (runs, is_running) = mpsc::sync_channel(1);
    // An own thread, not a task: a guest that spins must not be able to starve it.
    let (weak, ticks) = (engine.weak(), ticks.clone());
    thread::Builder::new().name("bulkhead-tick".to_owned()).spawn(move || {
        // Whoever started it may be gone; the engine then is too.
        let _ = runs.send(());
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            ticks.add();
            drop(engine);
            thread::sleep(TICK);
        }
    })?;
    is_running.recv().map_err(io::Error::other)
}

/// What Wasm may be, in this process and in its children.
pub(crate) fn config() -> Config {
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
