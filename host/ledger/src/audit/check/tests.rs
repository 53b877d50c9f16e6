use serde_json::json;

use super::*;

/// A log of `count` lines.
fn log(count: u64) -> Vec<String> {
    let mut previous = GENESIS.to_owned();
    let mut lines = Vec::new();
    for seq in 1..=count {
        let line = AuditLine {
            seq,
            time: bulkhead_model::Instant::from_unix_ms(0),
            event: "run-started".to_owned(),
            payload: json!({ "chain": format!("chain-{seq}") }),
            previous,
        };
        let text = line.encode().unwrap();
        previous = hash(text.as_bytes());
        lines.push(text);
    }
    lines
}

fn check(lines: &[String], wanted: Option<&str>) -> Checked {
    let mut checker = Checker::new(wanted);
    let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    checker.read(text.as_bytes()).unwrap();
    checker.finish()
}

fn wrong(lines: &[String]) -> Vec<(u64, Flaw)> {
    check(lines, None).breaks.into_iter().map(|of| (of.line, of.flaw)).collect()
}

const fn jump(expected: u64, found: u64) -> Flaw {
    Flaw::Sequence { expected, found }
}

#[test]
fn a_log_as_written_is_whole_and_its_head_is_the_hash_of_its_last_line() {
    let lines = log(4);
    let head = hash(lines[3].as_bytes());
    let checked = check(&lines, Some(&head));
    assert!(checked.is_whole() && !checked.is_torn());
    assert_eq!(checked.head, Some(AuditHead { seq: 4, hash: head }));
    assert_eq!((checked.lines, checked.found), (4, Some(4)));
    assert_eq!(check(&[], None), Checked::default());
}

#[test]
fn tampering_is_found_at_every_place_of_a_log() {
    let lines = log(6);
    let whole = hash(lines[5].as_bytes());
    for at in 0..6 {
        let line = at as u64 + 1;
        let is_last = at == 5;
        let mut edited = lines.clone();
        edited[at] = edited[at].replace("chain-", "other-");
        let expected = if is_last { vec![] } else { vec![(line + 1, Flaw::Previous)] };
        assert_eq!(wrong(&edited), expected, "case: edit {line}");
        assert_eq!(check(&edited, Some(&whole)).found.is_none(), is_last, "edit {line}");

        let mut garbled = lines.clone();
        garbled[at] = "{}".to_owned();
        assert_eq!(wrong(&garbled)[0], (line, Flaw::Unreadable), "case: garble {line}");

        let mut without = lines.clone();
        without.remove(at);
        let expected = if is_last { vec![] } else { vec![(line, jump(line, line + 1))] };
        assert_eq!(wrong(&without), expected, "case: delete {line}");
        assert_eq!(check(&without, Some(&whole)).found.is_none(), is_last);

        let mut doubled = lines.clone();
        doubled.insert(at, lines[at].clone());
        let found = wrong(&doubled);
        assert_eq!(found[0], (line + 1, jump(line + 1, line)), "case: double {line}");

        // Whoever forges a line binds it well to the one before; the next one tells.
        let mut forged = lines.clone();
        let mut told = AuditLine::decode(lines[at].as_bytes()).unwrap();
        told.event = "nothing-happened".to_owned();
        forged.insert(at, told.encode().unwrap());
        assert_eq!(wrong(&forged)[0], (line + 1, jump(line + 1, line)), "insert {line}");

        if !is_last {
            let mut swapped = lines.clone();
            swapped.swap(at, at + 1);
            assert_eq!(wrong(&swapped)[0], (line, jump(line, line + 1)), "swap {line}");
        }
        let cut = &lines[..at];
        assert_eq!(check(cut, Some(&whole)).found, None, "case: cut before {line}");
        assert!(check(cut, None).is_whole(), "a cut is told by the head alone");
    }
}

#[test]
fn a_chain_written_anew_is_found_by_a_head_known_elsewhere() {
    let head = hash(log(6)[5].as_bytes());
    let mut anew = log(7);
    anew.remove(0);
    let mut previous = GENESIS.to_owned();
    for (line, seq) in anew.iter_mut().zip(1..) {
        let mut told = AuditLine::decode(line.as_bytes()).unwrap();
        (told.seq, told.previous) = (seq, previous);
        *line = told.encode().unwrap();
        previous = hash(line.as_bytes());
    }
    assert!(check(&anew, None).is_whole(), "nothing in it speaks against it");
    assert_eq!(check(&anew, Some(&head)).found, None);
}

#[test]
fn a_line_without_an_end_is_told_apart_from_a_break() {
    let lines = log(2);
    let text = format!("{}\n{}", lines[0], &lines[1][..20]);
    let mut checker = Checker::new(None);
    checker.read(text.as_bytes()).unwrap();
    let torn = Flaw::Torn { bytes: 20 };
    let found = checker.finish();
    assert!(found.is_torn() && found.is_whole());
    assert_eq!(found.breaks, [Break { line: 2, flaw: torn }]);

    let mut checker = Checker::new(None);
    checker.read(text.as_bytes()).unwrap();
    checker.read(format!("{}\n", lines[1]).as_bytes()).unwrap();
    assert!(!checker.finish().is_whole(), "but not when another file follows");
}

#[test]
fn reads_several_files_as_one_log_and_lines_of_any_length() {
    let lines = log(4);
    let mut checker = Checker::new(None);
    for pair in lines.chunks(2) {
        checker.read(format!("{}\n{}\n", pair[0], pair[1]).as_bytes()).unwrap();
    }
    assert!(checker.finish().is_whole());
    let mut long = lines.clone();
    long[1] = "x".repeat(3 << 20);
    let found = wrong(&long);
    assert_eq!(found[0], (2, Flaw::Unreadable));
    assert_eq!(found[1], (3, Flaw::Previous), "the next line is read as its own");
}
