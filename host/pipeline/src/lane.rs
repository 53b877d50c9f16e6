//! One file's way from blocks to the sink, and how far it has come.
//!
//! A lane owns its stages and its sink, so the path has no lock. After every block it knows
//! a mark: the last line, what became of all lines up to it, and which line the sink must
//! have made durable for that to count. A mark becomes an [`Advance`] on the sink's word
//! alone, never on "sent".

use std::{
    collections::{BTreeSet, VecDeque},
    ops::RangeInclusive,
    time::Duration,
};

use bulkhead_ndjson::Block;

use crate::{
    Advance, Batch, Chain, ChainError, Change, Checkpoint, CloseReason, Intake, IntakeError,
    Pause, Quarantined, Receipt, Reject, RejectClass, Sink, SinkError, Tally, stage::Crash,
};

/// How much trouble a lane puts up with, and how often it advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneLimits {
    /// Hand-overs of one batch to a sink that does not take it.
    pub retries: u32,
    /// The longest pause before a retry.
    pub longest_pause: Duration,
    /// A file of which nothing is delivered still advances after this many bytes read.
    pub quiet_bytes: u64,
}

impl Default for LaneLimits {
    fn default() -> Self {
        Self { retries: 8, longest_pause: Duration::from_mins(1), quiet_bytes: 64 << 20 }
    }
}

/// What is known of a sink's deaths on this file: near the last one, records go one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caution {
    /// Lines of batches on which the sink died: their records are handed over one by one.
    pub alone: Option<RangeInclusive<u64>>,
    /// Lines of which one record alone killed the sink: to quarantine.
    pub poison: BTreeSet<u64>,
}

/// Why a file cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaneError {
    /// A stage failed for good.
    #[error("running the chain")]
    Chain(#[from] ChainError),
    /// The file is not the one that was begun.
    #[error("resuming the file")]
    Intake(#[from] IntakeError),
    /// The sink failed for good.
    #[error("delivering to the sink")]
    Sink(#[source] SinkError),
    /// The sink died: start again from the last advance, with caution about these lines.
    #[error("delivering to the sink")]
    SinkDied {
        /// First and last line of the batch it died on.
        lines: RangeInclusive<u64>,
        /// How many records that batch had.
        records: usize,
        /// How it died.
        #[source]
        source: SinkError,
    },
    /// The sink neither took nor refused some records, again and again.
    #[error("sink `{sink}` neither takes nor refuses {records} records")]
    SinkStalled {
        /// The sink.
        sink: String,
        /// How many records are left.
        records: usize,
    },
}

/// A state of the file that counts once the sink has made `needs` durable.
struct Mark {
    through: u64,
    needs: u64,
    prefix_hash: [u8; 16],
    tally: Tally,
    quarantined: usize,
}

/// One file's way through chain and sink.
pub struct Lane {
    intake: Intake,
    chain: Chain,
    sink: Box<dyn Sink>,
    limits: LaneLimits,
    pause: Pause,
    caution: Caution,
    tally: Tally,
    marks: VecDeque<Mark>,
    quarantined: VecDeque<Quarantined>,
    durable: Checkpoint,
    /// The last line handed to the sink.
    delivered_through: u64,
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
            chain,
            sink,
            limits,
            pause,
            caution: Caution::default(),
            tally: Tally::default(),
            marks: VecDeque::new(),
            quarantined: VecDeque::new(),
            durable: Checkpoint::default(),
            delivered_through: 0,
            last_line: 0,
            quiet_bytes: 0,
        }
    }

    /// The same after a crash: `tally` is what became of the lines up to `resume`.
    #[must_use]
    pub fn resuming(self, resume: &Advance) -> Self {
        let durable =
            Checkpoint { durable_through: resume.through, token: resume.token.clone() };
        Self {
            intake: self.intake.resuming(resume.through, resume.prefix_hash),
            tally: resume.tally.clone(),
            delivered_through: resume.through,
            last_line: resume.through,
            durable,
            ..self
        }
    }

    /// The same with care about lines on which the sink died.
    #[must_use]
    pub fn with_caution(self, caution: Caution) -> Self {
        Self { caution, ..self }
    }

    /// What became of all records so far, durable or not.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Opens the sink. Once, before the first block.
    ///
    /// # Errors
    ///
    /// [`LaneError::Sink`] when the sink cannot begin.
    pub async fn open(&mut self) -> Result<(), LaneError> {
        let resume = (self.durable.durable_through > 0).then(|| self.durable.clone());
        self.sink.open(resume).await.map_err(LaneError::Sink)
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
        self.last_line = taken.last_line;
        self.quiet_bytes += block.bytes.len() as u64;
        self.quarantined.extend(taken.refused);
        let mut advanced = None;
        if let Some(batch) = taken.batch {
            let settled = self.chain.settle(batch, &mut self.tally).await?;
            self.quarantined.extend(settled.refused);
            if let Some(batch) = settled.batch {
                advanced = self.deliver(batch).await?;
            }
        }
        self.mark();
        if let Some(durable) = advanced {
            self.durable = durable;
            return Ok(self.advance());
        }
        let is_quiet = self.delivered_through <= self.durable.durable_through;
        if is_quiet && self.quiet_bytes >= self.limits.quiet_bytes {
            return Ok(self.advance());
        }
        Ok(None)
    }

    /// Ends the file: everything is durable when this returns.
    ///
    /// # Errors
    ///
    /// [`LaneError`] when it could not be made durable.
    pub async fn finish(mut self) -> Result<Advance, LaneError> {
        self.intake.finish()?;
        let flushed = self.sink.flush().await;
        let flushed = flushed.map_err(|error| self.died(error))?;
        self.check(&flushed)?;
        let closed = self.sink.close(CloseReason::EndOfFile).await;
        let durable = closed.map_err(|error| self.died(error))?.unwrap_or(flushed);
        self.check(&durable)?;
        if durable.durable_through < self.delivered_through {
            let (sink, crash) = (self.sink.name().to_owned(), Crash::Contract);
            return Err(LaneError::Sink(SinkError::Crashed { sink, crash }));
        }
        Ok(Advance {
            through: self.last_line,
            token: durable.token,
            prefix_hash: self.intake.prefix_hash(),
            tally: self.tally,
            quarantined: self.quarantined.into(),
        })
    }

    /// Gives the file up for now; what is not durable leaves no trace.
    pub async fn stop(mut self, why: CloseReason) {
        if let Err(error) = self.sink.close(why).await {
            tracing::debug!(%error, "the sink did not close");
        }
    }

    fn mark(&mut self) {
        let mark = Mark {
            through: self.last_line,
            needs: self.delivered_through,
            prefix_hash: self.intake.prefix_hash(),
            tally: self.tally.clone(),
            quarantined: self.quarantined.len(),
        };
        // Marks that need the same word of the sink: the latest says it all.
        if self.marks.back().is_some_and(|last| last.needs == mark.needs) {
            self.marks.pop_back();
        }
        self.marks.push_back(mark);
    }

    /// The furthest mark that the sink's last word covers.
    fn advance(&mut self) -> Option<Advance> {
        let mut reached = None;
        while self.marks.front().is_some_and(|mark| mark.needs <= self.durable.durable_through) {
            reached = self.marks.pop_front();
        }
        let Mark { through, prefix_hash, tally, quarantined, .. } = reached?;
        self.quiet_bytes = 0;
        let quarantined: Vec<Quarantined> = self.quarantined.drain(..quarantined).collect();
        for mark in &mut self.marks {
            mark.quarantined = mark.quarantined.saturating_sub(quarantined.len());
        }
        let token = self.durable.token.clone();
        Some(Advance { through, token, prefix_hash, tally, quarantined })
    }

    async fn deliver(&mut self, batch: Batch) -> Result<Option<Checkpoint>, LaneError> {
        let lines = batch.records().first().map_or(0, |record| record.seq)..=batch.last_seq();
        let is_suspect = self.caution.alone.as_ref().is_some_and(|alone| {
            lines.start() <= alone.end() && alone.start() <= lines.end()
        });
        let mut durable = None;
        let is_poisoned = self.caution.poison.iter().any(|line| lines.contains(line));
        if !is_suspect && !is_poisoned {
            return self.hand_over(batch).await;
        }
        for at in 0..batch.len() {
            let single = batch.slice(at..at + 1);
            if self.caution.poison.contains(&single.last_seq()) {
                let reject = Reject::new(RejectClass::RefusedDownstream, "sink-died");
                self.refuse(&single, 0, reject);
            } else {
                durable = self.hand_over(single).await?.or(durable);
            }
        }
        Ok(durable)
    }

    /// Hands a batch over until every record is taken or refused.
    async fn hand_over(&mut self, batch: Batch) -> Result<Option<Checkpoint>, LaneError> {
        let mut durable = None;
        let mut left = batch;
        for attempt in 0..=self.limits.retries {
            let receipt = match self.sink.deliver(&left).await {
                Ok(receipt) => receipt,
                Err(SinkError::Retryable { after, .. }) => {
                    self.back_off(attempt, after).await;
                    left = left.again();
                    continue;
                }
                Err(error) => {
                    let first = left.records().first().map_or(0, |record| record.seq);
                    let lines = first..=left.last_seq();
                    return Err(died_on(error, lines, left.len()));
                }
            };
            self.delivered_through = left.last_seq().max(self.delivered_through);
            if let Some(checkpoint) = &receipt.durable {
                self.check(checkpoint)?;
                durable = Some(checkpoint.clone());
            }
            let rest = self.settle(&left, &receipt)?;
            if rest.is_empty() {
                return Ok(durable);
            }
            self.back_off(attempt, None).await;
            left = left.select(|at| rest.contains(&at)).again();
        }
        let (sink, records) = (self.sink.name().to_owned(), left.len());
        Err(LaneError::SinkStalled { sink, records })
    }

    /// Counts what the sink took and refused; gives what it did neither with.
    fn settle(
        &mut self,
        batch: &Batch,
        receipt: &Receipt,
    ) -> Result<BTreeSet<usize>, LaneError> {
        let mut refused = receipt.rejects.iter().peekable();
        let mut rest = BTreeSet::new();
        for (at, record) in batch.records().iter().enumerate() {
            let reject = refused.next_if(|(index, _)| *index as usize == at);
            match (receipt.accepted.contains(at), reject) {
                // The sink's adapter refuses such receipts; this is the second wall.
                (true, Some(_)) => return Err(self.breach()),
                (true, None) => {
                    let name = batch.kind_name(record);
                    let counts = self.tally.of(name);
                    if record.is_row {
                        counts.rows += 1;
                    } else {
                        counts.delivered += 1;
                        counts.changed += u64::from(record.is_changed);
                        counts.delivered_deletions +=
                            u64::from(record.change != Change::Upsert);
                    }
                    counts.delivered_bytes += record.body.len() as u64 + 1;
                }
                (false, Some((_, reject))) => self.refuse(batch, at, reject.clone()),
                (false, None) => {
                    rest.insert(at);
                }
            }
        }
        if refused.next().is_some() { Err(self.breach()) } else { Ok(rest) }
    }

    fn refuse(&mut self, batch: &Batch, at: usize, reject: Reject) {
        let Some(record) = batch.records().get(at) else { return };
        let kind = batch.kind_name(record).to_owned();
        let Reject { class, code } = reject;
        let stage = self.sink.name().to_owned();
        if record.is_row {
            // A refused row takes its place among the refused, and none among resources.
            self.tally.of(&kind).read += 1;
        }
        self.tally.quarantine(&kind, &stage, class, &code);
        self.quarantined.push_back(Quarantined { line: record.seq, kind, stage, class, code });
    }

    /// A checkpoint may only rise, and not beyond what was handed over.
    fn check(&self, checkpoint: &Checkpoint) -> Result<(), LaneError> {
        let through = checkpoint.durable_through;
        if through > self.delivered_through || through < self.durable.durable_through {
            return Err(self.breach());
        }
        Ok(())
    }

    fn breach(&self) -> LaneError {
        let (sink, crash) = (self.sink.name().to_owned(), Crash::Contract);
        LaneError::Sink(SinkError::Crashed { sink, crash })
    }

    /// The sink died at the end of the file, on no record in particular.
    fn died(&self, error: SinkError) -> LaneError {
        died_on(error, self.delivered_through..=self.delivered_through, 0)
    }

    async fn back_off(&self, attempt: u32, after: Option<Duration>) {
        let doubled = Duration::from_millis(100 << attempt.min(16));
        let wait = after.unwrap_or_default().max(doubled).min(self.limits.longest_pause);
        (self.pause)(wait).await;
    }
}

fn died_on(source: SinkError, lines: RangeInclusive<u64>, records: usize) -> LaneError {
    match source {
        SinkError::Crashed { .. } => LaneError::SinkDied { lines, records, source },
        SinkError::Fatal { .. } | SinkError::Retryable { .. } => LaneError::Sink(source),
    }
}

#[cfg(test)]
mod tests;
