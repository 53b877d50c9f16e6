//! A lane in memory: the path of a run without network and disk.
//!
//! Bytes come in chunks as a download gives them, go through framer, intake and stages, and
//! end in a sink that takes everything and keeps nothing.

use std::{collections::BTreeMap, hint::black_box, path::Path, sync::Arc};

use anyhow::Context as _;
use bulkhead_egress::Stores;
use bulkhead_model::{Instant, PatientSet, Secret};
use bulkhead_ndjson::{Bases, Block, Framer, FramerLimits};
use bulkhead_pipeline::{
    Advance, Batch, Chain, ChainLimits, Checkpoint, CloseReason, FileKind, Intake, Lane,
    LaneLimits, Memory, Pause, Positions, Receipt, Sink, SinkError, Stage, Tally,
};
use bulkhead_sandbox::{Grants, Limits, Package, Plugin, Resources, Sandbox};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};

use crate::data::{File, target};

/// Bytes that one read of a socket gives, at most.
const CHUNK: usize = 64 << 10;

/// The cohort's name.
pub const COHORT: &str = "study";

/// The key's name.
pub const KEY: &str = "research";

/// The key.
pub const KEY_BYTES: &[u8] = b"a key of 32 bytes for benchmarks";

/// Cuts a file into blocks as a run does. A block that is dropped before the next is taken
/// gives its memory back to the framer, as in a run.
pub fn blocks(file: &File) -> impl Iterator<Item = Block> + '_ {
    let mut chunks = chunks(file);
    let mut framer = Some(Framer::new(FramerLimits::default()));
    std::iter::from_fn(move || {
        loop {
            let open = framer.as_mut()?;
            if let Some(block) = open.next_block() {
                return Some(block);
            }
            match chunks.next() {
                Some(chunk) => open.push(chunk),
                None => return framer.take()?.finish().0,
            }
        }
    })
}

/// The bytes of a file as they arrive.
fn chunks(file: &File) -> impl Iterator<Item = Bytes> + '_ {
    let mut rest = file.bytes.clone();
    std::iter::from_fn(move || {
        let len = rest.len().min(CHUNK);
        (len > 0).then(|| rest.split_to(len))
    })
}

/// The batches of a file before any stage.
///
/// # Errors
///
/// Never for a file that is read from its start.
pub fn batches(file: &File) -> anyhow::Result<Vec<Batch>> {
    let mut intake = fresh(file);
    let mut tally = Tally::default();
    let mut batches = Vec::new();
    for block in blocks(file) {
        batches.extend(intake.take(&block, &mut tally)?.batch);
    }
    Ok(batches)
}

/// Reads a file into batches and keeps none.
///
/// # Errors
///
/// As [`batches`].
pub fn intake(file: &File) -> anyhow::Result<()> {
    let mut intake = fresh(file);
    let mut tally = Tally::default();
    for block in blocks(file) {
        black_box(intake.take(&block, &mut tally)?);
    }
    Ok(())
}

fn fresh(file: &File) -> Intake {
    Intake::new(0, FileKind::Output(Some(file.resource_type.clone())), Bases::default())
}

/// Takes a file through framer, intake, `stages` and a sink that keeps nothing.
///
/// # Errors
///
/// When a stage gives up.
pub async fn travel(file: &File, stages: Vec<Box<dyn Stage>>) -> anyhow::Result<Tally> {
    travel_with(file, stages, None, |_| Ok(())).await
}

/// The same with a memory; `heard` is told of every advance.
///
/// # Errors
///
/// When a stage, the memory or `heard` gives up.
pub async fn travel_with(
    file: &File,
    stages: Vec<Box<dyn Stage>>,
    memory: Option<Box<dyn Memory>>,
    mut heard: impl FnMut(&Advance) -> anyhow::Result<()>,
) -> anyhow::Result<Tally> {
    let pause: Pause = Arc::new(|duration| tokio::time::sleep(duration).boxed());
    let chain = Chain::new(stages, ChainLimits::default(), Arc::clone(&pause));
    let sink = Box::new(Void { through: 0, durable: 0 });
    let mut lane = Lane::new(fresh(file), chain, sink, LaneLimits::default(), pause);
    if let Some(memory) = memory {
        lane = lane.with_memory(memory);
    }
    lane.open().await?;
    let mut framer = Framer::new(FramerLimits::default());
    for chunk in chunks(file) {
        framer.push(chunk);
        while let Some(block) = framer.next_block() {
            if let Some(advance) = lane.take(&block).await? {
                heard(&advance)?;
            }
        }
    }
    if let Some(block) = framer.finish().0
        && let Some(advance) = lane.take(&block).await?
    {
        heard(&advance)?;
    }
    let last = lane.finish().await?;
    heard(&last)?;
    Ok(last.tally)
}

/// A first-party plugin as a run loads it, from `target/plugins`.
///
/// # Errors
///
/// When it was not built or is refused.
pub async fn plugin(
    sandbox: &Sandbox,
    name: &str,
    settings: &serde_json::Value,
    grants: Grants,
    cohort: &Arc<PatientSet>,
) -> anyhow::Result<Plugin> {
    let path = target().join("plugins").join(format!("{name}.wasm"));
    let package = read(&path)?;
    let resources = Resources {
        destinations: bulkhead_egress::http::Destinations::default(),
        cohorts: BTreeMap::from([(COHORT.to_owned(), Arc::clone(cohort))]),
        keys: BTreeMap::new(),
        stores: Stores::default(),
        state: None,
        now: Arc::new(|| Instant::from_unix_ms(0)),
        random: Arc::new(|bytes| bytes.fill(0)),
        deterministic: None,
    };
    let resources = resources.with_key(KEY, &Secret::new(KEY_BYTES.to_vec()));
    let limits = Limits::default();
    Plugin::load(sandbox, &package, name, settings, grants, limits, resources)
        .await
        .with_context(|| format!("loading {}", path.display()))
}

fn read(path: &Path) -> anyhow::Result<Package> {
    Package::read(path).with_context(|| {
        format!("reading {}: `cargo xtask plugins` builds it", path.display())
    })
}

/// Takes everything, keeps nothing.
struct Void {
    through: u64,
    durable: u64,
}

/// Lines after which the sink calls them durable: about what a part of 32 MiB holds.
const PART: u64 = 30_000;

impl Void {
    fn durable(&mut self) -> Checkpoint {
        self.durable = self.through;
        Checkpoint { durable_through: self.through, token: Vec::new() }
    }
}

impl Sink for Void {
    fn name(&self) -> &'static str {
        "void"
    }

    fn open(&mut self, _: Option<Checkpoint>) -> BoxFuture<'_, Result<(), SinkError>> {
        std::future::ready(Ok(())).boxed()
    }

    fn deliver<'a>(
        &'a mut self,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        self.through = batch.last_seq();
        let is_part = self.through >= self.durable + PART;
        let durable = is_part.then(|| self.durable());
        let receipt = Receipt { accepted: Positions::All, rejects: Vec::new(), durable };
        std::future::ready(Ok(receipt)).boxed()
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<Checkpoint, SinkError>> {
        std::future::ready(Ok(self.durable())).boxed()
    }

    fn close(
        &mut self,
        _: CloseReason,
    ) -> BoxFuture<'_, Result<Option<Checkpoint>, SinkError>> {
        std::future::ready(Ok(None)).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_travels_whole() {
        let line = r#"{"resourceType":"Patient","id":"1"}"#;
        let file = File {
            resource_type: "Patient".parse().unwrap(),
            bytes: format!("{line}\n{line}\n").into(),
        };
        let tally = travel(&file, Vec::new()).await.unwrap();
        assert_eq!((tally.total().read, tally.total().delivered), (2, 2));
        assert_eq!(batches(&file).unwrap().iter().map(Batch::len).sum::<usize>(), 2);
    }
}
