//! Handing batches over until the sink has taken or refused every record.

use std::collections::BTreeSet;

use super::{Lane, LaneError};
use crate::{
    Batch, Change, Kept, Quarantined, Receipt, Record, Reject, RejectClass, Remains,
    SinkError, tally::Counts,
};

impl Lane {
    pub(super) async fn deliver(&mut self, batch: Batch) -> Result<(), LaneError> {
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
                    self.refuse(record, batch.kind_name(record), reject.clone(), None);
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
        // What the sink said of the one record that is left.
        let mut said = None;
        loop {
            let after = match self.sink.deliver(&left).await {
                Ok(receipt) => {
                    let rest = self.settle(&left, &receipt, said.as_deref())?;
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
                    said = self.sink.said().filter(|_| left.len() == 1);
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
        said: Option<&str>,
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
                    if self.memory.is_some() {
                        self.marks.handle(batch, record, &self.digests);
                    }
                }
                (false, Some((_, reject))) => {
                    let kind = batch.kind_name(record);
                    self.refuse(record, kind, reject.clone(), said);
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

    fn refuse(
        &mut self,
        record: &Record,
        kind: &str,
        reject: Reject,
        said: Option<&str>,
    ) {
        let Reject { class, code } = reject;
        let (line, kind, stage) =
            (record.seq, kind.to_owned(), self.sink.name().to_owned());
        if record.is_row {
            // Rows count on delivery alone; a refused one takes a place of its own.
            self.tally.of(&kind).added += 1;
        }
        self.tally.quarantine(&kind, &stage, class, &code);
        let kept = if self.chain.keeps_of_sink() {
            Remains::of(record, said.map(str::to_owned))
        } else {
            Kept::Nothing
        };
        self.marks.quarantine([Quarantined { line, kind, stage, class, code, kept }]);
    }
}

/// Counts a record that the sink took.
fn count(record: &Record, counts: &mut Counts) {
    if record.is_row {
        counts.rows += 1;
    } else {
        counts.delivered += 1;
        let is_retraction = record.change == Change::Retract;
        counts.changed += u64::from(record.is_changed && !is_retraction);
        counts.delivered_deletions += u64::from(record.change != Change::Upsert);
        counts.retracted += u64::from(is_retraction);
    }
    counts.delivered_bytes += record.body.len() as u64 + 1;
}
