//! Refused records over several exports: found, sent through a chain again, removed.

use bulkhead_ledger::{Error, Found, Kept, Place, Planned, Purged, Search, Which};

use super::*;

fn sealed(file: u32, line: u64, stage: &str) -> QuarantineEntry {
    QuarantineEntry {
        stage: stage.to_owned(),
        kept: Kept::Sealed,
        segment: Some(format!("{file:05}.age")),
        ..refused(file, line)
    }
}

/// Two ended exports of the chain and one under way, each with its refusals.
fn three_exports() -> Fixture {
    let fixture = Fixture::new();
    let ledger = &fixture.ledger;
    for (name, entries) in [
        ("e1", vec![sealed(0, 3, "sink"), sealed(0, 9, "late"), refused(1, 1)]),
        ("e2", vec![sealed(0, 4, "sink")]),
        ("e3", vec![sealed(0, 5, "sink")]),
    ] {
        manifest(ledger, name, None, &three_files());
        ledger.quarantine(&id(name), &entries).unwrap();
        if name != "e3" {
            ledger.fail(&id(name), "for a test", at(200)).unwrap();
        }
    }
    fixture
}

fn all(ledger: &Ledger, search: &Search<'_>) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    loop {
        let after = found.last().map(|last| last.place.clone());
        // A page a step: none may be lost or come twice between two.
        let page = ledger.search_quarantine(search, after.as_ref(), 1).unwrap();
        if page.is_empty() {
            return found;
        }
        found.extend(page);
    }
}

fn places(found: &[Found]) -> Vec<String> {
    let show = |found: &Found| {
        let Place { file, line, stage, .. } = &found.place;
        format!("{}/{file}/{line} {stage}", found.export)
    };
    found.iter().map(show).collect()
}

#[test]
fn entries_are_found_by_what_is_asked_for_page_by_page() {
    let Fixture { ledger, directory: _directory } = three_exports();
    let e1 = id("e1");
    let whole = Search::default();
    let cases = [
        (
            "all",
            whole,
            vec![
                "e1/0/3 sink",
                "e1/0/9 late",
                "e1/1/1 cohort-filter",
                "e2/0/4 sink",
                "e3/0/5 sink",
            ],
        ),
        (
            "an export",
            Search { export: Some(&e1), ..whole },
            vec!["e1/0/3 sink", "e1/0/9 late", "e1/1/1 cohort-filter"],
        ),
        (
            "a stage",
            Search { stage: Some("sink"), ..whole },
            vec!["e1/0/3 sink", "e2/0/4 sink", "e3/0/5 sink"],
        ),
        (
            "resting",
            Search { which: Which::Resting, stage: Some("sink"), ..whole },
            vec!["e1/0/3 sink", "e2/0/4 sink"],
        ),
        (
            "sealed",
            Search { which: Which::Sealed, ..whole },
            vec!["e1/0/3 sink", "e1/0/9 late", "e2/0/4 sink"],
        ),
        ("another chain", Search { chain: Some("other"), ..whole }, vec![]),
        ("another code", Search { code: Some("other"), ..whole }, vec![]),
        ("from before all", Search { before: Some(at(110)), ..whole }, vec![]),
    ];
    for (name, search, expected) in cases {
        assert_eq!(places(&all(&ledger, &search)), expected, "case: {name}");
        let count = ledger.count_quarantine(&search).unwrap().entries;
        assert_eq!(count, expected.len() as u64, "case: {name}");
    }
    let kept = ledger.kept(&e1).unwrap();
    assert_eq!(Vec::from_iter(kept), [(Kept::Off, 1), (Kept::Sealed, 2)]);
    assert_eq!(Vec::from_iter(ledger.segments(&e1, None).unwrap()), ["00000.age"]);
    assert!(ledger.segments(&e1, Some(1)).unwrap().is_empty());
}

#[test]
fn several_records_of_a_line_are_told_apart() {
    let Fixture { ledger, directory: _directory } = Fixture::under_way();
    let part = |part| QuarantineEntry { part, ..sealed(0, 3, "sink") };
    ledger.quarantine(&id("e1"), &[part(0), part(1)]).unwrap();
    ledger.quarantine(&id("e1"), &[part(1)]).unwrap();
    assert_eq!(ledger.quarantined(&id("e1")).unwrap(), [part(0), part(1)]);
}

#[test]
fn what_comes_through_a_replay_is_replayed_and_the_rest_stays() {
    let Fixture { ledger, directory: _directory } = three_exports();
    let resting = Search { which: Which::Sealed, ..Search::default() };
    let chosen = all(&ledger, &resting);
    let replay = id("r1");
    let new = NewExport { stream: "research:replay", ..new_export(&replay) };
    ledger.begin(&new).unwrap();
    let planned: Vec<Planned> = chosen
        .iter()
        .zip([(0, 1), (0, 2), (1, 1)])
        .map(|(found, (file, line))| Planned { place: found.place.clone(), file, line })
        .collect();
    ledger.plan_replay(&replay, &planned).unwrap();
    assert_eq!(all(&ledger, &resting), [], "each is on its way");
    assert_eq!(ledger.replay_files(&replay).unwrap(), [(0, 2), (1, 1)]);
    assert_eq!(
        places(&ledger.replayed(&replay, 0).unwrap()),
        ["e1/0/3 sink", "e1/0/9 late"]
    );
    ledger.accepted(&replay, "").unwrap();
    let files = [0, 1].map(|index| file(index, FileArray::Replayed, None));
    ledger.manifested(&replay, "{}", None, &files).unwrap();
    // The second line is refused again; the second file fails.
    let again = QuarantineEntry { kept: Kept::Again, ..refused(0, 2) };
    ledger.close_file(&replay, 0, &through(2), &[again]).unwrap();
    ledger.fail_file(&replay, 1, "for a test").unwrap();
    for _ in 0..2 {
        assert_eq!(ledger.settle_replay(&replay).unwrap(), 1);
    }
    ledger.fail(&replay, "for a test", at(300)).unwrap();
    assert_eq!(places(&all(&ledger, &resting)), ["e1/0/9 late", "e2/0/4 sink"]);
    let from = |line| ledger.replayed_from(&replay, 0, line).unwrap();
    assert_eq!((from(1), from(3)), (Some((1, 0, 3)), None));

    // Its body is in a file that another one needs.
    assert_eq!(ledger.untidy().unwrap(), [(id("e1"), "00000.age".to_owned(), true)]);
    ledger.tidied(&id("e1"), "00000.age").unwrap();
    assert_eq!(ledger.untidy().unwrap(), []);
    assert_eq!(ledger.segments(&id("e1"), None).unwrap().len(), 1, "the other's stays");
    let order = ledger.export_order().unwrap();
    let ids: Vec<&str> = order.iter().map(|(_, id, _)| id.as_str()).collect();
    assert_eq!(ids, ["e1", "e2", "e3", "r1"]);
}

#[test]
fn a_purge_leaves_alone_what_is_under_way() {
    let Fixture { ledger, directory: _directory } = three_exports();
    let resting = Search { which: Which::Resting, ..Search::default() };
    let expected = Purged { entries: 4, sealed: 3 };
    assert_eq!(ledger.count_quarantine(&resting).unwrap(), expected);
    assert_eq!(ledger.purge_quarantine(&resting).unwrap(), 4);
    assert_eq!(places(&all(&ledger, &Search::default())), ["e3/0/5 sink"]);
    assert!(ledger.is_under_way(&id("e3")).unwrap());
    assert!(!ledger.is_under_way(&id("e1")).unwrap());
    assert!(!ledger.is_under_way(&id("e9")).unwrap());
    // A sealed entry names its file.
    let nameless = QuarantineEntry { segment: None, ..sealed(0, 6, "sink") };
    let outcome = ledger.quarantine(&id("e3"), &[nameless]);
    assert!(matches!(outcome, Err(Error::UnknownFile { .. } | Error::Database { .. })));
}
