//! Overlaps that streams have learnt.

use std::time::Duration;

use bulkhead_ledger::LearntOverlap;

use super::*;

/// Items: 133.
/// Faults: F25.
#[test]
fn an_overlap_rises_and_never_falls() {
    let Fixture { ledger, .. } = Fixture::new();
    assert_eq!(ledger.overlap("s").unwrap(), None);
    let steps = [
        ("first", 300_000, true, 300_000),
        ("less", 200_000, false, 300_000),
        ("as much", 300_000, false, 300_000),
        ("more", 900_000, true, 900_000),
    ];
    let mut held = None;
    for (at_ms, (name, ms, is_raised, expected)) in (1..).zip(steps) {
        let overlap = Duration::from_millis(ms);
        let raised = ledger.raise_overlap("s", overlap, name, at(at_ms)).unwrap();
        assert_eq!(raised, is_raised, "step: {name}");
        if is_raised {
            held = Some(LearntOverlap {
                overlap: Duration::from_millis(expected),
                reason: name.to_owned(),
                at: at(at_ms),
            });
        }
        assert_eq!(ledger.overlap("s").unwrap(), held, "step: {name}");
    }
    ledger.raise_overlap("t", Duration::from_micros(1), "rounded up", at(9)).unwrap();
    assert_eq!(ledger.overlap("t").unwrap().unwrap().overlap, Duration::from_millis(1));
}
