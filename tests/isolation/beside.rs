//! One attack beside the neighbour, and what both come to.

use bulkhead_pipeline::{
    Batch, Checkpoint, CloseReason, Positions, Receipt, Sink, SinkError, Stage, Tally,
};
use bulkhead_sandbox::{Grants, Package, Plugin, PluginSink, PluginStage};
use bulkhead_tests::{Ending, Guest, all};
use futures::{FutureExt as _, future::BoxFuture};
use serde_json::json;

use crate::{
    canary,
    ground::{Ground, lane, records, tight},
};

/// Runs every guest of a folder.
pub(crate) async fn every(about: &str) -> Ground {
    let ground = Ground::new().await;
    let guests: Vec<Guest> =
        all().into_iter().filter(|guest| guest.about == about).collect();
    assert!(!guests.is_empty(), "tests/guests/{about} is empty");
    for guest in guests {
        Box::pin(one(&ground, &guest)).await;
    }
    ground
}

/// Runs one guest beside the neighbour.
pub(crate) async fn one(ground: &Ground, guest: &Guest) {
    let (came, disturbed) =
        tokio::join!(attack(ground, guest), ground.neighbour(&guest.name));
    let name = &guest.name;
    assert_eq!(judge(guest, &came), None, "{name}: {came:?}");
    assert!(
        disturbed == ground.undisturbed,
        "{name} changed what its neighbour delivers"
    );
    let found = canary::search(ground, &ground.logged(), &format!("{came:?}"));
    assert_eq!(found, Vec::<String>::new(), "{name} got something out");
}

/// What an attack came to.
#[derive(Debug, Default)]
pub(crate) struct Came {
    refused: Option<String>,
    tally: Tally,
    /// The error that ended its lane.
    ended: Option<String>,
}

/// Loads the guest with what it asks for and runs it over two records.
pub(crate) async fn attack(ground: &Ground, guest: &Guest) -> Came {
    let plugin = match load(ground, guest).await {
        Ok(plugin) => plugin,
        Err(error) => return Came { refused: Some(told(&error)), ..Came::default() },
    };
    let mut lane = if guest.head.role == "sink" {
        lane(Vec::new(), Box::new(PluginSink::new(plugin, "e1".to_owned(), 0)))
    } else {
        let stage: Box<dyn Stage> = Box::new(PluginStage::new(plugin));
        lane(vec![stage], Box::new(TakesAll(0)))
    };
    let mut came = Came::default();
    let mut failed = lane.open().await.err();
    for block in records() {
        if failed.is_none() {
            failed = lane.take(&block).await.err();
            tokio::task::yield_now().await;
        }
    }
    if let Some(error) = failed {
        (came.tally, came.ended) = (lane.tally().clone(), Some(told(&error)));
        lane.stop(CloseReason::FatalElsewhere).await;
        return came;
    }
    match lane.finish().await {
        Ok(advance) => came.tally = advance.tally,
        Err(error) => came.ended = Some(told(&error)),
    }
    came
}

async fn load(ground: &Ground, guest: &Guest) -> Result<Plugin, bulkhead_sandbox::Error> {
    let package = Package::from_bytes(guest.component())?;
    let package = package.with_manifest(&guest.manifest().to_string())?;
    let grants = grants(&guest.head.asks);
    let resources = ground.resources(&guest.name);
    let (settings, limits) = (json!({}), tight());
    Plugin::load(
        &ground.sandbox,
        &package,
        "attacker",
        &settings,
        grants,
        limits,
        resources,
    )
    .await
}

/// Exactly what the guest asks for.
fn grants(asks: &[String]) -> Grants {
    let mut grants = serde_json::Map::new();
    for interface in asks {
        let (key, value) = match interface.as_str() {
            "artifacts" => ("stores", json!(["lake"])),
            "cohorts" => ("cohorts", json!(["study"])),
            "keyed-hash" => ("keys", json!(["research"])),
            "outbound-http" => ("destinations", json!(["dwh"])),
            other => (other, json!(true)),
        };
        grants.insert(key.to_owned(), value);
    }
    serde_json::from_value(grants.into()).unwrap()
}

/// Why what an attack came to is not what it must come to.
fn judge(guest: &Guest, came: &Came) -> Option<String> {
    let Came { refused, tally, ended } = came;
    let total = tally.total();
    if !tally.balances() && ended.is_none() {
        return Some("its records are not accounted for".to_owned());
    }
    let is_as_expected = match (&guest.head.ending, refused, ended) {
        (Ending::Refused(words), Some(said), _)
        | (Ending::Dies(words) | Ending::GivesUp(words), None, Some(said)) => {
            said.contains(words)
        }
        (Ending::Refused(_), None, _)
        | (_, Some(_), _)
        | (Ending::GivesUp(_), None, None)
        | (Ending::GoesOn(_), None, Some(_)) => false,
        (Ending::GoesOn(_), None, None) => {
            total.read == 4 && total.quarantined_in_all() == 0
        }
        (Ending::Dies(code), None, None) => {
            total.read == 4
                && total.quarantined.get("attacker").and_then(|codes| codes.get(code))
                    == Some(&4)
        }
    };
    (!is_as_expected).then(|| format!("it must come to {:?}", guest.head.ending))
}

fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    // What developers see in a panic is not for patients' data either.
    format!("{text} {error:?}")
}

/// A sink that takes everything; how many records it took.
struct TakesAll(u64);

impl Sink for TakesAll {
    fn name(&self) -> &'static str {
        "takes-all"
    }

    fn open(&mut self, _: Option<Checkpoint>) -> BoxFuture<'_, Result<(), SinkError>> {
        std::future::ready(Ok(())).boxed()
    }

    fn deliver<'a>(
        &'a mut self,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        self.0 = batch.records().last().map_or(self.0, |record| record.seq);
        let taken =
            Receipt { accepted: Positions::All, rejects: Vec::new(), durable: None };
        std::future::ready(Ok(taken)).boxed()
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<Checkpoint, SinkError>> {
        let word = Checkpoint { durable_through: self.0, token: Vec::new() };
        std::future::ready(Ok(word)).boxed()
    }

    fn close(
        &mut self,
        _: CloseReason,
    ) -> BoxFuture<'_, Result<Option<Checkpoint>, SinkError>> {
        std::future::ready(Ok(None)).boxed()
    }
}
