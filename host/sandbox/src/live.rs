//! A live guest, wherever it lives: in this process, or in one of its own.

use bulkhead_model::Instant;
use bulkhead_pipeline::{Batch, Crash, Limit};

use crate::{
    Error, Plugin,
    calls::{Answer, Call, Terms},
    convert,
    deterministic::Moment,
    guest::Guest,
    limits::{Allowance, FileKey},
    plugin::Housing,
    process::apart::Apart,
};

/// A live guest. After any error it must be thrown away.
pub(crate) enum Live {
    Apart(Box<Apart>),
    Here(Box<Guest>),
}

impl Live {
    /// A fresh guest with its settings. Clocks that stand still show `frozen_at`.
    ///
    /// Adds to `spent` the ticks that this took, also when there is no guest in the end.
    ///
    /// While it starts and is configured it reaches no store, destination, key, cohort or
    /// state, at no time of a run: what it says of its settings, which is shown, stems from
    /// them alone, and nothing is touched before the audit log knows of the run.
    pub(crate) async fn configured(
        plugin: &Plugin,
        frozen_at: Instant,
        spent: &mut u64,
    ) -> Result<Self, Error> {
        let mut guest = match plugin.housing() {
            Housing::Apart { outside, .. } => {
                let started = Apart::start(plugin, outside, frozen_at, spent);
                Self::Apart(Box::new(started.await?))
            }
            Housing::Here(linked) => {
                let started = Guest::start(plugin, linked, frozen_at, spent);
                Self::Here(Box::new(started.await?))
            }
        };
        let call = Call::Configure(plugin.settings().to_owned());
        let configured = guest.call(call, plugin, Moment::Start).await;
        *spent = spent.saturating_add(guest.ticks_used());
        let died = |crash| Error::Died { crash };
        // Another answer than the one to this call is a child's lie.
        let Answer::Configured(accepted) = configured.map_err(died)? else {
            return Err(died(Crash::Contract));
        };
        let refused =
            |problems| Error::Settings { problems: convert::config_problems(problems) };
        accepted.map_err(refused)?;
        guest.equip(plugin);
        Ok(guest)
    }

    /// The same, of a sink that works on this file.
    pub(crate) fn on_file(mut self, file: FileKey) -> Self {
        match &mut self {
            Self::Apart(guest) => guest.work_on(file),
            Self::Here(guest) => guest.work_on(file),
        }
        self
    }

    /// Puts what the operator granted in reach.
    fn equip(&mut self, plugin: &Plugin) {
        match self {
            Self::Apart(guest) => guest.equip(plugin),
            Self::Here(guest) => guest.equip(plugin),
        }
    }

    /// Calls the guest, for the time of a call that is of no batch.
    pub(crate) async fn call(
        &mut self,
        call: Call,
        plugin: &Plugin,
        moment: Moment,
    ) -> Result<Answer, Crash> {
        let allowance = Allowance::of_a_call(plugin.limits());
        let terms = Terms { allowance, moment };
        match self {
            Self::Apart(guest) => guest.call(call, &terms).await,
            Self::Here(guest) => guest.call(call, &terms).await,
        }
    }

    /// Calls the guest over a batch, which it has for this call.
    pub(crate) async fn lend(
        &mut self,
        batch: &Batch,
        call: fn(u32) -> Call,
        allowance: Allowance,
    ) -> Result<Answer, Crash> {
        match self {
            Self::Apart(guest) => guest.lend(batch, call, allowance).await,
            Self::Here(guest) => guest.lend(batch, call, allowance).await,
        }
    }

    /// What was refused first in the latest call.
    pub(crate) fn refused(&self) -> Option<Limit> {
        match self {
            Self::Apart(guest) => guest.refused(),
            Self::Here(guest) => guest.refused(),
        }
    }

    /// Ticks that the latest call took.
    pub(crate) fn ticks_used(&self) -> u64 {
        match self {
            Self::Apart(guest) => guest.ticks_used(),
            Self::Here(guest) => guest.ticks_used(),
        }
    }
}
