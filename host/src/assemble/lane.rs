//! Lanes: the stages and the sink of a loaded chain, for one file.

use std::sync::Arc;

use bulkhead_model::Instant;
use bulkhead_pipeline::{
    Caution, Chain, ChainLimits, Intake, Lane, LaneLimits, Pause, Stage,
};
use bulkhead_sandbox::{PluginSink, PluginStage};
use futures::FutureExt;

use super::LoadedChain;

/// Which file of which export a lane is for.
pub(crate) struct FileOf<'a> {
    /// The export.
    pub(crate) export_id: &'a str,
    /// Its moment, which stays the same however often the export is taken up.
    pub(crate) export_time: Instant,
    /// The file's number.
    pub(crate) file: u32,
}

/// A lane for one file.
pub(crate) fn lane(
    chain: &LoadedChain,
    intake: Intake,
    of: &FileOf<'_>,
    caution: Caution,
) -> Lane {
    let stages: Vec<Box<dyn Stage>> = chain
        .stages
        .iter()
        .map(|plugin| {
            let stage = PluginStage::new(plugin.clone()).of_export_at(of.export_time);
            Box::new(stage) as Box<dyn Stage>
        })
        .collect();
    let sink = PluginSink::new(chain.sink.clone(), of.export_id.to_owned(), of.file);
    let sink = Box::new(sink.of_export_at(of.export_time));
    let settled = Chain::new(stages, chain_limits(chain), pause());
    let settled = settled.keeping(chain.keeping);
    Lane::new(intake, settled, sink, LaneLimits::default(), pause()).with_caution(caution)
}

/// A lane of these stages before the sink, for records out of quarantine.
pub(crate) fn replaying(
    chain: &LoadedChain,
    stages: Vec<Box<dyn Stage>>,
    intake: Intake,
    of: &FileOf<'_>,
    caution: Caution,
) -> Lane {
    let sink = PluginSink::new(chain.sink.clone(), of.export_id.to_owned(), of.file);
    let sink = Box::new(sink.of_export_at(of.export_time));
    let settled = Chain::new(stages, chain_limits(chain), pause());
    Lane::new(intake, settled, sink, LaneLimits::default(), pause()).with_caution(caution)
}

/// Each stage counts the deaths of all files within a window; the chain those of one file,
/// whatever the time they take: a plugin that dies slowly must not empty a file into quarantine
/// record by record.
fn chain_limits(chain: &LoadedChain) -> ChainLimits {
    let restarts = chain.stages.iter().map(|plugin| plugin.limits().restarts);
    let crashes = restarts.fold(0, u32::saturating_add);
    ChainLimits { crashes, ..ChainLimits::default() }
}

fn pause() -> Pause {
    Arc::new(|duration| tokio::time::sleep(duration).boxed())
}
