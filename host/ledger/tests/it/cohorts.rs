//! Who was in a cohort.

use std::collections::BTreeSet;

use bulkhead_model::PatientKey;

use super::*;

fn patients(ids: std::ops::Range<u32>) -> BTreeSet<PatientKey> {
    ids.map(|id| PatientKey::of(&id.to_string())).collect()
}

/// Items: 137, 138.
#[test]
fn a_snapshot_takes_the_place_of_the_one_before() {
    let Fixture { ledger, directory } = Fixture::new();
    assert_eq!(ledger.cohort_snapshot("s", "c").unwrap(), None);
    let first = patients(0..10_000);
    ledger.set_cohort_snapshot("s", "c", &first).unwrap();
    ledger.set_cohort_snapshot("s", "other", &patients(0..3)).unwrap();
    ledger.set_cohort_snapshot("t", "c", &patients(0..2)).unwrap();
    assert_eq!(ledger.cohort_snapshot("s", "c").unwrap(), Some(first));
    let second = patients(5_000..5_002);
    ledger.set_cohort_snapshot("s", "c", &second).unwrap();
    drop(ledger);
    let ledger = Ledger::open(directory.path().join("ledger.db")).unwrap();
    assert_eq!(ledger.cohort_snapshot("s", "c").unwrap(), Some(second));
    assert_eq!(ledger.cohort_snapshot("s", "other").unwrap(), Some(patients(0..3)));
    assert_eq!(ledger.cohort_snapshot("t", "c").unwrap(), Some(patients(0..2)));
    let members: u32 = rusqlite::Connection::open(directory.path().join("ledger.db"))
        .unwrap()
        .query_row("SELECT sum(length(keys)) / 16 FROM cohort_piece", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(members, 7, "members of the first are gone");
}

#[test]
fn an_empty_cohort_is_not_an_unknown_one() {
    let Fixture { ledger, .. } = Fixture::new();
    ledger.set_cohort_snapshot("s", "c", &BTreeSet::new()).unwrap();
    assert_eq!(ledger.cohort_snapshot("s", "c").unwrap(), Some(BTreeSet::new()));
}
