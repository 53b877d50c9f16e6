use std::sync::Arc;

use bulkhead_model::Instant;
use bulkhead_ndjson::{Bases, Peek};

use super::*;

fn at(seconds: i64) -> Instant {
    Instant::from_unix_ms(seconds * 1000)
}

fn handled(change: Change, updated: i64, raw: u64) -> Handled {
    let line = format!(
        r#"{{"resourceType":"Basic","id":"a","meta":{{"lastUpdated":"{}"}}}}"#,
        at(updated)
    );
    let envelope = Peek::new(None, Bases::default()).read_str(&line).unwrap();
    Handled {
        seq: 1,
        change,
        kind: "Basic".into(),
        id: "a".into(),
        raw,
        content: raw,
        envelope: Arc::new(envelope),
    }
}

fn entry(state: State, updated: i64, raw: u64) -> Entry {
    Entry {
        state,
        epoch: 1,
        export: 9,
        file: 1,
        line: 5,
        seen: 0,
        last_updated: Some(at(updated)),
        raw,
        content: raw,
        patients: bulkhead_ledger::delivered::Patients::default(),
    }
}

/// Items: 111, 134, S8. Faults: F23, F24.
#[test]
fn of_two_versions_that_two_files_bring_the_newer_stands_whichever_lands_last() {
    use Change::{Retract, Upsert};
    use Landing::{Behind, Plain, Unclear};
    use State::{Live, Retracted};
    // name, change, lastUpdated, raw, what the other file landed, expected
    let cases = [
        ("nothing is there", Upsert, 50, 7, None, Plain),
        ("an older one is there", Upsert, 50, 7, Some((Live, 40, 6)), Plain),
        ("a newer one is there", Upsert, 50, 7, Some((Live, 60, 8)), Behind),
        ("the same is there", Upsert, 50, 7, Some((Live, 50, 7)), Plain),
        ("which is newer is not told", Upsert, 50, 7, Some((Live, 50, 8)), Unclear),
        ("taken back, perhaps later", Upsert, 50, 7, Some((Retracted, 60, 8)), Unclear),
        ("taking back what is there", Retract, 50, 7, Some((Live, 40, 6)), Unclear),
        ("taking back twice", Retract, 50, 7, Some((Retracted, 40, 6)), Plain),
    ];
    for (name, change, updated, raw, beside, expected) in cases {
        let beside = beside.map(|(state, updated, raw)| entry(state, updated, raw));
        let of = handled(change, updated, raw);
        assert_eq!(settle(&of, beside.as_ref()), expected, "case: {name}");
    }
}
