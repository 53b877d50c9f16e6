//! Checkpoints, closing, failing, and the positions of refused lines.

use bulkhead_ledger::{Error, FileCheckpoint, FileState, QuarantineEntry};
use proptest::prelude::*;

use super::*;

proptest! {
    // Each case syncs to disk a dozen times.
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_checkpoint_never_goes_back(
        steps in prop::collection::vec((0_u32..3, 0_u64..12, 0_u8..8), 1..16),
    ) {
        let Fixture { ledger, .. } = Fixture::under_way();
        let mut durable: [Option<u64>; 3] = [None; 3];
        let mut closed = [false; 3];
        for (file, line, dice) in steps {
            let slot = usize::try_from(file).unwrap();
            let close = dice == 0;
            let allowed = !closed[slot] && durable[slot].is_none_or(|from| line >= from);
            let outcome = if close {
                ledger.close_file(&id("e1"), file, &through(line), &[])
            } else {
                ledger.checkpoint(&id("e1"), file, &through(line), &[])
            };
            prop_assert_eq!(outcome.is_ok(), allowed);
            if allowed {
                durable[slot] = Some(line);
                closed[slot] = close;
            }
            let known: Vec<_> = ledger.files(&id("e1")).unwrap().into_iter()
                .map(|record| (record.checkpoint, record.state == FileState::Closed))
                .collect();
            let expected: Vec<_> =
                durable.iter().map(|line| line.map(through)).zip(closed).collect();
            prop_assert_eq!(known, expected);
        }
    }
}

#[test]
fn refuses_checkpoints_that_cannot_be_true() {
    let longest = vec![0; FileCheckpoint::TOKEN_LIMIT];
    let too_long = vec![0; FileCheckpoint::TOKEN_LIMIT + 1];
    let cases = [
        ("same again", 0, through(5), None),
        ("further", 0, through(6), None),
        ("longest token", 0, FileCheckpoint { token: longest, ..through(6) }, None),
        ("back", 0, through(4), Some("backwards")),
        (
            "other content",
            0,
            FileCheckpoint { prefix_hash: [9; 16], ..through(5) },
            Some("prefix changed"),
        ),
        (
            "token over the limit",
            0,
            FileCheckpoint { token: too_long, ..through(6) },
            Some("too large"),
        ),
        ("line over the limit", 0, through(1 << 63), Some("too large")),
        ("no such file", 7, through(5), Some("unknown file")),
        ("a closed file", 1, through(9), Some("not open")),
        ("a failed file", 2, through(9), Some("not open")),
    ];
    for (name, file, checkpoint, expected) in cases {
        let Fixture { ledger, .. } = Fixture::under_way();
        ledger.checkpoint(&id("e1"), 0, &through(5), &[]).unwrap();
        ledger.close_file(&id("e1"), 1, &through(5), &[]).unwrap();
        ledger.fail_file(&id("e1"), 2, "gone").unwrap();
        let before = ledger.files(&id("e1")).unwrap();
        let outcome = ledger.checkpoint(&id("e1"), file, &checkpoint, &[refused(0, 6)]);
        assert_eq!(outcome.as_ref().err().map(word), expected, "case: {name}");
        if outcome.is_err() {
            assert_eq!(ledger.files(&id("e1")).unwrap(), before, "case: {name}");
            assert_eq!(ledger.quarantined(&id("e1")).unwrap(), [], "case: {name}");
        }
    }
}

#[test]
fn a_refused_entry_takes_the_checkpoint_with_it() {
    let Fixture { ledger, .. } = Fixture::under_way();
    let long_stage = QuarantineEntry { stage: "x".repeat(257), ..refused(0, 2) };
    for (name, entry) in [("no such file", refused(8, 1)), ("long stage", long_stage)] {
        let outcome =
            ledger.checkpoint(&id("e1"), 0, &through(2), &[refused(0, 1), entry]);
        assert!(outcome.is_err(), "case: {name}");
        assert_eq!(ledger.files(&id("e1")).unwrap()[0].checkpoint, None, "case: {name}");
        assert_eq!(ledger.quarantined(&id("e1")).unwrap(), [], "case: {name}");
    }
    let outcome = ledger.quarantine(&id("e1"), &[refused(8, 1)]);
    assert!(matches!(outcome, Err(Error::UnknownFile { file: 8, .. })));
}

#[test]
fn entries_replace_those_of_the_same_position() {
    let Fixture { ledger, .. } = Fixture::under_way();
    let entry = |code: &str, line, stage: &str| QuarantineEntry {
        code: code.to_owned(),
        stage: stage.to_owned(),
        resource_type: None,
        ..refused(0, line)
    };
    ledger
        .quarantine(&id("e1"), &[entry("first", 3, "a"), entry("first", 3, "b")])
        .unwrap();
    ledger
        .quarantine(&id("e1"), &[entry("second", 3, "a"), entry("first", 1, "b")])
        .unwrap();
    let expected =
        [entry("first", 1, "b"), entry("second", 3, "a"), entry("first", 3, "b")];
    assert_eq!(ledger.quarantined(&id("e1")).unwrap(), expected);
}

#[test]
fn delivered_means_that_no_file_is_open() {
    let Fixture { ledger, .. } = Fixture::under_way();
    ledger.close_file(&id("e1"), 0, &through(5), &[]).unwrap();
    ledger.fail_file(&id("e1"), 2, "gone").unwrap();
    let outcome = ledger.delivered(&id("e1"));
    assert!(matches!(outcome, Err(Error::Undelivered { file: 1, .. })), "{outcome:?}");
    ledger.close_file(&id("e1"), 1, &through(0), &[]).unwrap();
    ledger.delivered(&id("e1")).unwrap();
}

#[test]
fn a_failed_file_goes_on_from_its_checkpoint() {
    let Fixture { ledger, .. } = Fixture::under_way();
    ledger.checkpoint(&id("e1"), 0, &through(5), &[]).unwrap();
    ledger.fail_file(&id("e1"), 0, "link expired").unwrap();
    let failed = ledger.files(&id("e1")).unwrap().remove(0);
    assert_eq!(
        (failed.state, failed.failure.as_deref()),
        (FileState::Failed, Some("link expired"))
    );
    assert_eq!(ledger.reopen_files(&id("e1")).unwrap(), 1);
    let open = ledger.files(&id("e1")).unwrap().remove(0);
    assert_eq!((open.state, open.failure), (FileState::Open, None));
    assert_eq!(open.checkpoint, Some(through(5)));
}

#[test]
fn a_restarted_file_begins_anew() {
    let Fixture { ledger, .. } = Fixture::under_way();
    ledger.checkpoint(&id("e1"), 0, &through(5), &[refused(0, 2)]).unwrap();
    ledger.checkpoint(&id("e1"), 1, &through(5), &[refused(1, 2)]).unwrap();
    ledger.fail_file(&id("e1"), 0, "other content").unwrap();
    ledger.restart_file(&id("e1"), 0).unwrap();
    let file = ledger.files(&id("e1")).unwrap().remove(0);
    assert_eq!((file.state, file.checkpoint), (FileState::Open, None));
    assert_eq!(ledger.quarantined(&id("e1")).unwrap(), [refused(1, 2)]);
    ledger.checkpoint(&id("e1"), 0, &through(1), &[]).unwrap();
    ledger.close_file(&id("e1"), 0, &through(1), &[]).unwrap();
    assert!(matches!(ledger.restart_file(&id("e1"), 0), Err(Error::FileNotOpen { .. })));
}

fn word(error: &Error) -> &'static str {
    [
        ("backwards", matches!(error, Error::Backwards { .. })),
        ("not open", matches!(error, Error::FileNotOpen { .. })),
        ("prefix changed", matches!(error, Error::PrefixChanged { .. })),
        ("too large", matches!(error, Error::TooLarge { .. })),
        ("unknown file", matches!(error, Error::UnknownFile { .. })),
    ]
    .into_iter()
    .find_map(|(word, matched)| matched.then_some(word))
    .unwrap_or("another error")
}
