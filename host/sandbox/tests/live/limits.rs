//! Every limit is reached by a guest, and what ran out is named.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bulkhead_ledger::{Ledger, StateQuota};
use bulkhead_model::{ByteSize, Instant};
use bulkhead_pipeline::{
    Crash, Limit, Reject, RejectClass, Stage as _, StageError, Verdict,
};
use bulkhead_sandbox::{
    Error, Grants, Limits, Package, Plugin, PluginStage, Role, Sandbox, StateStore,
    Telemetry,
};
use serde_json::json;

use crate::guest::{Ground, Guest, batch, batch_of, tight};

/// Attacks: 6, 7, 23.
#[tokio::test]
async fn a_plugin_of_too_many_parts_is_not_loaded() {
    let instances = |count: usize, module: &str| {
        let each = "(core instance (instantiate $m))".repeat(count);
        format!("(component (core module $m {module}) {each})")
    };
    // A hundred handles of a resource of its own, of which the host's table knows nothing.
    let handles = r#"(component
      (type $r (resource (rep i32)))
      (core func $new (canon resource.new $r))
      (core module $m
        (import "" "new" (func $new (param i32) (result i32)))
        (func $start (local $left i32)
          (local.set $left (i32.const 100))
          (loop $l
            (drop (call $new (i32.const 1)))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br_if $l (local.get $left))))
        (start $start))
      (core instance (instantiate $m (with "" (instance (export "new" (func $new)))))))"#;
    let limits = Limits { instances: 4, memories: 3, tables: 3, ..tight() };
    let cases = [
        ("instances", instances(5, ""), Limit::Instances),
        ("memories", instances(4, "(memory 0)"), Limit::Memories),
        ("tables", instances(4, "(table 1 funcref)"), Limit::Tables),
        ("memory, summed", instances(2, "(memory 9)"), Limit::Memory),
        ("elements, summed", instances(2, "(table 51 funcref)"), Limit::TableElements),
        ("handles", handles.to_owned(), Limit::Handles),
    ];
    let sandbox = Sandbox::new(None).unwrap();
    for (name, component, expected) in cases {
        let package = Package::from_bytes(wat::parse_str(component).unwrap()).unwrap();
        let manifest = Guest::new(Role::Filter).manifest.to_string();
        let package = package.with_manifest(&manifest).unwrap();
        let Ground { stage, grants, resources, .. } = Ground::bare("attacker");
        let settings = json!({});
        let loaded =
            Plugin::load(&sandbox, &package, stage, &settings, grants, limits, resources);
        match loaded.await.err() {
            Some(error @ Error::Died { .. }) => {
                let said = error.to_string();
                let expected = format!("used up its `limits.{}`", expected.setting());
                assert!(said.contains(&expected), "case: {name}: {said}");
            }
            other => panic!("case: {name}: {other:?}"),
        }
    }
}

/// Attacks: 1.
#[tokio::test]
async fn a_batch_has_processor_time_over_all_its_calls() {
    let limits = Limits { batch_cpu: Duration::from_millis(50), ..tight() };
    let mut stage = stage("(loop $l (br $l))", limits, Ground::bare("a")).await;
    assert_eq!(stage.judge(&batch(4)).await, Err(died(Limit::Cpu)), "the first call");
    let mut ended = Ok(Vec::new());
    for piece in [batch(4), batch(2), batch(1)] {
        ended = stage.judge(&piece).await;
        if ended != Err(died(Limit::Cpu)) {
            break;
        }
    }
    assert_eq!(ended, Err(spent(Limit::BatchCpu)), "in the end");
    assert_eq!(stage.judge(&batch(1)).await, Err(spent(Limit::BatchCpu)), "and then");
    assert_eq!(
        stage.judge(&batch_of(1, 1)).await,
        Err(died(Limit::Cpu)),
        "the next batch"
    );
}

/// Attacks: 1, 2.
#[tokio::test]
async fn guests_that_start_again_do_so_on_the_batchs_time() {
    // Computes for some ticks while it is configured, and dies at once over a batch.
    let guest = Guest {
        items: "(global $left (mut i32) (i32.const 0))",
        on_configure: "(global.set $left (i32.const 30000000))
          (loop $l
            (global.set $left (i32.sub (global.get $left) (i32.const 1)))
            (br_if $l (global.get $left)))",
        ..Guest::filter("unreachable")
    };
    for sandbox in crate::sandboxes() {
        let limits = Limits {
            cpu: Duration::from_secs(10),
            batch_cpu: Duration::from_millis(50),
            ..tight()
        };
        let ground = Ground { limits, ..Ground::bare("a") };
        let plugin = guest.clone().load(&sandbox, ground).await.unwrap();
        let mut stage = PluginStage::new(plugin);
        let mut ended = Err(trapped());
        for _ in 0..50 {
            ended = stage.judge(&batch(1)).await;
            if ended != Err(trapped()) {
                break;
            }
        }
        assert_eq!(ended, Err(spent(Limit::BatchCpu)));
    }
}

/// Attacks: 1.
#[tokio::test]
async fn what_the_host_computes_is_on_the_guests_time() {
    // Has 30 MB hashed, a hundred times the same piece, again and again: each time some 20 ms,
    // of which it has hardly any itself.
    let on_batch = "
      (i32.store8 (i32.const 4096) (i32.const 97))
      (local.set $len (i32.const 8192))
      (loop $i
        (i32.store (local.get $len) (i32.const 65536))
        (i32.store offset=4 (local.get $len) (i32.const 300000))
        (local.set $len (i32.add (local.get $len) (i32.const 8)))
        (br_if $i (i32.lt_u (local.get $len) (i32.const 8992))))
      (loop $l
        (global.set $top (i32.const 32768))
        (call $hmac (i32.const 4096) (i32.const 1) (i32.const 8192) (i32.const 100)
          (i32.const 2048))
        (br $l))";
    let imports = r#"(import "bulkhead:plugin/keyed-hash@0.1.0" "hmac"
        (func $hmac (param i32 i32 i32 i32 i32)))"#;
    let guest =
        Guest { memory: "16", ..Guest::transform("keyed-hash", imports, on_batch) };
    for sandbox in crate::sandboxes() {
        let mut ground = Ground::bare("a")
            .granting(Grants { keys: vec!["a".to_owned()], ..Grants::default() });
        ground.limits = Limits {
            cpu: Duration::from_millis(500),
            call: Duration::from_mins(1),
            memory: ByteSize::mib(32),
            return_bytes: ByteSize::mib(32),
            ..tight()
        };
        let secret = bulkhead_model::Secret::new("sixteen bytes or more");
        ground.resources = ground.resources.with_key("a", &secret);
        let plugin = guest.clone().load(&sandbox, ground).await.unwrap();
        let mut stage = PluginStage::new(plugin.clone());
        assert_eq!(stage.judge(&batch(1)).await, Err(died(Limit::Cpu)));
        let hashed = plugin.uses().take().into_iter();
        let hashed: u64 = hashed.filter(|of| of.name == "a").map(|of| of.calls).sum();
        assert!((1..=60).contains(&hashed), "one tick a call would be {hashed} calls");
    }
}

/// Attacks: 12.
#[tokio::test]
async fn a_batch_has_wall_time_over_all_its_calls() {
    // The clock goes on by a second whenever somebody looks.
    let time = AtomicI64::new(0);
    let mut ground = Ground::bare("a");
    ground.resources.now =
        Arc::new(move || Instant::from_unix_ms(time.fetch_add(1_000, Ordering::Relaxed)));
    let limits = Limits { batch: Duration::from_secs(5), ..tight() };
    let mut stage = stage("unreachable", limits, ground).await;
    let mut calls = 0;
    while stage.judge(&batch(1)).await == Err(trapped()) {
        calls += 1;
    }
    assert!((1..=5).contains(&calls), "{calls} calls");
    assert_eq!(stage.judge(&batch(1)).await, Err(spent(Limit::Batch)));
    assert_eq!(stage.judge(&batch_of(1, 1)).await, Err(trapped()), "the next batch");
}

/// Attacks: 18.
#[tokio::test]
async fn a_record_grows_only_so_far() {
    // Replaces record 0 by 70,000 bytes and emits 300 empty rows for record 1.
    let on_batch = "
      (i32.store (i32.const 1028) (i32.const 1100))
      (i32.store (i32.const 1032) (i32.const 2))
      (i32.store (i32.const 1100) (i32.const 0))
      (i32.store8 (i32.const 1104) (i32.const 1))
      (i32.store (i32.const 1108) (i32.const 65536))
      (i32.store (i32.const 1112) (i32.const 70000))
      (i32.store (i32.const 1116) (i32.const 1))
      (i32.store8 (i32.const 1120) (i32.const 2))
      (i32.store (i32.const 1124) (i32.const 65536))
      (i32.store (i32.const 1128) (i32.const 300))";
    let guest = Guest { memory: "8", on_batch, ..Guest::new(Role::Transform) };
    let limits = Limits { return_bytes: ByteSize::mib(1), ..tight() };
    let ground = Ground { limits, ..Ground::bare("a") };
    let sandbox = Sandbox::new(None).unwrap();
    let mut stage = PluginStage::new(guest.load(&sandbox, ground).await.unwrap());
    let reject = Verdict::Reject(Reject::new(RejectClass::TooLarge, "plugin-expansion"));
    let expected = vec![reject.clone(), reject, Verdict::Keep];
    assert_eq!(stage.judge(&batch(3)).await, Ok(expected));
}

/// Attacks: 43.
#[tokio::test]
async fn events_have_a_rate_that_all_lanes_share() {
    // Ten gauges a batch.
    let on_batch = "
      (local.set $len (i32.const 10))
      (loop $l
        (call $gauge (i32.const 4096) (i32.const 4) (f64.const 1))
        (local.set $len (i32.sub (local.get $len) (i32.const 1)))
        (br_if $l (local.get $len)))";
    let mut guest = Guest {
        imports: r#"(import "bulkhead:plugin/telemetry@0.1.0" "gauge"
            (func $gauge (param i32 i32 f64)))"#,
        items: r#"(data (i32.const 4096) "rows")"#,
        ..Guest::filter(on_batch)
    }
    .asking("telemetry");
    guest.manifest["metrics"] = json!(["rows"]);
    let time = Arc::new(AtomicI64::new(0));
    let mut ground = Ground::bare("a")
        .granting(Grants { telemetry: Telemetry::On, ..Grants::default() });
    ground.limits = Limits { events_per_second: 4, event_burst: 5, ..tight() };
    let told = Arc::clone(&time);
    ground.resources.now =
        Arc::new(move || Instant::from_unix_ms(told.load(Ordering::Relaxed)));
    let sandbox = Sandbox::new(None).unwrap();
    let plugin = guest.load(&sandbox, ground).await.unwrap();
    let not_shown = || plugin.metrics().counters().get("events-not-shown").copied();
    let (mut one, mut two) =
        (PluginStage::new(plugin.clone()), PluginStage::new(plugin.clone()));
    assert!(one.judge(&batch(1)).await.is_ok());
    assert_eq!(not_shown(), Some(5), "a burst");
    assert!(two.judge(&batch(1)).await.is_ok());
    assert_eq!(not_shown(), Some(15), "the other lane has none of its own");
    time.store(1_000, Ordering::Relaxed);
    assert!(one.judge(&batch(1)).await.is_ok());
    assert_eq!(not_shown(), Some(21), "a second later");
}

/// Attacks: 40.
#[tokio::test]
async fn what_is_kept_as_state_is_bounded() {
    // Stores a value of 100 bytes, and gives up or dies when that is refused.
    let set = "(call $set (i32.const 4096) (i32.const 1) (i32.const 4096) (i32.const 100)
        (i32.const 2048))";
    let dies = format!("{set} (if (i32.load8_u (i32.const 2048)) (then unreachable))");
    let gives_up = format!("{set} (if (i32.load8_u (i32.const 2048)) (then {FATAL}))");
    let quota = |value_bytes, namespace_bytes| StateQuota {
        value_bytes,
        namespace_bytes,
        ..StateQuota::default()
    };
    let cases = [
        ("within", &dies, quota(100, 1_000), Ok(vec![Verdict::Keep])),
        ("a value", &dies, quota(99, 1_000), Err(died(Limit::StateValueBytes))),
        ("all values", &dies, quota(100, 164), Err(spent(Limit::StateBytes))),
        ("it gives up", &gives_up, quota(100, 164), Err(spent(Limit::StateBytes))),
    ];
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path().join("ledger.db")).unwrap();
    let sandbox = Sandbox::new(None).unwrap();
    for (name, on_batch, quota, expected) in cases {
        let imports = r#"
          (import "bulkhead:plugin/state@0.1.0" "set"
            (func $set (param i32 i32 i32 i32 i32)))"#;
        let on_batch: &'static str = on_batch.clone().leak();
        let guest = Guest {
            items: r#"(data (i32.const 4096) "k")"#,
            ..Guest::transform("state", imports, on_batch)
        };
        let mut ground =
            Ground::bare("a").granting(Grants { state: true, ..Grants::default() });
        let (ledger, namespace) = (ledger.clone(), name.to_owned());
        ground.resources.state = Some(StateStore { ledger, namespace, quota });
        let mut stage = PluginStage::new(guest.load(&sandbox, ground).await.unwrap());
        assert_eq!(stage.judge(&batch(1)).await, expected, "case: {name}");
    }
}

#[tokio::test]
async fn who_gives_up_after_a_refusal_has_used_up_what_was_refused() {
    let on_batch = format!("(drop (memory.grow (i32.const 1000))) {FATAL}");
    let mut stage = stage(on_batch.leak(), tight(), Ground::bare("a")).await;
    assert_eq!(stage.judge(&batch(1)).await, Err(spent(Limit::Memory)));
}

#[tokio::test]
async fn deaths_are_counted_within_a_window_over_all_lanes() {
    let time = Arc::new(AtomicI64::new(0));
    let mut ground = Ground::bare("a");
    let told = Arc::clone(&time);
    ground.resources.now =
        Arc::new(move || Instant::from_unix_ms(told.load(Ordering::Relaxed)));
    ground.limits =
        Limits { restarts: 3, restart_window: Duration::from_mins(1), ..tight() };
    let sandbox = Sandbox::new(None).unwrap();
    let plugin = Guest::filter("unreachable").load(&sandbox, ground).await.unwrap();
    let (mut one, mut two) =
        (PluginStage::new(plugin.clone()), PluginStage::new(plugin.clone()));
    assert_eq!(one.judge(&batch(1)).await, Err(trapped()));
    assert_eq!(two.judge(&batch(1)).await, Err(trapped()));
    assert_eq!(one.judge(&batch(1)).await, Err(trapped()));
    time.store(59_999, Ordering::Relaxed);
    assert_eq!(two.judge(&batch(1)).await, Err(spent(Limit::Restarts)), "one too many");
    time.store(60_000, Ordering::Relaxed);
    assert_eq!(two.judge(&batch(1)).await, Err(trapped()), "after the window");
}

/// Answers that the whole stage must stop: tag 1, case `fatal`.
const FATAL: &str = "
  (i32.store8 (i32.const 1024) (i32.const 1))
  (i32.store8 (i32.const 1028) (i32.const 1))";

async fn stage(on_batch: &'static str, limits: Limits, ground: Ground) -> PluginStage {
    let sandbox = Sandbox::new(None).unwrap();
    let ground = Ground { limits, ..ground };
    PluginStage::new(Guest::filter(on_batch).load(&sandbox, ground).await.unwrap())
}

fn died(limit: Limit) -> StageError {
    StageError::Crashed { stage: "a".to_owned(), crash: Crash::Limit(limit) }
}

fn trapped() -> StageError {
    StageError::Crashed { stage: "a".to_owned(), crash: Crash::Trap }
}

fn spent(limit: Limit) -> StageError {
    StageError::Spent { stage: "a".to_owned(), limit }
}
