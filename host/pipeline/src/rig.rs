//! What the tests of this crate share: closures as stages, a store with parts and crashes, and
//! a host that keeps what a ledger would.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bulkhead_ndjson::{Bases, Block, Framer, FramerLimits};
use bytes::Bytes;
use futures::{FutureExt as _, executor::block_on, future::BoxFuture, future::ready};

use crate::{
    Advance, Batch, Caution, Chain, ChainLimits, Checkpoint, CloseReason, Crash,
    FileKind, Intake, Lane, LaneError, LaneLimits, Memory, Pause, Positions, Quarantined,
    Receipt, Record, Reject, RejectClass, Sink, SinkError, Stage, StageError, Verdict,
};

/// A pause that takes no time, and how long it should have been.
#[derive(Clone, Default)]
pub(crate) struct Pauses(Arc<Mutex<Vec<Duration>>>);

impl Pauses {
    pub(crate) fn pause(&self) -> Pause {
        let pauses = self.clone();
        Arc::new(move |wait| {
            pauses.0.lock().unwrap().push(wait);
            ready(()).boxed()
        })
    }

    pub(crate) fn millis(&self) -> Vec<u128> {
        self.0.lock().unwrap().iter().map(Duration::as_millis).collect()
    }
}

struct Closure<F> {
    name: &'static str,
    judge: F,
}

impl<F> Stage for Closure<F>
where
    F: FnMut(&Batch) -> Result<Vec<Verdict>, StageError> + Send,
{
    fn name(&self) -> &str {
        self.name
    }

    fn judge<'a>(
        &'a mut self,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Vec<Verdict>, StageError>> {
        ready((self.judge)(batch)).boxed()
    }
}

/// A stage of a closure over batches.
pub(crate) fn stage<F>(name: &'static str, judge: F) -> Box<dyn Stage>
where
    F: FnMut(&Batch) -> Result<Vec<Verdict>, StageError> + Send + 'static,
{
    Box::new(Closure { name, judge })
}

/// A stage of a closure over records.
pub(crate) fn each<F>(name: &'static str, mut judge: F) -> Box<dyn Stage>
where
    F: FnMut(&Record) -> Verdict + Send + 'static,
{
    stage(name, move |batch| Ok(batch.records().iter().map(&mut judge).collect()))
}

pub(crate) fn trap(stage: &str) -> StageError {
    StageError::Crashed { stage: stage.to_owned(), crash: Crash::Trap }
}

pub(crate) fn chain(stages: Vec<Box<dyn Stage>>) -> Chain {
    Chain::new(stages, ChainLimits::default(), Pauses::default().pause())
}

pub(crate) fn intake(kind: FileKind) -> Intake {
    Intake::new(7, kind, Bases::default())
}

pub(crate) fn observations() -> FileKind {
    FileKind::Output("Observation".parse().ok())
}

/// An Observation of a patient of its own.
pub(crate) fn observation(id: u64) -> String {
    format!(
        r#"{{"resourceType":"Observation","id":"o{id}","subject":{{"reference":"Patient/p{id}"}}}}"#
    )
}

/// The file of Observations 1 to `count`, one a line.
pub(crate) fn file(count: u64) -> String {
    (1..=count).map(|id| observation(id) + "\n").collect()
}

pub(crate) fn blocks(text: &[u8], block_lines: usize) -> Vec<Block> {
    let limits =
        FramerLimits { block_lines, line_bytes: 1000, ..FramerLimits::default() };
    let mut framer = Framer::new(limits);
    framer.push(Bytes::copy_from_slice(text));
    let mut blocks: Vec<Block> = std::iter::from_fn(|| framer.next_block()).collect();
    blocks.extend(framer.finish().0);
    blocks
}

/// One delivered record: line, kind, body.
pub(crate) type Row = (u64, String, String);

/// Parts that are durable, by the line that each begins with.
pub(crate) type Parts = BTreeMap<u64, Vec<Row>>;

/// A store that outlives its sinks.
#[derive(Clone, Default)]
pub(crate) struct Store(Arc<Mutex<Parts>>);

impl Store {
    pub(crate) fn parts(&self) -> Parts {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn rows(&self) -> Vec<Row> {
        self.parts().into_values().flatten().collect()
    }
}

/// What a sink does with a record, before all else.
pub(crate) type Whim = Arc<dyn Fn(&Record) -> Mood + Send + Sync>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Die,
    Refuse,
    Take,
}

/// Makes a part durable with the line that brings it to `part` records, wherever a batch ends.
pub(crate) struct PartSink {
    store: Store,
    part: usize,
    whim: Whim,
    buffer: Vec<Row>,
    seen_through: u64,
    durable_through: u64,
}

impl PartSink {
    pub(crate) fn over(store: &Store, part: usize, whim: Whim) -> Box<dyn Sink> {
        let (store, buffer) = (store.clone(), Vec::new());
        Box::new(Self { store, part, whim, buffer, seen_through: 0, durable_through: 0 })
    }

    fn commit(&mut self) -> Checkpoint {
        if let Some((first, ..)) = self.buffer.first() {
            let name = *first;
            self.store.0.lock().unwrap().insert(name, std::mem::take(&mut self.buffer));
        }
        self.durable_through = self.seen_through;
        let token = self.durable_through.to_be_bytes().to_vec();
        Checkpoint { durable_through: self.durable_through, token }
    }
}

impl Sink for PartSink {
    fn name(&self) -> &'static str {
        "store"
    }

    fn open(
        &mut self,
        resume: Option<Checkpoint>,
    ) -> BoxFuture<'_, Result<(), SinkError>> {
        if let Some(Checkpoint { token, .. }) = resume {
            self.durable_through = u64::from_be_bytes(token.try_into().unwrap());
            self.seen_through = self.durable_through;
        }
        ready(Ok(())).boxed()
    }

    fn deliver<'a>(
        &'a mut self,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        let mut receipt =
            Receipt { accepted: Positions::None, rejects: vec![], durable: None };
        let mut words = vec![0_u64; batch.len().div_ceil(64)];
        let records = batch.records();
        for (at, record) in records.iter().enumerate() {
            match (self.whim)(record) {
                Mood::Die => {
                    let (sink, crash) = ("store".to_owned(), Crash::Trap);
                    return ready(Err(SinkError::Crashed { sink, crash })).boxed();
                }
                Mood::Refuse => {
                    let reject = Reject::new(RejectClass::RefusedDownstream, "conflict");
                    receipt.rejects.push((u32::try_from(at).unwrap(), reject));
                    continue;
                }
                Mood::Take => words[at / 64] |= 1 << (at % 64),
            }
            if record.seq <= self.durable_through {
                continue;
            }
            self.seen_through = record.seq;
            let body = String::from_utf8(record.body.to_vec()).unwrap();
            self.buffer.push((record.seq, batch.kind_name(record).to_owned(), body));
            let ends_line = records.get(at + 1).is_none_or(|next| next.seq != record.seq);
            if ends_line && self.buffer.len() >= self.part {
                receipt.durable = Some(self.commit());
            }
        }
        receipt.accepted = Positions::Bits(words);
        ready(Ok(receipt)).boxed()
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<Checkpoint, SinkError>> {
        ready(Ok(self.commit())).boxed()
    }

    fn close(
        &mut self,
        _: CloseReason,
    ) -> BoxFuture<'_, Result<Option<Checkpoint>, SinkError>> {
        ready(Ok(None)).boxed()
    }
}

/// Keeps what a ledger keeps of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) last: Option<Advance>,
    pub(crate) quarantined: Vec<Quarantined>,
}

impl Kept {
    pub(crate) fn keep(&mut self, mut advance: Advance) {
        self.quarantined.append(&mut advance.quarantined);
        self.last = Some(advance);
    }

    /// Line and code of all in quarantine, by line.
    pub(crate) fn codes(&self) -> Vec<(u64, String)> {
        let code =
            |entry: &Quarantined| (entry.line, format!("{}:{}", entry.stage, entry.code));
        let mut codes: Vec<(u64, String)> = self.quarantined.iter().map(code).collect();
        codes.sort();
        codes
    }
}

/// One try at a file, from what is kept of it on.
pub(crate) struct Try<'a> {
    pub(crate) blocks: &'a [Block],
    pub(crate) kind: FileKind,
    pub(crate) memory: Option<Box<dyn Memory>>,
    pub(crate) stages: Vec<Box<dyn Stage>>,
    pub(crate) sink: Box<dyn Sink>,
    pub(crate) caution: Caution,
    pub(crate) pauses: Pauses,
    pub(crate) quiet_bytes: u64,
}

impl<'a> Try<'a> {
    pub(crate) fn new(blocks: &'a [Block], sink: Box<dyn Sink>) -> Self {
        let (stages, caution) = (Vec::new(), Caution::default());
        let kind = observations();
        Self {
            blocks,
            kind,
            memory: None,
            stages,
            sink,
            caution,
            pauses: Pauses::default(),
            quiet_bytes: 0,
        }
    }

    /// Goes as far as it can; shows every advance to `seen` before it is kept.
    pub(crate) fn run(
        self,
        kept: &mut Kept,
        mut seen: impl FnMut(&Advance),
    ) -> Result<(), LaneError> {
        let Self { blocks, kind, memory, stages, sink, caution, pauses, quiet_bytes } =
            self;
        let chain = Chain::new(stages, ChainLimits::default(), pauses.pause());
        let limits = LaneLimits { quiet_bytes, ..LaneLimits::default() };
        let lane = Lane::new(intake(kind), chain, sink, limits, pauses.pause());
        let mut lane = match &kept.last {
            Some(last) => lane.resuming(last),
            None => lane,
        }
        .with_caution(caution);
        if let Some(memory) = memory {
            lane = lane.with_memory(memory);
        }
        block_on(lane.open())?;
        for block in blocks {
            if let Some(advance) = block_on(lane.take(block))? {
                seen(&advance);
                kept.keep(advance);
            }
        }
        let last = block_on(lane.finish())?;
        seen(&last);
        kept.keep(last);
        Ok(())
    }
}

pub(crate) fn take_all() -> Whim {
    Arc::new(|_| Mood::Take)
}
