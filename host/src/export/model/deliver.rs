//! Files on their way through the app's lane, memory and ledger, two at once, as `file.rs`
//! sends them.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use bulkhead_ledger::{ExportId, FileArray, FileCheckpoint, Ledger};
use bulkhead_model::PatientSet;
use bulkhead_ndjson::{Bases, Block, Framer, FramerLimits};
use bulkhead_pipeline::{
    Advance, Batch, Chain, ChainLimits, Change, FileKind, Intake, Lane, LaneError,
    LaneLimits, Pause, Record, Stage, StageError, Verdict,
};
use futures::{FutureExt as _, future::BoxFuture, future::ready};

use super::{
    chance::Chance,
    fuse::Fuse,
    store::{Parts, Store},
};
use crate::export::memory::Holdings;

/// One file: index, array, type, lines, and after how many it breaks off.
pub(super) type Incoming =
    (u32, FileArray, Option<&'static str>, Vec<String>, Option<usize>);

/// What the files of one export need.
pub(super) struct Delivery<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) store: &'a Store,
    pub(super) holdings: &'a Arc<Holdings>,
    pub(super) id: &'a ExportId,
    pub(super) cohort: PatientSet,
    /// As many handled records wait for the sink's word.
    pub(super) handled: usize,
}

/// A lane at work.
struct Work {
    index: u32,
    lane: Lane,
    blocks: VecDeque<Block>,
    is_broken: bool,
    incoming: Incoming,
}

impl Delivery<'_> {
    /// Delivers them all, two at once.
    pub(super) async fn all(
        &self,
        files: Vec<Incoming>,
        chance: &mut Chance,
        fuse: &mut Fuse,
    ) -> anyhow::Result<()> {
        let mut waiting = VecDeque::from(files);
        let mut active: Vec<Work> = Vec::new();
        loop {
            while active.len() < 2
                && let Some(file) = waiting.pop_front()
            {
                active.push(self.begin(file, chance).await?);
            }
            if active.is_empty() {
                return Ok(());
            }
            let mut work = active.swap_remove(chance.index(active.len()));
            let index = work.index;
            let taken = match work.blocks.pop_front() {
                Some(block) => match work.lane.take(&block).await {
                    Ok(advance) => {
                        fuse.burn()?;
                        if let Some(advance) = advance {
                            self.write_down(index, advance, false, fuse)?;
                        }
                        if let Some((through, handled)) = work.lane.take_handled() {
                            self.holdings.write_ahead(index, through, &handled)?;
                            fuse.burn()?;
                        }
                        active.push(work);
                        continue;
                    }
                    Err(error) => Err(error),
                },
                None if work.is_broken => {
                    let through = self.resume(index)?.map_or(0, |resume| resume.through);
                    self.holdings.give_up(index, through)?;
                    fuse.burn()?;
                    self.ledger.fail_file(self.id, index, "cut")?;
                    continue;
                }
                None => work.lane.finish().await,
            };
            match taken {
                Ok(advance) => {
                    fuse.burn()?;
                    self.write_down(index, advance, true, fuse)?;
                }
                Err(LaneError::Intake(_)) => {
                    self.holdings.give_up(index, 0)?;
                    fuse.burn()?;
                    self.ledger.restart_file(self.id, index)?;
                    waiting.push_front(work.incoming);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn begin(
        &self,
        incoming: Incoming,
        chance: &mut Chance,
    ) -> anyhow::Result<Work> {
        let (index, array, kind, lines, breaks) = incoming.clone();
        let file_kind = match array {
            FileArray::Deleted => FileKind::Deleted,
            FileArray::Recalled | FileArray::Replayed => FileKind::Recalled,
            FileArray::Output | FileArray::Outcome => {
                FileKind::Output(kind.map(str::parse).transpose()?)
            }
        };
        let pause: Pause = Arc::new(|_| ready(()).boxed());
        let chain = Chain::new(self.filters(), ChainLimits::default(), pause.clone());
        let file = (self.id.to_string(), index);
        let sink = Parts::new(self.store, file, 1 + chance.index(4));
        let intake = Intake::new(index, file_kind, Bases::default());
        let limits = LaneLimits { handled: self.handled, ..LaneLimits::default() };
        let mut lane = Lane::new(intake, chain, Box::new(sink), limits, pause)
            .with_memory(self.holdings.memory(index));
        if let Some(resume) = self.resume(index)? {
            lane = lane.resuming(&resume);
        }
        lane.open().await?;
        let limits = FramerLimits {
            block_lines: 1 + chance.index(3),
            // More than three lines have: no room is made for what never comes.
            block_bytes: 4 << 10,
            ..FramerLimits::default()
        };
        let mut framer = Framer::new(limits);
        let shown = breaks.map_or(lines.len(), |after| after.min(lines.len()));
        framer.push(
            lines[..shown]
                .iter()
                .flat_map(|line| [line.as_str(), "\n"])
                .collect::<String>()
                .into(),
        );
        let mut blocks: VecDeque<Block> =
            std::iter::from_fn(|| framer.next_block()).collect();
        blocks.extend(framer.finish().0);
        Ok(Work { index, lane, blocks, is_broken: breaks.is_some(), incoming })
    }

    /// As `FileWork::resume`.
    fn resume(&self, index: u32) -> anyhow::Result<Option<Advance>> {
        let files = self.ledger.files(self.id)?;
        let own = files.into_iter().find(|file| file.index == index);
        let Some(checkpoint) = own.and_then(|file| file.checkpoint) else {
            return Ok(None);
        };
        Ok(Some(Advance {
            through: checkpoint.durable_through,
            token: checkpoint.token,
            prefix_hash: checkpoint.prefix_hash,
            tally: serde_json::from_str(&checkpoint.tally)?,
            quarantined: Vec::new(),
            handled: Vec::new(),
        }))
    }

    /// As `FileWork::write_down`.
    fn write_down(
        &self,
        index: u32,
        advance: Advance,
        is_last: bool,
        fuse: &mut Fuse,
    ) -> anyhow::Result<()> {
        assert!(advance.quarantined.is_empty(), "nothing here is at fault");
        self.holdings.commit(index, advance.through, &advance.handled)?;
        fuse.burn()?;
        let drift: BTreeMap<_, _> = self.holdings.drift(index);
        if !drift.is_empty() {
            self.ledger.note_drift(self.id, index, &serde_json::to_string(&drift)?)?;
        }
        let checkpoint = FileCheckpoint {
            durable_through: advance.through,
            token: advance.token,
            prefix_hash: advance.prefix_hash,
            tally: serde_json::to_string(&advance.tally)?,
        };
        if is_last {
            self.ledger.close_file(self.id, index, &checkpoint, &[])?;
        } else {
            self.ledger.checkpoint(self.id, index, &checkpoint, &[])?;
        }
        fuse.burn()?;
        Ok(())
    }

    /// The chain: who is in the cohort may pass.
    pub(super) fn filters(&self) -> Vec<Box<dyn Stage>> {
        vec![Box::new(Filter(self.cohort.clone()))]
    }
}

struct Filter(PatientSet);

impl Filter {
    fn verdict(&self, record: &Record) -> Verdict {
        let primary = &record.envelope.patients.primary;
        let is_in = primary.iter().any(|patient| self.0.contains(*patient));
        if record.change != Change::Upsert || is_in {
            Verdict::Keep
        } else {
            Verdict::Drop
        }
    }
}

impl Stage for Filter {
    fn name(&self) -> &'static str {
        "cohort"
    }

    fn judge<'a>(
        &'a mut self,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Vec<Verdict>, StageError>> {
        let verdicts = batch.records().iter().map(|record| self.verdict(record));
        ready(Ok(verdicts.collect())).boxed()
    }
}
