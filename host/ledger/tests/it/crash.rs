//! A process that is killed while it writes leaves a true ledger.
//!
//! The test runs this test binary again as the victim: it checkpoints line after line and
//! says each line once it is durable, until it is killed in the middle of the next.

use std::{
    env,
    io::{self, BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
};

use bulkhead_ledger::{FileState, Ledger, Phase};
use rusqlite::Connection;

use super::*;

/// Faults: F38.
#[test]
fn what_was_said_to_be_durable_survives_a_kill() {
    let Fixture { ledger, directory } = Fixture::under_way();
    drop(ledger);
    let path = directory.path().join("ledger.db");
    let mut durable = 0;
    for round in 1..=4 {
        let mut victim = Command::new(env::current_exe().unwrap())
            .args(["--exact", "crash::victim_checkpoints_until_killed", "--nocapture"])
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
            if said == durable + 20 * round {
                victim.kill().unwrap();
            }
        }
        victim.wait().unwrap();
        assert!(said >= durable + 20 * round, "the victim got as far as it was let");

        let check = Connection::open(&path).unwrap();
        let integrity: String =
            check.pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
        assert_eq!(integrity, "ok");
        drop(check);

        let ledger = Ledger::open(&path).unwrap();
        drop(ledger.lock().unwrap());
        assert_eq!(ledger.export(&id("e1")).unwrap().unwrap().phase, Phase::Manifested);
        let file = ledger.files(&id("e1")).unwrap().remove(0);
        assert_eq!(file.state, FileState::Open);
        let checkpoint = file.checkpoint.unwrap();
        // The kill may fall between a commit and its word, and that is all.
        assert!((said..=said + 1).contains(&checkpoint.durable_through));
        durable = checkpoint.durable_through;
        assert_eq!(
            checkpoint,
            through(durable),
            "token, hash and tally are of that line"
        );
        let lines: Vec<_> = ledger
            .quarantined(&id("e1"))
            .unwrap()
            .iter()
            .map(|entry| entry.line)
            .collect();
        assert_eq!(lines, (1..=durable).collect::<Vec<_>>(), "so are the entries");
    }
}

/// Not a test of its own: does nothing unless the test above calls it.
#[test]
fn victim_checkpoints_until_killed() {
    let Some(path) = env::var_os(VICTIM) else { return };
    let ledger = Ledger::open(path).unwrap();
    let _lock = ledger.lock().unwrap();
    let file = ledger.files(&id("e1")).unwrap().remove(0);
    let durable = file.checkpoint.map_or(0, |checkpoint| checkpoint.durable_through);
    // Ends by itself should the parent be gone.
    for line in durable + 1..durable + 100_000 {
        ledger.checkpoint(&id("e1"), 0, &through(line), &[refused(0, line)]).unwrap();
        let mut out = io::stdout().lock();
        writeln!(out, "{WORD}{line}").and_then(|()| out.flush()).unwrap();
    }
}

const VICTIM: &str = "BULKHEAD_LEDGER_VICTIM";
const WORD: &str = "durable through ";
