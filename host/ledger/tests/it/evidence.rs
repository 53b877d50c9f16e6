//! What speaks for and against completeness, and jobs left on the server.

use bulkhead_ledger::{Baseline, Completion, Error, Omission, Phase, Proof};

use super::*;

/// Items: S6.
#[test]
fn baselines_and_omissions_are_written_with_the_end_of_their_export() {
    let Fixture { ledger, .. } = Fixture::new();
    manifest(&ledger, "e1", None, &[]);
    ledger.delivered(&id("e1")).unwrap();
    let first = Baseline {
        full_count: Some(7),
        full_at: Some(at(110)),
        runs: 3,
        resources: 40,
        quiet: 1,
        longest_quiet: 2,
    };
    let omission = Omission {
        stream: "s".to_owned(),
        export: id("e1"),
        resource_type: kind("Patient"),
        verdict: "suspect".to_owned(),
        reason: "known to the server's people".to_owned(),
        accepted_by: "someone".to_owned(),
        at: at(150),
    };
    let baselines =
        [(kind("Patient"), first.clone()), (kind("Basic"), Baseline::default())];
    let omissions = [omission.clone()];
    let completion = Completion {
        watermarks: &[],
        subject: "research of h",
        baselines: &baselines,
        omissions: &omissions,
        report: "{}",
    };
    // Too early: nothing of it stays.
    ledger.complete(&id("e1"), &completion, at(200)).unwrap_err();
    assert!(ledger.baselines("research of h").unwrap().is_empty());
    assert!(ledger.omissions("s", 9).unwrap().is_empty());

    ledger.concluded(&id("e1")).unwrap();
    let early = ledger.amend_report(&id("e1"), "{1}").unwrap_err();
    assert!(matches!(early, Error::Phase { phase: Phase::Concluded, .. }), "{early:?}");
    ledger.complete(&id("e1"), &completion, at(200)).unwrap();
    ledger.amend_report(&id("e1"), "{2}").unwrap();
    let report = ledger.export(&id("e1")).unwrap().unwrap().report;
    assert_eq!(report.as_deref(), Some("{2}"));
    let found = ledger.baselines("research of h").unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), {
        let mut expected = baselines.to_vec();
        expected.reverse();
        expected
    });
    assert!(ledger.baselines("another").unwrap().is_empty());
    assert_eq!(ledger.omissions("s", 9).unwrap(), [omission]);
    assert!(ledger.omissions("t", 9).unwrap().is_empty());
}

/// Items: 120, 127.
#[test]
fn a_job_is_left_until_it_is_released_and_then_its_addresses_are_forgotten() {
    let Fixture { ledger, .. } = Fixture::new();
    manifest(&ledger, "e1", None, &[]);
    let early = ledger.released(&id("e1"), at(1)).unwrap_err();
    assert!(matches!(early, Error::Phase { phase: Phase::Manifested, .. }), "{early:?}");
    assert!(ledger.unreleased("research", 9).unwrap().is_empty(), "it is under way");
    ledger.abandon(&id("e1"), "changed", at(200)).unwrap();
    // An intent has no job that we could name.
    begin(&ledger, "e2", None);
    ledger.abandon(&id("e2"), "changed", at(201)).unwrap();

    let left = ledger.unreleased("research", 9).unwrap();
    assert_eq!(left.iter().map(|record| record.id.as_str()).collect::<Vec<_>>(), ["e1"]);
    assert!(ledger.unreleased("another", 9).unwrap().is_empty());
    ledger.released(&id("e1"), at(300)).unwrap();
    assert!(ledger.unreleased("research", 9).unwrap().is_empty());
    let record = ledger.export(&id("e1")).unwrap().unwrap();
    assert_eq!(record.released_at, Some(at(300)));
    assert_eq!((record.status_url, record.manifest), (None, None));
}

#[test]
fn what_a_file_cannot_prove_is_noted_until_it_begins_anew() {
    let Fixture { ledger, .. } = Fixture::under_way();
    let proof = |index: usize| ledger.files(&id("e1")).unwrap()[index].proof;
    ledger.checkpoint(&id("e1"), 0, &through(3), &[]).unwrap();
    ledger.note_proof(&id("e1"), 0, Proof::Unproven).unwrap();
    assert_eq!((proof(0), proof(1)), (Proof::Unproven, Proof::Proven));
    ledger.restart_file(&id("e1"), 0).unwrap();
    assert_eq!(proof(0), Proof::Proven);
    let unknown = ledger.note_proof(&id("e1"), 9, Proof::Unproven).unwrap_err();
    assert!(matches!(unknown, Error::UnknownFile { file: 9, .. }), "{unknown:?}");
}
