//! What a guest finds of WASI: nothing of this machine, and nothing at all without two keys.

mod contract;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bulkhead_model::Instant;
use bulkhead_pipeline::{Crash, Limit, Stage as _, StageError, Verdict};
use bulkhead_sandbox::{
    Denied, Determinism, Error, Grants, Limits, Plugin, PluginStage, Role, Sandbox,
    VirtualWasi,
};
use serde_json::json;

use self::contract::{IMPORTS, WIT};
use crate::guest::{Ground, Guest, batch, batch_of, tight};

/// Attacks: 41, 46.
#[tokio::test]
async fn a_guest_sees_nothing_of_this_machine() {
    let sandbox = Sandbox::new(None).unwrap();
    let mut stage = PluginStage::new(load(&sandbox, LOOKS, &["wasi"]).await.unwrap());
    let seen = report(stage.judge(&batch(1)).await);
    let expected = [
        ("variables of the environment", 0),
        ("arguments", 0),
        ("open folders", 0),
        ("reading standard input is an error", 1),
        ("namely: closed", 1),
        ("making a socket is an error", 1),
        ("namely: access-denied", 1),
        ("looking a name up is an error", 1),
        ("namely: access-denied", 1),
        ("seconds", 0),
        ("nanoseconds", 0),
        ("nanoseconds of the other clock", 0),
    ];
    for (at, (name, value)) in expected.into_iter().enumerate() {
        assert_eq!(seen[at], value, "{name}");
    }
    assert_ne!(seen[12], 0x0707_0707, "the machine's randomness");
    let again = report(stage.judge(&batch(1)).await);
    assert_eq!(again, seen, "the same batch, the same randomness");
    assert_ne!(report(stage.judge(&batch_of(1, 1)).await)[12], seen[12], "another batch");
}

/// Attacks: 41.
#[tokio::test]
async fn a_guest_has_no_working_directory() {
    let on_batch = "
      (call $folder (i32.const 2048))
      (if (i32.load8_u (i32.const 2048)) (then (unreachable)))";
    let sandbox = Sandbox::new(None).unwrap();
    let plugin = load(&sandbox, on_batch, &["wasi"]).await.unwrap();
    assert_eq!(PluginStage::new(plugin).judge(&batch(1)).await, Ok(vec![Verdict::Keep]));
}

/// Attacks: 12, 43.
#[tokio::test]
async fn what_is_asked_for_at_once_is_bounded() {
    let zeros = "(call $zeros (call $stdout)
        (i64.extend_i32_u (i32.add (i32.const 4095) (local.get $len))) (i32.const 2048))";
    let random = "(call $random
        (i64.extend_i32_u (i32.add (i32.const 4095) (local.get $len))) (i32.const 2048))";
    // The same handle, again and again.
    let waits = "
      (global.set $out (call $sleep (i64.const 0)))
      (local.set $left (i32.const 4097))
      (loop $l
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (i32.store (i32.add (i32.const 32768) (i32.mul (local.get $left) (i32.const 4)))
          (global.get $out))
        (br_if $l (local.get $left)))
      (global.set $top (i32.const 65536))
      (drop (memory.grow (i32.const 1)))
      (call $poll (i32.const 32768) (i32.add (i32.const 4095) (local.get $len))
        (i32.const 2048))";
    let sandbox = Sandbox::new(None).unwrap();
    for (name, on_batch) in
        [("writes zeros", zeros), ("draws", random), ("waits for handles", waits)]
    {
        let cpu = Duration::from_secs(5);
        let limits = Limits { cpu, handles: 10_000, ..tight() };
        let plugin = load_within(&sandbox, on_batch, &["wasi"], limits).await.unwrap();
        let mut stage = PluginStage::new(plugin);
        assert_eq!(
            stage.judge(&batch(1)).await,
            Ok(vec![Verdict::Keep]),
            "case: {name}, 4096"
        );
        let (stage_name, crash) = ("a".to_owned(), Crash::Trap);
        assert_eq!(
            stage.judge(&batch(2)).await,
            Err(StageError::Crashed { stage: stage_name, crash }),
            "case: {name}, one more"
        );
    }
}

/// Attacks: 46.
#[tokio::test]
async fn clocks_and_randomness_are_those_of_their_own_grants() {
    let sandbox = Sandbox::new(None).unwrap();
    let asks = ["wasi", "clock", "random"];
    let mut stage = PluginStage::new(load(&sandbox, LOOKS, &asks).await.unwrap());
    let seen = report(stage.judge(&batch(1)).await);
    assert_eq!(seen[9], 1_234, "seconds");
    assert_eq!(seen[10], 567_000_000, "to a millisecond");
    assert_eq!(u64::from(seen[11]), 1_234_567_000_000 % (1 << 32), "likewise");
    assert_eq!(seen[12], 0x0707_0707, "the machine's randomness");
}

/// Attacks: 43.
#[tokio::test]
async fn what_is_written_is_counted_and_dropped() {
    let on_batch = "(local.set $len (i32.const 100))
      (loop $l
        (global.set $out (call $stdout))
        (call $write (global.get $out) (i32.const 0) (i32.const 4096) (i32.const 2048))
        (if (i32.load8_u (i32.const 2048)) (then (unreachable)))
        (call $drop_out (global.get $out))
        (local.set $len (i32.sub (local.get $len) (i32.const 1)))
        (br_if $l (local.get $len)))";
    let sandbox = Sandbox::new(None).unwrap();
    let plugin = load(&sandbox, on_batch, &["wasi"]).await.unwrap();
    let mut stage = PluginStage::new(plugin.clone());
    assert_eq!(stage.judge(&batch(1)).await, Ok(vec![Verdict::Keep]));
    assert_eq!(plugin.metrics().counters().get("stdout-bytes"), Some(&409_600));
}

/// Attacks: 12, 23.
#[tokio::test]
async fn a_guest_can_neither_wait_nor_hoard_without_end() {
    let waits = "(call $block (call $sleep (i64.const 3600000000000)))";
    let far = "(call $block (call $sleep (i64.const -1)))";
    let cases = [
        ("waits for an hour", waits, Limit::Call),
        ("waits for five hundred years", far, Limit::Call),
        (
            "takes one handle after another",
            "(loop $l (drop (call $stdout)) (br $l))",
            Limit::Handles,
        ),
        (
            "looks at the clock without end",
            "(loop $l (drop (call $mono)) (br $l))",
            Limit::Cpu,
        ),
        (
            "waits for nothing without end",
            "(local.set $len (call $sleep (i64.const 0)))
             (loop $l (call $block (local.get $len)) (br $l))",
            Limit::Cpu,
        ),
        (
            "writes a terabyte of zeros",
            "(call $zeros (call $stdout) (i64.const 0x10000000000) (i32.const 2048))",
            Limit::Expansion,
        ),
    ];
    let sandbox = Sandbox::new(None).unwrap();
    for (name, on_batch, expected) in cases {
        let limits = Limits { call: Duration::from_millis(300), ..tight() };
        let asks = ["wasi", "clock"];
        let plugin = load_within(&sandbox, on_batch, &asks, limits).await.unwrap();
        let ended = PluginStage::new(plugin).judge(&batch(1)).await;
        // A stream lets so many bytes be written at once: more is a mistake of the guest.
        let crash = if expected == Limit::Expansion {
            Crash::Trap
        } else {
            Crash::Limit(expected)
        };
        let stage = "a".to_owned();
        assert_eq!(ended, Err(StageError::Crashed { stage, crash }), "case: {name}");
    }
}

#[tokio::test]
async fn where_time_stands_still_a_wait_is_over_at_once() {
    let on_batch = "(call $block (call $sleep (i64.const 3600000000000)))";
    let sandbox = Sandbox::new(None).unwrap();
    let plugin = load(&sandbox, on_batch, &["wasi"]).await.unwrap();
    assert_eq!(PluginStage::new(plugin).judge(&batch(1)).await, Ok(vec![Verdict::Keep]));
    // With its grant too, in a deterministic chain.
    let mut ground = Ground::bare("a").granting(Grants {
        wasi: true,
        clock: true,
        ..Grants::default()
    });
    ground.limits = Limits { call: Duration::from_secs(2), ..tight() };
    ground.resources.deterministic = Some(Determinism::new("s"));
    let guest = asking(guest(on_batch), &["wasi", "clock"]);
    let plugin = guest.load(&sandbox, ground).await.unwrap();
    assert_eq!(PluginStage::new(plugin).judge(&batch(1)).await, Ok(vec![Verdict::Keep]));
}

/// Attacks: 47.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_guest_with_wasi_gets_no_process_of_its_own() {
    let sandbox = crate::apart::sandbox();
    let refused = load(&sandbox, "", &["wasi"]).await;
    let Some(Error::Link { source }) = refused.err() else { panic!("it was loaded") };
    let said = source.to_string();
    assert!(said.contains("set `isolation = \"in-process\"`"), "{said}");
}

/// Attacks: 42.
#[tokio::test]
async fn a_guest_that_ends_itself_has_crashed() {
    let sandbox = Sandbox::new(None).unwrap();
    let plugin = load(&sandbox, "(call $exit (i32.const 0))", &["wasi"]).await.unwrap();
    let ended = PluginStage::new(plugin).judge(&batch(1)).await;
    let (stage, crash) = ("a".to_owned(), Crash::Trap);
    assert_eq!(ended, Err(StageError::Crashed { stage, crash }));
}

/// Attacks: 47.
#[tokio::test]
async fn two_keys_open_wasi_and_what_is_not_virtual_stays_shut() {
    let sandbox = Sandbox::new(None).unwrap();
    let wasi = Grants { wasi: true, ..Grants::default() };
    let (why, interface) = ("to test".to_owned(), "wasi".to_owned());
    let foreign = |import: &str| Denied::Foreign(import.to_owned());
    let all = || -> Vec<Denied> {
        guest("").package().foreign_imports().map(foreign).collect()
    };
    let unneeded = Denied::Unneeded("wasi".to_owned());
    let cases = [
        (
            "asked, not granted",
            vec!["wasi"],
            Grants::default(),
            vec![Denied::NotGranted { interface, why }],
        ),
        ("granted, not asked", vec![], wasi.clone(), [all(), vec![unneeded]].concat()),
        ("neither", vec![], Grants::default(), all()),
    ];
    for (name, asks, grants, expected) in cases {
        let ground = Ground::bare("a").granting(grants);
        let loaded = asking(guest(""), &asks).load(&sandbox, ground).await;
        match loaded.err() {
            Some(Error::Denied { denied }) => {
                assert_eq!(denied, expected, "case: {name}");
            }
            other => panic!("case: {name}: {other:?}"),
        }
    }
    let http = r#"(component (import "wasi:http/outgoing-handler@0.2.0" (instance)))"#;
    let package = bulkhead_sandbox::Package::from_bytes(wat::parse_str(http).unwrap());
    let manifest = asking(Guest::new(Role::Transform), &["wasi"]).manifest.to_string();
    let package = package.unwrap().with_manifest(&manifest).unwrap();
    let Ground { stage, limits, resources, .. } = Ground::bare("a");
    let settings = json!({});
    let loaded =
        Plugin::load(&sandbox, &package, stage, &settings, wasi, limits, resources).await;
    match loaded.err() {
        Some(Error::Denied { denied }) => {
            assert_eq!(denied, [foreign("wasi:http/outgoing-handler@0.2.0")]);
        }
        other => panic!("{other:?}"),
    }
    let imports = guest("").package();
    for import in imports.foreign_imports() {
        assert!(VirtualWasi::words(import).is_some(), "{import} has no words");
    }
}

async fn load(
    sandbox: &Sandbox,
    on_batch: &'static str,
    asks: &[&str],
) -> Result<Plugin, Error> {
    let limits = Limits { handles: 16, ..tight() };
    load_within(sandbox, on_batch, asks, limits).await
}

/// Loads a guest with all that it asks for, at 1,234.567 s past 1970.
async fn load_within(
    sandbox: &Sandbox,
    on_batch: &'static str,
    asks: &[&str],
    limits: Limits,
) -> Result<Plugin, Error> {
    let mut ground = Ground::bare("a").granting(Grants {
        clock: asks.contains(&"clock"),
        random: asks.contains(&"random"),
        wasi: true,
        ..Grants::default()
    });
    let time = AtomicI64::new(1_234_567);
    ground.limits = limits;
    ground.resources.now =
        Arc::new(move || Instant::from_unix_ms(time.load(Ordering::Relaxed)));
    asking(guest(on_batch), asks).load(sandbox, ground).await
}

fn guest(on_batch: &'static str) -> Guest {
    Guest {
        imports: IMPORTS,
        items: r#"(data (i32.const 4096) "evil.test") (global $out (mut i32) (i32.const 0))"#,
        on_batch,
        wit: Some(WIT),
        ..Guest::new(Role::Transform)
    }
}

fn asking(mut guest: Guest, asks: &[&str]) -> Guest {
    let asks = asks.iter().map(|asked| json!({ "interface": asked, "why": "to test" }));
    guest.manifest["capabilities"] = asks.collect();
    guest
}

/// The words that a guest put in the place of its record.
fn report(judged: Result<Vec<Verdict>, StageError>) -> Vec<u32> {
    match judged.unwrap().as_slice() {
        [Verdict::Replace(body)] => body
            .chunks(4)
            .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
            .collect(),
        other => panic!("{other:?}"),
    }
}

/// Looks at everything and replaces record 0 by 13 words of what it saw.
const LOOKS: &str = "
  (call $environment (i32.const 2048))
  (i32.store (i32.const 8192) (i32.load (i32.const 2052)))
  (call $arguments (i32.const 2048))
  (i32.store (i32.const 8196) (i32.load (i32.const 2052)))
  (call $folders (i32.const 2048))
  (i32.store (i32.const 8200) (i32.load (i32.const 2052)))
  (call $read (call $stdin) (i64.const 10) (i32.const 2048))
  (i32.store (i32.const 8204) (i32.load8_u (i32.const 2048)))
  (i32.store (i32.const 8208) (i32.load8_u (i32.const 2052)))
  (call $socket (i32.const 0) (i32.const 2048))
  (i32.store (i32.const 8212) (i32.load8_u (i32.const 2048)))
  (i32.store (i32.const 8216) (i32.load8_u (i32.const 2052)))
  (call $resolve (call $network) (i32.const 4096) (i32.const 9) (i32.const 2048))
  (i32.store (i32.const 8220) (i32.load8_u (i32.const 2048)))
  (i32.store (i32.const 8224) (i32.load8_u (i32.const 2052)))
  (call $wall (i32.const 2048))
  (i32.store (i32.const 8228) (i32.load (i32.const 2048)))
  (i32.store (i32.const 8232) (i32.load (i32.const 2056)))
  (i32.store (i32.const 8236) (i32.wrap_i64 (call $mono)))
  (call $random (i64.const 8) (i32.const 2048))
  (i32.store (i32.const 8240) (i32.load (i32.load (i32.const 2048))))
  (i32.store (i32.const 1028) (i32.const 1100))
  (i32.store (i32.const 1032) (i32.const 1))
  (i32.store (i32.const 1100) (i32.const 0))
  (i32.store8 (i32.const 1104) (i32.const 1))
  (i32.store (i32.const 1108) (i32.const 8192))
  (i32.store (i32.const 1112) (i32.const 52))";
