use std::sync::Mutex;

use futures::executor::block_on;
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    Change, Output, Record,
    rig::{
        Pauses, blocks, chain, each, file, intake, observation, observations, stage, trap,
    },
};
use bytes::Bytes;

fn batch(count: u64, tally: &mut Tally) -> Batch {
    let text = file(count);
    let blocks = blocks(text.as_bytes(), usize::MAX);
    intake(observations()).take(&blocks[0], tally).unwrap().batch.unwrap()
}

fn settle(count: u64, stages: Vec<Box<dyn Stage>>) -> (Settled, Tally) {
    let mut tally = Tally::default();
    let batch = batch(count, &mut tally);
    let settled = block_on(chain(stages).settle(batch, &mut tally)).unwrap();
    (settled, tally)
}

fn lines(batch: Option<&Batch>) -> Vec<u64> {
    batch.map_or(&[][..], Batch::records).iter().map(|record| record.seq).collect()
}

fn codes(settled: &Settled) -> Vec<(u64, &str)> {
    settled.refused.iter().map(|refused| (refused.line, refused.code.as_str())).collect()
}

/// Counts as a sink would that takes everything that is left.
fn deliver(settled: &Settled, tally: &mut Tally) {
    for record in settled.batch.iter().flat_map(Batch::records) {
        let name = settled.batch.as_ref().unwrap().kind_name(record).to_owned();
        if record.is_row {
            tally.of(&name).rows += 1;
        } else {
            tally.of(&name).delivered += 1;
        }
    }
}

fn output(stream: Option<&str>, body: &str) -> Output {
    Output { stream: stream.map(str::to_owned), body: Bytes::from(body.to_owned()) }
}

#[test]
fn passes_the_same_bytes_when_all_is_kept() {
    let mut tally = Tally::default();
    let batch = batch(5, &mut tally);
    let before: Vec<Bytes> =
        batch.records().iter().map(|record| record.body.clone()).collect();
    let keep = || each("keep", |_| Verdict::Keep);
    let settled =
        block_on(chain(vec![keep(), keep()]).settle(batch, &mut tally)).unwrap();
    let after = settled.batch.unwrap();
    for (record, body) in after.records().iter().zip(before) {
        assert_eq!(record.body, body);
        assert_eq!(record.body.as_ptr(), body.as_ptr(), "line {} was copied", record.seq);
        assert!(!record.is_changed);
    }
}

/// Name, verdict on the second of three lines, lines left, lines refused.
type Case = (&'static str, Verdict, Vec<u64>, Vec<(u64, &'static str)>);

#[test]
fn applies_each_verdict_to_its_record() {
    let reject = || Reject::new(RejectClass::Policy, "no");
    let changed = r#"{"resourceType":"Observation","id":"x"}"#;
    let cases: Vec<Case> = vec![
        ("keep", Verdict::Keep, vec![1, 2, 3], vec![]),
        ("drop", Verdict::Drop, vec![1, 3], vec![]),
        ("reject", Verdict::Reject(reject()), vec![1, 3], vec![(2, "no")]),
        ("replace", Verdict::Replace(changed.into()), vec![1, 2, 3], vec![]),
        ("emit nothing", Verdict::Emit(vec![]), vec![1, 3], vec![]),
        (
            "emit a row",
            Verdict::Emit(vec![output(Some("v/x"), "{}")]),
            vec![1, 2, 3],
            vec![],
        ),
        (
            "emit two resources and a row",
            Verdict::Emit(vec![
                output(None, changed),
                output(Some("v"), "{}"),
                output(None, changed),
            ]),
            vec![1, 2, 2, 2, 3],
            vec![],
        ),
        (
            "several lines",
            Verdict::Replace("{\n}".into()),
            vec![1, 3],
            vec![(2, "output-of-several-lines")],
        ),
        (
            "a carriage return",
            Verdict::Replace("{\r}".into()),
            vec![1, 3],
            vec![(2, "output-of-several-lines")],
        ),
        (
            "no resource",
            Verdict::Replace("[]".into()),
            vec![1, 3],
            vec![(2, "output-not-a-resource")],
        ),
        (
            "another type",
            Verdict::Replace(r#"{"resourceType":"Patient"}"#.into()),
            vec![1, 3],
            vec![(2, "output-of-another-type")],
        ),
        (
            "a row that is no object",
            Verdict::Emit(vec![output(Some("v"), "[]")]),
            vec![1, 3],
            vec![(2, "output-not-json")],
        ),
        (
            "a row that is no JSON",
            Verdict::Emit(vec![output(Some("v"), "{")]),
            vec![1, 3],
            vec![(2, "output-not-json")],
        ),
        (
            "one bad output spoils them all",
            Verdict::Emit(vec![output(None, changed), output(None, "{}")]),
            vec![1, 3],
            vec![(2, "output-not-a-resource")],
        ),
    ];
    for (name, verdict, left, refused) in cases {
        let judge = move |record: &Record| {
            if record.seq == 2 { verdict.clone() } else { Verdict::Keep }
        };
        let (settled, mut tally) = settle(3, vec![each("s", judge)]);
        assert_eq!(lines(settled.batch.as_ref()), left, "case: {name}");
        assert_eq!(codes(&settled), refused, "case: {name}");
        deliver(&settled, &mut tally);
        assert!(tally.balances(), "case: {name}: {tally:?}");
    }
}

#[test]
fn a_deletion_keeps_its_key_through_a_transform() {
    let line = r#"{"resourceType":"Bundle","entry":[{"request":{"method":"DELETE","url":"Patient/1"}}]}"#;
    let blocks = blocks(line.as_bytes(), 1);
    let mut tally = Tally::default();
    let taken = intake(crate::FileKind::Deleted).take(&blocks[0], &mut tally).unwrap();
    let strip = each("s", |_| Verdict::Replace(r#"{"resourceType":"Patient"}"#.into()));
    let settled =
        block_on(chain(vec![strip]).settle(taken.batch.unwrap(), &mut tally)).unwrap();
    assert_eq!(codes(&settled), [(1, "output-without-id")]);
}

/// Items: 128.
#[test]
fn finds_the_poison_and_spares_its_neighbours() {
    let cases: [(&str, u64, &[u64]); 6] = [
        ("one of one", 1, &[1]),
        ("the second of two", 2, &[2]),
        ("the first of many", 4096, &[1]),
        ("the last of many", 4096, &[4096]),
        ("two neighbours", 100, &[50, 51]),
        ("far apart", 1000, &[3, 500, 998]),
    ];
    for (name, count, poison) in cases {
        let (deaths, of_poison) = (Arc::new(Mutex::new(0)), poison.to_vec());
        let counted = Arc::clone(&deaths);
        let killer = stage("killer", move |batch: &Batch| {
            if batch.records().iter().any(|record| of_poison.contains(&record.seq)) {
                *counted.lock().unwrap() += 1;
                return Err(trap("killer"));
            }
            Ok(vec![Verdict::Keep; batch.len()])
        });
        let (settled, _) = settle(count, vec![killer]);
        let left: Vec<u64> = (1..=count).filter(|line| !poison.contains(line)).collect();
        assert_eq!(lines(settled.batch.as_ref()), left, "case: {name}");
        let expected: Vec<(u64, &str)> =
            poison.iter().map(|line| (*line, "plugin-trap")).collect();
        assert_eq!(codes(&settled), expected, "case: {name}");
        let most = 15 * poison.len();
        assert!(*deaths.lock().unwrap() <= most, "case: {name}: {deaths:?} deaths");
    }
}

#[test]
fn a_plugin_that_dies_once_costs_no_record() {
    for deaths in 1..=2 {
        let mut left = deaths;
        let flaky = stage("flaky", move |batch: &Batch| {
            if left > 0 {
                left -= 1;
                return Err(trap("flaky"));
            }
            Ok(vec![Verdict::Keep; batch.len()])
        });
        let (settled, _) = settle(2, vec![flaky]);
        assert_eq!(lines(settled.batch.as_ref()), [1, 2], "deaths: {deaths}");
        assert_eq!(codes(&settled), []);
    }
}

#[test]
fn no_batch_ends_between_two_records_of_one_line() {
    let twice = each("twice", |record| {
        let body = std::str::from_utf8(&record.body).unwrap().to_owned();
        Verdict::Emit(vec![output(None, &body), output(Some("v"), "{}")])
    });
    let killer = stage("killer", |batch: &Batch| {
        let of = |line: u64| {
            batch.records().iter().filter(|record| record.seq == line).count()
        };
        assert!((1..=6).all(|line| matches!(of(line), 0 | 2)), "a line was parted");
        if of(4) > 0 { Err(trap("killer")) } else { Ok(vec![Verdict::Keep; batch.len()]) }
    });
    let (settled, mut tally) = settle(6, vec![twice, killer]);
    assert_eq!(lines(settled.batch.as_ref()), [1, 1, 2, 2, 3, 3, 5, 5, 6, 6]);
    assert_eq!(codes(&settled), [(4, "plugin-trap"), (4, "plugin-trap")]);
    deliver(&settled, &mut tally);
    assert!(tally.balances(), "{tally:?}");
}

#[test]
fn too_many_deaths_end_the_file() {
    let mut tally = Tally::default();
    let batch = batch(100, &mut tally);
    let limits = ChainLimits { crashes: 5, ..ChainLimits::default() };
    let stages = vec![stage("dead", |_: &Batch| Err(trap("dead")))];
    let mut chain = Chain::new(stages, limits, Pauses::default().pause());
    let ended = block_on(chain.settle(batch, &mut tally));
    assert!(matches!(ended, Err(ChainError::Crashes { crashes: 6, .. })), "{ended:?}");
}

#[test]
fn a_verdict_too_few_is_a_breach_and_loses_nothing() {
    for extra in [-1_i64, 1] {
        let mut calls = 0;
        let short = stage("short", move |batch: &Batch| {
            calls += 1;
            let wrong = if calls == 1 { extra } else { 0 };
            let count =
                usize::try_from(i64::try_from(batch.len()).unwrap() + wrong).unwrap();
            Ok(vec![Verdict::Keep; count])
        });
        let (settled, _) = settle(4, vec![short]);
        assert_eq!(
            lines(settled.batch.as_ref()),
            [1, 2, 3, 4],
            "verdicts too many: {extra}"
        );
    }
    let (settled, tally) = settle(4, vec![stage("silent", |_: &Batch| Ok(Vec::new()))]);
    assert!(settled.batch.is_none());
    assert_eq!(codes(&settled), [1, 2, 3, 4].map(|line| (line, "plugin-contract")));
    assert!(tally.balances());
}

#[test]
fn a_stage_that_is_not_ready_is_asked_again_so_often_and_no_more() {
    let not_ready =
        |after| StageError::Retryable { stage: "s".into(), code: "busy".into(), after };
    let after = Some(Duration::from_secs(7));
    let cases = [
        ("ready at last", 3, None, 8, true, vec![100, 200, 400]),
        ("never", 99, None, 3, false, vec![100, 200, 400]),
        ("as long as it asks, within bounds", 2, after, 8, true, vec![5000, 5000]),
    ];
    for (name, failures, after, retries, is_settled, pauses) in cases {
        let mut attempts = Vec::new();
        let busy = stage("s", move |batch: &Batch| {
            attempts.push(batch.attempt());
            assert_eq!(attempts, (1..=batch.attempt()).collect::<Vec<u32>>());
            if attempts.len() <= failures {
                return Err(not_ready(after));
            }
            Ok(vec![Verdict::Keep; batch.len()])
        });
        let paused = Pauses::default();
        let limits = ChainLimits {
            retries,
            longest_pause: Duration::from_secs(5),
            ..ChainLimits::default()
        };
        let mut tally = Tally::default();
        let batch = batch(3, &mut tally);
        let settled = block_on(
            Chain::new(vec![busy], limits, paused.pause()).settle(batch, &mut tally),
        );
        assert_eq!(settled.is_ok(), is_settled, "case: {name}");
        assert_eq!(paused.millis(), pauses, "case: {name}");
    }
}

#[test]
fn a_stage_that_gives_up_ends_the_file() {
    let fatal = StageError::Fatal { stage: "s".into(), code: "broken".into() };
    let given_up = fatal.clone();
    let mut tally = Tally::default();
    let batch = batch(3, &mut tally);
    let stages = vec![stage("s", move |_: &Batch| Err(given_up.clone()))];
    match block_on(chain(stages).settle(batch, &mut tally)) {
        Err(ChainError::Stage(error)) => assert_eq!(error, fatal),
        other => panic!("{other:?}"),
    }
}

/// What a stage does with a record, by a die.
fn verdict(die: u8) -> Verdict {
    let body = observation(u64::from(die));
    match die % 9 {
        0 => Verdict::Drop,
        1 => Verdict::Reject(Reject::new(RejectClass::Policy, "die")),
        2 => Verdict::Replace(body.into()),
        3 => Verdict::Emit(vec![]),
        4 => {
            Verdict::Emit(vec![output(Some("rows"), "{}"), output(Some("others"), "{}")])
        }
        5 => Verdict::Emit(vec![
            output(None, &body),
            output(None, &body),
            output(Some("rows"), "{}"),
        ]),
        6 => Verdict::Replace("nonsense".into()),
        _ => Verdict::Keep,
    }
}

proptest! {
    /// Items: 128.
    #[test]
    fn every_record_is_accounted_for(
        dice in vec(vec(any::<u8>(), 40), 1..4),
        held in vec(any::<bool>(), 40),
        count in 1_u64..40,
    ) {
        let stages = dice.into_iter().enumerate().map(|(at, dice)| {
            let name = ["a", "b", "c"][at];
            let mut calls = 0;
            each(name, move |record| {
                calls += 1;
                verdict(dice[(calls + usize::try_from(record.seq).unwrap()) % dice.len()])
            })
        });
        let mut tally = Tally::default();
        let (id, kinds, mut records, block) = batch(count, &mut tally).into_parts();
        for (record, held) in records.iter_mut().zip(held) {
            record.delivered_before = held;
        }
        let batch = Batch::from_parts(id, kinds, records, block);
        let settled = block_on(chain(stages.collect()).settle(batch, &mut tally)).unwrap();
        let left = lines(settled.batch.as_ref());
        prop_assert!(left.is_sorted());
        prop_assert_eq!(tally.total().quarantined_in_all(), settled.refused.len() as u64);
        deliver(&settled, &mut tally);
        prop_assert!(tally.balances(), "{:?}", tally);
        prop_assert_eq!(tally.total().read, count);
        let rows = settled.batch.iter().flat_map(Batch::records).filter(|record| record.is_row);
        prop_assert_eq!(tally.total().rows, rows.count() as u64);
        for record in settled.batch.iter().flat_map(Batch::records) {
            prop_assert!(record.change == Change::Upsert || record.delivered_before);
        }
    }
}
