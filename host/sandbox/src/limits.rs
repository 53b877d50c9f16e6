//! What one instance may use.

use std::time::Duration;

use bulkhead_model::ByteSize;
use wasmtime::ResourceLimiter;

use crate::engine::TICK;

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
    /// Bytes that one call may return, and that each of its calls to the host may pass.
    pub return_bytes: ByteSize,
    /// Live handles.
    pub handles: usize,
    /// HTTP requests of all instances of a stage in one run.
    pub http_requests: u64,
    /// Bytes of their bodies, both ways.
    pub http_bytes: ByteSize,
    /// Time in which they are under way, summed.
    pub http_time: Duration,
    /// Time to compile the plugin, which is done once and kept.
    pub compile: Duration,
    /// Memory to compile it in.
    pub compile_memory: ByteSize,
}

impl Default for Limits {
    /// 64 MiB holds a batch of 1 MiB as a tree several times over; 30 s of waiting covers a
    /// slow disk; 10 s of work is a thousand times what a batch takes. A plugin of 10 MiB
    /// compiles in some 10 s and a few hundred MiB.
    fn default() -> Self {
        Self {
            memory: ByteSize::mib(64),
            table_elements: 20_000,
            call: Duration::from_secs(30),
            cpu: Duration::from_secs(10),
            return_bytes: ByteSize::mib(32),
            handles: 64,
            // Twenty million resources in Bundles of 500 are 40,000 requests; a terabyte is
            // more than such an export has; 30 days are the longest that an export may take.
            http_requests: 1_000_000,
            http_bytes: ByteSize::mib(1 << 20),
            http_time: Duration::from_hours(720),
            compile: Duration::from_mins(1),
            compile_memory: ByteSize::mib(1024),
        }
    }
}

/// Enforces the sums while a guest runs, and remembers what it ran into.
#[derive(Debug)]
pub(crate) struct Meter {
    memory_left: usize,
    table_left: usize,
    ticks_left: u64,
    /// A wish for more memory was refused in this call: what follows is not the plugin's
    /// logic any more.
    pub(crate) was_refused: bool,
    /// The processor time of this call is used up.
    pub(crate) ran_out_of_time: bool,
}

impl Meter {
    /// Of a guest that has run nothing yet; it has no time before [`Meter::renew`].
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_left: limits.memory.as_usize(),
            table_left: limits.table_elements,
            ticks_left: 0,
            was_refused: false,
            ran_out_of_time: false,
        }
    }

    /// Begins a call: time is fresh, memory stays what it was.
    pub(crate) fn renew(&mut self, limits: &Limits) {
        let ticks = limits.cpu.as_millis().div_ceil(TICK.as_millis());
        self.ticks_left = u64::try_from(ticks).unwrap_or(u64::MAX);
        self.was_refused = false;
        self.ran_out_of_time = false;
    }

    /// Counts a tick in which the guest ran; says whether it may run on.
    pub(crate) fn tick(&mut self) -> bool {
        match self.ticks_left.checked_sub(1) {
            Some(left) => self.ticks_left = left,
            None => self.ran_out_of_time = true,
        }
        !self.ran_out_of_time
    }

    /// Takes `more` of what is left. Guest-controlled: what goes over its own maximum fails
    /// later, so it must not be charged here.
    fn take(
        left: &mut usize,
        was_refused: &mut bool,
        more: usize,
        is_over_maximum: bool,
    ) -> bool {
        if is_over_maximum {
            return false;
        }
        let Some(rest) = left.checked_sub(more) else {
            *was_refused = true;
            return false;
        };
        *left = rest;
        true
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let (more, over) =
            (desired.saturating_sub(current), maximum.is_some_and(|most| desired > most));
        Ok(Self::take(&mut self.memory_left, &mut self.was_refused, more, over))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let (more, over) =
            (desired.saturating_sub(current), maximum.is_some_and(|most| desired > most));
        Ok(Self::take(&mut self.table_left, &mut self.was_refused, more, over))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_summed_and_charged_only_when_given() {
        let limits = Limits { memory: ByteSize::mib(1), ..Limits::default() };
        let mut meter = Meter::new(&limits);
        let page = 64 << 10;
        let mut grow = |current: usize, desired: usize, maximum| {
            meter.memory_growing(current * page, desired * page, maximum).unwrap()
        };
        assert!(grow(0, 8, None), "the first memory");
        assert!(!grow(0, 9, Some(8 * page)), "over the memory's own maximum");
        assert!(grow(0, 8, None), "the second memory fills the sum");
        assert!(!grow(8, 9, None), "a page too many");
    }

    #[test]
    fn only_the_limit_counts_as_a_refusal_and_only_for_one_call() {
        let limits = Limits { memory: ByteSize::mib(1), ..Limits::default() };
        let mut meter = Meter::new(&limits);
        assert!(!meter.memory_growing(0, 1 << 20, Some(1)).unwrap());
        assert!(!meter.was_refused, "the guest's own maximum");
        assert!(!meter.memory_growing(0, 2 << 20, None).unwrap());
        assert!(meter.was_refused, "the operator's limit");
        meter.renew(&limits);
        assert!(!meter.was_refused, "a new call");
    }

    #[test]
    fn a_call_has_its_ticks_and_no_more() {
        let cases = [("none", 0, 0), ("one for a part", 1, 1), ("whole", 20, 4)];
        for (name, cpu, expected) in cases {
            let limits = Limits { cpu: Duration::from_millis(cpu), ..Limits::default() };
            let mut meter = Meter::new(&limits);
            meter.renew(&limits);
            let ticks = (0..100).take_while(|_| meter.tick()).count();
            assert_eq!(ticks, expected, "case: {name}");
            assert!(meter.ran_out_of_time, "case: {name}");
        }
    }
}
