//! That the walls around a child bind: prisoners (`src/bin/prisoner.rs`) put them up around
//! themselves and try everything.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests say what they expect by failing, as tests do"
)]

use std::{
    io::{BufRead as _, BufReader, Read as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::Command,
};

/// Attacks: 11, 38, 41.
#[test]
fn nothing_is_left_to_a_guest_but_to_compute() {
    assert_eq!(told("runs"), expected("thread: refused"));
}

/// Attacks: 11.
#[test]
fn a_compiler_has_threads_and_nothing_else_besides() {
    assert_eq!(told("compiles"), expected("thread: done"));
}

/// Attacks: 38.
#[test]
fn landlock_holds_by_itself() {
    assert_eq!(told("without-files"), "folder: refused\nlink: refused\n");
}

/// Attacks: 11, 39, 41.
#[test]
fn what_the_kernel_counts_of_a_child_is_bounded() {
    // Processor time of a guest is given call by call, by the parent.
    let cases =
        [("bounded-compiles", "30", None), ("bounded-runs", "unlimited", Some("0"))];
    for (kind, seconds, processes) in cases {
        let (ours, theirs) = UnixStream::pair().unwrap();
        // On a machine that keeps cores, where it may.
        let dumps = "ulimit -c unlimited 2> /dev/null; exec \"$0\" \"$1\"";
        let mut child = Command::new("/bin/sh")
            .args(["-c", dumps, env!("CARGO_BIN_EXE_sandbox-prisoner"), kind])
            .stdin(OwnedFd::from(theirs))
            .spawn()
            .unwrap();
        let mut told = String::new();
        BufReader::new(&ours).read_line(&mut told).unwrap();
        let limits = fs_err::read_to_string(format!("/proc/{}/limits", child.id()));
        drop(ours);
        assert!(child.wait().unwrap().success(), "{kind}");
        assert_eq!(told, "NotDumpable\n", "{kind}: nobody may trace it");
        let limits = limits.unwrap();
        let most = |name: &str| {
            let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().to_owned()
        };
        assert_eq!(most("Max cpu time"), seconds, "{kind}");
        for name in ["Max file size", "Max core file size", "Max open files"] {
            assert_eq!(most(name), "0", "{kind}: {name}");
        }
        if let Some(processes) = processes {
            assert_eq!(most("Max processes"), processes, "{kind}");
        }
    }
}

fn expected(thread: &str) -> String {
    let refused = [
        "file",
        "socket",
        "program",
        "executable memory",
        "memory made executable",
        "shared memory",
        "a file in memory",
        "another descriptor",
        "standard error",
        "tracing",
        "signal to the parent",
        "signal to a thread of it",
        "a new process",
        "more memory than it may",
    ];
    let mut lines: Vec<String> =
        refused.iter().map(|name| format!("{name}: refused")).collect();
    lines.push(thread.to_owned());
    lines.push("memory: done".to_owned());
    lines.push("calls left: none".to_owned());
    lines.join("\n") + "\n"
}

/// What a prisoner of that kind tells.
fn told(kind: &str) -> String {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sandbox-prisoner"))
        .arg(kind)
        .stdin(OwnedFd::from(theirs))
        .spawn()
        .unwrap();
    let mut told = String::new();
    ours.read_to_string(&mut told).unwrap();
    assert!(child.wait().unwrap().success(), "{kind}: {told}");
    told
}
