//! The audit log beside the ledger: crashes, cuts, and several writers.

use std::io::Write as _;

use bulkhead_ledger::{
    Ledger, PluginUse,
    audit::{ADOPTED, AuditLine, BROKEN, Flaw, REPAIRED},
};
use serde_json::json;

use super::{Fixture, at, id, manifest, three_files};

fn lines(fixture: &Fixture) -> Vec<AuditLine> {
    let text = fs_err::read_to_string(fixture.ledger.audit_path()).unwrap();
    text.lines().map(|line| AuditLine::decode(line.as_bytes()).unwrap()).collect()
}

fn events(fixture: &Fixture) -> Vec<String> {
    lines(fixture).into_iter().map(|line| line.event).collect()
}

fn say(fixture: &Fixture, event: &str) {
    fixture.ledger.audit(event, &json!({ "chain": "research" }), at(1)).unwrap();
}

#[test]
fn lines_are_numbered_bound_and_known_to_the_ledger() {
    let fixture = Fixture::new();
    assert_eq!(fixture.ledger.audit_head().unwrap(), None);
    say(&fixture, "a");
    let head = fixture.ledger.audit("b", &json!({}), at(2)).unwrap();
    assert_eq!(fixture.ledger.audit_head().unwrap(), Some(head.clone()));
    let (checked, known) = fixture.ledger.check_audit().unwrap();
    assert!(checked.is_whole());
    assert_eq!((checked.head, known), (Some(head.clone()), Some(head)));
    let numbers: Vec<u64> = lines(&fixture).iter().map(|line| line.seq).collect();
    assert_eq!(numbers, [1, 2]);
}

#[cfg(unix)]
#[test]
fn only_its_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let fixture = Fixture::new();
    say(&fixture, "a");
    let mode = fs_err::metadata(fixture.ledger.audit_path()).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
}

#[test]
fn a_line_that_a_crash_cut_short_is_taken_away_and_told() {
    let fixture = Fixture::new();
    say(&fixture, "a");
    let path = fixture.ledger.audit_path();
    let mut file = fs_err::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{\"seq\":2,\"ti").unwrap();
    say(&fixture, "b");
    assert_eq!(events(&fixture), ["a", REPAIRED, "b"]);
    assert_eq!(lines(&fixture)[1].payload["bytes"], 12);
    assert!(fixture.ledger.check_audit().unwrap().0.is_whole());
}

#[test]
fn a_line_that_the_ledger_missed_is_taken_as_written() {
    let fixture = Fixture::new();
    say(&fixture, "a");
    let path = fixture.ledger.path().to_owned();
    let copy = fixture.directory.path().join("copy.db");
    // The ledger of before: as after a crash between the line and the ledger.
    drop(fixture.ledger);
    fs_err::copy(&path, &copy).unwrap();
    let ledger = Ledger::open(&path).unwrap();
    ledger.audit("b", &json!({}), at(1)).unwrap();
    drop(ledger);
    fs_err::copy(&copy, &path).unwrap();
    let fixture =
        Fixture { ledger: Ledger::open(&path).unwrap(), directory: fixture.directory };
    say(&fixture, "c");
    assert_eq!(events(&fixture), ["a", "b", "c"]);
    let (checked, known) = fixture.ledger.check_audit().unwrap();
    assert!(checked.is_whole());
    assert_eq!(checked.head, known);
}

#[test]
fn a_log_that_does_not_end_as_the_ledger_knows_says_so_for_ever() {
    type Tamper = fn(&mut Vec<String>);
    let cases: [(&str, Tamper); 5] = [
        ("the last line is gone", |lines| lines.truncate(2)),
        ("all lines are gone", Vec::clear),
        ("the last line is another", |lines| {
            lines[2] = lines[2].replace("research", "harmless");
        }),
        ("the last line is nothing", |lines| lines[2] = "nothing".to_owned()),
        ("a line is added that follows nothing", |lines| {
            let line = lines[2].replace("\"seq\":3", "\"seq\":4");
            lines.push(line);
        }),
    ];
    for (name, tamper) in cases {
        let fixture = Fixture::new();
        for event in ["a", "b", "c"] {
            say(&fixture, event);
        }
        let path = fixture.ledger.audit_path();
        let mut all: Vec<String> =
            fs_err::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
        tamper(&mut all);
        let text: String = all.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        fs_err::write(&path, text).unwrap();

        say(&fixture, "d");
        let text = fs_err::read_to_string(&path).unwrap();
        assert_eq!(text.matches(BROKEN).count(), 1, "case: {name}");
        say(&fixture, "e");
        let (checked, known) = fixture.ledger.check_audit().unwrap();
        assert!(!checked.is_whole(), "case: {name}");
        assert_eq!(checked.head, known, "case: {name}");
        let text = fs_err::read_to_string(&path).unwrap();
        assert_eq!(text.matches(BROKEN).count(), 1, "case: {name}");
    }
}

#[test]
fn a_ledger_made_anew_says_that_it_found_a_log() {
    let fixture = Fixture::new();
    say(&fixture, "a");
    let path = fixture.directory.path().join("other");
    fs_err::create_dir(&path).unwrap();
    let other = Fixture {
        ledger: Ledger::open(path.join("ledger.db")).unwrap(),
        directory: tempfile::tempdir().unwrap(),
    };
    fs_err::copy(fixture.ledger.audit_path(), other.ledger.audit_path()).unwrap();
    say(&other, "b");
    assert_eq!(events(&other), ["a", ADOPTED, "b"]);
    assert!(other.ledger.check_audit().unwrap().0.is_whole());
}

#[test]
fn writers_of_several_ledgers_on_one_file_take_turns() {
    let fixture = Fixture::new();
    let path = fixture.ledger.path().to_owned();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let ledger = Ledger::open(&path).unwrap();
            std::thread::spawn(move || {
                for _ in 0..5 {
                    ledger.audit("a", &json!({ "by": writer }), at(1)).unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    let (checked, known) = fixture.ledger.check_audit().unwrap();
    assert!(checked.is_whole());
    assert_eq!((checked.lines, checked.head), (20, known));
}

#[test]
fn a_line_that_is_too_long_is_refused_and_leaves_no_trace() {
    let fixture = Fixture::new();
    say(&fixture, "a");
    let path = fixture.ledger.audit_path();
    let mut file = fs_err::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{").unwrap();
    let before = fs_err::read(&path).unwrap();
    let long = json!({ "x": "y".repeat(2 << 20) });
    assert!(fixture.ledger.audit("b", &long, at(1)).is_err());
    assert!(fs_err::read(&path).unwrap() == before, "not even what a crash left is lost");
    say(&fixture, "c");
    assert_eq!(events(&fixture), ["a", REPAIRED, "c"]);
}

#[test]
fn a_torn_end_shows_until_the_next_line() {
    let fixture = Fixture::new();
    say(&fixture, "a");
    let path = fixture.ledger.audit_path();
    let mut file = fs_err::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{").unwrap();
    let checked = fixture.ledger.check_audit().unwrap().0;
    assert_eq!(checked.breaks[0].flaw, Flaw::Torn { bytes: 1 });
    assert!(checked.is_whole() && checked.is_torn());
}

fn used(interface: &str, name: &str, calls: u64) -> PluginUse {
    PluginUse {
        stage: "sink".to_owned(),
        digest: "d".to_owned(),
        interface: interface.to_owned(),
        name: name.to_owned(),
        calls,
        bytes: 10 * calls,
        refused: 1,
    }
}

#[test]
fn uses_add_up_over_files_and_exports_and_go_with_them() {
    let fixture = Fixture::under_way();
    let ledger = &fixture.ledger;
    let note = |name: &str, uses: &[PluginUse], ms| {
        ledger.note_uses(&id(name), uses, at(ms)).unwrap();
    };
    note("e1", &[used("artifacts", "lake", 2), used("batches", "", 5)], 1_000);
    note("e1", &[used("artifacts", "lake", 3)], 2_000);
    assert_eq!(
        ledger.uses_of(&id("e1")).unwrap()[0],
        PluginUse { refused: 2, ..used("artifacts", "lake", 5) }
    );
    ledger.abandon(&id("e1"), "done", at(3_000)).unwrap();
    manifest(ledger, "e2", None, &three_files());
    note("e2", &[used("batches", "", 1)], 4_000);
    let past = ledger.uses("research").unwrap();
    let shown: Vec<_> = past
        .iter()
        .map(|past| {
            (past.of.interface.as_str(), past.of.calls, past.exports, past.latest)
        })
        .collect();
    assert_eq!(shown, [("artifacts", 5, 1, at(2_000)), ("batches", 6, 2, at(4_000))]);
    assert_eq!(ledger.uses("other").unwrap(), []);
    ledger.forget(at(3_500)).unwrap();
    assert_eq!(ledger.uses("research").unwrap().len(), 1);
    assert!(ledger.note_uses(&id("e9"), &[], at(0)).is_err());
}

#[test]
fn what_was_seen_is_replaced_as_a_whole() {
    let fixture = Fixture::new();
    let of = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    };
    fixture.ledger.see("plugin", &of(&[("a", "1"), ("b", "2")])).unwrap();
    fixture.ledger.see("setting", &of(&[("a", "9")])).unwrap();
    fixture.ledger.see("plugin", &of(&[("b", "3")])).unwrap();
    assert_eq!(fixture.ledger.seen("plugin").unwrap(), of(&[("b", "3")]));
    assert_eq!(fixture.ledger.seen("setting").unwrap(), of(&[("a", "9")]));
}
