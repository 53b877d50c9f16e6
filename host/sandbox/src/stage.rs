//! A filter or a transform at work.

use bulkhead_model::Instant;
use bulkhead_pipeline::{Batch, Crash, Limit, Stage, StageError, Verdict};
use futures::{FutureExt, future::BoxFuture};

use crate::{
    Plugin,
    convert::{self, Complaint},
    guest::{Exports, Guest, within},
    limits::{Allowance, Budget},
};

/// A filter or a transform of one lane. Its guest is made when the first batch comes, and
/// made anew after every crash.
pub struct PluginStage {
    plugin: Plugin,
    guest: Option<Guest>,
    budget: Budget,
    frozen_at: Instant,
}

impl PluginStage {
    /// Of a plugin that is a filter or a transform.
    pub fn new(plugin: Plugin) -> Self {
        let frozen_at = Instant::from_unix_ms(0);
        Self { plugin, guest: None, budget: Budget::default(), frozen_at }
    }

    /// In an export of that moment: what clocks show in a deterministic chain.
    #[must_use]
    pub fn of_export_at(self, time: Instant) -> Self {
        Self { frozen_at: time, ..self }
    }

    async fn verdicts(&mut self, batch: &Batch) -> Result<Vec<Verdict>, StageError> {
        let (now, limits) = (self.plugin.now(), *self.plugin.limits());
        let allowance = self.budget.allow(batch.id(), now, &limits);
        let allowance = allowance.map_err(|limit| self.spent(limit))?;
        let guest = match self.guest.take() {
            Some(guest) => guest,
            None => Guest::configured(&self.plugin, self.frozen_at)
                .await
                .map_err(|error| self.crashed(error.crash()))?,
        };
        let Answer { judged, ticks, refused, guest } =
            judge(guest, batch, &self.plugin, allowance).await;
        self.budget.charge(ticks);
        // Only a guest that answered well is used again.
        self.guest = guest;
        match judged {
            Ok(Ok(verdicts)) => Ok(verdicts),
            Ok(Err(complaint)) => Err(self.complain(complaint, refused)),
            Err(crash) => Err(self.crashed(crash)),
        }
    }

    /// What a death means: a fresh guest may do better, unless there can be none or no guest
    /// would have more.
    fn crashed(&self, crash: Crash) -> StageError {
        self.plugin.uses().died(crash);
        if !self.plugin.may_restart() {
            tracing::warn!(stage = self.plugin.stage(), %crash, "a guest died once too often");
            return self.spent(Limit::Restarts);
        }
        if let Crash::Limit(limit) = crash
            && limit.is_for_good()
        {
            return self.spent(limit);
        }
        StageError::Crashed { stage: self.plugin.stage().to_owned(), crash }
    }

    fn spent(&self, limit: Limit) -> StageError {
        StageError::Spent { stage: self.plugin.stage().to_owned(), limit }
    }

    fn complain(&self, complaint: Complaint, refused: Option<Limit>) -> StageError {
        let stage = self.plugin.stage().to_owned();
        match (complaint, refused) {
            // It gave up because of what it was refused, as far as one can tell.
            (Complaint::Fatal(_), Some(limit)) => self.spent(limit),
            (Complaint::Fatal(code), None) => StageError::Fatal { stage, code },
            (Complaint::Retryable(code, after), _) => {
                StageError::Retryable { stage, code, after }
            }
        }
    }
}

type Judged = Result<Result<Vec<Verdict>, Complaint>, Crash>;

/// How one call went.
struct Answer {
    judged: Judged,
    ticks: u64,
    refused: Option<Limit>,
    /// The guest, if it may be used again.
    guest: Option<Guest>,
}

async fn judge(
    mut guest: Guest,
    batch: &Batch,
    plugin: &Plugin,
    allowance: Allowance,
) -> Answer {
    let lent = match guest.lend(batch, allowance) {
        Ok(lent) => lent,
        Err(crash) => {
            return Answer { judged: Err(crash), ticks: 0, refused: None, guest: None };
        }
    };
    let borrowed = wasmtime::component::Resource::new_borrow(lent.rep());
    let (len, manifest, wall) = (batch.len(), plugin.manifest(), guest.wall());
    let answered = match &guest.exports {
        Exports::Filter(calls) => {
            let answer =
                within(wall, calls.call_evaluate(&mut guest.store, borrowed)).await;
            answer.map(|answer| {
                answer
                    .map(|decision| convert::decision(decision, len, manifest))
                    .map_err(convert::complaint)
            })
        }
        Exports::Transform(calls) => {
            let answer = within(wall, calls.call_apply(&mut guest.store, borrowed)).await;
            answer.map(|answer| {
                answer
                    .map(|changes| {
                        let verdicts = convert::changes(changes, len, manifest)?;
                        Ok(convert::bounded(verdicts, batch, plugin.limits()))
                    })
                    .map_err(convert::complaint)
            })
        }
        Exports::Sink(_) => Ok(Ok(Err(convert::Breach))),
    };
    let (ticks, refused) = (guest.ticks_used(), guest.refused());
    let (judged, guest) = match answered {
        Err(ended) => (Err(ended.of_guest(&guest.store)), None),
        Ok(Ok(Err(convert::Breach))) => (Err(Crash::Contract), None),
        Ok(Ok(Ok(verdicts))) => {
            guest.take_back(lent);
            (Ok(Ok(verdicts)), Some(guest))
        }
        Ok(Err(complaint)) => {
            guest.take_back(lent);
            (Ok(Err(complaint)), Some(guest))
        }
    };
    Answer { judged, ticks, refused, guest }
}

impl Stage for PluginStage {
    fn name(&self) -> &str {
        self.plugin.stage()
    }

    fn judge<'a>(
        &'a mut self,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Vec<Verdict>, StageError>> {
        self.plugin.uses().handed_over(batch);
        self.verdicts(batch).boxed()
    }
}
