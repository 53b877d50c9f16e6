//! How the server misbehaves, on order.
//!
//! A *fault* strikes at a door, some times. An empty scenario is the conformant server. A
//! scenario holds no counters and no clock: what has struck is kept by the running server,
//! and `Control::struck` tells it.
//!
//! Source: the faults that the exporters of real servers have met, F1 to F41 of
//! `docs/rehearsing.md`.

mod answer;
mod body;
mod builder;
mod fault;
mod units;

pub use answer::{Answer, Challenge, Content, RetryAfter};
pub use body::{
    At, BodyFault, Cut, CutHow, Framing, Insert, LineEdit, Pace, Packing, Shape, Stain,
};
pub use fault::{
    Array, Count, End, Fault, HeaderEdit, Hop, JsonEdit, LevelKind, Lose, LoseWhen, On,
    Per, Redirect, Revoke, Span,
};
pub use units::Shift;

/// How a server misbehaves. The default: it does not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scenario {
    /// What strikes at the doors.
    pub faults: Vec<Fault>,
    /// Of every place that is left to chance.
    pub seed: u64,
    /// Whether there is a second origin, asked for by name or not.
    pub elsewhere: Elsewhere,
}

/// Whether the server listens at a second origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Elsewhere {
    /// Yes.
    Always,
    /// When the scenario names it.
    #[default]
    AsNeeded,
}

impl Scenario {
    /// With one more fault.
    #[must_use]
    pub fn with(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// With a second origin, whether the scenario names it or not.
    #[must_use]
    pub fn with_elsewhere(self) -> Self {
        Self { elsewhere: Elsewhere::Always, ..self }
    }

    /// What is wrong with it; each names the fault by its number, from 1, or its name.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (at, fault) in self.faults.iter().enumerate() {
            let name = if fault.name.is_empty() {
                format!("fault {}", at + 1)
            } else {
                format!("fault `{}`", fault.name)
            };
            let said = fault.problems();
            problems.extend(said.into_iter().map(|text| format!("{name}: {text}")));
        }
        problems
    }

    pub(crate) fn needs_elsewhere(&self) -> bool {
        match self.elsewhere {
            Elsewhere::Always => true,
            Elsewhere::AsNeeded => self.faults.iter().any(Fault::names_elsewhere),
        }
    }
}
