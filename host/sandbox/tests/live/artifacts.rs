//! What a sink may write is counted, a file and a run, however often its guests die.

use std::sync::Arc;

use bulkhead_egress::{Store, Stores};
use bulkhead_model::ByteSize;
use bulkhead_pipeline::{Crash, Limit, Sink as _, SinkError};
use bulkhead_sandbox::{Grants, Limits, PluginSink, Role, Sandbox};

use crate::guest::{Ground, Guest, batch, tight};

/// Attacks: 39.
#[tokio::test]
async fn artifacts_are_counted_and_weighed() {
    let three = "(call $begin) (call $begin) (call $begin) unreachable";
    let eleven = "
      (call $begin)
      (call $write (i32.load (i32.const 2052)) (i32.const 4096) (i32.const 11)
        (i32.const 2048))
      unreachable";
    let died = |limit| SinkError::Crashed {
        sink: "lake".to_owned(),
        crash: Crash::Limit(limit),
    };
    let spent = |limit| SinkError::Spent { sink: "lake".to_owned(), limit };
    let ten = ByteSize::from_bytes(10);
    let cases = [
        (
            "artifacts of a file",
            three,
            Limits { artifacts: 2, ..tight() },
            died(Limit::Artifacts),
        ),
        (
            "bytes of a file",
            eleven,
            Limits { artifact_bytes: ten, ..tight() },
            died(Limit::ArtifactBytes),
        ),
        (
            "artifacts of a run",
            three,
            Limits { run_artifacts: 2, ..tight() },
            spent(Limit::RunArtifacts),
        ),
        (
            "bytes of a run",
            eleven,
            Limits { run_artifact_bytes: ten, ..tight() },
            spent(Limit::RunArtifactBytes),
        ),
    ];
    let sandbox = Sandbox::new(None).unwrap();
    for (name, on_batch, limits, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open("lake", dir.path().to_str().unwrap(), "test").unwrap();
        let guest = Guest {
            imports: r#"
              (import "bulkhead:plugin/artifacts@0.1.0" "create"
                (func $create (param i32 i32 i32 i32 i32 i32 i32)))
              (import "bulkhead:plugin/artifacts@0.1.0" "[method]writer.write"
                (func $write (param i32 i32 i32 i32)))"#,
            items: r#"(data (i32.const 4096) "lake and more")
              (func $begin (call $create (i32.const 4096) (i32.const 4) (i32.const 4096)
                (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 2048)))"#,
            on_batch,
            ..Guest::new(Role::Sink)
        }
        .asking("artifacts");
        let granted = Grants { stores: vec!["lake".to_owned()], ..Grants::default() };
        let mut ground = Ground::bare("lake").granting(granted);
        ground.limits = limits;
        ground.resources.stores = Stores::from_iter([Arc::new(store)]);
        let plugin = guest.load(&sandbox, ground).await.unwrap();
        let mut sink = PluginSink::new(plugin, "e1".to_owned(), 0);
        sink.open(None).await.unwrap();
        assert_eq!(sink.deliver(&batch(1)).await, Err(expected), "case: {name}");
    }
}

/// Attacks: 26, 39.
#[tokio::test]
async fn a_sink_that_dies_does_not_have_its_file_anew() {
    // Begins one file a batch and dies; two are allowed.
    let guest = Guest {
        imports: r#"
          (import "bulkhead:plugin/artifacts@0.1.0" "create"
            (func $create (param i32 i32 i32 i32 i32 i32 i32)))"#,
        items: r#"(data (i32.const 4096) "lake")"#,
        on_batch: "(call $create (i32.const 4096) (i32.const 4) (i32.const 4096)
            (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 2048))
          unreachable",
        ..Guest::new(Role::Sink)
    }
    .asking("artifacts");
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open("lake", dir.path().to_str().unwrap(), "test").unwrap();
    let granted = Grants { stores: vec!["lake".to_owned()], ..Grants::default() };
    let mut ground = Ground::bare("lake").granting(granted);
    ground.limits = Limits { artifacts: 2, ..tight() };
    ground.resources.stores = Stores::from_iter([Arc::new(store)]);
    let sandbox = Sandbox::new(None).unwrap();
    let plugin = guest.load(&sandbox, ground).await.unwrap();
    let died = |crash| SinkError::Crashed { sink: "lake".to_owned(), crash };
    // name, file, how the guest ends, each in a lane of its own
    let cases = [
        ("the first try", 0, Crash::Trap),
        ("the second", 0, Crash::Trap),
        ("the third", 0, Crash::Limit(Limit::Artifacts)),
        ("another file", 1, Crash::Trap),
    ];
    for (name, file, expected) in cases {
        let mut sink = PluginSink::new(plugin.clone(), "e1".to_owned(), file);
        sink.open(None).await.unwrap();
        assert_eq!(sink.deliver(&batch(1)).await, Err(died(expected)), "case: {name}");
    }
}
