//! A filter or a transform at work.

use bulkhead_model::Instant;
use bulkhead_pipeline::{Batch, Crash, Limit, Stage, StageError, Verdict};
use futures::{FutureExt, future::BoxFuture};

use crate::{
    Error, Plugin, Role,
    calls::{Answer, Call},
    convert::{self, Complaint},
    limits::{Allowance, Budget},
    live::Live,
};

/// A filter or a transform of one lane. Its guest is made when the first batch comes, and
/// made anew after every crash.
pub struct PluginStage {
    plugin: Plugin,
    guest: Option<Live>,
    /// What it said when it last complained: tainted, never shown.
    said: Option<String>,
    budget: Budget,
    frozen_at: Instant,
}

impl PluginStage {
    /// Of a plugin that is a filter or a transform.
    pub fn new(plugin: Plugin) -> Self {
        let frozen_at = Instant::from_unix_ms(0);
        Self { plugin, guest: None, said: None, budget: Budget::default(), frozen_at }
    }

    /// In an export of that moment: what clocks show in a deterministic chain.
    #[must_use]
    pub fn of_export_at(self, time: Instant) -> Self {
        Self { frozen_at: time, ..self }
    }

    async fn verdicts(&mut self, batch: &Batch) -> Result<Vec<Verdict>, StageError> {
        let (now, limits) = (self.plugin.now(), *self.plugin.limits());
        let allowance = self.budget.allow(batch.id(), now, &limits);
        let mut allowance = allowance.map_err(|limit| self.spent(limit))?;
        let guest = if let Some(guest) = self.guest.take() {
            guest
        } else {
            // Dying and starting again is on the batch's time too.
            let mut spent = 0;
            let begun = Live::configured(&self.plugin, self.frozen_at, &mut spent).await;
            self.budget.charge(spent);
            let guest = begun.map_err(|error| self.not_begun(&error))?;
            let left = self.budget.allow(batch.id(), self.plugin.now(), &limits);
            allowance = left.map_err(|limit| self.spent(limit))?;
            guest
        };
        let Outcome { judged, ticks, refused, guest } =
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

    /// Why there is no guest: it died, or this machine has no room for its process, which is
    /// no record's fault.
    fn not_begun(&self, error: &Error) -> StageError {
        if let Error::Child { source } = error {
            tracing::warn!(stage = self.plugin.stage(), %source, "a guest got no process");
            let (stage, code) = (self.plugin.stage().to_owned(), NO_PROCESS.to_owned());
            return StageError::Retryable { stage, code, after: None };
        }
        self.crashed(error.crash())
    }

    fn crashed(&self, crash: Crash) -> StageError {
        match self.plugin.died(crash) {
            Some(limit) => self.spent(limit),
            None => StageError::Crashed { stage: self.plugin.stage().to_owned(), crash },
        }
    }

    fn spent(&self, limit: Limit) -> StageError {
        StageError::Spent { stage: self.plugin.stage().to_owned(), limit }
    }

    fn complain(&mut self, complaint: Complaint, refused: Option<Limit>) -> StageError {
        let stage = self.plugin.stage().to_owned();
        match (complaint, refused) {
            // It gave up because of what it was refused, as far as one can tell.
            (Complaint::Fatal(_), Some(limit)) => self.spent(limit),
            (Complaint::Fatal(code), None) => StageError::Fatal { stage, code },
            (Complaint::Retryable(code, after, said), _) => {
                self.said = Some(said);
                StageError::Retryable { stage, code, after }
            }
        }
    }
}

/// The code of a guest that could not be started.
pub(crate) const NO_PROCESS: &str = "no-process";

type Judged = Result<Result<Vec<Verdict>, Complaint>, Crash>;

/// How one call went.
struct Outcome {
    judged: Judged,
    ticks: u64,
    refused: Option<Limit>,
    /// The guest, if it may be used again.
    guest: Option<Live>,
}

async fn judge(
    mut guest: Live,
    batch: &Batch,
    plugin: &Plugin,
    allowance: Allowance,
) -> Outcome {
    let call = match plugin.manifest().role {
        Role::Filter => Call::Evaluate,
        Role::Transform => Call::Apply,
        Role::Sink => {
            let judged = Err(Crash::Contract);
            return Outcome { judged, ticks: 0, refused: None, guest: None };
        }
    };
    let answer = guest.lend(batch, call, allowance).await;
    let (ticks, refused) = (guest.ticks_used(), guest.refused());
    let judged = answer.and_then(|answer| verdicts(answer, batch, plugin));
    let guest = judged.is_ok().then_some(guest);
    Outcome { judged, ticks, refused, guest }
}

/// What a guest's answer comes to.
fn verdicts(answer: Answer, batch: &Batch, plugin: &Plugin) -> Judged {
    let (len, manifest) = (batch.len(), plugin.manifest());
    let converted = match answer {
        Answer::Decision(Ok(decision)) if manifest.role == Role::Filter => {
            convert::decision(decision, len, manifest)
        }
        Answer::Changes(Ok(changes)) if manifest.role == Role::Transform => {
            convert::changes(changes, len, manifest)
                .map(|verdicts| convert::bounded(verdicts, batch, plugin.limits()))
        }
        Answer::Decision(Err(complaint)) | Answer::Changes(Err(complaint)) => {
            return Ok(Err(convert::complaint(complaint)));
        }
        // Not an answer to this call: a child's lie.
        Answer::Changes(Ok(_))
        | Answer::Checkpoint(_)
        | Answer::Closed(_)
        | Answer::Configured(_)
        | Answer::Decision(Ok(_))
        | Answer::Done(_)
        | Answer::Receipt(_) => Err(convert::Breach),
    };
    converted.map(Ok).map_err(|convert::Breach| Crash::Contract)
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

    fn said(&mut self) -> Option<String> {
        self.said.take()
    }
}
