//! Compiling foreign Wasm where it can take neither the parent's memory nor its time.

use std::process::ExitCode;

use wasmtime::Engine;

use super::jail::{self, Bounds, Missing, Work};
use crate::{
    engine,
    process::{
        frame::{ChildEnd, framed},
        wire::{self, Source, Wire},
        words::record,
    },
};

/// What the parent wants compiled.
pub(crate) struct Order {
    /// Memory for it.
    pub(crate) memory: u64,
    /// Processor time for it.
    pub(crate) cpu_seconds: u64,
    /// The component.
    pub(crate) wasm: Vec<u8>,
}

impl Wire for Order {
    fn put(&self, to: &mut Vec<u8>) {
        self.memory.put(to);
        self.cpu_seconds.put(to);
        self.wasm.put(to);
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        Some(Self {
            memory: u64::take(from)?,
            cpu_seconds: u64::take(from)?,
            wasm: Vec::take(from)?,
        })
    }
}

/// What came of it.
pub(crate) struct Outcome {
    /// The walls that this kernel could not put up around the compiler.
    pub(crate) missing: Vec<String>,
    /// The code, or what the engine has against the component.
    pub(crate) code: Result<Vec<u8>, String>,
}

record!(Outcome { missing, code });

/// Compiles what the parent sends, and ends.
///
/// The limits hold everywhere; seccomp and landlock where the kernel has them. Which it lacks is
/// told: the parent decides whether code that was made without them is good enough.
pub fn compile() -> ExitCode {
    serve().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

fn serve() -> Option<()> {
    jail::die_with_parent();
    let mut parent = ChildEnd::inherited().ok()?;
    let Order { memory, cpu_seconds, wasm } = wire::read(&parent.receive().ok()?)?;
    let bounds = Bounds { memory, cpu_seconds };
    jail::bound(&bounds, Work::Compile).ok()?;
    let engine = Engine::new(&engine::config()).ok()?;
    let files = jail::close_files().err();
    let calls = jail::close_calls(Work::Compile, parent.number()).err();
    let missing = files.into_iter().chain(calls).map(|Missing(wall)| wall).collect();
    let code = engine.precompile_component(&wasm);
    let code = code.map_err(|error| format!("{error:#}"));
    let outcome = Outcome { missing, code };
    parent.send(&framed(&outcome).ok()?).ok()
}
