//! What one guest has used: sums that hold while it lives, time that is fresh for every call.

use bulkhead_pipeline::Limit;
use wasmtime::ResourceLimiter;

use super::{Allowance, Limits};

/// Enforces the sums while a guest runs, and remembers what it ran into.
#[derive(Debug)]
pub(crate) struct Meter {
    memory_left: usize,
    table_left: usize,
    instances: usize,
    memories: usize,
    tables: usize,
    ticks_left: u64,
    ticks_used: u64,
    /// Which limits the time of this call is of.
    ticks_of: Limit,
    wall_of: Limit,
    /// What was refused first in this call: what follows is not the plugin's logic any more.
    refused: Option<Limit>,
    /// The processor time of this call is used up.
    ran_out_of_time: bool,
}

impl Meter {
    /// Of a guest that has run nothing yet; it has no time before [`Meter::renew`].
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_left: limits.memory.as_usize(),
            table_left: limits.table_elements,
            instances: limits.instances,
            memories: limits.memories,
            tables: limits.tables,
            ticks_left: 0,
            ticks_used: 0,
            ticks_of: Limit::Cpu,
            wall_of: Limit::Call,
            refused: None,
            ran_out_of_time: false,
        }
    }

    /// Begins a call: time is fresh, memory stays what it was.
    pub(crate) fn renew(&mut self, allowance: &Allowance) {
        self.ticks_left = allowance.ticks;
        self.ticks_of = allowance.ticks_of;
        self.wall_of = allowance.wall_of;
        self.ticks_used = 0;
        self.refused = None;
        self.ran_out_of_time = false;
    }

    /// Counts a tick in which the guest ran; says whether it may run on.
    pub(crate) fn tick(&mut self) -> bool {
        self.ticks_used = self.ticks_used.saturating_add(1);
        match self.ticks_left.checked_sub(1) {
            Some(left) => self.ticks_left = left,
            None => self.ran_out_of_time = true,
        }
        !self.ran_out_of_time
    }

    /// Charges work that the host did for this call. The guest ends at its next look at the
    /// clock when that was too much.
    pub(crate) fn charge(&mut self, ticks: u64) {
        self.ticks_used = self.ticks_used.saturating_add(ticks);
        match self.ticks_left.checked_sub(ticks) {
            Some(left) => self.ticks_left = left,
            None => self.ran_out_of_time = true,
        }
    }

    /// Ticks of this call so far.
    pub(crate) const fn ticks_used(&self) -> u64 {
        self.ticks_used
    }

    /// The limit of time that this call has run into.
    pub(crate) fn time_out(&self) -> Option<Limit> {
        self.ran_out_of_time.then_some(self.ticks_of)
    }

    /// The limit of processor time that this call is under.
    pub(crate) const fn ticks_of(&self) -> Limit {
        self.ticks_of
    }

    /// The limit of wall time that this call is under.
    pub(crate) const fn wall_of(&self) -> Limit {
        self.wall_of
    }

    /// Notes that something was refused for `limit`.
    pub(crate) fn refuse(&mut self, limit: Limit) {
        self.refused.get_or_insert(limit);
    }

    /// What was refused first in this call.
    pub(crate) const fn refused(&self) -> Option<Limit> {
        self.refused
    }

    /// Takes `more` of what is left. Guest-controlled: what goes over its own maximum fails
    /// later, so it must not be charged here.
    fn take(left: &mut usize, more: usize, is_over_maximum: bool) -> Option<bool> {
        if is_over_maximum {
            return Some(false);
        }
        *left = left.checked_sub(more)?;
        Some(true)
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
        let taken = Self::take(&mut self.memory_left, more, over);
        Ok(taken.unwrap_or_else(|| {
            self.refuse(Limit::Memory);
            false
        }))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let (more, over) =
            (desired.saturating_sub(current), maximum.is_some_and(|most| desired > most));
        let taken = Self::take(&mut self.table_left, more, over);
        Ok(taken.unwrap_or_else(|| {
            self.refuse(Limit::TableElements);
            false
        }))
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn memories(&self) -> usize {
        self.memories
    }

    fn tables(&self) -> usize {
        self.tables
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bulkhead_model::ByteSize;

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
        assert_eq!(meter.refused(), None, "the guest's own maximum");
        assert!(!meter.memory_growing(0, 2 << 20, None).unwrap());
        assert!(!meter.table_growing(0, 1 << 20, None).unwrap());
        assert_eq!(
            meter.refused(),
            Some(Limit::Memory),
            "the operator's limit, the first"
        );
        meter.renew(&Allowance::of_a_call(&limits));
        assert_eq!(meter.refused(), None, "a new call");
    }

    #[test]
    fn work_of_the_host_is_on_the_guests_time() {
        let limits = Limits { cpu: Duration::from_millis(20), ..Limits::default() };
        let mut meter = Meter::new(&limits);
        // name, ticks of the host's work, what is left of four ticks
        let cases =
            [("none", 0, 4), ("some", 3, 1), ("all that there is", 4, 0), ("more", 5, 0)];
        for (name, work, expected) in cases {
            meter.renew(&Allowance::of_a_call(&limits));
            meter.charge(work);
            assert_eq!(meter.time_out().is_some(), work > 4, "case: {name}");
            let ticks = (0..100).take_while(|_| meter.tick()).count();
            assert_eq!(ticks, expected, "case: {name}");
        }
    }

    #[test]
    fn a_call_has_its_ticks_and_no_more() {
        let cases = [("none", 0, 0), ("one for a part", 1, 1), ("whole", 20, 4)];
        for (name, cpu, expected) in cases {
            let limits = Limits { cpu: Duration::from_millis(cpu), ..Limits::default() };
            let mut meter = Meter::new(&limits);
            meter.renew(&Allowance::of_a_call(&limits));
            let ticks = (0..100).take_while(|_| meter.tick()).count();
            assert_eq!(ticks, expected, "case: {name}");
            assert_eq!(meter.time_out(), Some(Limit::Cpu), "case: {name}");
        }
    }
}
