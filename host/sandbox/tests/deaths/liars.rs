//! Children that were taken over: what they are told, what they may ask for, and that the kernel
//! ends them.

use std::{path::Path, sync::Arc, time::Duration};

use bulkhead_egress::{Store, Stores};
use bulkhead_pipeline::{Crash, Limit, Sink as _, SinkError, Stage as _, StageError};
use bulkhead_sandbox::{
    Error, Isolation, Limits, PluginSink, PluginStage, Role, Sandbox,
};

use super::{ASKS, CLOCK, STARTED, TURN, frame, liar, says};
use crate::guest::{Ground, Guest, batch, tight};

/// Attacks: 22, 23.
#[tokio::test]
async fn a_child_that_was_taken_over_has_no_more_handles_than_its_guest() {
    let _turn = TURN.lock().await;
    // Its engine, which counts a guest's own handles, is not to be trusted any more. `create` of
    // `x` in `lake`, as often as that; then it takes everything.
    let create = frame(b"\x01\x07\x04\0\0\0lake\x01\0\0\0x\0\0");
    let receipt = frame(b"\0\x06\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    let limits = tight();
    let full =
        SinkError::Crashed { sink: "a".to_owned(), crash: Crash::Limit(Limit::Handles) };
    // One handle is the batch's.
    let cases = [("few", limits.handles - 1, None), ("many", limits.handles, Some(full))];
    let guest = Guest::new(Role::Sink).asking("artifacts");
    for (name, count, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        let opened = frame(b"\0\x05\x01\0\0\0\0\0\0\0\0\0");
        let said = [opened, create.repeat(count), receipt.clone()].concat();
        says(dir.path(), &guest.manifest.to_string(), &said);
        let sandbox = Sandbox::new(None).unwrap().with_children(liar(dir.path()));
        let mut ground = Ground { limits, ..Ground::bare("a") };
        ground.grants.stores = vec!["lake".to_owned()];
        let lake = dir.path().join("lake");
        let store = Store::open("lake", lake.to_str().unwrap(), "test").unwrap();
        ground.resources.stores = Stores::from_iter([Arc::new(store)]);
        let guest = Guest { imports: WRITER, ..guest.clone() };
        let plugin = guest.load(&sandbox.isolating(Isolation::Process), ground).await;
        let mut sink = PluginSink::new(plugin.unwrap(), "e1".to_owned(), 0);
        sink.open(None).await.unwrap();
        assert_eq!(sink.deliver(&batch(1)).await.err(), expected, "case: {name}");
    }
}

const WRITER: &str = r#"(import "bulkhead:plugin/artifacts@0.1.0" "[resource-drop]writer"
    (func (param i32)))"#;

/// Attacks: 47.
#[tokio::test]
async fn a_child_is_told_of_granted_interfaces_alone() {
    let _turn = TURN.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let guest = Guest::transform("clock", CLOCK, ASKS);
    says(dir.path(), &guest.manifest.to_string(), b"");
    let sandbox = Sandbox::new(None).unwrap().with_children(liar(dir.path()));
    let mut ground = Ground::bare("a");
    ground.grants.clock = true;
    let plugin = guest.load(&sandbox.isolating(Isolation::Process), ground).await;
    let mut stage = PluginStage::new(plugin.unwrap());
    // The child that says nothing of the batch lives until its list was read.
    let records = batch(1);
    let count = tokio::select! {
        biased;
        judged = stage.judge(&records) => panic!("it ended: {judged:?}"),
        count = eventually(|| listed_before_clock(dir.path())) => count,
    };
    assert_eq!(count, [1, 0, 0, 0], "a list of one");
}

/// Attacks: 16, 22.
#[tokio::test]
async fn a_child_that_answers_another_call_is_never_taken_for_configured() {
    let _turn = TURN.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let guest = Guest::new(Role::Filter);
    says(dir.path(), &guest.manifest.to_string(), b"");
    // That it is there; then the answer to `open`.
    let done = frame(b"\0\x05\x01\0\0\0\0\0\0\0\0\0");
    let begun = [frame(b"\x01\x01\x07\0\0\0\x01"), frame(STARTED), done].concat();
    fs_err::write(dir.path().join("judges"), begun).unwrap();
    let sandbox = Sandbox::new(None).unwrap().with_children(liar(dir.path()));
    let sandbox = sandbox.isolating(Isolation::Process);
    let loaded = guest.load(&sandbox, Ground::bare("a")).await;
    assert!(matches!(loaded.err(), Some(Error::Died { crash: Crash::Contract })));
}

/// Attacks: 41.
#[tokio::test]
async fn a_child_has_neither_environment_nor_outputs() {
    let _turn = TURN.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let guest = Guest::new(Role::Filter);
    says(dir.path(), &guest.manifest.to_string(), b"");
    let sandbox = Sandbox::new(None).unwrap().with_children(liar(dir.path()));
    let sandbox = sandbox.isolating(Isolation::Process);
    let plugin = guest.load(&sandbox, Ground::bare("a")).await;
    let mut stage = PluginStage::new(plugin.unwrap());
    let records = batch(1);
    let environment = tokio::select! {
        biased;
        judged = stage.judge(&records) => panic!("it ended: {judged:?}"),
        all = eventually(|| {
            files(dir.path(), "environment").into_iter().find(|all| !all.is_empty())
        }) => all,
    };
    // The one that is for its allocator.
    assert_eq!(String::from_utf8_lossy(&environment), "MIMALLOC_ARENA_RESERVE=65536\0");
    let mut outputs = files(dir.path(), "outputs");
    // One that was ended early may have told nothing.
    outputs.retain(|outputs| !outputs.is_empty());
    assert!(!outputs.is_empty());
    for outputs in outputs {
        assert_eq!(String::from_utf8_lossy(&outputs), "/dev/null /dev/null\n");
    }
}

/// Attacks: 1, 11.
#[tokio::test]
async fn a_child_that_computes_behind_its_engines_back_is_ended_by_the_kernel() {
    let _turn = TURN.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let guest = Guest::new(Role::Filter);
    says(dir.path(), &guest.manifest.to_string(), b"");
    fs_err::write(dir.path().join("spins"), "").unwrap();
    let sandbox = Sandbox::new(None).unwrap().with_children(liar(dir.path()));
    let limits = Limits { call: Duration::from_mins(2), ..tight() };
    let ground = Ground { limits, ..Ground::bare("a") };
    let plugin = guest.load(&sandbox.isolating(Isolation::Process), ground).await;
    let ended = PluginStage::new(plugin.unwrap()).judge(&batch(1)).await;
    let (stage, crash) = ("a".to_owned(), Crash::Limit(Limit::Cpu));
    assert_eq!(ended, Err(StageError::Crashed { stage, crash }));
}

async fn eventually<T>(look: impl Fn() -> Option<T>) -> T {
    loop {
        if let Some(found) = look() {
            return found;
        }
        tokio::task::yield_now().await;
    }
}

/// Of what children were told, the four bytes before `clock`, which are the length of a list
/// when nothing stands in it before that.
fn listed_before_clock(dir: &Path) -> Option<Vec<u8>> {
    let clock = b"\x05\0\0\0clock";
    files(dir, "told").into_iter().find_map(|told| {
        let at = told.windows(clock.len()).position(|window| window == clock)?;
        Some(told[at - 4..at].to_vec())
    })
}

/// The files in `dir` with that ending.
fn files(dir: &Path, ending: &str) -> Vec<Vec<u8>> {
    let entries = fs_err::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let own = entries.filter(|path| path.extension().is_some_and(|end| end == ending));
    own.map(|path| fs_err::read(path).unwrap()).collect()
}
