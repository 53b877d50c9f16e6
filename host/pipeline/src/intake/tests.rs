use futures::executor::block_on;

use bulkhead_model::PatientKey;

use super::*;
use crate::{
    Lane, LaneError, LaneLimits,
    rig::{
        PartSink, Pauses, Store, blocks, chain, intake, observation, observations,
        take_all,
    },
};

fn take(kind: FileKind, text: &[u8]) -> (Taken, Tally) {
    let mut tally = Tally::default();
    let taken = intake(kind).take(&blocks(text, usize::MAX)[0], &mut tally).unwrap();
    (taken, tally)
}

fn codes(taken: &Taken) -> Vec<(u64, &str, &str)> {
    taken
        .refused
        .iter()
        .map(|entry| (entry.line, entry.kind.as_str(), entry.code.as_str()))
        .collect()
}

/// Items: 106.
/// Faults: F22.
#[test]
fn refuses_lines_that_do_not_belong_and_counts_them() {
    let good = observation(1);
    let long = format!(r#"{{"resourceType":"Observation","x":"{}"}}"#, "x".repeat(1000));
    let cases: &[(&str, FileKind, &[u8], &str, &str)] = &[
        (
            "wrong type",
            observations(),
            br#"{"resourceType":"Patient","id":"1"}"#,
            "Observation",
            "wrong-type-in-file",
        ),
        (
            "an outcome",
            observations(),
            br#"{"resourceType":"OperationOutcome"}"#,
            "Observation",
            "outcome-in-output",
        ),
        (
            "an outcome in a file of any type",
            FileKind::Output(None),
            br#"{"resourceType":"OperationOutcome"}"#,
            "",
            "outcome-in-output",
        ),
        ("too long", observations(), long.as_bytes(), "Observation", "line-too-long"),
        ("no JSON", observations(), b"nope", "Observation", "not-json"),
        (
            "no UTF-8",
            observations(),
            b"{\"resourceType\":\"Observation\",\"x\":\"\xff\"}",
            "Observation",
            "not-utf8",
        ),
        ("no type", FileKind::Output(None), b"{}", "", "no-resource-type"),
        (
            "a bad id",
            observations(),
            br#"{"resourceType":"Observation","id":"a/b"}"#,
            "Observation",
            "bad-id",
        ),
    ];
    for (name, kind, line, claimed, code) in cases {
        let text = [good.as_bytes(), line, good.as_bytes()].join(&b'\n');
        let (taken, mut tally) = take(kind.clone(), &text);
        assert_eq!(codes(&taken), [(2, *claimed, *code)], "case: {name}");
        let batch = taken.batch.unwrap();
        let lines: Vec<u64> = batch.records().iter().map(|record| record.seq).collect();
        assert_eq!(lines, [1, 3], "case: {name}");
        assert_eq!(taken.last_line, 3);
        assert_eq!(tally.total().read, 3, "case: {name}");
        assert_eq!(tally.total().faulty, 1, "case: {name}");
        tally.of("Observation").delivered = 2;
        assert!(tally.balances(), "case: {name}: {tally:?}");
    }
}

/// Items: 107.
#[test]
fn lines_that_head_the_blocks_of_an_organised_file_are_counted_and_never_delivered() {
    let head = r#"{"resourceType":"Parameters","parameter":[{"name":"header"}]}"#;
    let (one, two) = (observation(1), observation(2));
    let patient = r#"{"resourceType":"Patient","id":"1"}"#.to_owned();
    let lines =
        |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    // name, kind, lines, records by line, heads, codes
    let cases = [
        (
            "two blocks",
            FileKind::Organised,
            lines(&[head, &patient, &one, head, &two]),
            &[2, 3, 5][..],
            2,
            &[][..],
        ),
        ("heads alone", FileKind::Organised, lines(&[head, head]), &[], 2, &[]),
        (
            "a resource twice is another block's",
            FileKind::Organised,
            lines(&[head, &one, head, &one]),
            &[2, 4],
            2,
            &[],
        ),
        (
            "an outcome is out of place here too",
            FileKind::Organised,
            lines(&[head, r#"{"resourceType":"OperationOutcome"}"#]),
            &[],
            1,
            &[(2, "", "outcome-in-output")],
        ),
        (
            "a file of any type has no heads",
            FileKind::Output(None),
            lines(&[head, &one]),
            &[1, 2],
            0,
            &[],
        ),
        (
            "a file of one type has none either",
            observations(),
            lines(&[head, &one]),
            &[2],
            0,
            &[(1, "Observation", "wrong-type-in-file")],
        ),
    ];
    for (name, kind, lines, expected, heads, refused) in cases {
        let (taken, tally) = take(kind, lines.join("\n").as_bytes());
        assert_eq!(codes(&taken), refused, "case: {name}");
        let last = lines.len() as u64;
        assert_eq!(taken.last_line, last, "case: {name}");
        let batch = taken.batch.as_ref();
        let records: Vec<u64> = batch
            .map(|batch| batch.records().iter().map(|record| record.seq).collect())
            .unwrap_or_default();
        assert_eq!(records, expected, "case: {name}");
        let total = tally.total();
        assert_eq!(total.heads, heads, "case: {name}");
        assert_eq!(total.read, (expected.len() + refused.len()) as u64, "case: {name}");
        assert_eq!(total.read + total.heads, last, "case: {name}");
    }
}

/// Items: 112.
#[test]
fn an_outcome_file_may_hold_outcomes() {
    let kind = FileKind::Output("OperationOutcome".parse().ok());
    let (taken, _) = take(kind, br#"{"resourceType":"OperationOutcome"}"#);
    assert_eq!(codes(&taken), []);
    assert_eq!(taken.batch.unwrap().len(), 1);
}

/// Items: 110.
#[test]
fn deletions_become_keys_with_the_patient_they_are() {
    let delete =
        |url: &str| format!(r#"{{"request":{{"method":"DELETE","url":"{url}"}}}}"#);
    let line = |entries: &[String]| {
        format!(
            r#"{{"resourceType":"Bundle","type":"transaction","entry":[{}]}}"#,
            entries.join(",")
        )
    };
    let text = [
        line(&[delete("Patient/1"), delete("Observation/2")]),
        line(&[delete("Patient/3"), "{}".to_owned(), "{}".to_owned()]),
        r#"{"resourceType":"Patient","id":"9"}"#.to_owned(),
    ]
    .join("\n");
    let (taken, mut tally) = take(FileKind::Deleted, text.as_bytes());
    let batch = taken.batch.as_ref().unwrap();
    let shown: Vec<(u64, Change, &[u8], usize)> = batch
        .records()
        .iter()
        .map(|record| {
            let patients = &record.envelope.patients;
            assert_eq!(patients.primary, patients.linked);
            (record.seq, record.change, record.body.as_ref(), patients.linked.len())
        })
        .collect();
    assert_eq!(
        shown,
        [
            (1, Change::Delete, br#"{"resourceType":"Patient","id":"1"}"#.as_slice(), 1),
            (1, Change::Delete, br#"{"resourceType":"Observation","id":"2"}"#, 0),
            (2, Change::Delete, br#"{"resourceType":"Patient","id":"3"}"#, 1),
        ]
    );
    let own = &batch.records()[0].envelope.patients.primary;
    assert_eq!(own.as_slice(), &[PatientKey::of("1")]);
    assert_eq!(codes(&taken), [(2, "", "not-a-delete"), (3, "", "not-a-bundle")]);
    assert_eq!((tally.total().read, tally.total().read_deletions), (6, 3));
    tally.of("Patient").delivered = 2;
    tally.of("Observation").delivered = 1;
    assert!(tally.balances(), "{tally:?}");
}

/// Items: 116.
#[test]
fn notices_a_file_that_changed_while_it_was_away() {
    let text = |lines: &[&str]| lines.join("\n");
    let lines: Vec<String> = (1..=4).map(observation).collect();
    let [one, two, three, four] = [0, 1, 2, 3].map(|at| lines[at].as_str());
    let other = observation(9);
    let cases = [
        ("the same", text(&[one, two, three, four]), Ok(vec![3, 4])),
        ("longer", text(&[one, two, three]), Ok(vec![3])),
        ("a line changed", text(&[&other, two, three]), Err(2)),
        ("the last line changed", text(&[one, &other, three]), Err(2)),
        ("two lines changed places", text(&[two, one, three]), Err(2)),
        ("an empty line more", text(&["", one, two, three]), Err(2)),
        ("a delivered line gone", text(&[one, "", three]), Err(2)),
        ("cut short", text(&[one]), Err(2)),
        ("empty", String::new(), Err(2)),
    ];
    let mut first = intake(observations());
    let start = text(&[one, two]);
    first.take(&blocks(start.as_bytes(), 9)[0], &mut Tally::default()).unwrap();
    let hash = first.prefix_hash();
    for (name, text, expected) in cases {
        for block_lines in 1..=4 {
            let mut again = intake(observations()).resuming(2, hash);
            let mut tally = Tally::default();
            let taken: Result<Vec<u64>, IntakeError> =
                blocks(text.as_bytes(), block_lines)
                    .iter()
                    .map(|block| again.take(block, &mut tally))
                    .collect::<Result<Vec<Taken>, IntakeError>>()
                    .and_then(|taken| again.finish().map(|()| taken))
                    .map(|taken| {
                        let batches =
                            taken.iter().filter_map(|taken| taken.batch.as_ref());
                        batches
                            .flat_map(Batch::records)
                            .map(|record| record.seq)
                            .collect()
                    });
            let expected =
                expected.clone().map_err(|lines| IntakeError::Changed { lines });
            assert_eq!(taken, expected, "case: {name}, {block_lines} lines a block");
        }
    }
}

#[test]
fn a_lane_refuses_a_file_that_changed() {
    let store = Store::default();
    let sink = PartSink::over(&store, 1, take_all());
    let pause = Pauses::default().pause();
    let resumed = intake(observations()).resuming(1, [7; 16]);
    let mut lane = Lane::new(resumed, chain(vec![]), sink, LaneLimits::default(), pause);
    block_on(lane.open()).unwrap();
    let ended = block_on(lane.take(&blocks(observation(1).as_bytes(), 1)[0]));
    assert!(matches!(ended, Err(LaneError::Intake(IntakeError::Changed { lines: 1 }))));
    assert_eq!(store.rows(), []);
}
