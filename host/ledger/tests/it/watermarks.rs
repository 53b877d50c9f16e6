//! Completion and what it does to watermarks.

use std::collections::BTreeMap;

use bulkhead_ledger::{Held, HeldReason, NewFile, Phase, WatermarkReset};

use super::*;

/// Items: S3.
#[test]
fn completion_moves_only_the_types_that_were_delivered() {
    let output = |index, name| file(index, FileArray::Output, name);
    let deleted = file(1, FileArray::Deleted, Some("Bundle"));
    let outcome = file(1, FileArray::Outcome, Some("OperationOutcome"));
    let cases = [
        ("all closed", output(1, Some("Observation")), false, vec![]),
        ("its file failed", output(1, Some("Patient")), true, vec!["Patient"]),
        ("another's file failed", output(1, Some("Condition")), true, vec![]),
        (
            "a file without a type failed",
            output(1, None),
            true,
            vec!["Observation", "Patient"],
        ),
        ("deletions failed", deleted, true, vec!["Observation", "Patient"]),
        ("an outcome failed", outcome, true, vec![]),
    ];
    for (name, second, fails, expected) in cases {
        let Fixture { ledger, .. } = Fixture::new();
        manifest(&ledger, "e1", None, &[output(0, Some("Patient")), second]);
        ledger.close_file(&id("e1"), 0, &through(5), &[]).unwrap();
        if fails {
            ledger.fail_file(&id("e1"), 1, "gone").unwrap();
        } else {
            ledger.close_file(&id("e1"), 1, &through(5), &[]).unwrap();
        }
        let held = finish(&ledger, "e1", &[("Observation", 100), ("Patient", 100)]);
        let expected: Vec<_> = expected
            .into_iter()
            .map(|name| Held {
                resource_type: kind(name),
                reason: HeldReason::Undelivered,
            })
            .collect();
        assert_eq!(held, expected, "case: {name}");
        let moved = ledger.watermarks("s").unwrap();
        assert_eq!(moved.len() + held.len(), 2, "case: {name}");
        assert!(
            held.iter().all(|held| !moved.contains_key(&held.resource_type)),
            "{name}"
        );
    }
}

/// Items: S3.
/// Faults: F26.
#[test]
fn each_type_keeps_its_own_watermark() {
    let Fixture { ledger, .. } = Fixture::new();
    let held = run(&ledger, "e1", None, &[("Patient", 100), ("Observation", 80)]);
    assert_eq!(held, []);
    let held = run(&ledger, "e2", Some(75), &[("Patient", 90), ("Observation", 120)]);
    let behind = Held { resource_type: kind("Patient"), reason: HeldReason::Behind };
    assert_eq!(held, [behind]);
    let expected = BTreeMap::from([
        (kind("Patient"), mark(100)),
        (kind("Observation"), Watermark { set_by: id("e2"), ..mark(120) }),
    ]);
    assert_eq!(ledger.watermarks("s").unwrap(), expected);
    assert_eq!(ledger.watermarks("t").unwrap(), BTreeMap::new());
}

/// Items: S3.
/// Faults: F3.
#[test]
fn failure_moves_no_watermark() {
    let Fixture { ledger, .. } = Fixture::new();
    manifest(&ledger, "e1", None, &[]);
    ledger.delivered(&id("e1")).unwrap();
    let early =
        ledger.complete(&id("e1"), &end("{}", &[(kind("Patient"), mark(9))]), at(1));
    assert!(early.is_err());
    ledger.fail(&id("e1"), "sink refused", at(200)).unwrap();
    let record = ledger.export(&id("e1")).unwrap().unwrap();
    assert_eq!((record.phase, record.report), (Phase::Failed, None));
    assert_eq!(record.failure.as_deref(), Some("sink refused"));
    assert_eq!(ledger.watermarks("s").unwrap(), BTreeMap::new());
}

#[test]
fn an_incremental_export_cannot_undo_a_reset() {
    let Fixture { ledger, .. } = Fixture::new();
    run(&ledger, "e1", None, &[("Patient", 100)]);
    manifest(&ledger, "e2", Some(95), &[]);
    assert_eq!(ledger.reset_watermarks("s", "server restored", at(150)).unwrap(), 1);
    ledger.delivered(&id("e2")).unwrap();
    let held = finish(&ledger, "e2", &[("Patient", 140)]);
    assert_eq!(held, [Held { resource_type: kind("Patient"), reason: HeldReason::Gap }]);
    assert_eq!(ledger.watermarks("s").unwrap(), BTreeMap::new());

    // A full export may set it anew, even to an earlier place.
    assert_eq!(run(&ledger, "e3", None, &[("Patient", 60)]), []);
    let reset =
        WatermarkReset { reason: "server restored".to_owned(), removed: 1, at: at(150) };
    assert_eq!(ledger.watermark_resets("s", 9).unwrap(), [reset]);
}

#[test]
fn a_watermark_outlives_the_journal_of_its_export() {
    let Fixture { ledger, .. } = Fixture::new();
    run(&ledger, "e1", None, &[("Patient", 100)]);
    assert_eq!(ledger.forget(at(1_000)).unwrap(), 1);
    assert_eq!(
        ledger.watermarks("s").unwrap(),
        BTreeMap::from([(kind("Patient"), mark(100))])
    );
    assert_eq!(ledger.streams().unwrap(), ["s"]);
}

/// A whole export without files.
fn run(
    ledger: &bulkhead_ledger::Ledger,
    name: &str,
    since: Option<i64>,
    marks: &[(&str, i64)],
) -> Vec<Held> {
    let none: [NewFile; 0] = [];
    manifest(ledger, name, since, &none);
    finish(ledger, name, marks)
}

fn finish(
    ledger: &bulkhead_ledger::Ledger,
    name: &str,
    marks: &[(&str, i64)],
) -> Vec<Held> {
    if ledger.export(&id(name)).unwrap().unwrap().phase == Phase::Manifested {
        ledger.delivered(&id(name)).unwrap();
    }
    ledger.concluded(&id(name)).unwrap();
    let marks: Vec<_> =
        marks.iter().map(|(name, effective)| (kind(name), mark(*effective))).collect();
    ledger.complete(&id(name), &end("{}", &marks), at(200)).unwrap()
}
