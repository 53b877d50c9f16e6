//! A process that is killed while it writes keeps every batch it called durable, and no half.
//!
//! The test runs this test binary again as the victim, as `crash.rs` beside it does.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _, stdout},
    path::Path,
    process::{Command, Stdio},
};

use super::*;

/// Faults: F23.
#[test]
fn committed_batches_survive_a_kill_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("delivered");
    let mut durable = 0;
    for round in 1..=3 {
        let mut victim = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "delivered::crash::victim_commits_until_killed",
                "--nocapture",
            ])
            .env(VICTIM, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = 0;
        for line in BufReader::new(victim.stdout.take().unwrap()).lines() {
            let Ok(line) = line else { break };
            let Some((_, number)) = line.split_once(WORD) else { continue };
            said = number.parse().unwrap();
            if said == durable + 15 * round {
                victim.kill().unwrap();
            }
        }
        victim.wait().unwrap();
        assert!(said >= durable + 15 * round, "the victim got as far as it was let");

        let delivered = Delivered::open(&path).unwrap();
        let found = delivered.count(None).unwrap();
        assert_eq!(found % BATCH, 0, "a batch is there in part");
        durable = found / BATCH;
        // The kill may fall between a commit and its word, and that is all.
        assert!((said..=said + 1).contains(&durable), "said {said}, found {durable}");
        for batch in 0..durable {
            let lines = batch * BATCH..(batch + 1) * BATCH;
            let (keys, entries): (Vec<_>, Vec<_>) =
                observations(lines).into_iter().unzip();
            let found = delivered.get_many(&keys).unwrap();
            assert!(found.into_iter().eq(entries.into_iter().map(Some)), "batch {batch}");
        }
    }
}

/// Does nothing unless the test above runs it.
#[test]
fn victim_commits_until_killed() {
    let Ok(path) = env::var(VICTIM) else { return };
    // A small write buffer: kills fall into sorting and merging too.
    let bounds =
        Bounds { write_buffer: 256 << 10, journal: 1 << 20, ..Bounds::default() };
    let delivered = Delivered::open_within(Path::new(&path), &bounds).unwrap();
    let first = delivered.count(None).unwrap() / BATCH;
    // Ends by itself should the parent be gone.
    for batch in first..first + 10_000 {
        delivered.commit(&observations(batch * BATCH..(batch + 1) * BATCH)).unwrap();
        let mut out = stdout().lock();
        writeln!(out, "{WORD}{}", batch + 1).and_then(|()| out.flush()).unwrap();
    }
}

/// Entries of one batch.
const BATCH: u64 = 500;

const VICTIM: &str = "BULKHEAD_TEST_DELIVERED";
const WORD: &str = "durable batches: ";
