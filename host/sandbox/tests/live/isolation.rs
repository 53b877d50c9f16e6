//! What neighbours notice of an attacker, and what stages share: nothing.

use std::time::Duration;

use bulkhead_ledger::{Ledger, StateQuota};
use bulkhead_pipeline::{Crash, Limit, Stage as _, StageError, Verdict};
use bulkhead_sandbox::{Grants, Limits, PluginStage, StateStore, Telemetry};

use super::sandbox;
use crate::guest::{Ground, Guest, batch, tight};

/// Keeps records 0 and 2, by way of a set.
const KEEPS_EVEN: &str = "
  (i64.store (i32.const 8192) (i64.const 5))
  (i32.store8 (i32.const 1028) (i32.const 2))
  (i32.store (i32.const 1032) (i32.const 8192))
  (i32.store (i32.const 1036) (i32.const 1))";

#[tokio::test]
async fn verdicts_are_the_same_beside_an_attacker() {
    let attacks = [
        ("spins", "(loop $l (br $l))"),
        ("traps", "unreachable"),
        (
            "eats memory",
            "(drop (memory.grow (i32.const 15))) (memory.fill (i32.const 0) (i32.const 255) (i32.const 1048576)) unreachable",
        ),
        ("breaks the contract", "(i32.store8 (i32.const 1028) (i32.const 2))"),
    ];
    let sandbox = sandbox();
    let neighbour = Guest::filter(KEEPS_EVEN).load(&sandbox, Ground::bare("neighbour"));
    let neighbour = neighbour.await.unwrap();
    let alone = PluginStage::new(neighbour.clone()).judge(&batch(3)).await;
    assert_eq!(alone, Ok(vec![Verdict::Keep, Verdict::Drop, Verdict::Keep]));
    for (name, attack) in attacks {
        let attacker =
            Guest::filter(attack).load(&sandbox, Ground::bare("attacker")).await;
        let mut attacker = PluginStage::new(attacker.unwrap());
        let mut beside = PluginStage::new(neighbour.clone());
        for round in 0..2 {
            let records = batch(3);
            let (ended, judged) =
                tokio::join!(attacker.judge(&records), beside.judge(&records));
            assert!(ended.is_err(), "case: {name}, round {round}");
            assert_eq!(judged, alone, "case: {name}, round {round}");
        }
    }
}

/// Attacks: 1, 28.
#[tokio::test]
async fn a_guest_that_spins_gives_way_at_every_tick() {
    let sandbox = sandbox();
    let limits = Limits { cpu: Duration::from_secs(10), ..tight() };
    let ground = Ground { limits, ..Ground::bare("attacker") };
    let attacker =
        Guest::filter("(loop $l (br $l))").load(&sandbox, ground).await.unwrap();
    let neighbour = Guest::filter(KEEPS_EVEN).load(&sandbox, Ground::bare("neighbour"));
    let neighbour = neighbour.await.unwrap();
    let (mut attacker, mut neighbour) =
        (PluginStage::new(attacker), PluginStage::new(neighbour));
    let (records, fewer) = (batch(3), batch(1));
    // One thread: the neighbour gets its turn only because the attacker gives way.
    tokio::select! {
        biased;
        judged = attacker.judge(&fewer) => panic!("the attacker ended first: {judged:?}"),
        judged = neighbour.judge(&records) => assert_eq!(judged.unwrap().len(), 3),
    }
    // Its call was given up in the middle; the stage goes on in a fresh guest.
    let again =
        tokio::time::timeout(Duration::from_millis(20), attacker.judge(&fewer)).await;
    assert!(again.is_err(), "it spins again");
}

/// Attacks: 44.
#[tokio::test]
async fn a_fresh_guest_finds_nothing_of_the_one_before() {
    // Dies over two records with a mark in memory, a global and a table; drops all if it ever
    // sees one.
    let on_batch = "
      (if (i32.eq (local.get $len) (i32.const 2)) (then
        (i32.store (i32.const 60000) (i32.const 1))
        (global.set $mark (i32.const 1))
        (table.set $t (i32.const 0) (ref.func $f))
        (unreachable)))
      (if (i32.or (i32.or (i32.load (i32.const 60000)) (global.get $mark))
            (i32.eqz (ref.is_null (table.get $t (i32.const 0)))))
        (then (i32.store8 (i32.const 1028) (i32.const 1))))";
    let items = "(global $mark (mut i32) (i32.const 0)) (table $t 1 funcref)
      (func $f) (elem declare func $f)";
    let sandbox = sandbox();
    let guest = Guest { items, ..Guest::filter(on_batch) };
    let mut stage =
        PluginStage::new(guest.load(&sandbox, Ground::bare("a")).await.unwrap());
    for _ in 0..8 {
        let died = stage.judge(&batch(2)).await;
        let (name, crash) = ("a".to_owned(), Crash::Trap);
        assert_eq!(died, Err(StageError::Crashed { stage: name, crash }));
        assert_eq!(stage.judge(&batch(1)).await, Ok(vec![Verdict::Keep]));
    }
}

/// Attacks: 45.
#[tokio::test]
async fn lanes_of_one_plugin_share_no_memory_and_one_lane_keeps_its_guest() {
    // Keeps in its first call, drops in later ones.
    let on_batch = "
      (if (global.get $calls) (then (i32.store8 (i32.const 1028) (i32.const 1))))
      (global.set $calls (i32.const 1))";
    let items = "(global $calls (mut i32) (i32.const 0))";
    let sandbox = sandbox();
    let guest = Guest { items, ..Guest::filter(on_batch) };
    let plugin = guest.load(&sandbox, Ground::bare("a")).await.unwrap();
    for _ in 0..2 {
        let mut lane = PluginStage::new(plugin.clone());
        assert_eq!(lane.judge(&batch(1)).await, Ok(vec![Verdict::Keep]), "first call");
        assert_eq!(
            lane.judge(&batch(1)).await,
            Ok(vec![Verdict::Drop]),
            "the same guest"
        );
    }
}

/// Attacks: 21.
#[tokio::test]
async fn a_borrow_never_shows_the_batch_of_an_earlier_call() {
    // Remembers its handle and gives it back; drops all when it still counts as it did.
    let on_batch = "
      (if (global.get $old) (then
        (if (i32.eq (call $len (global.get $old)) (global.get $count))
          (then (i32.store8 (i32.const 1028) (i32.const 1))))))
      (global.set $old (local.get $of))
      (global.set $count (local.get $len))";
    let items =
        "(global $old (mut i32) (i32.const 0)) (global $count (mut i32) (i32.const 0))";
    let sandbox = sandbox();
    let guest = Guest { items, ..Guest::filter(on_batch) };
    let mut stage =
        PluginStage::new(guest.load(&sandbox, Ground::bare("a")).await.unwrap());
    for len in [2, 3, 1] {
        assert_eq!(stage.judge(&batch(len)).await, Ok(vec![Verdict::Keep; len]));
    }
}

/// Attacks: 40, 45.
#[tokio::test]
async fn state_is_of_one_namespace() {
    // Drops all when there is a value at `k`, else stores one.
    let on_batch = "
      (call $get (i32.const 4096) (i32.const 1) (i32.const 2048))
      (if (i32.load8_u (i32.const 2048)) (then (unreachable)))
      (if (i32.load8_u (i32.const 2052))
        (then
          (i32.store (i32.const 1028) (i32.const 1100))
          (i32.store (i32.const 1032) (i32.const 1))
          (memory.fill (i32.const 1100) (i32.const 0) (i32.const 16)))
        (else
          (call $set (i32.const 4096) (i32.const 1) (i32.const 4096) (i32.const 1)
            (i32.const 2048))
          (if (i32.load8_u (i32.const 2048)) (then (unreachable)))))";
    let imports = r#"
      (import "bulkhead:plugin/state@0.1.0" "get" (func $get (param i32 i32 i32)))
      (import "bulkhead:plugin/state@0.1.0" "set" (func $set (param i32 i32 i32 i32 i32)))"#;
    let guest = Guest {
        items: r#"(data (i32.const 4096) "k")"#,
        ..Guest::transform("state", imports, on_batch)
    };
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path().join("ledger.db")).unwrap();
    let sandbox = sandbox();
    let stage = |namespace: &'static str| {
        let (guest, ledger, sandbox) = (guest.clone(), ledger.clone(), sandbox.clone());
        async move {
            let mut ground = Ground::bare("a");
            ground.grants = Grants { state: true, ..Grants::default() };
            ground.resources.state = Some(StateStore {
                ledger,
                namespace: namespace.to_owned(),
                quota: StateQuota::default(),
            });
            PluginStage::new(guest.load(&sandbox, ground).await.unwrap())
        }
    };
    let (keeps, drops) = (Ok(vec![Verdict::Keep]), Ok(vec![Verdict::Drop]));
    assert_eq!(stage("one").await.judge(&batch(1)).await, keeps, "there is nothing yet");
    assert_eq!(stage("one").await.judge(&batch(1)).await, drops, "it outlives the guest");
    assert_eq!(stage("two").await.judge(&batch(1)).await, keeps, "another namespace");
    assert_eq!(ledger.state_usage("one").unwrap(), ledger.state_usage("two").unwrap());
}

/// Attacks: 41, 42.
#[tokio::test]
async fn words_about_settings_hold_nothing_of_an_earlier_run() {
    // Keeps what it was handed; would say it, in another run, as a fault of its settings.
    let on_batch = "
      (call $set (i32.const 4096) (i32.const 1) (i32.const 4100) (i32.const 11)
        (i32.const 2048))
      (if (i32.load8_u (i32.const 2048)) (then (unreachable)))";
    let on_configure = "
      (call $get (i32.const 4096) (i32.const 1) (i32.const 2048))
      (if (i32.and (i32.eqz (i32.load8_u (i32.const 2048)))
            (i32.load8_u (i32.const 2052))) (then
        (i32.store8 (i32.const 1024) (i32.const 1))
        (i32.store (i32.const 1028) (i32.const 5000))
        (i32.store (i32.const 1032) (i32.const 1))
        (i32.store (i32.const 5000) (i32.load (i32.const 2056)))
        (i32.store (i32.const 5004) (i32.load (i32.const 2060)))))";
    let imports = r#"
      (import "bulkhead:plugin/state@0.1.0" "get" (func $get (param i32 i32 i32)))
      (import "bulkhead:plugin/state@0.1.0" "set" (func $set (param i32 i32 i32 i32 i32)))"#;
    let guest = Guest {
        items: r#"(data (i32.const 4096) "k") (data (i32.const 4100) "CANARY-BODY")"#,
        on_configure,
        ..Guest::transform("state", imports, on_batch)
    };
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path().join("ledger.db")).unwrap();
    let sandbox = sandbox();
    for run in 0..2 {
        let mut ground = Ground::bare("a");
        ground.grants = Grants { state: true, ..Grants::default() };
        ground.resources.state = Some(StateStore {
            ledger: ledger.clone(),
            namespace: "one".to_owned(),
            quota: StateQuota::default(),
        });
        let plugin = guest.clone().load(&sandbox, ground).await;
        let mut stage = PluginStage::new(plugin.unwrap());
        let judged = stage.judge(&batch(1)).await;
        assert_eq!(judged, Ok(vec![Verdict::Keep]), "run {run}");
    }
    assert!(ledger.state_get("one", "k").unwrap().is_some(), "it was kept");
}

/// Attacks: 42.
#[tokio::test]
async fn what_is_counted_is_counted_by_declared_names_alone() {
    let imports = r#"
      (import "bulkhead:plugin/telemetry@0.1.0" "count" (func $count (param i32 i32 i64)))
      (import "bulkhead:plugin/telemetry@0.1.0" "gauge" (func $gauge (param i32 i32 f64)))
      (import "bulkhead:plugin/telemetry@0.1.0" "event"
        (func $event (param i32 i32 i32 i32 i32)))"#;
    let on_batch = concat!(
        "(call $count (i32.const 4096) (i32.const 4) (i64.const -1))",
        "(call $count (i32.const 4096) (i32.const 4) (i64.const 2))",
        "(call $count (i32.const 4096) (i32.const 3) (i64.const 2))",
        "(call $gauge (i32.const 4096) (i32.const 2) (f64.const 1))",
        "(call $event (i32.const 0) (i32.const 4096) (i32.const 4) (i32.const 0) (i32.const 0))",
    );
    let mut guest = Guest {
        items: r#"(data (i32.const 4096) "rows")"#,
        imports,
        ..Guest::filter(on_batch)
    }
    .asking("telemetry");
    guest.manifest["metrics"] = serde_json::json!(["rows"]);
    let sandbox = sandbox();
    let ground = Ground::bare("a")
        .granting(Grants { telemetry: Telemetry::On, ..Grants::default() });
    let plugin = guest.load(&sandbox, ground).await.unwrap();
    assert!(PluginStage::new(plugin.clone()).judge(&batch(1)).await.is_ok());
    let counted: Vec<(String, u64)> = plugin.metrics().counters().into_iter().collect();
    let expected =
        [("events-not-shown", 1), ("metrics-not-declared", 2), ("rows", u64::MAX)];
    let expected = expected.map(|(name, count)| (name.to_owned(), count));
    assert_eq!(counted, expected);
}

#[tokio::test]
async fn the_clock_ticks_as_long_as_anyone_holds_a_plugin() {
    let sandbox = sandbox();
    let spins = Guest::filter("(loop $l (br $l))");
    let plugin = spins.load(&sandbox, Ground::bare("a")).await.unwrap();
    drop(sandbox);
    let (stage, crash) = ("a".to_owned(), Crash::Limit(Limit::Cpu));
    let judged = PluginStage::new(plugin).judge(&batch(1)).await;
    assert_eq!(judged, Err(StageError::Crashed { stage, crash }));
}
