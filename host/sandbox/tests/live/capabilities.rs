//! What a guest gets of the capabilities that are granted.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use bulkhead_model::{ByteSize, Instant, PatientSet, Secret};
use bulkhead_pipeline::{Crash, Limit, Stage as _, StageError, Verdict};
use bulkhead_sandbox::{Grants, PluginStage};

use super::sandbox;
use crate::guest::{Ground, Guest, batch};

/// Makes the answer one edit: record 0 is dropped.
macro_rules! drop_first_if {
    ($condition:expr) => {
        concat!(
            "(if ",
            $condition,
            " (then (i32.store (i32.const 1028) (i32.const 1100)) ",
            "(i32.store (i32.const 1032) (i32.const 1)) ",
            "(memory.fill (i32.const 1100) (i32.const 0) (i32.const 16))))"
        )
    };
}

#[tokio::test]
async fn the_monotonic_clock_never_falls() {
    let imports = r#"
      (import "bulkhead:plugin/clock@0.1.0" "wall-ms" (func $wall (result i64)))
      (import "bulkhead:plugin/clock@0.1.0" "monotonic-ms" (func $mono (result i64)))"#;
    let cases = [
        (
            "monotonic",
            drop_first_if!("(i64.gt_u (call $mono) (call $mono))"),
            Verdict::Keep,
        ),
        ("wall", drop_first_if!("(i64.gt_u (call $wall) (call $wall))"), Verdict::Drop),
    ];
    let sandbox = sandbox();
    for (name, on_batch, expected) in cases {
        let time = AtomicI64::new(1_000_000);
        let mut ground = Ground::bare("a");
        ground.grants.clock = true;
        ground.resources.now =
            Arc::new(move || Instant::from_unix_ms(time.fetch_sub(1, Ordering::Relaxed)));
        let plugin = Guest::transform("clock", imports, on_batch).load(&sandbox, ground);
        let judged = PluginStage::new(plugin.await.unwrap()).judge(&batch(1)).await;
        assert_eq!(judged, Ok(vec![expected]), "case: {name}");
    }
}

#[tokio::test]
async fn randomness_comes_in_small_pieces() {
    let imports = r#"
      (import "bulkhead:plugin/random@0.1.0" "get" (func $random (param i32 i32)))"#;
    // Over one record 4096 bytes, whose first is 7 by the test's source; over two one more.
    let on_batch = concat!(
        "(call $random (i32.add (i32.const 4095) (local.get $len)) (i32.const 2048))",
        drop_first_if!(
            "(i32.eq (i32.load8_u (i32.load (i32.const 2048))) (i32.const 7))"
        )
    );
    let sandbox = sandbox();
    let ground = Ground::bare("a").granting(Grants { random: true, ..Grants::default() });
    let plugin =
        Guest::transform("random", imports, on_batch).load(&sandbox, ground).await;
    let mut stage = PluginStage::new(plugin.unwrap());
    assert_eq!(stage.judge(&batch(1)).await, Ok(vec![Verdict::Drop]));
    let (name, crash) = ("a".to_owned(), Crash::Trap);
    assert_eq!(
        stage.judge(&batch(2)).await,
        Err(StageError::Crashed { stage: name, crash })
    );
}

#[tokio::test]
async fn hashes_under_granted_keys_alone() {
    // Hashes no value under key `k` or `other`; an error drops the record.
    let imports = r#"
      (import "bulkhead:plugin/keyed-hash@0.1.0" "hmac"
        (func $hmac (param i32 i32 i32 i32 i32)))"#;
    let on_batch = concat!(
        "(call $hmac (i32.const 4096) (i32.add (local.get $len) (i32.const 2)) ",
        "(i32.const 0) (i32.const 0) (i32.const 2048))",
        drop_first_if!("(i32.load8_u (i32.const 2048))")
    );
    let guest = Guest {
        items: r#"(data (i32.const 4096) "keys")"#,
        ..Guest::transform("keyed-hash", imports, on_batch)
    };
    let mut ground = Ground::bare("a");
    ground.grants.keys = vec!["key".to_owned(), "missing".to_owned()];
    let key = Secret::new([1; 32]);
    ground.resources = ground.resources.with_key("key", &key).with_key("keys", &key);
    let sandbox = sandbox();
    let mut stage = PluginStage::new(guest.load(&sandbox, ground).await.unwrap());
    assert_eq!(stage.judge(&batch(1)).await, Ok(vec![Verdict::Keep]), "granted");
    assert_eq!(
        stage.judge(&batch(2)).await,
        Ok(vec![Verdict::Drop, Verdict::Keep]),
        "there, not granted"
    );
}

/// Attacks: 22.
#[tokio::test]
async fn asks_about_granted_cohorts_alone() {
    // Asks about cohort `study`, or over two records about `studyx`; drops record 0 where that
    // is refused because it is not granted, not because there is no such cohort.
    let imports = r#"
      (import "bulkhead:plugin/cohorts@0.1.0" "test" (func $test (param i32 i32 i32 i32)))"#;
    let on_batch = "
      (call $test (local.get $of) (i32.const 4096)
        (i32.add (i32.const 4) (local.get $len)) (i32.const 2048))
      (if (i32.load8_u (i32.const 2048)) (then
        (if (i32.load8_u (i32.const 2052)) (then (unreachable)))
        (i32.store8 (i32.const 1028) (i32.const 1))))";
    let guest = Guest {
        items: r#"(data (i32.const 4096) "studyx")"#,
        imports,
        ..Guest::filter(on_batch)
    };
    let mut ground = Ground::bare("a");
    ground.grants.cohorts = vec!["study".to_owned()];
    let nobody = Arc::new(PatientSet::default());
    let cohorts = ["study", "studyx"].map(|name| (name.to_owned(), Arc::clone(&nobody)));
    ground.resources.cohorts = cohorts.into();
    let plugin = guest.asking("cohorts").load(&sandbox(), ground).await.unwrap();
    let mut stage = PluginStage::new(plugin);
    assert_eq!(stage.judge(&batch(1)).await, Ok(vec![Verdict::Keep]), "granted");
    assert_eq!(
        stage.judge(&batch(2)).await,
        Ok(vec![Verdict::Drop; 2]),
        "there, not granted"
    );
}

/// Attacks: 22.
#[tokio::test]
async fn reads_declared_fields_alone() {
    // Reads field `id`, or over two records `id.x`; drops all where it was not declared.
    let imports = r#"
      (import "bulkhead:plugin/projection@0.1.0" "text"
        (func $text (param i32 i32 i32 i32)))"#;
    let on_batch = "
      (call $text (local.get $of) (i32.const 4096)
        (select (i32.const 4) (i32.const 2) (i32.eq (local.get $len) (i32.const 2)))
        (i32.const 2048))
      (if (i32.load8_u (i32.const 2048)) (then
        (if (i32.load8_u (i32.const 2052)) (then (unreachable)))
        (i32.store8 (i32.const 1028) (i32.const 1))))";
    let mut guest = Guest {
        items: r#"(data (i32.const 4096) "id.x")"#,
        imports,
        ..Guest::filter(on_batch)
    }
    .asking("projection");
    guest.manifest["fields"] = serde_json::json!(["id"]);
    let granted = Grants { fields: vec!["id".to_owned()], ..Grants::default() };
    let ground = Ground::bare("a").granting(granted);
    let mut stage = PluginStage::new(guest.load(&sandbox(), ground).await.unwrap());
    assert_eq!(stage.judge(&batch(1)).await, Ok(vec![Verdict::Keep]), "declared");
    assert_eq!(
        stage.judge(&batch(2)).await,
        Ok(vec![Verdict::Drop; 2]),
        "neither declared nor granted"
    );
}

/// Attacks: 12.
#[tokio::test]
async fn hashing_for_ever_comes_to_an_end() {
    // Five thousand empty values a call: more than one stretch of the host.
    let imports = r#"
      (import "bulkhead:plugin/keyed-hash@0.1.0" "hmac"
        (func $hmac (param i32 i32 i32 i32 i32)))"#;
    let on_batch = "(loop $l
      (global.set $top (i32.const 32768))
      (call $hmac (i32.const 4096) (i32.const 1) (i32.const 327680) (i32.const 5000)
        (i32.const 2048))
      (br $l))";
    let guest = Guest {
        memory: "8",
        items: r#"(data (i32.const 4096) "k")"#,
        ..Guest::transform("keyed-hash", imports, on_batch)
    };
    let mut ground = Ground::bare("a");
    ground.grants.keys = vec!["k".to_owned()];
    ground.limits.return_bytes = ByteSize::mib(1);
    ground.resources = ground.resources.with_key("k", &Secret::new([1; 32]));
    let sandbox = sandbox();
    let mut stage = PluginStage::new(guest.load(&sandbox, ground).await.unwrap());
    let (name, crash) = ("a".to_owned(), Crash::Limit(Limit::Cpu));
    assert_eq!(
        stage.judge(&batch(1)).await,
        Err(StageError::Crashed { stage: name, crash })
    );
}

#[tokio::test]
async fn a_guest_sees_the_columns_of_its_batch() {
    // Keeps the first record when the last sequence number of three is 3.
    let on_batch = "
      (call $seqs (local.get $of) (i32.const 2048))
      (if (i64.ne (i64.load offset=16 (i32.load (i32.const 2048))) (i64.const 3))
        (then (unreachable)))
      (if (i32.ne (i32.load (i32.const 2052)) (i32.const 3)) (then (unreachable)))";
    let imports = r#"
      (import "bulkhead:plugin/batches@0.1.0" "[method]batch.seqs"
        (func $seqs (param i32 i32)))"#;
    let sandbox = sandbox();
    let guest = Guest { imports, ..Guest::filter(on_batch) };
    let mut stage =
        PluginStage::new(guest.load(&sandbox, Ground::bare("a")).await.unwrap());
    assert_eq!(stage.judge(&batch(3)).await, Ok(vec![Verdict::Keep; 3]));
}

#[tokio::test]
async fn bodies_come_whole_and_a_range_past_the_end_is_clamped() {
    let imports = r#"
      (import "bulkhead:plugin/bodies@0.1.0" "read" (func $read (param i32 i32 i32 i32)))"#;
    // Asks from record 1 on for far too many; drops all unless one row of 36 bytes comes.
    let on_batch = "
      (call $read (local.get $of) (i32.const 1) (i32.const -1) (i32.const 2048))
      (if (i32.or
            (i32.ne (i32.load (i32.const 2052)) (i32.const 36))
            (i32.ne (i32.load (i32.load (i32.const 2056))) (i32.const 36)))
        (then (i32.store8 (i32.const 1028) (i32.const 1))))
      (call $read (local.get $of) (i32.const -1) (i32.const -1) (i32.const 2048))
      (if (i32.load (i32.const 2052)) (then (unreachable)))";
    let guest = Guest { imports, ..Guest::filter(on_batch) }.asking("bodies");
    let sandbox = sandbox();
    let ground = Ground::bare("a").granting(Grants { bodies: true, ..Grants::default() });
    let mut stage = PluginStage::new(guest.load(&sandbox, ground).await.unwrap());
    let records = batch(2);
    assert_eq!(records.records()[1].body.len(), 36);
    assert_eq!(stage.judge(&records).await, Ok(vec![Verdict::Keep; 2]));
}
