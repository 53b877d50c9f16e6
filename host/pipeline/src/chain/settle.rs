//! What one stage's verdicts do to the records of a batch.
//!
//! A resource that the destination holds and that a stage would not let pass any more, because
//! it says so or the operator's rule does, goes on as a retraction: the bare key of the body
//! that the stage saw, so that whatever earlier stages made of the id is what the destination
//! knows. What fails for another reason stays a failure.

use std::collections::BTreeMap;

use bulkhead_ndjson::{Envelope, Peek};
use bytes::Bytes;

use crate::{
    Batch, Change, Kept, Kinds, Output, Quarantined, Record, Reject, RejectClass,
    Remains, Tally, Verdict,
};

/// Applies one stage's verdicts.
pub(super) struct Settle<'a> {
    stage: &'a str,
    peek: &'a Peek,
    /// Where refused records are kept: what the plugin said of some of them.
    said: Option<BTreeMap<usize, String>>,
}

impl<'a> Settle<'a> {
    pub(super) const fn new(stage: &'a str, peek: &'a Peek) -> Self {
        Self { stage, peek, said: None }
    }

    /// The same, keeping what is refused, with what the plugin `said` of it.
    pub(super) fn keeping(self, said: BTreeMap<usize, String>) -> Self {
        Self { said: Some(said), ..self }
    }

    /// What is left of the batch; `None` when nothing is.
    pub(super) fn apply(
        &self,
        batch: Batch,
        verdicts: Vec<Verdict>,
        tally: &mut Tally,
        refused: &mut Vec<Quarantined>,
    ) -> Option<Batch> {
        if verdicts.iter().all(|verdict| *verdict == Verdict::Keep) {
            return Some(batch);
        }
        let (id, mut kinds, records, block) = batch.into_parts();
        let mut left = Vec::with_capacity(records.len());
        for (at, (record, verdict)) in records.into_iter().zip(verdicts).enumerate() {
            let name = kinds.name(record.kind).to_owned();
            let (seq, is_row) = (record.seq, record.is_row);
            let settled = match verdict {
                Verdict::Keep => {
                    left.push(record);
                    continue;
                }
                Verdict::Drop => self
                    .drop(&record, &name, tally)
                    .map(|left_of_it| left.extend(left_of_it)),
                Verdict::Reject(reject) => {
                    self.reject(&record, reject, &name, tally).map(|key| left.push(key))
                }
                Verdict::Replace(body) => {
                    self.replace(&record, body, &name).map(|replaced| left.push(replaced))
                }
                Verdict::Emit(outputs) if outputs.is_empty() => self
                    .drop(&record, &name, tally)
                    .map(|left_of_it| left.extend(left_of_it)),
                Verdict::Emit(outputs) => {
                    self.emit(&record, outputs, &mut kinds, &name).map(|emitted| {
                        self.count_emitted(&record, &emitted, &name, tally);
                        left.extend(emitted);
                    })
                }
            };
            if let Err(Reject { class, code }) = settled {
                if is_row {
                    // Rows count on delivery alone; a refused one takes a place of its own.
                    tally.of(&name).added += 1;
                }
                tally.quarantine(&name, self.stage, class, &code);
                let (line, stage) = (seq, self.stage.to_owned());
                let kept = self.kept(at, &record);
                refused.push(Quarantined { line, kind: name, stage, class, code, kept });
            }
        }
        (!left.is_empty()).then(|| Batch::from_parts(id, kinds, left, block))
    }

    /// What is kept of a refused record: it as it came to this stage.
    fn kept(&self, at: usize, record: &Record) -> Kept {
        match &self.said {
            Some(said) => Remains::of(record, said.get(&at).cloned()),
            None => Kept::Nothing,
        }
    }

    /// Ends the record; what the destination must hear of it goes on.
    fn drop(
        &self,
        record: &Record,
        name: &str,
        tally: &mut Tally,
    ) -> Result<Option<Record>, Reject> {
        if is_held(record) {
            return self.retract(record, name, tally).map(Some);
        }
        // A row that a later stage drops was never a resource, and rows count on delivery.
        if !record.is_row {
            tally.drop(name, self.stage, 1);
        }
        Ok(None)
    }

    /// Refuses the record; what the operator's rule keeps away from now on is retracted.
    fn reject(
        &self,
        record: &Record,
        reject: Reject,
        name: &str,
        tally: &mut Tally,
    ) -> Result<Record, Reject> {
        if is_held(record) && reject.class == RejectClass::Policy {
            return self.retract(record, name, tally);
        }
        Err(reject)
    }

    /// The record as a retraction of its resource.
    fn retract(
        &self,
        record: &Record,
        name: &str,
        tally: &mut Tally,
    ) -> Result<Record, Reject> {
        let envelope = self.peek.identify(&record.body).ok();
        let key = envelope.and_then(|envelope| key(&record.body, &envelope));
        // An earlier stage has taken the id away: no one can tell the destination what to drop.
        let no_key = || Reject::new(RejectClass::Other, "retraction-without-id");
        let body = key.ok_or_else(no_key)?;
        tally.retract(name, self.stage);
        Ok(Record { change: Change::Retract, ..record.with_body(body) })
    }

    fn count_emitted(
        &self,
        record: &Record,
        emitted: &[Record],
        name: &str,
        tally: &mut Tally,
    ) {
        let resources = emitted.iter().filter(|record| !record.is_row).count() as u64;
        match resources {
            0 if record.is_row => {}
            0 => tally.consume(name, self.stage),
            more => tally.of(name).added += more - 1,
        }
    }

    /// The record with a new body, which must be a resource of the same type, on one line.
    fn replace(
        &self,
        record: &Record,
        body: Bytes,
        name: &str,
    ) -> Result<Record, Reject> {
        self.check(record, &body, name)?;
        Ok(record.with_body(body))
    }

    fn check(&self, record: &Record, body: &Bytes, name: &str) -> Result<(), Reject> {
        let refuse = |code: &str| Err(Reject::new(RejectClass::Other, code));
        if memchr::memchr2(b'\n', b'\r', body).is_some() {
            return refuse("output-of-several-lines");
        }
        if record.is_row {
            // As text first: JSON that is skipped over is not checked for UTF-8.
            let row = std::str::from_utf8(body).ok();
            let row =
                row.and_then(|row| serde_json::from_str::<serde_json::Value>(row).ok());
            let is_object = row.is_some_and(|row| row.is_object());
            return if is_object { Ok(()) } else { refuse("output-not-json") };
        }
        let Ok(envelope) = self.peek.identify(body) else {
            return refuse("output-not-a-resource");
        };
        let span =
            envelope.resource_type.start as usize..envelope.resource_type.end as usize;
        if body.get(span) != Some(name.as_bytes()) {
            return refuse("output-of-another-type");
        }
        if record.change != Change::Upsert && envelope.id.is_none() {
            return refuse("output-without-id");
        }
        Ok(())
    }

    fn emit(
        &self,
        record: &Record,
        outputs: Vec<Output>,
        kinds: &mut Kinds,
        name: &str,
    ) -> Result<Vec<Record>, Reject> {
        let one = |output: Output| match output.stream {
            None => self.replace(record, output.body, name),
            Some(stream) => {
                let kind = kinds
                    .intern(&stream)
                    .ok_or_else(|| Reject::new(RejectClass::Other, "too-many-streams"))?;
                let row = Record { kind, is_row: true, ..record.clone() };
                self.replace(&row, output.body, &stream)
            }
        };
        outputs.into_iter().map(one).collect()
    }
}

/// Whether the destination would go on holding what the record no longer brings it.
fn is_held(record: &Record) -> bool {
    record.delivered_before && record.change == Change::Upsert && !record.is_row
}

/// The bare key of a body; `None` when it has no id.
fn key(body: &[u8], envelope: &Envelope) -> Option<Bytes> {
    let at = |span: &std::ops::Range<u32>| {
        std::str::from_utf8(body.get(span.start as usize..span.end as usize)?).ok()
    };
    let (name, id) = (at(&envelope.resource_type)?, at(envelope.id.as_ref()?)?);
    Some(Bytes::from(format!(r#"{{"resourceType":"{name}","id":"{id}"}}"#)))
}
