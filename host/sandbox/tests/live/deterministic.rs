//! A deterministic chain gives the same transcript whenever it is run, whatever the machine's
//! clock and randomness say and however often a batch has to be handed over.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use bulkhead_model::Instant;
use bulkhead_pipeline::{Stage as _, Verdict};
use bulkhead_sandbox::{Determinism, Grants, PluginStage, Sandbox};
use serde_json::json;

use crate::guest::{Ground, Guest, batch, batch_of};

/// Replaces record 0 by what clocks, randomness and floats gave: two times, 40 random bytes, and
/// the bits of a NaN made of another. Dies on batches of three.
const ON_BATCH: &str = "
  (if (i32.eq (local.get $len) (i32.const 3)) (then (unreachable)))
  (i64.store (i32.const 8192) (call $wall))
  (i64.store (i32.const 8200) (call $mono))
  (call $random (i32.const 40) (i32.const 2048))
  (memory.copy (i32.const 8208) (i32.load (i32.const 2048)) (i32.const 40))
  (f64.store (i32.const 8248) (f64.sqrt (f64.sub (f64.const -nan:0x4000000000123)
    (f64.convert_i64_u (call $wall)))))
  (i32.store (i32.const 1028) (i32.const 1100))
  (i32.store (i32.const 1032) (i32.const 1))
  (i32.store (i32.const 1100) (i32.const 0))
  (i32.store8 (i32.const 1104) (i32.const 1))
  (i32.store (i32.const 1108) (i32.const 8192))
  (i32.store (i32.const 1112) (i32.const 64))";

const IMPORTS: &str = r#"
  (import "bulkhead:plugin/clock@0.1.0" "wall-ms" (func $wall (result i64)))
  (import "bulkhead:plugin/clock@0.1.0" "monotonic-ms" (func $mono (result i64)))
  (import "bulkhead:plugin/random@0.1.0" "get" (func $random (param i32 i32)))"#;

/// Attacks: 46.
#[tokio::test]
async fn ten_runs_give_identical_transcripts() {
    let sandbox = Sandbox::new(None).unwrap();
    let seed = || Some(Determinism::new("s"));
    let first = run(&sandbox, seed(), 0).await;
    for at in 1..10 {
        assert_eq!(run(&sandbox, seed(), at).await, first, "run {at}");
    }
    let plain = [run(&sandbox, None, 0).await, run(&sandbox, None, 1).await];
    assert_ne!(plain[0], plain[1], "without a seed the machine shows through");
    let other = run(&sandbox, Some(Determinism::new("t")), 0).await;
    assert_ne!(other, first, "another seed");
}

/// Attacks: 46.
#[tokio::test]
async fn a_batch_that_comes_again_sees_the_same_and_another_one_does_not() {
    let sandbox = Sandbox::new(None).unwrap();
    let mut stage = stage(&sandbox, Some(Determinism::new("s")), 3).await;
    let first = stage.judge(&batch(1)).await.unwrap();
    assert_eq!(stage.judge(&batch(1).again()).await, Ok(first.clone()), "again");
    assert!(stage.judge(&batch(3)).await.is_err(), "a death between");
    assert_eq!(stage.judge(&batch(1)).await, Ok(first.clone()), "in a fresh guest");
    assert_ne!(stage.judge(&batch_of(1, 1)).await, Ok(first), "another batch");
}

/// Attacks: 46.
#[tokio::test]
async fn every_nan_is_one_and_the_same() {
    let sandbox = Sandbox::new(None).unwrap();
    let judged = stage(&sandbox, None, 1).await.judge(&batch(1)).await.unwrap();
    let [Verdict::Replace(body)] = judged.as_slice() else { panic!("{judged:?}") };
    // Whatever payload it was made of, whatever the processor makes of that.
    assert_eq!(body[56..64], 0x7ff8_0000_0000_0000_u64.to_le_bytes());
}

/// What a stage answers to some batches, among them one on which it dies.
async fn run(sandbox: &Sandbox, seed: Option<Determinism>, at: u8) -> String {
    let mut stage = stage(sandbox, seed, at).await;
    let mut transcript = String::new();
    for (file, len) in [(0, 1), (0, 2), (1, 1), (0, 3), (2, 4), (0, 1)] {
        let judged = stage.judge(&batch_of(file, len)).await;
        writeln!(transcript, "{file} {len} {judged:?}").unwrap();
    }
    transcript
}

/// On a machine whose clock and randomness are those of run `at`.
async fn stage(sandbox: &Sandbox, seed: Option<Determinism>, at: u8) -> PluginStage {
    let mut guest = Guest::transform("clock", IMPORTS, ON_BATCH);
    guest.manifest["capabilities"] = json!([
        { "interface": "clock", "why": "to test" },
        { "interface": "random", "why": "to test" },
    ]);
    let mut ground = Ground::bare("a").granting(Grants {
        clock: true,
        random: true,
        ..Grants::default()
    });
    let time = AtomicI64::new(1_000_000 * i64::from(at));
    ground.resources.now =
        Arc::new(move || Instant::from_unix_ms(time.fetch_add(7, Ordering::Relaxed)));
    ground.resources.random = Arc::new(move |bytes| bytes.fill(at));
    ground.resources.deterministic = seed;
    let plugin = guest.load(sandbox, ground).await.unwrap();
    PluginStage::new(plugin).of_export_at(Instant::from_unix_ms(1_700_000_000_000))
}
