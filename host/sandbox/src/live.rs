//! A live guest, wherever it lives: in this process, or in one of its own.

use bulkhead_pipeline::{Batch, Crash};

use crate::{
    Error, Plugin,
    calls::{Answer, Call},
    convert,
    guest::Guest,
    plugin::Housing,
    process::apart::Apart,
};

/// A live guest. After any error it must be thrown away.
pub(crate) enum Live {
    Apart(Box<Apart>),
    Here(Box<Guest>),
}

impl Live {
    /// A fresh guest with its settings.
    pub(crate) async fn configured(plugin: &Plugin) -> Result<Self, Error> {
        let mut guest = match plugin.housing() {
            Housing::Apart { outside, .. } => {
                Self::Apart(Box::new(Apart::start(plugin, outside).await?))
            }
            Housing::Here(linked) => {
                Self::Here(Box::new(Guest::start(plugin, linked).await?))
            }
        };
        let configured = guest.call(Call::Configure(plugin.settings().to_owned()));
        let died = |crash| Error::Died { crash };
        // Another answer than the one to this call is a child's lie.
        let Answer::Configured(accepted) = configured.await.map_err(died)? else {
            return Err(died(Crash::Contract));
        };
        let refused =
            |problems| Error::Settings { problems: convert::config_problems(problems) };
        accepted.map_err(refused)?;
        Ok(guest)
    }

    /// Calls the guest.
    pub(crate) async fn call(&mut self, call: Call) -> Result<Answer, Crash> {
        match self {
            Self::Apart(guest) => guest.call(call).await,
            Self::Here(guest) => guest.call(call).await,
        }
    }

    /// Calls the guest over a batch, which it has for this call.
    pub(crate) async fn lend(
        &mut self,
        batch: &Batch,
        call: fn(u32) -> Call,
    ) -> Result<Answer, Crash> {
        match self {
            Self::Apart(guest) => guest.lend(batch, call).await,
            Self::Here(guest) => guest.lend(batch, call).await,
        }
    }
}
