//! Several connections and threads on one ledger.

use std::thread;

use bulkhead_ledger::{Error, FileState, Ledger};

use super::*;

#[test]
fn reads_while_another_writes() {
    let Fixture { ledger, directory } = Fixture::under_way();
    let path = directory.path().join("ledger.db");
    let reader = Ledger::open_read_only(&path).unwrap();
    let writer = thread::spawn(move || {
        for line in 1..=200 {
            ledger.checkpoint(&id("e1"), 0, &through(line), &[refused(0, line)]).unwrap();
        }
        ledger.close_file(&id("e1"), 0, &through(200), &[]).unwrap();
    });
    let mut last = 0;
    loop {
        let file = reader.files(&id("e1")).unwrap().remove(0);
        let line = file.checkpoint.map_or(0, |checkpoint| checkpoint.durable_through);
        let entries = column_of_lines(&reader);
        assert!(line >= last, "a reader never sees a checkpoint go back");
        assert!(entries >= line, "entries are there as soon as their checkpoint is");
        last = line;
        if file.state == FileState::Closed || writer.is_finished() {
            break;
        }
    }
    writer.join().unwrap();
    assert_eq!(reader.files(&id("e1")).unwrap()[0].checkpoint, Some(through(200)));
    let refusal = reader.abandon(&id("e1"), "x", at(1)).unwrap_err();
    assert!(matches!(refusal, Error::ReadOnly { .. }), "{refusal:?}");
}

#[test]
fn clones_write_from_several_threads() {
    let Fixture { ledger, directory } = Fixture::under_way();
    let second = Ledger::open(directory.path().join("ledger.db")).unwrap();
    thread::scope(|scope| {
        for (file, ledger) in [(0, ledger.clone()), (1, ledger.clone()), (2, second)] {
            scope.spawn(move || {
                for line in 1..=40 {
                    ledger.checkpoint(&id("e1"), file, &through(line), &[]).unwrap();
                }
            });
        }
    });
    let files = ledger.files(&id("e1")).unwrap();
    assert!(files.iter().all(|file| file.checkpoint == Some(through(40))));
}

fn column_of_lines(ledger: &Ledger) -> u64 {
    ledger.quarantined(&id("e1")).unwrap().last().map_or(0, |entry| entry.line)
}
