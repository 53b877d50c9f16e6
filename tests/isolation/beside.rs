//! One attack beside the neighbour, and what both come to.

use std::{collections::BTreeMap, time::Duration};

use bulkhead_guest_builder::{Ending, Guest, Head, all};
use bulkhead_model::ByteSize;
use bulkhead_pipeline::{
    Batch, Checkpoint, CloseReason, Positions, Receipt, Sink, SinkError, Stage, Tally,
};
use bulkhead_sandbox::{
    Error, Grants, Isolation, Limits, Package, Plugin, PluginSink, PluginStage, Sandbox,
};
use futures::{FutureExt as _, future::BoxFuture};
use serde_json::json;

use crate::{
    canary, files,
    ground::{Ground, PLANTED, Tree, lane, records, tight, tree},
};

/// Runs every guest of a folder.
pub(crate) async fn every(about: &str, isolation: Isolation) -> Ground {
    let ground = Ground::new(isolation).await;
    for guest in guests(about) {
        Box::pin(one(&ground, &guest)).await;
    }
    ground
}

/// The guests of a folder.
pub(crate) fn guests(about: &str) -> Vec<Guest> {
    let guests: Vec<Guest> =
        all().into_iter().filter(|guest| guest.about == about).collect();
    assert!(!guests.is_empty(), "tests/guests/{about} is empty");
    guests
}

/// Runs one guest beside the neighbour.
async fn one(ground: &Ground, guest: &Guest) {
    let (came, disturbed) =
        tokio::join!(attack(ground, guest), ground.neighbour(&guest.name));
    assert_eq!(judge(ground, guest, &came), None, "{}: {came:?}", guest.name);
    undisturbed(ground, guest, &disturbed, &format!("{came:?}"));
}

/// Runs every guest that dies as it would be without its attack. It must go on: what a guest dies
/// of is what its file says, and no slip beside it.
pub(crate) async fn without_attack() {
    let ground = Ground::new(Isolation::InProcess).await;
    for guest in all() {
        let dies = matches!(guest.head.ending, Ending::Dies(_));
        if !dies || guest.about == "disk" {
            continue;
        }
        let came = Box::pin(attack(&ground, &guest.honest())).await;
        let total = came.tally.total();
        let codes = total.quarantined.values().flatten().map(|(code, _)| code);
        let is_fine = came.refused.is_none()
            && came.ended.is_none()
            && total.read == 4
            && codes.into_iter().all(|code| code == "no");
        assert!(is_fine, "{} dies without its attack: {came:?}", guest.name);
    }
}

/// Asserts that nobody but the guest noticed anything: neither the neighbour nor whoever reads
/// what was logged, said and written.
pub(crate) fn undisturbed(ground: &Ground, guest: &Guest, disturbed: &Tree, said: &str) {
    let name = &guest.name;
    assert!(
        *disturbed == ground.undisturbed,
        "{name} changed what its neighbour delivers"
    );
    assert_eq!(ground.damage(), None, "{name} changed something else");
    let left: Vec<String> = tree(&ground.store(name))
        .into_keys()
        .filter(|name| !name.starts_with(PLANTED))
        .collect();
    assert_eq!(left, guest.head.leaves, "{name} left something else in its store");
    let found = canary::search(ground, &ground.logged(), said);
    assert_eq!(found, Vec::<String>::new(), "{name} got something out");
}

/// What an attack came to.
#[derive(Debug, Default)]
struct Came {
    refused: Option<String>,
    tally: Tally,
    /// The error that ended its lane.
    ended: Option<String>,
    metrics: BTreeMap<String, u64>,
    /// What is not as it must be afterwards.
    after: Option<&'static str>,
}

/// Loads the guest with what it asks for and runs it over four records.
async fn attack(ground: &Ground, guest: &Guest) -> Came {
    let refused = |error: &Error| Came { refused: Some(told(error)), ..Came::default() };
    let offered = match files::offered(ground, guest).await {
        Ok(offered) => offered,
        Err(error) => return refused(&error),
    };
    let plugin = match load_as(ground, guest, &offered.package, &offered.sandbox).await {
        Ok(plugin) => plugin,
        Err(error) => return refused(&error),
    };
    let mut lane = if guest.head.role == "sink" {
        let sink = PluginSink::new(plugin.clone(), "e1".to_owned(), 0);
        lane(Vec::new(), Box::new(sink))
    } else {
        let stage: Box<dyn Stage> = Box::new(PluginStage::new(plugin.clone()));
        lane(vec![stage], Box::new(TakesAll(0)))
    };
    let mut came = Came::default();
    let mut failed = lane.open().await.err();
    for block in records() {
        if failed.is_none() {
            failed = lane.take(&block).await.err();
            tokio::task::yield_now().await;
        }
        files::meanwhile(ground, guest);
    }
    if let Some(error) = failed {
        (came.tally, came.ended) = (lane.tally().clone(), Some(told(&error)));
        lane.stop(CloseReason::FatalElsewhere).await;
    } else {
        match lane.finish().await {
            Ok(advance) => came.tally = advance.tally,
            Err(error) => came.ended = Some(told(&error)),
        }
    }
    came.metrics = plugin.metrics().counters();
    came.after = files::aftermath(ground, guest, &offered);
    came
}

/// Loads a package as the stage of this guest, with what it asks for.
pub(crate) async fn load_as(
    ground: &Ground,
    guest: &Guest,
    package: &Package,
    sandbox: &Sandbox,
) -> Result<Plugin, Error> {
    let grants = grants(&guest.head.asks);
    let resources = ground.resources(&guest.name);
    let (settings, limits) = (json!({}), limits(guest));
    Plugin::load(sandbox, package, "attacker", &settings, grants, limits, resources).await
}

/// Those of all attackers, but for what the guest's file says.
fn limits(guest: &Guest) -> Limits {
    let mut limits = tight();
    for (key, value) in &guest.head.limits {
        let time = Duration::from_millis(*value);
        match key.as_str() {
            "artifact-bytes" => limits.artifact_bytes = ByteSize::from_bytes(*value),
            "call-ms" => limits.call = time,
            "compile-ms" => limits.compile = time,
            "compile-memory-mib" => limits.compile_memory = ByteSize::mib(*value),
            "cpu-ms" => limits.cpu = time,
            "event-burst" => limits.event_burst = u32::try_from(*value).unwrap(),
            "memory-mib" => limits.memory = ByteSize::mib(*value),
            "instances" => limits.instances = usize::try_from(*value).unwrap(),
            "return-bytes" => limits.return_bytes = ByteSize::from_bytes(*value),
            other => panic!("{}: no limit is called `{other}`", guest.name),
        }
    }
    limits
}

/// Exactly what the guest asks for.
fn grants(asks: &[String]) -> Grants {
    let mut grants = serde_json::Map::new();
    for interface in asks {
        let (key, value) = match interface.as_str() {
            "artifacts" => ("stores", json!(["lake"])),
            "cohorts" => ("cohorts", json!(["study"])),
            "keyed-hash" => ("keys", json!(["research"])),
            "outbound-http" => {
                ("destinations", json!(["dwh", "slow", "moves", "inside"]))
            }
            other => (other, json!(true)),
        };
        grants.insert(key.to_owned(), value);
    }
    serde_json::from_value(grants.into()).unwrap()
}

/// Why what an attack came to is not what it must come to.
fn judge(ground: &Ground, guest: &Guest, came: &Came) -> Option<String> {
    let Came { refused, tally, ended, metrics, after } = came;
    let total = tally.total();
    if let Some(after) = after {
        return Some((*after).to_owned());
    }
    if refused.is_none() && *metrics != guest.head.counts {
        return Some(format!("it must count {:?}", guest.head.counts));
    }
    let expected = expected(guest, ground.isolation);
    if !tally.balances() && ended.is_none() {
        return Some("its records are not accounted for".to_owned());
    }
    let is_as_expected = match (expected, refused, ended) {
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
    (!is_as_expected).then(|| format!("it must come to {expected:?}"))
}

/// What must become of a guest that lives so.
fn expected(guest: &Guest, isolation: Isolation) -> &Ending {
    let Head { ending, apart, .. } = &guest.head;
    match isolation {
        Isolation::InProcess => ending,
        Isolation::Process | Isolation::ProcessUnconfined => {
            apart.as_ref().unwrap_or(ending)
        }
    }
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
