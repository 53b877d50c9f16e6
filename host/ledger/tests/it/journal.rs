//! Phases, records and their order.

use bulkhead_ledger::{
    Error, ExportId, ExportRecord, FileArray, Ledger, NewExport, Phase,
};

use super::*;

/// Items: 60, S1.
#[test]
fn keeps_every_fact_of_an_export() {
    let Fixture { ledger, directory } = Fixture::new();
    let id = id("e1");
    ledger.begin(&NewExport { since: Some(at(-1)), ..new_export(&id) }).unwrap();
    ledger.note_evidence(&id, "{\"scope\":null}").unwrap();
    ledger.accepted(&id, "https://h/job/1?sig=x").unwrap();
    ledger.manifested(&id, "{\"output\":[]}", Some(at(100)), &[]).unwrap();
    ledger.delivered(&id).unwrap();
    ledger.concluded(&id).unwrap();
    ledger.complete(&id, &end("{\"read\":0}", &[]), at(200)).unwrap();
    drop(ledger);

    let reopened = Ledger::open(directory.path().join("ledger.db")).unwrap();
    let expected = ExportRecord {
        id: id.clone(),
        stream: "s".to_owned(),
        chain: "research".to_owned(),
        request: "{}".to_owned(),
        fingerprint: "f".to_owned(),
        kickoff_instant: at(110),
        server_date: Some(at(105)),
        since: Some(at(-1)),
        phase: Phase::Completed,
        status_url: Some("https://h/job/1?sig=x".to_owned()),
        manifest: Some("{\"output\":[]}".to_owned()),
        transaction_time: Some(at(100)),
        failure: None,
        report: Some("{\"read\":0}".to_owned()),
        started_at: at(110),
        finished_at: Some(at(200)),
        evidence: Some("{\"scope\":null}".to_owned()),
        released_at: None,
    };
    assert_eq!(reopened.export(&id).unwrap(), Some(expected));
    assert_eq!(reopened.unfinished("s").unwrap(), None);
}

#[test]
fn every_call_is_refused_out_of_its_phase() {
    type Call = fn(&Ledger, &ExportId) -> Result<(), Error>;
    use Phase::{
        Abandoned, Accepted, Completed, Concluded, Delivered, Failed, Intent, Manifested,
    };
    let cases: [(&str, Call, &[Phase]); 11] = [
        ("accepted", |l, id| l.accepted(id, "u"), &[Intent]),
        (
            "manifested",
            |l, id| l.manifested(id, "{}", None, &[]),
            &[Accepted, Manifested],
        ),
        ("delivered", |l, id| l.delivered(id), &[Manifested]),
        ("concluded", |l, id| l.concluded(id), &[Delivered]),
        (
            "complete",
            |l, id| l.complete(id, &end("{}", &[]), at(1)).map(drop),
            &[Concluded],
        ),
        (
            "fail",
            |l, id| l.fail(id, "x", at(1)),
            &[Intent, Accepted, Manifested, Delivered, Concluded],
        ),
        (
            "abandon",
            |l, id| l.abandon(id, "x", at(1)),
            &[Intent, Accepted, Manifested, Delivered, Concluded],
        ),
        (
            "checkpoint",
            |l, id| unknown_file(l.checkpoint(id, 9, &through(1), &[])),
            &[Manifested],
        ),
        ("fail file", |l, id| unknown_file(l.fail_file(id, 9, "x")), &[Manifested]),
        ("reopen", |l, id| l.reopen_files(id).map(drop), &[Manifested]),
        ("quarantine", |l, id| l.quarantine(id, &[]), &[Manifested]),
    ];
    let phases = [
        Intent, Accepted, Manifested, Delivered, Concluded, Completed, Failed, Abandoned,
    ];
    let Fixture { ledger, .. } = Fixture::new();
    for (name, call, allowed) in cases {
        for (number, phase) in phases.into_iter().enumerate() {
            let id = id(&format!("{}-{number}", name.replace(' ', "_")));
            bring_to(&ledger, &id, phase);
            let outcome = call(&ledger, &id);
            match &outcome {
                Ok(()) => assert!(allowed.contains(&phase), "case: {name} when {phase}"),
                Err(Error::Phase { phase: stated, .. }) => {
                    assert_eq!(
                        (*stated, allowed.contains(&phase)),
                        (phase, false),
                        "{name}"
                    );
                }
                Err(other) => panic!("case: {name} when {phase}: {other:?}"),
            }
        }
    }
}

/// Items: 57, S1.
#[test]
fn a_stream_has_one_export_under_way() {
    let Fixture { ledger, .. } = Fixture::new();
    begin(&ledger, "e1", None);
    let second = ledger.begin(&new_export(&id("e2")));
    assert!(matches!(second, Err(Error::Unfinished { id, .. }) if id.as_str() == "e1"));
    let (e1, e2) = (id("e1"), id("e2"));
    ledger.begin(&NewExport { stream: "t", ..new_export(&e2) }).unwrap();
    assert_eq!(ledger.unfinished("s").unwrap().unwrap().phase, Phase::Intent);

    ledger.abandon(&e1, "possible orphan", at(3)).unwrap();
    assert!(matches!(ledger.begin(&new_export(&e1)), Err(Error::Exists { .. })));
    begin(&ledger, "e3", None);
    let names: Vec<_> =
        ledger.exports(2).unwrap().into_iter().map(|record| record.id).collect();
    assert_eq!(names, [id("e3"), id("e2")]);
    assert_eq!(ledger.streams().unwrap(), ["s", "t"]);
}

#[test]
fn an_unknown_export_is_named() {
    let Fixture { ledger, .. } = Fixture::new();
    let error = ledger.delivered(&id("nobody")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "looking for export `nobody`, which the journal does not hold"
    );
    assert_eq!(ledger.export(&id("nobody")).unwrap(), None);
}

/// Items: 89.
#[test]
fn a_manifest_may_be_refreshed_and_grow_but_not_change() {
    let files = three_files();
    let mut grown = files.clone();
    grown.push(file(3, FileArray::Deleted, Some("Bundle")));
    let mut recounted = files.clone();
    recounted[1].count = None;
    let mut retyped = files.clone();
    retyped[0].resource_type = None;
    let twice = vec![files[0].clone(), files[0].clone(), files[1].clone()];
    let cases = [
        ("the same", files.clone(), None),
        ("a further page", grown, None),
        ("another count", recounted, Some(1)),
        ("another type", retyped, Some(0)),
        ("one gone", files[..2].to_vec(), Some(2)),
        ("one twice", twice, Some(0)),
    ];
    for (name, offered, changed) in cases {
        let Fixture { ledger, .. } = Fixture::under_way();
        ledger.checkpoint(&id("e1"), 1, &through(4), &[]).unwrap();
        let outcome = ledger.manifested(&id("e1"), "{\"new\":1}", Some(at(90)), &offered);
        let record = ledger.export(&id("e1")).unwrap().unwrap();
        let known = ledger.files(&id("e1")).unwrap();
        assert_eq!(known[1].checkpoint, Some(through(4)), "case: {name}");
        if let Some(expected) = changed {
            assert!(
                matches!(outcome, Err(Error::ManifestChanged { file, .. }) if file == expected),
                "case: {name}: {outcome:?}"
            );
            assert_eq!(known.len(), 3, "case: {name}");
            assert_eq!(record.manifest.as_deref(), Some("{}"), "case: {name}");
            assert_eq!(record.transaction_time, Some(at(100)), "case: {name}");
        } else {
            outcome.unwrap();
            assert_eq!(known.len(), offered.len(), "case: {name}");
            assert_eq!(record.transaction_time, Some(at(90)), "case: {name}");
        }
    }
}

/// Items: 75.
/// Faults: F26.
#[test]
fn the_earliest_transaction_time_stays() {
    let cases = [
        ("none", vec![None, None], None),
        ("first only", vec![Some(5), None], Some(5)),
        ("second only", vec![None, Some(5)], Some(5)),
        ("falling", vec![Some(6), Some(5)], Some(5)),
        ("rising", vec![Some(5), Some(6)], Some(5)),
    ];
    for (name, times, expected) in cases {
        let Fixture { ledger, .. } = Fixture::new();
        begin(&ledger, "e1", None);
        ledger.accepted(&id("e1"), "u").unwrap();
        for time in times {
            ledger.manifested(&id("e1"), "{}", time.map(at), &[]).unwrap();
        }
        let record = ledger.export(&id("e1")).unwrap().unwrap();
        assert_eq!(record.transaction_time, expected.map(at), "case: {name}");
    }
}

#[test]
fn forgets_only_what_ended_long_ago() {
    let Fixture { ledger, .. } = Fixture::under_way();
    ledger.checkpoint(&id("e1"), 0, &through(1), &[refused(0, 1)]).unwrap();
    ledger.fail(&id("e1"), "x", at(10)).unwrap();
    begin(&ledger, "e2", None);
    ledger.fail(&id("e2"), "x", at(20)).unwrap();
    begin(&ledger, "e3", None);
    assert_eq!(ledger.forget(at(20)).unwrap(), 1);
    let names: Vec<_> =
        ledger.exports(9).unwrap().into_iter().map(|record| record.id).collect();
    assert_eq!(names, [id("e3"), id("e2")]);
    assert_eq!(ledger.quarantined(&id("e1")).unwrap(), []);
}

/// Begins an export in a stream of its own and walks it to `phase`.
fn bring_to(ledger: &Ledger, id: &ExportId, phase: Phase) {
    ledger.begin(&NewExport { stream: id.as_str(), ..new_export(id) }).unwrap();
    match phase {
        Phase::Failed => return ledger.fail(id, "x", at(1)).unwrap(),
        Phase::Abandoned => return ledger.abandon(id, "x", at(1)).unwrap(),
        Phase::Intent
        | Phase::Accepted
        | Phase::Manifested
        | Phase::Delivered
        | Phase::Concluded
        | Phase::Completed => {}
    }
    if phase >= Phase::Accepted {
        ledger.accepted(id, "u").unwrap();
    }
    if phase >= Phase::Manifested {
        ledger.manifested(id, "{}", None, &[]).unwrap();
    }
    if phase >= Phase::Delivered {
        ledger.delivered(id).unwrap();
    }
    if phase >= Phase::Concluded {
        ledger.concluded(id).unwrap();
    }
    if phase >= Phase::Completed {
        ledger.complete(id, &end("{}", &[]), at(1)).unwrap();
    }
}

/// The phase let the call through; that there is no file 9 comes after.
fn unknown_file(outcome: Result<(), Error>) -> Result<(), Error> {
    match outcome {
        Err(Error::UnknownFile { file: 9, .. }) => Ok(()),
        other => other,
    }
}
