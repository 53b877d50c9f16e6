//! A filter or a transform at work.

use bulkhead_pipeline::{Batch, Crash, Stage, StageError, Verdict};
use futures::{FutureExt, future::BoxFuture};

use crate::{
    Plugin,
    convert::{self, Complaint},
    guest::{Exports, Guest, within},
};

/// A filter or a transform of one lane. Its guest is made when the first batch comes, and
/// made anew after every crash.
pub struct PluginStage {
    plugin: Plugin,
    guest: Option<Guest>,
    /// What it said when it last complained: tainted, never shown.
    said: Option<String>,
}

impl PluginStage {
    /// Of a plugin that is a filter or a transform.
    pub const fn new(plugin: Plugin) -> Self {
        Self { plugin, guest: None, said: None }
    }

    async fn verdicts(&mut self, batch: &Batch) -> Result<Vec<Verdict>, StageError> {
        let guest = match self.guest.take() {
            Some(guest) => guest,
            None => Guest::configured(&self.plugin)
                .await
                .map_err(|error| self.crashed(error.crash()))?,
        };
        let (judged, guest) = judge(guest, batch, &self.plugin).await;
        // Only a guest that answered well is used again.
        self.guest = guest;
        match judged {
            Ok(Ok(verdicts)) => Ok(verdicts),
            Ok(Err(complaint)) => Err(self.complain(complaint)),
            Err(crash) => Err(self.crashed(crash)),
        }
    }

    fn crashed(&self, crash: Crash) -> StageError {
        StageError::Crashed { stage: self.plugin.stage().to_owned(), crash }
    }

    fn complain(&mut self, complaint: Complaint) -> StageError {
        let stage = self.plugin.stage().to_owned();
        match complaint {
            Complaint::Fatal(code) => StageError::Fatal { stage, code },
            Complaint::Retryable(code, after, said) => {
                self.said = Some(said);
                StageError::Retryable { stage, code, after }
            }
        }
    }
}

type Judged = Result<Result<Vec<Verdict>, Complaint>, Crash>;

async fn judge(
    mut guest: Guest,
    batch: &Batch,
    plugin: &Plugin,
) -> (Judged, Option<Guest>) {
    let lent = match guest.lend(batch) {
        Ok(lent) => lent,
        Err(crash) => return (Err(crash), None),
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
                    .map(|changes| convert::changes(changes, len, manifest))
                    .map_err(convert::complaint)
            })
        }
        Exports::Sink(_) => return (Err(Crash::Contract), None),
    };
    match answered {
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
    }
}

impl Stage for PluginStage {
    fn name(&self) -> &str {
        self.plugin.stage()
    }

    fn judge<'a>(
        &'a mut self,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Vec<Verdict>, StageError>> {
        self.verdicts(batch).boxed()
    }

    fn said(&mut self) -> Option<String> {
        self.said.take()
    }
}
