//! From Wasm to machine code, within bounds: in a child where there is one to be had.
//!
//! What a component makes the compiler do is decided by who wrote the component. Cranelift
//! bounds neither its memory nor its time, so a child compiles, under limits of the kernel and
//! the parent's clock, and behind the walls that the kernel has.

use std::{io, time::Duration};

use wasmtime::component::Component;

use crate::{
    Children, Error, Isolation, Limits, Package, Sandbox,
    cache::{Code, revive},
    child::compile::{Order, Outcome},
    convert::is_plain,
    process::{
        children::{Child, Task},
        frame::framed,
        wire,
    },
};

impl Sandbox {
    /// The component, loaded.
    pub(crate) async fn component(
        &self,
        package: &Package,
        limits: &Limits,
    ) -> Result<Component, Error> {
        let kept =
            self.cache.as_ref().and_then(|cache| cache.find(&self.engine, package));
        // Code of another engine is no code for this one.
        if let Some(component) = kept.and_then(|code| revive(&self.engine, &code).ok()) {
            return Ok(component);
        }
        let code = self.compile(package, limits).await?;
        revive(&self.engine, &code).map_err(|source| Error::Compile { source })
    }

    /// The component's code, for a child: not loaded here.
    pub(crate) async fn code(
        &self,
        package: &Package,
        limits: &Limits,
    ) -> Result<Code, Error> {
        match self.cache.as_ref().and_then(|cache| cache.find(&self.engine, package)) {
            Some(code) => Ok(code),
            None => self.compile(package, limits).await,
        }
    }

    async fn compile(&self, package: &Package, limits: &Limits) -> Result<Code, Error> {
        let code = if let Some(children) = &self.children {
            apart(children, package, limits, self.isolation).await?
        } else {
            let bytes = self.engine.precompile_component(package.bytes());
            Code::compiled(bytes.map_err(|source| Error::Compile { source })?)
        };
        if let Some(cache) = &self.cache {
            cache.keep(&self.engine, package, &code);
        }
        Ok(code)
    }
}

/// Compiles in a child.
async fn apart(
    children: &Children,
    package: &Package,
    limits: &Limits,
    isolation: Isolation,
) -> Result<Code, Error> {
    let refuse = |source| Error::Child { source };
    let mut child = children.start(Task::Compile).await.map_err(refuse)?;
    let asked = tokio::time::timeout(limits.compile, ask(&mut child, package, limits));
    match asked.await {
        Ok(Ok(Outcome { missing, code })) => {
            walled(&missing, isolation)?;
            code.map(Code::compiled).map_err(|flaw| Error::Compile {
                source: wasmtime::Error::msg(plain(&flaw)),
            })
        }
        Ok(Err(error)) => Err(broken(child.signal(), error, limits)),
        Err(_) => Err(Error::CompileBound { bound: time(limits.compile) }),
    }
}

/// Whether code may be used whose compiler lacked these walls: not where every wall is asked
/// for.
fn walled(missing: &[String], isolation: Isolation) -> Result<(), Error> {
    if missing.is_empty() {
        return Ok(());
    }
    let missing = plain(&missing.join(" and "));
    match isolation {
        Isolation::Process => Err(Error::Walls { missing }),
        Isolation::InProcess | Isolation::ProcessUnconfined => {
            tracing::warn!(%missing, "a plugin was compiled without walls that this kernel lacks");
            Ok(())
        }
    }
}

/// A child's words, for a terminal.
fn plain(words: &str) -> String {
    words.chars().filter(|char| is_plain(*char)).collect()
}

async fn ask(
    child: &mut Child,
    package: &Package,
    limits: &Limits,
) -> io::Result<Outcome> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let order = Order {
        memory: limits.compile_memory.bytes(),
        cpu_seconds: limits.compile.as_secs().saturating_add(1).saturating_mul(cores),
        wasm: package.bytes().to_vec(),
    };
    let parent = child.pipe()?;
    parent.send(&framed(&order)?).await?;
    // Code that fits into the compiler's memory fits into less of ours.
    let most = limits.compile_memory.as_usize();
    let answer = parent.receive(most).await?;
    wire::read_within(&answer, most).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Why a child did not answer.
fn broken(signal: Option<i32>, source: io::Error, limits: &Limits) -> Error {
    let bound = match signal {
        Some(XCPU) => time(limits.compile),
        // Out of memory, a program aborts; out of stack, the kernel ends it.
        Some(ABRT | SEGV) => format!(
            "`limits.compile-memory` of the plugin ({}) or the compiler's stack",
            limits.compile_memory
        ),
        Some(_) | None => return Error::Child { source },
    };
    Error::CompileBound { bound }
}

// The same numbers on every Unix.
const ABRT: i32 = 6;
const SEGV: i32 = 11;

/// On Linux.
const XCPU: i32 = 24;

fn time(time: Duration) -> String {
    format!("`limits.compile` of the plugin ({} s)", time.as_secs_f32())
}
