//! One file's way from blocks to the sink, and how far it has come.
//!
//! A lane owns its stages and its sink, so the path has no lock. After every block it knows
//! a mark: the last line, what became of all lines up to it, and which line the sink must
//! have made durable for that to count. A mark becomes an [`Advance`] on the sink's word
//! alone, never on "sent". Marks are `marks.rs`, a sink's deaths `caution.rs`.

mod caution;
mod error;
mod marks;

use std::{collections::BTreeSet, time::Duration};

use bulkhead_ndjson::Block;
use futures::future::BoxFuture;

pub use caution::Caution;
pub use error::LaneError;

use crate::{
    Advance, Batch, Chain, Change, Checkpoint, CloseReason, Intake, Pause, Quarantined,
    Receipt, Record, Reject, RejectClass, Sink, SinkError, Tally,
    lane::marks::{Mark, Marks},
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
}

impl Default for LaneLimits {
    fn default() -> Self {
        Self { retries: 8, longest_pause: Duration::from_mins(1), quiet_bytes: 64 << 20 }
    }
}

/// One file's way through chain and sink.
pub struct Lane {
    intake: Intake,
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
        self.marks.quarantine(taken.refused);
        if let Some(batch) = taken.batch {
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
        Ok(Advance {
            through: self.last_line,
            token: self.durable.token,
            prefix_hash: self.intake.prefix_hash(),
            tally: self.tally,
            quarantined: self.marks.into_quarantined(),
        })
    }

    /// Gives the file up for now; what is not durable leaves no trace.
    pub async fn stop(mut self, why: CloseReason) {
        if let Err(error) = self.sink.close(why).await {
            tracing::debug!(%error, "the sink did not close");
        }
    }

    /// The furthest mark that the sink's last word covers.
    fn advance(&mut self) -> Option<Advance> {
        let (mark, quarantined) = self.marks.reach(self.durable.durable_through)?;
        let Mark { through, prefix_hash, tally, .. } = mark;
        self.quiet_bytes = 0;
        Some(Advance {
            through,
            token: self.durable.token.clone(),
            prefix_hash,
            tally,
            quarantined,
        })
    }

    async fn deliver(&mut self, batch: Batch) -> Result<(), LaneError> {
        if !self.caution.concerns(&batch) {
            return self.hand_over(batch).await;
        }
        let mut start = 0;
        for line in batch.records().chunk_by(|a, b| a.seq == b.seq) {
            let alone = batch.slice(start..start + line.len());
            start += line.len();
            if self.caution.poison.contains(&alone.first_seq()) {
                let reject = Reject::new(RejectClass::RefusedDownstream, "sink-died");
                for record in line {
                    self.refuse(record, batch.kind_name(record), reject.clone());
                }
            } else {
                self.hand_over(alone).await?;
            }
        }
        Ok(())
    }

    /// Hands a batch over until every record is taken or refused.
    async fn hand_over(&mut self, batch: Batch) -> Result<(), LaneError> {
        let last = batch.last_seq();
        let mut left = batch;
        let mut in_vain = 0;
        loop {
            let after = match self.sink.deliver(&left).await {
                Ok(receipt) => {
                    let rest = self.settle(&left, &receipt)?;
                    let first_left = rest.first().and_then(|at| left.records().get(*at));
                    let handed =
                        first_left.map_or(last, |record| record.seq.saturating_sub(1));
                    self.handed_through = self.handed_through.max(handed);
                    if let Some(checkpoint) = receipt.durable {
                        self.hear(checkpoint)?;
                    }
                    if rest.is_empty() {
                        return Ok(());
                    }
                    if rest.len() < left.len() {
                        // It takes what it can: no reason to wait, nor to give up.
                        left = left.select(|at| rest.contains(&at)).again();
                        in_vain = 0;
                        continue;
                    }
                    if in_vain >= self.limits.retries {
                        let (sink, records) = (self.sink.name().to_owned(), left.len());
                        return Err(LaneError::SinkStalled { sink, records });
                    }
                    None
                }
                Err(SinkError::Retryable { after, .. })
                    if in_vain < self.limits.retries =>
                {
                    after
                }
                Err(error) => {
                    let lines = left.first_seq()..=left.last_seq();
                    return Err(LaneError::of(error, lines, left.len()));
                }
            };
            self.back_off(in_vain, after).await;
            in_vain += 1;
            left = left.again();
        }
    }

    /// Counts what the sink took and refused; gives what it did neither with.
    fn settle(
        &mut self,
        batch: &Batch,
        receipt: &Receipt,
    ) -> Result<BTreeSet<usize>, LaneError> {
        // The sink's adapter refuses receipts that break the contract; this is the second wall.
        if !receipt.accepted.fits(batch.len()) {
            return Err(self.breach());
        }
        let mut refused = receipt.rejects.iter().peekable();
        let mut rest = BTreeSet::new();
        let mut counts = Counts::default();
        for (at, record) in batch.records().iter().enumerate() {
            let reject = refused.next_if(|(index, _)| *index as usize == at);
            match (receipt.accepted.contains(at), reject) {
                (true, Some(_)) => return Err(self.breach()),
                (true, None) => {
                    self.accepted_through = self.accepted_through.max(record.seq);
                    count(record, &mut counts);
                }
                (false, Some((_, reject))) => {
                    self.refuse(record, batch.kind_name(record), reject.clone());
                }
                (false, None) => {
                    rest.insert(at);
                }
            }
            let next = batch.records().get(at + 1);
            let is_last_alike = next.is_none_or(|next| next.kind != record.kind);
            if is_last_alike && counts != Counts::default() {
                self.tally.of(batch.kind_name(record)).add(&std::mem::take(&mut counts));
            }
        }
        if refused.next().is_some() { Err(self.breach()) } else { Ok(rest) }
    }

    fn refuse(&mut self, record: &Record, kind: &str, reject: Reject) {
        let Reject { class, code } = reject;
        let (line, kind, stage) =
            (record.seq, kind.to_owned(), self.sink.name().to_owned());
        if record.is_row {
            // Rows count on delivery alone; a refused one takes a place of its own.
            self.tally.of(&kind).added += 1;
        }
        self.tally.quarantine(&kind, &stage, class, &code);
        self.marks.quarantine([Quarantined { line, kind, stage, class, code }]);
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

/// Counts a record that the sink took.
fn count(record: &Record, counts: &mut Counts) {
    if record.is_row {
        counts.rows += 1;
    } else {
        counts.delivered += 1;
        counts.changed += u64::from(record.is_changed);
        counts.delivered_deletions += u64::from(record.change != Change::Upsert);
    }
    counts.delivered_bytes += record.body.len() as u64 + 1;
}

#[cfg(test)]
mod tests;
