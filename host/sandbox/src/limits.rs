//! What one instance may use.

use std::time::Duration;

use bulkhead_model::ByteSize;

use wasmtime::ResourceLimiter;

/// What one plugin instance may use. Every field binds, and an operator can set each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory, summed over all memories.
    pub memory: ByteSize,
    /// Elements of tables, summed over all tables.
    pub table_elements: usize,
    /// Wall time of one call, waiting for the host included.
    pub call: Duration,
    /// Processor time of one call, to the engine's tick of 5 ms.
    pub cpu: Duration,
    /// Bytes that one call may return or pass to the host.
    pub return_bytes: ByteSize,
    /// Live handles.
    pub handles: usize,
}

impl Default for Limits {
    /// 64 MiB holds a batch of 1 MiB as a tree several times over; 30 s of waiting covers a
    /// slow disk; 10 s of work is a thousand times what a batch takes.
    fn default() -> Self {
        Self {
            memory: ByteSize::mib(64),
            table_elements: 20_000,
            call: Duration::from_secs(30),
            cpu: Duration::from_secs(10),
            return_bytes: ByteSize::mib(32),
            handles: 64,
        }
    }
}

/// Enforces the sums while a guest runs.
#[derive(Debug)]
pub(crate) struct Meter {
    memory_left: usize,
    table_left: usize,
    /// A wish for more memory was refused: what follows is not the plugin's logic any more.
    pub(crate) was_refused: bool,
}


impl Meter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_left: limits.memory.as_usize(),
            table_left: limits.table_elements,
            was_refused: false,
        }
    }

}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let Some(left) = self.memory_left.checked_sub(more) else {
            self.was_refused = true;
            return Ok(false);
        };
        self.memory_left = left;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let Some(left) = self.table_left.checked_sub(more) else {
            self.was_refused = true;
            return Ok(false);
        };
        self.table_left = left;
        Ok(true)
    }

    fn instances(&self) -> usize {
        16
    }

    fn memories(&self) -> usize {
        8
    }

    fn tables(&self) -> usize {
        16
    }
}
