mod resume;

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex},
};

use futures::{FutureExt as _, executor::block_on, future::ready};

use super::*;
use crate::{
    Positions, Receipt, Record, Reject, RejectClass,
    rig::{
        Kept, Mood, PartSink, Pauses, Store, Try, Whim, blocks, chain, each, file,
        intake, observations, take_all,
    },
};

/// Attempt and lines of a batch.
type HandOver = (u32, Vec<u64>);

/// Says what it is told to, and keeps what it was handed.
#[derive(Clone, Default)]
struct Puppet {
    receipts: Arc<Mutex<VecDeque<Result<Receipt, SinkError>>>>,
    words: Arc<Mutex<VecDeque<Result<Checkpoint, SinkError>>>>,
    handed: Arc<Mutex<Vec<HandOver>>>,
    /// One entry for each time that it was opened.
    resumed: Arc<Mutex<Vec<Option<Checkpoint>>>>,
}

impl Puppet {
    fn new(
        receipts: impl IntoIterator<Item = Result<Receipt, SinkError>>,
        words: impl IntoIterator<Item = Result<Checkpoint, SinkError>>,
    ) -> Self {
        let puppet = Self::default();
        puppet.receipts.lock().unwrap().extend(receipts);
        puppet.words.lock().unwrap().extend(words);
        puppet
    }
}

impl Sink for Puppet {
    fn name(&self) -> &'static str {
        "puppet"
    }

    fn open(
        &mut self,
        resume: Option<Checkpoint>,
    ) -> BoxFuture<'_, Result<(), SinkError>> {
        self.resumed.lock().unwrap().push(resume);
        ready(Ok(())).boxed()
    }

    fn deliver<'a>(
        &'a mut self,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        let lines = batch.records().iter().map(|record| record.seq).collect();
        self.handed.lock().unwrap().push((batch.attempt(), lines));
        ready(self.receipts.lock().unwrap().pop_front().unwrap_or_else(|| Ok(all(None))))
            .boxed()
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<Checkpoint, SinkError>> {
        ready(self.words.lock().unwrap().pop_front().unwrap()).boxed()
    }

    fn close(
        &mut self,
        _: CloseReason,
    ) -> BoxFuture<'_, Result<Option<Checkpoint>, SinkError>> {
        ready(self.words.lock().unwrap().pop_front().transpose()).boxed()
    }
}

fn word(durable_through: u64) -> Checkpoint {
    Checkpoint { durable_through, token: vec![1] }
}

fn all(durable: Option<u64>) -> Receipt {
    Receipt { accepted: Positions::All, rejects: vec![], durable: durable.map(word) }
}

fn some(bits: u64, rejects: &[u32], durable: Option<u64>) -> Receipt {
    let reject = |at: &u32| (*at, Reject::new(RejectClass::RefusedDownstream, "no"));
    Receipt {
        accepted: Positions::Bits(vec![bits]),
        rejects: rejects.iter().map(reject).collect(),
        durable: durable.map(word),
    }
}

fn busy() -> SinkError {
    SinkError::Retryable { sink: "puppet".into(), code: "busy".into(), after: None }
}

fn is_breach(ended: &Result<(), LaneError>) -> bool {
    let breach = SinkError::Crashed { sink: "puppet".into(), crash: Crash::Contract };
    matches!(ended, Err(LaneError::Sink(error)) if *error == breach)
}

/// A file of four lines, two a block.
fn deliver(puppet: &Puppet) -> (Result<(), LaneError>, Kept) {
    let mut kept = Kept::default();
    let blocks = blocks(file(4).as_bytes(), 2);
    let ended = Try::new(&blocks, Box::new(puppet.clone())).run(&mut kept, |_| {});
    (ended, kept)
}

#[test]
fn refuses_receipts_that_break_the_contract() {
    let cases: Vec<(&str, Vec<Receipt>, u64)> = vec![
        ("accepted and rejected", vec![some(0b11, &[1], None)], 4),
        ("accepted beyond the batch", vec![some(0b111, &[], None)], 4),
        (
            "too many words",
            vec![Receipt { accepted: Positions::Bits(vec![3, 0]), ..all(None) }],
            4,
        ),
        ("rejected beyond the batch", vec![some(0b11, &[2], None)], 4),
        ("rejected twice", vec![some(0b01, &[1, 1], None)], 4),
        ("rejected out of order", vec![some(0b00, &[1, 0], None)], 4),
        ("durable beyond what was handed over", vec![all(Some(3))], 4),
        ("durable beyond what was taken", vec![some(0b01, &[], Some(2))], 4),
        ("durable before what was not taken", vec![some(0b10, &[], Some(1))], 4),
        ("durable goes back", vec![all(Some(2)), all(Some(1))], 4),
        ("durable goes back at the end", vec![all(Some(2)), all(Some(4))], 3),
        ("durable beyond the file", vec![], 5),
        ("not durable at the end", vec![], 3),
    ];
    for (name, receipts, at_end) in cases {
        let puppet = Puppet::new(receipts.into_iter().map(Ok), [Ok(word(at_end))]);
        let (ended, _) = deliver(&puppet);
        assert!(is_breach(&ended), "case: {name}: {ended:?}");
    }
}

#[test]
fn a_sink_need_not_vouch_for_what_it_refused() {
    for at_end in [3, 4] {
        let receipts = [Ok(all(None)), Ok(some(0b01, &[1], None))];
        let puppet = Puppet::new(receipts, [Ok(word(at_end))]);
        let (ended, kept) = deliver(&puppet);
        assert!(ended.is_ok(), "durable through {at_end}: {ended:?}");
        assert_eq!(kept.codes(), [(4, "puppet:no".to_owned())]);
        let tally = kept.last.unwrap().tally;
        assert!(tally.balances());
        assert_eq!(tally.total().delivered, 3);
    }
}

#[test]
fn hands_over_again_only_what_was_not_taken() {
    let receipts = [some(0b10, &[], None), some(0b0, &[], None), some(0b1, &[], Some(2))];
    let puppet = Puppet::new(receipts.map(Ok), [Ok(word(4))]);
    let (ended, kept) = deliver(&puppet);
    assert!(ended.is_ok(), "{ended:?}");
    let expected = [(1, vec![1, 2]), (2, vec![1]), (3, vec![1]), (1, vec![3, 4])];
    assert_eq!(*puppet.handed.lock().unwrap(), expected);
    assert_eq!(kept.last.unwrap().tally.total().delivered, 4);
}

#[test]
fn a_sink_that_takes_one_at_a_time_does_not_stall() {
    let puppet = Puppet::new((0..40).map(|_| Ok(some(1, &[], None))), [Ok(word(40))]);
    // Sixty-four bits are one word as long as 40 records or fewer are left.
    let blocks = blocks(file(40).as_bytes(), 40);
    let mut kept = Kept::default();
    let pauses = Pauses::default();
    let this = Try { pauses: pauses.clone(), ..Try::new(&blocks, Box::new(puppet)) };
    this.run(&mut kept, |_| {}).unwrap();
    assert_eq!(kept.last.unwrap().tally.total().delivered, 40);
    assert_eq!(pauses.millis(), []);
}

#[test]
fn a_sink_that_neither_takes_nor_refuses_is_given_up() {
    let puppet = Puppet::new((0..99).map(|_| Ok(some(0, &[], None))), []);
    let (ended, _) = deliver(&puppet);
    assert!(matches!(ended, Err(LaneError::SinkStalled { records: 2, .. })), "{ended:?}");
    assert_eq!(puppet.handed.lock().unwrap().len(), 9);
}

#[test]
fn a_sink_that_is_not_ready_is_asked_again_so_often_and_no_more() {
    let run = |receipts: Vec<Result<Receipt, SinkError>>, words| {
        let pauses = Pauses::default();
        let blocks = blocks(file(2).as_bytes(), 2);
        let puppet = Puppet::new(receipts, words);
        let this = Try { pauses: pauses.clone(), ..Try::new(&blocks, Box::new(puppet)) };
        let ended = this.run(&mut Kept::default(), |_| {});
        (ended, pauses.millis())
    };
    let doubling = |times: u32| (0..times).map(|at| 100 << at).collect::<Vec<u128>>();
    let fails = |times: usize| (0..times).map(|_| Err(busy())).collect::<Vec<_>>();
    let words = |times: usize| (0..times).map(|_| Err(busy())).chain([Ok(word(2))]);

    let (ended, pauses) = run(fails(3), words(0).collect::<Vec<_>>());
    assert!(ended.is_ok(), "{ended:?}");
    assert_eq!(pauses, doubling(3));
    let (ended, pauses) = run(fails(99), vec![]);
    assert!(
        matches!(ended, Err(LaneError::Sink(SinkError::Retryable { .. }))),
        "{ended:?}"
    );
    assert_eq!(pauses, doubling(8));
    let (ended, pauses) = run(vec![], words(2).collect::<Vec<_>>());
    assert!(ended.is_ok(), "at flush: {ended:?}");
    assert_eq!(pauses, doubling(2));
}

#[test]
fn advances_on_the_sinks_word_alone_and_hands_out_each_refusal_once() {
    let text = format!("nope\n{}nope\n{}nope\n", file(2), file(2));
    let blocks = blocks(text.as_bytes(), 2);
    // Blocks: {1 bad, 2} {3, 4 bad} {5, 6} {7 bad}.
    let receipts = [all(None), all(Some(2)), all(Some(6))].map(Ok);
    let puppet = Puppet::new(receipts, [Ok(word(6))]);
    let mut kept = Kept::default();
    let mut seen = Vec::new();
    let this = Try { quiet_bytes: u64::MAX, ..Try::new(&blocks, Box::new(puppet)) };
    this.run(&mut kept, |advance| {
        let lines: Vec<u64> =
            advance.quarantined.iter().map(|entry| entry.line).collect();
        seen.push((advance.through, advance.tally.total().read, lines));
    })
    .unwrap();
    assert_eq!(seen, [(2, 2, vec![1]), (6, 6, vec![4]), (7, 7, vec![7])]);
}

#[test]
fn a_file_of_which_nothing_is_left_advances_too() {
    let blocks = blocks(file(6).as_bytes(), 1);
    let drop_all = || vec![each("none", |_| crate::Verdict::Drop)];
    let puppet = Puppet::new([], [Ok(word(0))]);
    let mut kept = Kept::default();
    let quiet_bytes = blocks[0].bytes.len() as u64 * 2;
    let mut seen = Vec::new();
    let this =
        Try { stages: drop_all(), quiet_bytes, ..Try::new(&blocks, Box::new(puppet)) };
    this.run(&mut kept, |advance| seen.push(advance.through)).unwrap();
    assert_eq!(seen, [2, 4, 6, 6]);
}

#[test]
fn a_sink_that_never_had_a_record_begins_anew() {
    let blocks = blocks(file(3).as_bytes(), 1);
    let quiet = Advance { token: vec![], ..advance_through(1, &blocks, false) };
    let had_some = advance_through(1, &blocks, true);
    for (name, last, expected) in [
        ("nothing delivered", quiet, None),
        (
            "something delivered",
            had_some.clone(),
            Some(Checkpoint { durable_through: 1, token: had_some.token }),
        ),
    ] {
        let puppet = Puppet::new([], [Ok(word(3))]);
        let mut kept = Kept { last: Some(last), ..Kept::default() };
        Try::new(&blocks, Box::new(puppet.clone())).run(&mut kept, |_| {}).unwrap();
        assert_eq!(*puppet.resumed.lock().unwrap(), [expected], "case: {name}");
    }
}

/// The first advance of a file, with or without something delivered.
fn advance_through(line: usize, blocks: &[Block], is_delivered: bool) -> Advance {
    let verdict = if is_delivered { crate::Verdict::Keep } else { crate::Verdict::Drop };
    let stages = vec![each("s", move |_| verdict.clone())];
    let puppet = Puppet::new([], [Ok(word(if is_delivered { line as u64 } else { 0 }))]);
    let mut kept = Kept::default();
    let this = Try {
        stages,
        quiet_bytes: u64::MAX,
        ..Try::new(&blocks[..line], Box::new(puppet))
    };
    this.run(&mut kept, |_| {}).unwrap();
    kept.last.unwrap()
}

#[test]
fn caution_isolates_the_record_that_kills_the_sink() {
    for poison in [1, 5, 10] {
        let killer: Whim =
            Arc::new(
                move |record: &Record| {
                    if record.seq == poison { Mood::Die } else { Mood::Take }
                },
            );
        let (store, mut kept, mut caution) =
            (Store::default(), Kept::default(), Caution::default());
        let blocks = blocks(file(10).as_bytes(), 4);
        let mut deaths = 0;
        loop {
            let sink = PartSink::over(&store, 1, Arc::clone(&killer));
            let this = Try { caution: caution.clone(), ..Try::new(&blocks, sink) };
            match this.run(&mut kept, |_| {}) {
                Ok(()) => break,
                Err(LaneError::SinkDied { lines, records, .. }) => {
                    assert!(
                        caution.learn(&lines, records),
                        "poison {poison}: nothing learnt"
                    );
                }
                Err(error) => panic!("poison {poison}: {error}"),
            }
            deaths += 1;
            assert!(deaths < 5, "poison {poison}");
        }
        let lines: Vec<u64> = store.rows().iter().map(|(line, ..)| *line).collect();
        assert_eq!(lines, (1..=10).filter(|line| *line != poison).collect::<Vec<u64>>());
        assert_eq!(kept.codes(), [(poison, "store:sink-died".to_owned())]);
        let tally = kept.last.unwrap().tally;
        assert!(tally.balances());
        assert_eq!(tally.total().delivered, 9, "poison {poison}");
        assert_eq!(caution.poison, BTreeSet::from([poison]));
    }
}

#[test]
fn caution_condemns_no_line_for_one_death_nor_for_a_death_at_the_end() {
    let mut caution = Caution::default();
    assert!(caution.learn(&(5..=5), 1));
    assert_eq!(caution, Caution { alone: Some(5..=5), poison: BTreeSet::new() });
    assert!(!caution.learn(&(9..=9), 0));
    assert!(caution.learn(&(5..=5), 1));
    assert_eq!(caution.poison, BTreeSet::from([5]));
    assert!(!caution.learn(&(5..=5), 1), "a line is condemned once");
}

#[test]
fn records_of_one_line_are_handed_over_together_even_with_caution() {
    let line = r#"{"resourceType":"Bundle","entry":[{"request":{"method":"DELETE","url":"Patient/1"}},{"request":{"method":"DELETE","url":"Patient/2"}}]}"#;
    let text = format!("{line}\n{line}\n");
    let blocks = blocks(text.as_bytes(), 2);
    let puppet = Puppet::new([Ok(all(Some(1))), Ok(all(Some(2)))], [Ok(word(2))]);
    let caution = Caution { alone: Some(1..=2), ..Caution::default() };
    let mut kept = Kept::default();
    let kind = crate::FileKind::Deleted;
    let this = Try { kind, caution, ..Try::new(&blocks, Box::new(puppet.clone())) };
    this.run(&mut kept, |_| {}).unwrap();
    assert_eq!(*puppet.handed.lock().unwrap(), [(1, vec![1, 1]), (1, vec![2, 2])]);
    assert_eq!(kept.last.unwrap().tally.total().delivered_deletions, 4);
}

#[test]
fn a_file_cut_short_at_its_delivered_lines_is_noticed_at_the_end() {
    let whole = blocks(file(3).as_bytes(), 1);
    let mut kept =
        Kept { last: Some(advance_through(2, &whole, true)), ..Kept::default() };
    let puppet = Puppet::new([], [Ok(word(2))]);
    let ended = Try::new(&whole[..1], Box::new(puppet)).run(&mut kept, |_| {});
    let changed = crate::IntakeError::Changed { lines: 2 };
    assert!(matches!(ended, Err(LaneError::Intake(error)) if error == changed));
}

#[test]
fn an_empty_file_ends_well() {
    let store = Store::default();
    let (sink, pause) =
        (PartSink::over(&store, 1, take_all()), Pauses::default().pause());
    let limits = LaneLimits::default();
    let mut lane = Lane::new(intake(observations()), chain(vec![]), sink, limits, pause);
    block_on(lane.open()).unwrap();
    let last = block_on(lane.finish()).unwrap();
    assert_eq!((last.through, last.tally), (0, Tally::default()));
}
