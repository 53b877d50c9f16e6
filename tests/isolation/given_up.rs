//! Calls that are given up in the middle: when an operator stops a run, or when another stage
//! fails. Nothing of them runs on, and the next call gets a fresh guest.

use bulkhead_guest_builder::Guest;
use bulkhead_ndjson::Bases;
use bulkhead_pipeline::{Batch, FileKind, Intake, Sink as _, Stage as _, Tally, Verdict};
use bulkhead_sandbox::{Isolation, Plugin, PluginSink, PluginStage};

use crate::{
    beside::{guests, load_as, undisturbed},
    canary, files,
    ground::{Ground, Tree, blocks},
};

/// Runs every guest of the folder: its first call, over two records, is given up when it is
/// under way and the neighbour has done all its work beside it; over one record it must go on.
pub(crate) async fn every(about: &str, isolation: Isolation) -> Ground {
    let ground = Ground::new(isolation).await;
    for guest in guests(about) {
        Box::pin(one(&ground, &guest)).await;
    }
    ground
}

async fn one(ground: &Ground, guest: &Guest) {
    let offered = files::offered(ground, guest).await.unwrap();
    let plugin =
        load_as(ground, guest, &offered.package, &offered.sandbox).await.unwrap();
    let (two, one) = (batch(2), batch(1));
    let name = &guest.name;
    let disturbed = if guest.head.role == "sink" {
        let mut sink = PluginSink::new(plugin.clone(), "e1".to_owned(), 0);
        sink.open(None).await.unwrap();
        let disturbed = tokio::select! {
            biased;
            ended = sink.deliver(&two) => panic!("{name} ended first: {ended:?}"),
            disturbed = beside(ground, guest, &plugin) => disturbed,
        };
        runs_no_further(ground, guest, &plugin).await;
        // The file starts again from its last checkpoint.
        sink.open(None).await.unwrap();
        let taken = sink.deliver(&one).await;
        assert!(taken.is_ok(), "{name}: {taken:?}");
        disturbed
    } else {
        let mut stage = PluginStage::new(plugin.clone());
        let disturbed = tokio::select! {
            biased;
            ended = stage.judge(&two) => panic!("{name} ended first: {ended:?}"),
            disturbed = beside(ground, guest, &plugin) => disturbed,
        };
        runs_no_further(ground, guest, &plugin).await;
        assert_eq!(stage.judge(&one).await, Ok(vec![Verdict::Keep]), "{name}");
        disturbed
    };
    let counters = plugin.metrics().counters();
    undisturbed(ground, guest, &disturbed, &format!("{counters:?}"));
}

/// The neighbour's whole work beside a guest, and until that has done something that counts.
async fn beside(ground: &Ground, guest: &Guest, plugin: &Plugin) -> Tree {
    let disturbed = ground.neighbour(&guest.name).await;
    // A guest in a process of its own may not have begun yet.
    while plugin.metrics().counters().is_empty() {
        tokio::task::yield_now().await;
    }
    disturbed
}

/// Asserts that the guest does nothing more that counts.
async fn runs_no_further(ground: &Ground, guest: &Guest, plugin: &Plugin) {
    let before = plugin.metrics().counters();
    ground.neighbour(&format!("{}-later", guest.name)).await;
    assert_eq!(plugin.metrics().counters(), before, "{} runs on", guest.name);
}

fn batch(len: usize) -> Batch {
    let line = |at| {
        serde_json::json!({
            "resourceType": "Observation",
            "id": format!("{}-{at}", canary::RECORD),
            "valueString": canary::BODY,
        })
    };
    let block = blocks((0..len).map(line), len).remove(0);
    let mut intake = Intake::new(0, FileKind::Output(None), Bases::default());
    intake.take(&block, &mut Tally::default()).unwrap().batch.unwrap()
}
