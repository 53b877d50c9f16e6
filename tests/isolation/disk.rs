//! A disk that is full in the middle of a file, for the honest sink and for hostile ones.
//!
//! The kernel plays it: a process that may write no file beyond a size gets an error from
//! `write`, as on a full disk. That cannot be undone, so it is done to a child.

use std::{io::Write as _, process::Command, sync::Arc};

use bulkhead_egress::{Store, Stores};
use bulkhead_sandbox::{Isolation, Limits, Package, Plugin, PluginSink, Sandbox};
use bulkhead_tests::plugin;
use serde_json::json;

use crate::{
    beside,
    ground::{Tree, blocks, lane, resources, tree},
};

/// Says to the child that it is the child, and where to write.
const CHILD: &str = "BULKHEAD_TEST_FULL_DISK";

/// What the child says when all was as it must be.
const DONE: &str = "the disk was full, and nothing is there";

/// Attacks: 39.
#[test]
fn a_full_disk_is_an_error_and_no_file() {
    on_a_full_disk("disk::the_child_of_an_honest_sink");
}

/// Attacks: 39.
#[test]
fn guests_that_fill_the_disk_end_alone() {
    on_a_full_disk("disk::the_child_of_hostile_guests");
}

/// Runs a test of this file in a child.
fn on_a_full_disk(test: &str) {
    let folder = tempfile::tempdir().unwrap();
    let own = std::env::current_exe().unwrap();
    // 4,096 blocks of 512 or 1,024 bytes a file, whatever the shell. The signal that would end the
    // process is ignored.
    let script = "trap '' XFSZ; ulimit -f 4096; exec \"$0\" --exact --nocapture \"$1\"";
    let mut child = Command::new("sh");
    child.args(["-c", script]).arg(own).arg(test).env(CHILD, folder.path());
    let ended = child.output().unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{out}\n{err}");
    assert!(out.contains(DONE), "{out}");
}

/// Does nothing unless the test above says so.
#[tokio::test]
async fn the_child_of_hostile_guests() {
    if std::env::var_os(CHILD).is_some() {
        for isolation in [Isolation::InProcess, Isolation::Process] {
            beside::every("disk", isolation).await;
        }
        writeln!(std::io::stdout(), "{DONE}").unwrap();
    }
}

/// Does nothing unless the test above says so.
#[tokio::test]
async fn the_child_of_an_honest_sink() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let store = Store::open("lake", folder.to_str().unwrap(), "test").unwrap();
    let (sandbox, package) =
        (Sandbox::new(None).unwrap(), Package::read(&plugin("files_sink")).unwrap());
    let sink = Plugin::load(
        &sandbox,
        &package,
        "files",
        &json!({ "store": "lake", "compression": "none" }),
        serde_json::from_value(json!({ "stores": ["lake"] })).unwrap(),
        Limits::default(),
        resources(Stores::from_iter([Arc::new(store)]), None),
    )
    .await;
    let sink = PluginSink::new(sink.unwrap(), "e1".to_owned(), 0);
    let mut lane = lane(Vec::new(), Box::new(sink));
    lane.open().await.unwrap();
    let record = |at: usize| {
        let long = "x".repeat(1000);
        json!({ "resourceType": "Basic", "id": at.to_string(), "language": long })
    };
    let mut failed = None;
    for block in blocks((0..10_000).map(record), 500) {
        failed = lane.take(&block).await.err();
        if failed.is_some() {
            break;
        }
    }
    let failed = match failed {
        Some(error) => error.to_string(),
        None => lane.finish().await.unwrap_err().to_string(),
    };
    assert_eq!(failed, "delivering to the sink");
    let there = tree(folder.as_ref());
    let visible: Tree =
        there.into_iter().filter(|(name, _)| !name.starts_with(".bulkhead-")).collect();
    assert_eq!(visible, Tree::new(), "half a file is visible");
    writeln!(std::io::stdout(), "{DONE}").unwrap();
}
