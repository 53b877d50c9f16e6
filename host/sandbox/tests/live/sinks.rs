//! Sinks: handles, uncommitted artifacts, tokens.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bulkhead_egress::{Store, Stores};
use bulkhead_pipeline::{
    Checkpoint, CloseReason, Crash, Limit, Positions, Receipt, Sink as _, SinkError,
};
use bulkhead_sandbox::{Conclusion, Grants, Plugin, PluginSink, Role};

use super::sandbox;
use crate::guest::{Ground, Guest, batch};

#[tokio::test]
async fn a_sink_takes_a_file_from_open_to_conclude() {
    let sandbox = sandbox();
    let plugin =
        Guest::new(Role::Sink).load(&sandbox, Ground::bare("lake")).await.unwrap();
    let mut sink = PluginSink::new(plugin.clone(), "e1".to_owned(), 0);
    let resume = Checkpoint { durable_through: 4, token: b"t".to_vec() };
    sink.open(Some(resume)).await.unwrap();
    let receipt = sink.deliver(&batch(3)).await.unwrap();
    let expected = Receipt { accepted: Positions::All, rejects: vec![], durable: None };
    assert_eq!(receipt, expected);
    assert_eq!(sink.flush().await, Ok(Checkpoint::default()));
    assert_eq!(sink.close(CloseReason::EndOfFile).await, Ok(None));
    let done = Conclusion {
        export_id: "e1".to_owned(),
        transaction_time: "2026-01-31T10:00:00Z".to_owned(),
        request: "https://ehr.example.org/fhir/$export".to_owned(),
        files: vec![(0, b"t".to_vec())],
    };
    assert_eq!(PluginSink::conclude(&plugin, done).await, Ok(()));
}

#[tokio::test]
async fn a_sink_that_died_is_dead_until_it_is_opened_again() {
    let attacks = [
        ("traps", "unreachable", Crash::Trap),
        ("spins", "(loop $l (br $l))", Crash::Limit(Limit::Cpu)),
        // A set of two words for two records.
        (
            "breaks the contract",
            "(i32.store8 (i32.const 1032) (i32.const 2))
             (i32.store (i32.const 1036) (i32.const 8192))
             (i32.store (i32.const 1040) (i32.const 2))",
            Crash::Contract,
        ),
    ];
    let sandbox = sandbox();
    for (name, attack, expected) in attacks {
        let on_batch =
            format!("(if (i32.eq (local.get $len) (i32.const 2)) (then {attack}))");
        let guest = Guest { on_batch: on_batch.leak(), ..Guest::new(Role::Sink) };
        let plugin = guest.load(&sandbox, Ground::bare("lake")).await.unwrap();
        let mut sink = PluginSink::new(plugin, "e1".to_owned(), 0);
        sink.open(None).await.unwrap();
        assert_eq!(sink.deliver(&batch(2)).await, Err(died(expected)), "case: {name}");
        assert_eq!(sink.flush().await, Err(died(Crash::Trap)), "nobody is there: {name}");
        sink.open(None).await.unwrap();
        assert!(sink.deliver(&batch(3)).await.is_ok(), "case: {name}");
    }
}

/// Attacks: 23, 24.
#[tokio::test]
async fn writers_are_bounded_and_leave_no_trace_when_the_guest_dies() {
    let cases = [
        (
            "opens writers until it may not",
            "(loop $l (call $begin) (br $l))",
            Crash::Limit(Limit::Handles),
        ),
        ("dies with a writer open", "(call $begin) unreachable", Crash::Trap),
    ];
    for (name, on_batch, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        let plugin = with_store(on_batch, dir.path(), &["lake"]).await;
        let mut sink = PluginSink::new(plugin, "e1".to_owned(), 0);
        sink.open(None).await.unwrap();
        assert_eq!(sink.deliver(&batch(1)).await, Err(died(expected)), "case: {name}");
        assert_eq!(files(dir.path()), Vec::<String>::new(), "case: {name}");
    }
}

#[tokio::test]
async fn only_granted_stores_can_be_written_to() {
    // Dies unless `create` says `unknown-store`.
    let on_batch = "(call $begin)
      (if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then (unreachable)))
      (if (i32.load8_u (i32.const 2052)) (then (unreachable)))";
    let dir = tempfile::tempdir().unwrap();
    let plugin = with_store(on_batch, dir.path(), &["sea"]).await;
    let mut sink = PluginSink::new(plugin, "e1".to_owned(), 0);
    sink.open(None).await.unwrap();
    assert!(sink.deliver(&batch(1)).await.is_ok());
}

/// Attacks: 2.
#[tokio::test]
async fn nothing_is_in_reach_before_the_settings_are_taken() {
    // Dies unless `create` says `unknown-store` while it is configured, and works afterwards.
    let guest = Guest {
        imports: CREATE,
        items: BEGIN,
        on_configure: "(call $begin)
          (if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then (unreachable)))
          (if (i32.load8_u (i32.const 2052)) (then (unreachable)))",
        on_batch: "(call $begin)
          (if (i32.load8_u (i32.const 2048)) (then (unreachable)))",
        ..Guest::new(Role::Sink)
    };
    let dir = tempfile::tempdir().unwrap();
    let ground = with_lake(dir.path(), &["lake"]);
    let sandbox = sandbox();
    let plugin = guest.asking("artifacts").load(&sandbox, ground).await.unwrap();
    let mut sink = PluginSink::new(plugin.clone(), "e1".to_owned(), 0);
    sink.open(None).await.unwrap();
    assert!(sink.deliver(&batch(1)).await.is_ok(), "it has its store then");
    let artifacts: Vec<_> = plugin.uses().take().into_iter().collect();
    let artifacts = artifacts.iter().filter(|of| of.interface == "artifacts");
    let told: Vec<_> =
        artifacts.map(|of| (of.name.as_str(), of.calls, of.refused)).collect();
    assert_eq!(told, [("", 0, 2), ("lake", 1, 0)], "refused at load and at the start");
}

/// Attacks: 43.
#[tokio::test]
async fn artifacts_that_fail_fill_no_log() {
    // Begins artifacts in a folder that is not there any more, a hundred times.
    let guest = Guest {
        imports: CREATE,
        items: BEGIN,
        on_batch: "(local.set $left (i32.const 100))
          (loop $l (call $begin)
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br_if $l (local.get $left)))",
        ..Guest::new(Role::Sink)
    };
    let dir = tempfile::tempdir().unwrap();
    let mut ground = with_lake(dir.path(), &["lake"]);
    ground.limits.cpu = Duration::from_secs(10);
    let sandbox = sandbox();
    let plugin = guest.asking("artifacts").load(&sandbox, ground).await.unwrap();
    fs_err::remove_dir_all(dir.path().join(".bulkhead-test")).unwrap();
    let mut sink = PluginSink::new(plugin.clone(), "e1".to_owned(), 0);
    sink.open(None).await.unwrap();
    let log = Log::default();
    {
        let _to = tracing::subscriber::set_default(log.clone());
        sink.deliver(&batch(1)).await.unwrap();
    }
    assert_eq!(log.warnings(), 1, "one kind of failure of one store");
    let counted = plugin.metrics().counters();
    assert_eq!(counted.get("artifact-not-written"), Some(&100));
}

/// Counts warnings.
#[derive(Clone, Default)]
struct Log(Arc<AtomicU64>);

impl Log {
    fn warnings(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, of: &tracing::Metadata<'_>) -> bool {
        *of.level() <= tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

const CREATE: &str = r#"(import "bulkhead:plugin/artifacts@0.1.0" "create"
    (func $create (param i32 i32 i32 i32 i32 i32 i32)))"#;

const BEGIN: &str = r#"(data (i32.const 4096) "lake")
  (func $begin (call $create (i32.const 4096) (i32.const 4) (i32.const 4096)
    (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 2048)))"#;

async fn with_store(on_batch: &'static str, dir: &Path, granted: &[&str]) -> Plugin {
    let guest =
        Guest { imports: CREATE, items: BEGIN, on_batch, ..Guest::new(Role::Sink) };
    let sandbox = sandbox();
    guest.asking("artifacts").load(&sandbox, with_lake(dir, granted)).await.unwrap()
}

/// A store `lake` in `dir`, and the grant of these.
fn with_lake(dir: &Path, granted: &[&str]) -> Ground {
    let mut ground = Ground::bare("lake");
    let granted = granted.iter().map(|name| (*name).to_owned()).collect();
    ground.grants = Grants { stores: granted, ..Grants::default() };
    let store = Store::open("lake", dir.to_str().unwrap(), "test").unwrap();
    ground.resources.stores = Stores::from_iter([Arc::new(store)]);
    ground
}

/// Every file below `dir`.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}

fn died(crash: Crash) -> SinkError {
    SinkError::Crashed { sink: "lake".to_owned(), crash }
}
