//! How the server misbehaves, on order.
//!
//! A *fault* strikes at a door, some times; a *mode* is how the server always is; a *change*
//! happens to the data at a moment. An empty scenario is the conformant server. A
//! scenario holds no counters and no clock: what has struck is kept by the running server,
//! and `Control::struck` tells it.
//!
//! Source: the faults that the exporters of real servers have met, F1 to F41 of
//! `docs/rehearsing.md`.

mod answer;
mod body;
mod builder;
mod change;
mod content;
mod fault;
mod files;
mod modes;
mod profile;
mod read;
mod settings;
mod units;

pub use answer::{Answer, Challenge, Content, RetryAfter};
pub use body::{
    At, BodyFault, Cut, CutHow, Framing, Insert, LineEdit, Pace, Packing, Shape, Stain,
};
pub use change::{Change, Member, Target, What, When};
pub use content::{
    Delete, Deleted, EntryUrl, ExpiresIn, GroupSince, Issue, Omission, Outcome, Scope,
    Skew, Token, Unscoped,
};
pub use fault::{
    Array, Count, End, Fault, HeaderEdit, Hop, JsonEdit, LevelKind, Lose, LoseWhen, On,
    Per, Redirect, Revoke, Span,
};
pub use files::{Access, Blocks, FilesAt, Links, Organized, Pages, Then};
pub use modes::{
    Edition, Expires, ExportStatus, Lists, Location, Modes, Reads, Reuse, ReuseWhen,
    Since, TransactionTime, Treatment,
};
pub use profile::Profile;
pub use settings::Settings;
pub use units::Shift;

use crate::error::Error;

/// How a server misbehaves. The default: it does not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scenario {
    /// What it chooses where a conformant server may.
    pub behaviour: Settings,
    /// How the server always is.
    pub modes: Modes,
    /// What strikes at the doors.
    pub faults: Vec<Fault>,
    /// What happens to the data.
    pub changes: Vec<Change>,
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
    /// Reads a scenario as operators write it.
    ///
    /// # Errors
    ///
    /// [`Error::Scenario`] with all that is wrong, each with its line.
    ///
    /// Source: `docs/rehearsing.md`.
    pub fn parse(toml: &str) -> Result<Self, Error> {
        read::read(toml).map_err(|problems| Error::Scenario { problems })
    }

    /// The scenario of a known kind of server.
    ///
    /// # Errors
    ///
    /// None: a test reads every profile. The type is that of [`Scenario::parse`].
    pub fn profile(profile: Profile) -> Result<Self, Error> {
        Self::parse(profile.toml())
    }

    /// With one more fault.
    #[must_use]
    pub fn with(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// With something that happens to the data at a moment.
    #[must_use]
    pub fn changing(mut self, when: When, what: What) -> Self {
        self.changes.push(Change::new(when, what));
        self
    }

    /// In other modes.
    #[must_use]
    pub fn in_mode(mut self, set: impl FnOnce(&mut Modes)) -> Self {
        set(&mut self.modes);
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
        problems.extend(self.modes.problems().into_iter().map(str::to_owned));
        problems
    }

    pub(crate) fn needs_elsewhere(&self) -> bool {
        match self.elsewhere {
            Elsewhere::Always => true,
            Elsewhere::AsNeeded => {
                self.modes.name_elsewhere()
                    || self.faults.iter().any(Fault::names_elsewhere)
            }
        }
    }
}
