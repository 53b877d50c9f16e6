//! Compiling foreign Wasm where it can take neither the parent's memory nor its time.

use std::process::ExitCode;

use wasmtime::Engine;

use super::jail::{self, Bounds, Work};
use crate::{
    engine,
    process::{
        frame::{ChildEnd, framed},
        wire::{self, Source, Wire},
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

/// The code, or what the engine has against the component.
pub(crate) type Outcome = Result<Vec<u8>, String>;

/// Compiles what the parent sends, and ends.
///
/// The limits hold everywhere; seccomp and landlock where the kernel has them.
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
    // The limits bind; a kernel without walls compiles without them, as it always did.
    let _ = jail::close_files();
    let _ = jail::close_calls(Work::Compile, parent.number());
    let outcome = engine.precompile_component(&wasm);
    let outcome: Outcome = outcome.map_err(|error| format!("{error:#}"));
    parent.send(&framed(&outcome).ok()?).ok()
}
