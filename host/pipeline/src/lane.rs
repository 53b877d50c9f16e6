//! One file's way from blocks to the sink, and how far it has come.
//!
//! A lane owns its stages and its sink, so the path has no lock. After every block it knows
//! a mark: the last line, what became of all lines up to it, and which line the sink must
//! have made durable for that to count. A mark becomes an [`Advance`] on the sink's word
//! alone, never on "sent". Marks are `marks.rs`, a sink's deaths `caution.rs`,
//! handing over `delivery.rs`.

mod caution;
mod delivery;
mod error;
mod marks;

use std::time::Duration;

use bulkhead_ndjson::{Block, Passed};
use futures::future::BoxFuture;

pub use caution::Caution;
pub use error::LaneError;

use crate::{
    Advance, Batch, Chain, Checkpoint, CloseReason, Digests, Handled, Intake, Memory,
    Pause, Quarantined, Sink, SinkError, Tally,
    lane::marks::{Mark, Marks},
    memory,
    stage::Crash,
    tally::Counts,
};

/// How much trouble a lane puts up with, and how often it advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneLimits {
    /// Calls of a sink that is not ready, and hand-overs of which it takes and refuses
    /// nothing, in a row.
    pub retries: u32,
    /// The longest pause before a retry.
    pub longest_pause: Duration,
    /// A file of which nothing is delivered still advances after this many bytes read.
    pub quiet_bytes: u64,
    /// Records whose digests wait for the sink's word, at about 500 bytes each with what was
    /// read of them: see [`Lane::take_handled`].
    pub handled: usize,
}

impl Default for LaneLimits {
    fn default() -> Self {
        Self {
            retries: 8,
            longest_pause: Duration::from_mins(1),
            quiet_bytes: 64 << 20,
            handled: 2_048,
        }
    }
}

/// Bytes of refused bodies that wait for the sink's word. Some blocks' worth: enough to seal many
/// at once, little beside what a lane holds anyway.
const MUCH_REFUSED: usize = 4 << 20;

/// One file's way through chain and sink.
pub struct Lane {
    intake: Intake,
    memory: Option<Box<dyn Memory>>,
    /// Of the lines of the block at hand.
    digests: Digests,
    chain: Chain,
    sink: Box<dyn Sink>,
    limits: LaneLimits,
    pause: Pause,
    caution: Caution,
    resume: Option<Checkpoint>,
    tally: Tally,
    marks: Marks,
    /// The sink's last word, and whether it came with the block at hand.
    durable: Checkpoint,
    is_news: bool,
    /// Every record up to this line that was handed over has been taken or refused: the sink
    /// can vouch for nothing beyond.
    handed_through: u64,
    /// The last line of which the sink took a record: what it must vouch for.
    accepted_through: u64,
    last_line: u64,
    quiet_bytes: u64,
}

impl Lane {
    /// A lane at the start of a file.
    pub fn new(
        intake: Intake,
        chain: Chain,
        sink: Box<dyn Sink>,
        limits: LaneLimits,
        pause: Pause,
    ) -> Self {
        Self {
            intake,
            memory: None,
            digests: Digests::default(),
            chain,
            sink,
            limits,
            pause,
            caution: Caution::default(),
            resume: None,
            tally: Tally::default(),
            marks: Marks::default(),
            durable: Checkpoint::default(),
            is_news: false,
            handed_through: 0,
            accepted_through: 0,
            last_line: 0,
            quiet_bytes: 0,
        }
    }

    /// The same after a crash: everything up to `resume` is settled and passed over.
    #[must_use]
    pub fn resuming(self, resume: &Advance) -> Self {
        let Counts { delivered, rows, .. } = resume.tally.total();
        let token = resume.token.clone();
        // A sink that never had a record has nothing to resume and gave no token.
        let had_any = delivered + rows > 0 || !token.is_empty();
        let checkpoint =
            Checkpoint { durable_through: resume.through, token: token.clone() };
        Self {
            intake: self.intake.resuming(resume.through, resume.prefix_hash),
            tally: resume.tally.clone(),
            resume: had_any.then_some(checkpoint),
            // Its own last word may name an earlier line: none up to `through` was left to it.
            durable: Checkpoint { durable_through: 0, token },
            handed_through: resume.through,
            last_line: resume.through,
            ..self
        }
    }

    /// The same with care about lines on which the sink died.
    #[must_use]
    pub fn with_caution(self, caution: Caution) -> Self {
        Self { caution, ..self }
    }

    /// The same, asking `memory` what was delivered before. Then [`Advance::handled`] says
    /// what to remember.
    #[must_use]
    pub fn with_memory(self, memory: Box<dyn Memory>) -> Self {
        let is_news = memory.expects_news();
        let intake = if is_news { self.intake.hashing_content() } else { self.intake };
        Self { memory: Some(memory), intake, ..self }
    }

    /// What became of all records so far, durable or not.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Opens the sink. Once, before the first block.
    ///
    /// # Errors
    ///
    /// [`LaneError`] when the sink cannot begin.
    pub async fn open(&mut self) -> Result<(), LaneError> {
        let resume = self.resume.clone();
        self.patiently(move |sink| sink.open(resume.clone())).await
    }

    /// Takes one block all the way. Gives how far the file is durable when that is news.
    ///
    /// # Errors
    ///
    /// [`LaneError`]; the lane is of no more use then.
    pub async fn take(&mut self, block: &Block) -> Result<Option<Advance>, LaneError> {
        let taken = self.intake.take(block, &mut self.tally)?;
        if taken.last_line == 0 {
            return Ok(None);
        }
        self.is_news = false;
        self.last_line = taken.last_line;
        self.quiet_bytes += block.bytes.len() as u64;
        self.digests = taken.digests;
        self.marks.quarantine(taken.refused);
        let new = match taken.batch {
            Some(batch) => self.recall(batch).await?,
            None => None,
        };
        if let Some(batch) = new {
            let settled = self.chain.settle(batch, &mut self.tally).await?;
            self.marks.quarantine(settled.refused);
            if let Some(batch) = settled.batch {
                self.deliver(batch).await?;
            }
        }
        self.marks.push(Mark {
            through: self.last_line,
            needs: self.accepted_through,
            prefix_hash: self.intake.prefix_hash(),
            tally: self.tally.clone(),
        });
        let owes_nothing = self.accepted_through <= self.durable.durable_through;
        let is_quiet = owes_nothing && self.quiet_bytes >= self.limits.quiet_bytes;
        Ok(if self.is_news || is_quiet { self.advance() } else { None })
    }

    /// What the sink has taken and not yet made durable, once it is much, and the last line of
    /// it. Between blocks. So that memory stays bounded whatever the sink holds back: it may be
    /// written down before it is durable, as long as that can be told apart later.
    pub fn take_handled(&mut self) -> Option<(u64, Vec<Handled>)> {
        Some((self.last_line, self.marks.drain(self.limits.handled)?))
    }

    /// What waits in quarantine for the sink's word, once its bodies are much, in groups that one
    /// advance hands out whole. Between blocks, so that memory stays bounded: whoever asks
    /// stores the bodies, no two groups in one place, and puts
    /// [`Kept::Stored`](crate::Kept::Stored) there instead. A try that is given up leaves stored
    /// what no advance ever names.
    pub fn much_refused(&mut self) -> Option<Vec<&mut [Quarantined]>> {
        self.marks.much_refused(MUCH_REFUSED)
    }

    /// Notes what the framer passed over in the whole file, what an earlier try read included.
    pub fn note_passed(&mut self, passed: Passed) {
        if passed != Passed::default() {
            let counts = self.tally.of("");
            counts.empty_lines = passed.empty_lines;
            counts.crlf_lines = passed.crlf_lines;
        }
    }

    /// Ends the file: everything is durable when this returns.
    ///
    /// # Errors
    ///
    /// [`LaneError`] when it could not be made durable.
    pub async fn finish(mut self) -> Result<Advance, LaneError> {
        self.intake.finish()?;
        let flushed = self.patiently(|sink| sink.flush()).await?;
        self.hear(flushed)?;
        if let Some(closed) =
            self.patiently(|sink| sink.close(CloseReason::EndOfFile)).await?
        {
            self.hear(closed)?;
        }
        if self.durable.durable_through < self.accepted_through {
            return Err(self.breach());
        }
        let (quarantined, handled) = self.marks.into_rest();
        Ok(Advance {
            through: self.last_line,
            token: self.durable.token,
            prefix_hash: self.intake.prefix_hash(),
            tally: self.tally,
            quarantined,
            handled,
        })
    }

    /// Gives the file up for now; what is not durable leaves no trace.
    pub async fn stop(mut self, why: CloseReason) {
        if let Err(error) = self.sink.close(why).await {
            tracing::debug!(%error, "the sink did not close");
        }
    }

    /// What of a batch is to be delivered, as far as the memory can tell.
    async fn recall(&mut self, batch: Batch) -> Result<Option<Batch>, LaneError> {
        let Some(memory) = &mut self.memory else { return Ok(Some(batch)) };
        let recalls = memory.recall(&batch, &self.digests).await?;
        Ok(memory::apply(batch, &recalls, &mut self.tally)?)
    }

    /// The furthest mark that the sink's last word covers.
    fn advance(&mut self) -> Option<Advance> {
        let (mark, quarantined, handled) =
            self.marks.reach(self.durable.durable_through)?;
        let Mark { through, prefix_hash, tally, .. } = mark;
        self.quiet_bytes = 0;
        Some(Advance {
            through,
            token: self.durable.token.clone(),
            prefix_hash,
            tally,
            quarantined,
            handled,
        })
    }

    /// Takes the sink at its word: it may only rise, and not beyond what was handed over.
    fn hear(&mut self, word: Checkpoint) -> Result<(), LaneError> {
        let through = word.durable_through;
        if through > self.handed_through || through < self.durable.durable_through {
            return Err(self.breach());
        }
        self.durable = word;
        self.is_news = true;
        Ok(())
    }

    fn breach(&self) -> LaneError {
        let (sink, crash) = (self.sink.name().to_owned(), Crash::Contract);
        LaneError::Sink(SinkError::Crashed { sink, crash })
    }

    /// Calls the sink until it is ready, on no record in particular.
    async fn patiently<T, F>(&mut self, mut call: F) -> Result<T, LaneError>
    where
        F: for<'a> FnMut(&'a mut dyn Sink) -> BoxFuture<'a, Result<T, SinkError>>,
    {
        let mut in_vain = 0;
        loop {
            match call(self.sink.as_mut()).await {
                Ok(answer) => return Ok(answer),
                Err(SinkError::Retryable { after, .. })
                    if in_vain < self.limits.retries =>
                {
                    self.back_off(in_vain, after).await;
                    in_vain += 1;
                }
                Err(error) => {
                    let lines = self.handed_through..=self.handed_through;
                    return Err(LaneError::of(error, lines, 0));
                }
            }
        }
    }

    /// Waits before a retry. Not `async`: a lane is not shared, so it is not held meanwhile.
    fn back_off(&self, attempt: u32, after: Option<Duration>) -> BoxFuture<'static, ()> {
        let doubled = Duration::from_millis(100 << attempt.min(16));
        let wait = after.unwrap_or_default().max(doubled).min(self.limits.longest_pause);
        (self.pause)(wait)
    }
}

#[cfg(test)]
mod tests;
