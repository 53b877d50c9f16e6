//! `wasi:cli`: an empty environment, an input at its end, outputs that are counted and dropped.
//!
//! Output is never shown: it may be a record, and a traceback may hold one.

use bytes::Bytes;
use wasmtime::{Result, bail, component::Resource};
use wasmtime_wasi::{
    async_trait,
    p2::{
        DynInputStream, DynOutputStream, OutputStream, Pollable, StreamResult,
        bindings::cli::{
            environment, exit, stderr, stdin, stdout,
            terminal_input::{self, TerminalInput},
            terminal_output::{self, TerminalOutput},
            terminal_stderr, terminal_stdin, terminal_stdout,
        },
        pipe::ClosedInputStream,
    },
};

use crate::{Metrics, context::Context};

/// What a guest may write at once: as much as toolchains do.
const PERMIT: usize = 4096;

impl environment::Host for Context {
    fn get_environment(&mut self) -> Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }

    fn get_arguments(&mut self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn initial_cwd(&mut self) -> Result<Option<String>> {
        Ok(None)
    }
}

impl exit::Host for Context {
    fn exit(&mut self, _: core::result::Result<(), ()>) -> Result<()> {
        bail!("the guest ended itself")
    }

    fn exit_with_code(&mut self, _: u8) -> Result<()> {
        bail!("the guest ended itself")
    }
}

impl stdin::Host for Context {
    fn get_stdin(&mut self) -> Result<Resource<DynInputStream>> {
        let closed: DynInputStream = Box::new(ClosedInputStream);
        Ok(self.table.push(closed)?)
    }
}

impl stdout::Host for Context {
    fn get_stdout(&mut self) -> Result<Resource<DynOutputStream>> {
        self.drain("stdout-bytes")
    }
}

impl stderr::Host for Context {
    fn get_stderr(&mut self) -> Result<Resource<DynOutputStream>> {
        self.drain("stderr-bytes")
    }
}

impl Context {
    fn drain(&mut self, counter: &'static str) -> Result<Resource<DynOutputStream>> {
        let drain: DynOutputStream =
            Box::new(Drain { metrics: self.metrics.clone(), counter });
        Ok(self.table.push(drain)?)
    }
}

/// Counts what is written and forgets it.
struct Drain {
    metrics: Metrics,
    counter: &'static str,
}

#[async_trait]
impl Pollable for Drain {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for Drain {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.metrics.count(self.counter, bytes.len() as u64);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}

impl terminal_input::Host for Context {}

impl terminal_input::HostTerminalInput for Context {
    fn drop(&mut self, _: Resource<TerminalInput>) -> Result<()> {
        bail!("there is no terminal")
    }
}

impl terminal_output::Host for Context {}

impl terminal_output::HostTerminalOutput for Context {
    fn drop(&mut self, _: Resource<TerminalOutput>) -> Result<()> {
        bail!("there is no terminal")
    }
}

impl terminal_stdin::Host for Context {
    fn get_terminal_stdin(&mut self) -> Result<Option<Resource<TerminalInput>>> {
        Ok(None)
    }
}

impl terminal_stdout::Host for Context {
    fn get_terminal_stdout(&mut self) -> Result<Option<Resource<TerminalOutput>>> {
        Ok(None)
    }
}

impl terminal_stderr::Host for Context {
    fn get_terminal_stderr(&mut self) -> Result<Option<Resource<TerminalOutput>>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tracing::{Event, Metadata, Subscriber, span};

    use super::*;

    /// Counts whatever is said.
    struct Heard(Arc<AtomicUsize>);

    impl Subscriber for Heard {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn event(&self, _: &Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn enter(&self, _: &span::Id) {}

        fn exit(&self, _: &span::Id) {}
    }

    /// Attacks: 42, 43.
    #[test]
    fn what_is_written_is_counted_and_said_nowhere() {
        let (metrics, heard) = (Metrics::default(), Arc::new(AtomicUsize::new(0)));
        let mut drain = Drain { metrics: metrics.clone(), counter: "stdout-bytes" };
        tracing::subscriber::with_default(Heard(Arc::clone(&heard)), || {
            tracing::trace!("somebody listens");
            drain.write(Bytes::from_static(b"Jane Roe")).unwrap();
            drain.flush().unwrap();
        });
        assert_eq!(heard.load(Ordering::Relaxed), 1);
        assert_eq!(metrics.counters().get("stdout-bytes"), Some(&8));
    }
}
