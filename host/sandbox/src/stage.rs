//! A filter or a transform at work.

use bulkhead_pipeline::{Batch, Crash, Stage, StageError, Verdict};
use futures::{FutureExt, future::BoxFuture};

use crate::{
    Error, Plugin, Role,
    calls::{Answer, Call},
    convert::{self, Complaint},
    live::Live,
};

/// A filter or a transform of one lane. Its guest is made when the first batch comes, and
/// made anew after every crash.
pub struct PluginStage {
    plugin: Plugin,
    guest: Option<Live>,
}

impl PluginStage {
    /// Of a plugin that is a filter or a transform.
    pub const fn new(plugin: Plugin) -> Self {
        Self { plugin, guest: None }
    }

    async fn verdicts(&mut self, batch: &Batch) -> Result<Vec<Verdict>, StageError> {
        let guest = match self.guest.take() {
            Some(guest) => guest,
            None => Live::configured(&self.plugin)
                .await
                .map_err(|error| self.not_begun(&error))?,
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

    /// Why there is no guest: it died, or this machine has no room for its process, which is
    /// no record's fault.
    fn not_begun(&self, error: &Error) -> StageError {
        if let Error::Child { source } = error {
            tracing::warn!(stage = self.plugin.stage(), %source, "a guest got no process");
            let code = NO_PROCESS.to_owned();
            return self.complain(Complaint::Retryable(code, None));
        }
        self.crashed(error.crash())
    }

    fn crashed(&self, crash: Crash) -> StageError {
        StageError::Crashed { stage: self.plugin.stage().to_owned(), crash }
    }

    fn complain(&self, complaint: Complaint) -> StageError {
        let stage = self.plugin.stage().to_owned();
        match complaint {
            Complaint::Fatal(code) => StageError::Fatal { stage, code },
            Complaint::Retryable(code, after) => {
                StageError::Retryable { stage, code, after }
            }
        }
    }
}

/// The code of a guest that could not be started.
pub(crate) const NO_PROCESS: &str = "no-process";

type Judged = Result<Result<Vec<Verdict>, Complaint>, Crash>;

async fn judge(
    mut guest: Live,
    batch: &Batch,
    plugin: &Plugin,
) -> (Judged, Option<Live>) {
    let (len, manifest) = (batch.len(), plugin.manifest());
    let call = match manifest.role {
        Role::Filter => Call::Evaluate,
        Role::Transform => Call::Apply,
        Role::Sink => return (Err(Crash::Contract), None),
    };
    let converted = match guest.lend(batch, call).await {
        Ok(Answer::Decision(Ok(decision))) if manifest.role == Role::Filter => {
            convert::decision(decision, len, manifest)
        }
        Ok(Answer::Changes(Ok(changes))) if manifest.role == Role::Transform => {
            convert::changes(changes, len, manifest)
        }
        Ok(Answer::Decision(Err(complaint)) | Answer::Changes(Err(complaint))) => {
            return (Ok(Err(convert::complaint(complaint))), Some(guest));
        }
        // Not an answer to this call: a child's lie.
        Ok(
            Answer::Changes(Ok(_))
            | Answer::Checkpoint(_)
            | Answer::Closed(_)
            | Answer::Configured(_)
            | Answer::Decision(Ok(_))
            | Answer::Done(_)
            | Answer::Receipt(_),
        ) => Err(convert::Breach),
        Err(crash) => return (Err(crash), None),
    };
    match converted {
        Ok(verdicts) => (Ok(Ok(verdicts)), Some(guest)),
        Err(convert::Breach) => (Err(Crash::Contract), None),
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
}
