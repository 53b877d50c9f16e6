//! How children end: killed, with their parent, and lying; and that none is left.
//!
//! The tests look for children of this process, so they take turns.

#![cfg(target_os = "linux")]
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests say what they expect by failing, as tests do"
)]

#[path = "deaths/liars.rs"]
mod liars;

#[path = "live/guest.rs"]
#[expect(dead_code, reason = "shared with the tests of live guests, which use the rest")]
mod guest;

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bulkhead_model::Instant;
use bulkhead_pipeline::{Crash, Limit, Stage as _, StageError, Verdict};
use bulkhead_sandbox::{Children, Isolation, Limits, Plugin, PluginStage, Role, Sandbox};
use guest::{Ground, Guest, batch, children, tight};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::Mutex;

static TURN: Mutex<()> = Mutex::const_new(());

/// Asks for the time, twice, which is when the tests act.
const ASKS: &str = "(drop (call $wall)) (drop (call $wall))";

const CLOCK: &str =
    r#"(import "bulkhead:plugin/clock@0.1.0" "wall-ms" (func $wall (result i64)))"#;

/// Attacks: 26.
#[tokio::test]
async fn a_child_that_is_killed_in_mid_batch_costs_that_batch_and_no_other() {
    let _turn = TURN.lock().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    // The host asks once before each batch, for its budget, once more where a guest had to
    // start for it, and once after a death; the guest twice in each batch. The sixth time is in
    // the middle of the second batch.
    let on_time = move || {
        if counted.fetch_add(1, Ordering::Relaxed) == 5 {
            for child in children_of(std::process::id()) {
                kill_process(child, Signal::KILL).unwrap();
            }
        }
    };
    let plugin = asking_for_the_time(ASKS, tight(), on_time).await;
    let mut stage = PluginStage::new(plugin);
    let passes = Ok(vec![Verdict::Keep; 2]);
    assert_eq!(stage.judge(&batch(2)).await, passes);
    let crashed = StageError::Crashed { stage: "a".to_owned(), crash: Crash::Trap };
    assert_eq!(stage.judge(&batch(2)).await, Err(crashed));
    assert_eq!(stage.judge(&batch(2)).await, passes, "handed over once more");
    assert_eq!(asked.load(Ordering::Relaxed), 11);
    assert_eq!(children_of(std::process::id()).len(), 1);
    drop(stage);
    assert_eq!(children_of(std::process::id()), Vec::new(), "nor a zombie");
}

/// Attacks: 1, 12.
#[tokio::test]
async fn a_child_that_is_late_is_killed_and_one_that_is_dropped_in_mid_call_too() {
    let _turn = TURN.lock().await;
    let spins = "(drop (call $wall)) (loop $l (br $l))";
    let limits =
        Limits { call: Duration::from_secs(2), cpu: Duration::from_mins(10), ..tight() };
    let plugin = asking_for_the_time(spins, limits, || {}).await;
    let mut stage = PluginStage::new(plugin);
    let late =
        StageError::Crashed { stage: "a".to_owned(), crash: Crash::Limit(Limit::Call) };
    assert_eq!(stage.judge(&batch(1)).await, Err(late));
    assert_eq!(children_of(std::process::id()), Vec::new());
    let records = batch(1);
    tokio::select! {
        biased;
        judged = stage.judge(&records) => panic!("it ended: {judged:?}"),
        () = until(|| !children_of(std::process::id()).is_empty()) => {}
    }
    drop(stage);
    // It may have been dropped before it was handed over; then the thread that starts
    // children ends it.
    let none = until(|| children_of(std::process::id()).is_empty());
    assert!(tokio::time::timeout(Duration::from_mins(1), none).await.is_ok());
}

#[tokio::test]
async fn a_child_dies_with_its_parent() {
    let _turn = TURN.lock().await;
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_parent_for_another_test", "--nocapture"])
        .env(PARENT, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(parent.stdout.take().unwrap()).lines();
    let child = told.find_map(|line| Some(line.unwrap().split_once(SPINS)?.1.to_owned()));
    let child: u32 = child.unwrap().parse().unwrap();
    assert!(is_alive(child));
    // One that still waits for an answer ends with its socket.
    let before = computed(child);
    until(|| computed(child) > before + 10).await;
    parent.kill().unwrap();
    parent.wait().unwrap();
    let gone = until(|| !is_alive(child));
    let gone = tokio::time::timeout(Duration::from_mins(1), gone).await;
    assert!(gone.is_ok(), "the child spins on");
}

const PARENT: &str = "BULKHEAD_TEST_PARENT";
const SPINS: &str = "a child spins: ";

/// Does nothing, but when the test above has started it.
#[tokio::test]
async fn a_parent_for_another_test() {
    if std::env::var_os(PARENT).is_none() {
        return;
    }
    let spins = "(drop (call $wall)) (loop $l (br $l))";
    let limits =
        Limits { call: Duration::from_mins(10), cpu: Duration::from_mins(10), ..tight() };
    let tell = || {
        for child in children_of(std::process::id()) {
            println!("\n{SPINS}{}", child.as_raw_nonzero());
        }
    };
    let plugin = asking_for_the_time(spins, limits, tell).await;
    let judged = PluginStage::new(plugin).judge(&batch(1)).await;
    panic!("it ended: {judged:?}");
}

#[tokio::test]
async fn a_machine_without_room_for_a_process_is_no_records_fault() {
    let _turn = TURN.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("child");
    let real = env!("CARGO_BIN_EXE_sandbox-child");
    fs_err::os::unix::fs::symlink(real, &program).unwrap();
    let sandbox = Sandbox::new(None)
        .unwrap()
        .with_children(Children::of_program(&program, &[]).unwrap())
        .isolating(Isolation::Process);
    let plugin = Guest::new(Role::Filter).load(&sandbox, Ground::bare("a")).await;
    let mut stage = PluginStage::new(plugin.unwrap());
    fs_err::remove_file(&program).unwrap();
    let (name, code) = ("a".to_owned(), "no-process".to_owned());
    let again = StageError::Retryable { stage: name, code, after: None };
    assert_eq!(stage.judge(&batch(1)).await, Err(again));
    fs_err::os::unix::fs::symlink(real, &program).unwrap();
    assert_eq!(stage.judge(&batch(1)).await, Ok(vec![Verdict::Keep]));
}

/// Attacks: 17, 22.
#[tokio::test]
async fn a_child_that_was_taken_over_gets_nothing_that_was_not_granted() {
    let _turn = TURN.lock().await;
    // A filter's `{keep: all, rejects: []}`, and what a child could say in its place. An answer
    // and a death end with what they took: nine bytes of zero.
    let (said, died) = (
        |answer: &[u8]| [b"\0", answer, &[0; 9]].concat(),
        |crash: &[u8]| [b"\x02", crash, &[0; 9]].concat(),
    );
    let memory = Crash::Limit(Limit::Memory);
    let bodies = b"\x01\x02\0\0\0\0\0\0\0\0\x01\0\0\0";
    let changes = b"\x00\x01\0\0\0\0\0\0\0\0";
    let cases: [(&str, Vec<u8>, Result<Verdict, Crash>); 10] = [
        ("as it should", said(b"\x04\x01\0\0\0\0\0"), Ok(Verdict::Keep)),
        ("asks for bodies", bodies.to_vec(), Err(Crash::Trap)),
        ("asks for the state", b"\x01\x0f\x01\0\0\0k".to_vec(), Err(Crash::Trap)),
        (
            "asks for a batch it has not",
            b"\x01\0\x07\x63\0\0\0".to_vec(),
            Err(Crash::Trap),
        ),
        ("drops a writer it has not", b"\x01\x08\0\0\0\0".to_vec(), Err(Crash::Trap)),
        ("answers another call", said(b"\x05\x01"), Err(Crash::Contract)),
        ("answers as another role", said(changes), Err(Crash::Contract)),
        ("says it has started", STARTED.to_vec(), Err(Crash::Contract)),
        ("says more than a value", said(b"\x04\x01\0\0\0\0\0\0"), Err(Crash::Contract)),
        ("dies of what it likes", died(b"\x01\x0a"), Err(memory)),
    ];
    let guest = Guest::new(Role::Filter);
    for (name, answer, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        says(dir.path(), &guest.manifest.to_string(), &frame(&answer));
        let sandbox = Sandbox::new(None).unwrap().with_children(liar(dir.path()));
        let sandbox = sandbox.isolating(Isolation::Process);
        let plugin = guest.clone().load(&sandbox, Ground::bare("a")).await;
        let verdicts = PluginStage::new(plugin.unwrap()).judge(&batch(1)).await;
        let crashed = |crash| StageError::Crashed { stage: "a".to_owned(), crash };
        let expected = expected.map(|verdict| vec![verdict]).map_err(crashed);
        assert_eq!(verdicts, expected, "case: {name}");
    }
    assert_eq!(children_of(std::process::id()), Vec::new());
}

/// That the guest is there, and that its start took nothing.
const STARTED: &[u8] = b"\x03\0\0\0\0\0\0\0\0\0";

/// Lays down what children say: that the walls are up and the guest has started; then the first
/// its manifest, the others that they are configured, and `more`.
fn says(dir: &Path, manifest: &str, more: &[u8]) {
    let begun = [frame(b"\x01\x01\x07\0\0\0\x01"), frame(STARTED)].concat();
    let len = u32::try_from(manifest.len()).unwrap().to_le_bytes();
    let told = frame(&[b"\x04", len.as_slice(), manifest.as_bytes()].concat());
    let configured = frame(b"\0\x03\x01\0\0\0\0\0\0\0\0\0");
    // It is asked twice.
    let describes = [begun.clone(), told.clone(), told].concat();
    fs_err::write(dir.join("describes"), describes).unwrap();
    fs_err::write(dir.join("judges"), [&begun, &configured, more].concat()).unwrap();
}

/// Children that compile as they should, and say what lies in `dir`: first `describes`, later
/// `judges`. They tell their outputs and environment; what they are told they keep, each in a file
/// of its own, unless there is `spins`.
fn liar(dir: &Path) -> Children {
    let script = format!(
        "if [ \"$1\" = compile ]; then exec {compiler} compile; fi\n\
         if mkdir {dir}/first; then cat {dir}/describes >&0; else cat {dir}/judges >&0; fi\n\
         outputs=\"$(readlink /proc/$$/fd/1) $(readlink /proc/$$/fd/2)\"\n\
         echo \"$outputs\" > {dir}/$$.outputs\n\
         cat /proc/$$/environ > {dir}/$$.environment\n\
         if [ -e {dir}/spins ]; then while :; do :; done; fi\n\
         exec cat > {dir}/$$.told",
        compiler = env!("CARGO_BIN_EXE_sandbox-child"),
        dir = dir.display(),
    );
    Children::of_program("/bin/sh", &["-c", &script, "sh"]).unwrap()
}

fn frame(body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap();
    [&len.to_le_bytes(), body].concat()
}

/// A transform in a process of its own that asks for the time at `on_batch`.
async fn asking_for_the_time(
    on_batch: &'static str,
    limits: Limits,
    on_time: impl Fn() + Send + Sync + 'static,
) -> Plugin {
    let sandbox = Sandbox::new(None).unwrap().with_children(children());
    let mut ground = Ground { limits, ..Ground::bare("a") };
    ground.grants.clock = true;
    ground.resources.now = Arc::new(move || {
        on_time();
        Instant::from_unix_ms(0)
    });
    let guest = Guest::transform("clock", CLOCK, on_batch);
    guest.load(&sandbox.isolating(Isolation::Process), ground).await.unwrap()
}

/// Children of a process, zombies among them.
fn children_of(process: u32) -> Vec<Pid> {
    let mut children = Vec::new();
    for task in fs_err::read_dir(format!("/proc/{process}/task")).unwrap() {
        // A thread may be gone again.
        let of_task = fs_err::read_to_string(task.unwrap().path().join("children"));
        let of_task = of_task.unwrap_or_default();
        let pids = of_task.split_whitespace().map(|pid| pid.parse().unwrap());
        children.extend(pids.filter_map(Pid::from_raw));
    }
    children
}

/// Whether a process runs: it is there, and not only waiting for whoever inherited it to look.
fn is_alive(process: u32) -> bool {
    let status = fs_err::read_to_string(format!("/proc/{process}/status"));
    let status = status.unwrap_or_default();
    let state = status.lines().find_map(|line| line.strip_prefix("State:\t"));
    state.is_some_and(|state| !state.starts_with(['Z', 'X']))
}

/// Processor time that a process has used by itself, in hundredths of a second.
fn computed(process: u32) -> u64 {
    let stat = fs_err::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name before it may hold blanks.
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    fields.split(' ').nth(11).unwrap().parse().unwrap()
}

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::task::yield_now().await;
    }
}
