//! Stages in order, and what their verdicts do to a batch.
//!
//! A guest that dies takes no neighbour with it: the same batch is tried once more in a fresh
//! instance, then in halves, down to the one line that kills it twice, which goes to quarantine.
//! The number of deaths is bounded, so that a broken plugin stops the file and does not empty
//! it into quarantine record by record. What a verdict does to its record is `settle.rs`.

mod settle;

use std::{ops::Range, sync::Arc, time::Duration};

use bulkhead_ndjson::Peek;
use futures::future::BoxFuture;

use crate::{
    Batch, Quarantined, Reject, RejectClass, Stage, StageError, Tally, Verdict,
    chain::settle::Settle, stage::Crash,
};

/// Waits; given by whoever owns the clock.
pub type Pause = Arc<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

/// How much trouble a chain puts up with, a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainLimits {
    /// Deaths of guests. To find one poison record among 4,096 takes 15.
    pub crashes: u32,
    /// Retries of one batch that a plugin asked for.
    pub retries: u32,
    /// The longest pause before a retry.
    pub longest_pause: Duration,
}

impl Default for ChainLimits {
    fn default() -> Self {
        Self { crashes: 256, retries: 8, longest_pause: Duration::from_mins(1) }
    }
}

/// Why a chain could not settle a batch.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// A plugin died too often.
    #[error(
        "plugins died {crashes} times on one file, more often than `limits.restarts` lets them"
    )]
    Crashes {
        /// How often it died.
        crashes: u32,
        /// How it died last.
        #[source]
        source: StageError,
    },
    /// A stage gave up.
    #[error("a stage gave up")]
    Stage(#[from] StageError),
}

/// A batch after all stages.
#[derive(Debug)]
pub(crate) struct Settled {
    /// `None` when nothing is left.
    pub(crate) batch: Option<Batch>,
    pub(crate) refused: Vec<Quarantined>,
}

/// Stages in order.
pub struct Chain {
    stages: Vec<Box<dyn Stage>>,
    limits: ChainLimits,
    pause: Pause,
    peek: Peek,
    crashes: u32,
}

impl Chain {
    /// Of `stages`, in order.
    pub fn new(stages: Vec<Box<dyn Stage>>, limits: ChainLimits, pause: Pause) -> Self {
        let peek = Peek::new(None, bulkhead_ndjson::Bases::default());
        Self { stages, limits, pause, peek, crashes: 0 }
    }

    /// Runs a batch through all stages.
    pub(crate) async fn settle(
        &mut self,
        batch: Batch,
        tally: &mut Tally,
    ) -> Result<Settled, ChainError> {
        let mut refused = Vec::new();
        let mut batch = batch;
        for at in 0..self.stages.len() {
            let verdicts = self.judge(at, &batch).await?;
            let Some(stage) = self.stages.get(at) else { break };
            let settle = Settle::new(stage.name(), &self.peek);
            match settle.apply(batch, verdicts, tally, &mut refused) {
                Some(left) => batch = left,
                None => return Ok(Settled { batch: None, refused }),
            }
        }
        Ok(Settled { batch: Some(batch), refused })
    }

    /// Verdicts of one stage on every record, whatever it takes to get them.
    async fn judge(
        &mut self,
        at: usize,
        batch: &Batch,
    ) -> Result<Vec<Verdict>, ChainError> {
        let mut verdicts: Vec<Verdict> = Vec::with_capacity(batch.len());
        let mut todo: Vec<(Range<usize>, u32)> = vec![(0..batch.len(), 0)];
        let mut retries = 0;
        while let Some((range, deaths)) = todo.pop() {
            let is_whole = range.len() == batch.len();
            let mut piece =
                if is_whole { batch.clone() } else { batch.slice(range.clone()) };
            for _ in 0..deaths + retries {
                piece = piece.again();
            }
            let Some(stage) = self.stages.get_mut(at) else { break };
            let judged = stage.judge(&piece).await.and_then(|found| {
                // A verdict too few would lose a record: no stage may answer so.
                let (stage, crash) = (stage.name().to_owned(), Crash::Contract);
                let fits = found.len() == piece.len();
                if fits { Ok(found) } else { Err(StageError::Crashed { stage, crash }) }
            });
            match judged {
                Ok(found) => verdicts.extend(found),
                Err(error @ StageError::Crashed { .. }) => {
                    self.survive(error.clone())?;
                    todo.extend(smaller(batch, range, deaths, &error, &mut verdicts));
                }
                Err(StageError::Retryable { after, .. })
                    if retries < self.limits.retries =>
                {
                    let doubled = Duration::from_millis(100 << retries.min(16));
                    let wait = after.unwrap_or_default().max(doubled);
                    (self.pause)(wait.min(self.limits.longest_pause)).await;
                    retries += 1;
                    todo.push((range, deaths));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(verdicts)
    }

    fn survive(&mut self, source: StageError) -> Result<(), ChainError> {
        self.crashes += 1;
        let crashes = self.crashes;
        if crashes > self.limits.crashes {
            return Err(ChainError::Crashes { crashes, source });
        }
        tracing::warn!(crashes, error = %source, "a plugin died; going on in a fresh instance");
        Ok(())
    }
}

/// What to try after a death: the same once more, then halves. A line that dies alone a second
/// time is tried no more.
fn smaller(
    batch: &Batch,
    range: Range<usize>,
    deaths: u32,
    error: &StageError,
    verdicts: &mut Vec<Verdict>,
) -> Vec<(Range<usize>, u32)> {
    let StageError::Crashed { crash, .. } = error else { return Vec::new() };
    if deaths == 0 {
        return vec![(range, 1)];
    }
    let Some(middle) = batch.middle(&range) else {
        let reject = Reject::new(RejectClass::Other, crash.code());
        verdicts.extend(range.map(|_| Verdict::Reject(reject.clone())));
        return Vec::new();
    };
    // A half that can be halved again has its second chance in its own halves.
    let tried = |half: Range<usize>| {
        let deaths = u32::from(batch.middle(&half).is_some());
        (half, deaths)
    };
    // A stack: the first half comes off first, so that verdicts keep their order.
    vec![tried(middle..range.end), tried(range.start..middle)]
}

#[cfg(test)]
mod tests;
