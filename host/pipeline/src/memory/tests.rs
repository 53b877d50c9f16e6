mod known;
mod resume;

use futures::{FutureExt as _, executor::block_on, future::ready};

use self::known::Known;
use super::*;
use crate::{
    Chain, FileKind, Lane, LaneError, LaneLimits, Output, Reject, RejectClass, Stage,
    Verdict,
    rig::{
        Kept, PartSink, Pauses, Row, Store, Try, blocks, chain, each, file, intake,
        observation, observations, take_all,
    },
};

fn retraction(line: u64) -> Row {
    let body = format!(r#"{{"resourceType":"Observation","id":"o{line}"}}"#);
    (line, "Observation".to_owned(), body)
}

fn kept(line: u64) -> Row {
    (line, "Observation".to_owned(), observation(line))
}

/// Delivers `count` Observations; gives rows, what was kept, and what was handled.
fn deliver(
    count: u64,
    known: &Known,
    stages: Vec<Box<dyn Stage>>,
) -> (Vec<Row>, Kept, Vec<Handled>) {
    let (store, mut kept, mut handled) = (Store::default(), Kept::default(), Vec::new());
    let blocks = blocks(file(count).as_bytes(), 2);
    let sink = PartSink::over(&store, 3, take_all());
    let this = Try { stages, memory: Some(known.memory()), ..Try::new(&blocks, sink) };
    this.run(&mut kept, |advance| {
        known.commit(advance);
        handled.extend(advance.handled.clone());
    })
    .unwrap();
    (store.rows(), kept, handled)
}

/// Items: 134.
/// Faults: F23.
#[test]
fn what_is_known_unchanged_ends_before_the_chain() {
    let known = Known::before([2, 3].map(|id| (id, observation(id))));
    let unseen = each("s", |record| {
        assert!(![2, 3].contains(&record.seq), "line {} came to a stage", record.seq);
        Verdict::Keep
    });
    let (rows, kept_of, handled) = deliver(5, &known, vec![unseen]);
    assert_eq!(rows, [kept(1), kept(4), kept(5)]);
    let tally = kept_of.last.unwrap().tally;
    assert!(tally.balances());
    let total = tally.total();
    assert_eq!((total.read, total.delivered, total.dropped["unchanged"]), (5, 3, 2));
    let lines: Vec<u64> = handled.iter().map(|one| one.seq).collect();
    assert_eq!(lines, [1, 4, 5]);
    // The next export.
    known.lock().values_mut().for_each(|entry| entry.export = 1);
    let again = deliver(5, &known, vec![]);
    assert_eq!(again.0, [], "all of it is known now");
    assert_eq!(again.1.last.unwrap().tally.total().dropped["unchanged"], 5);
}

#[test]
fn what_a_line_says_is_hashed_alike_on_the_way_and_once_it_is_taken() {
    let stranger = r#"{"resourceType":"Observation","id":"o9"}"#.to_owned();
    for known in [Known::default(), Known::before([(9, stranger)])] {
        let (_, _, handled) = deliver(3, &known, vec![]);
        let said: Vec<Option<u64>> =
            handled.iter().map(|one| Some(one.content)).collect();
        assert_eq!(said, [1, 2, 3].map(|number| content_hash(observation(number))));
    }
}

/// Name, verdict on line 2, row of line 2, code in quarantine, whether a retraction.
type Case = (&'static str, Verdict, Option<Row>, Option<&'static str>, bool);

/// Items: S9.
#[test]
fn what_the_destination_holds_and_no_stage_lets_pass_is_retracted() {
    let reject = |class| Verdict::Reject(Reject::new(class, "no"));
    let row = || Output { stream: Some("rows".into()), body: "{}".into() };
    let cases: Vec<Case> = vec![
        ("keep", Verdict::Keep, Some(kept(2)), None, false),
        ("drop", Verdict::Drop, Some(retraction(2)), None, true),
        ("emit nothing", Verdict::Emit(vec![]), Some(retraction(2)), None, true),
        ("by rule", reject(RejectClass::Policy), Some(retraction(2)), None, true),
        ("faulty", reject(RejectClass::Malformed), None, Some("s:no"), false),
        ("too large", reject(RejectClass::TooLarge), None, Some("s:no"), false),
        (
            "a broken output",
            Verdict::Replace("{}".into()),
            None,
            Some("s:output-not-a-resource"),
            false,
        ),
        (
            "rows alone",
            Verdict::Emit(vec![row(), row()]),
            Some((2, "rows".into(), "{}".into())),
            None,
            false,
        ),
    ];
    for (name, verdict, row, code, is_retraction) in cases {
        // The destination holds another version of it.
        let known = Known::before([(2, observation(9))]);
        let stage = each("s", move |record| {
            if record.seq == 2 && record.change == Change::Upsert {
                verdict.clone()
            } else {
                Verdict::Keep
            }
        });
        let (rows, kept_of, handled) = deliver(3, &known, vec![stage]);
        let found: Vec<Row> = rows.into_iter().filter(|row| row.0 == 2).collect();
        let codes: Vec<String> =
            kept_of.codes().into_iter().map(|(_, code)| code).collect();
        assert_eq!(found.first(), row.as_ref(), "case: {name}");
        assert_eq!(codes, code.into_iter().collect::<Vec<_>>(), "case: {name}");
        let tally = kept_of.last.unwrap().tally;
        assert!(tally.balances(), "case: {name}: {tally:?}");
        let counts = tally.total();
        let retracted = u64::from(is_retraction);
        assert_eq!(
            (counts.retracted, counts.delivered_deletions, counts.changed),
            (retracted, retracted, 0),
            "case: {name}"
        );
        assert_eq!(
            counts.retracted_by.get("s").copied().unwrap_or(0),
            retracted,
            "{name}"
        );
        let of_line: Vec<&Handled> = handled.iter().filter(|one| one.seq == 2).collect();
        assert_eq!(of_line.len(), usize::from(row.is_some()), "once, case: {name}");
        if let [one] = of_line[..] {
            let expected = if is_retraction { Change::Retract } else { Change::Upsert };
            assert_eq!(
                (one.change, &*one.kind, &*one.id),
                (expected, "Observation", "o2")
            );
            assert_eq!(
                one.raw,
                xxh3_64(observation(2).as_bytes()),
                "of the line as it came"
            );
            assert_eq!(Some(one.content), content_hash(observation(2)));
            assert_eq!(one.envelope.patients.linked.len(), 1);
        }
    }
}

#[test]
fn what_was_never_delivered_is_dropped_without_a_word() {
    let drop = each("s", |_| Verdict::Drop);
    let (rows, kept_of, handled) = deliver(3, &Known::default(), vec![drop]);
    assert_eq!((rows, handled), (vec![], vec![]));
    assert_eq!(kept_of.last.unwrap().tally.total().dropped["s"], 3);
}

#[test]
fn a_retraction_goes_through_later_stages_under_the_id_that_earlier_ones_gave() {
    let known = Known::before([(1, "other".to_owned()), (2, "other".to_owned())]);
    let rename = each("rename", |record| {
        let body = std::str::from_utf8(&record.body).unwrap().replace(r#""o"#, r#""x"#);
        Verdict::Replace(body.into())
    });
    let drop = each("drop", |record| {
        assert_eq!(record.change, Change::Upsert);
        Verdict::Drop
    });
    // A later stage may end a retraction; it does not come back as another.
    let last = each("last", |record| {
        assert_eq!(record.change, Change::Retract);
        assert_eq!(record.id(), Some(format!("o{}", record.seq).as_str()));
        assert_eq!(record.source(), observation(record.seq).as_bytes());
        if record.seq == 2 { Verdict::Drop } else { Verdict::Keep }
    });
    let (rows, kept_of, handled) = deliver(3, &known, vec![rename, drop, last]);
    let body = r#"{"resourceType":"Observation","id":"x1"}"#;
    assert_eq!(rows, [(1, "Observation".to_owned(), body.to_owned())]);
    assert_eq!(
        handled.iter().map(|one| (one.seq, &*one.id)).collect::<Vec<_>>(),
        [(1, "o1")]
    );
    let tally = kept_of.last.unwrap().tally;
    assert!(tally.balances());
    let total = tally.total();
    assert_eq!((total.retracted, total.retracted_by["drop"]), (1, 2));
    assert_eq!((total.dropped["drop"], total.dropped["last"]), (1, 1));
}

#[test]
fn what_has_lost_its_id_cannot_be_retracted_and_is_not_lost() {
    let known = Known::before([(2, "other".to_owned())]);
    let strip =
        each("strip", |_| Verdict::Replace(r#"{"resourceType":"Observation"}"#.into()));
    let drop = each("drop", |_| Verdict::Drop);
    let (rows, kept_of, _) = deliver(2, &known, vec![strip, drop]);
    assert_eq!(rows, []);
    assert_eq!(kept_of.codes(), [(2, "drop:retraction-without-id".to_owned())]);
    let tally = kept_of.last.unwrap().tally;
    assert!(tally.balances());
    assert_eq!(tally.total().faulty, 1);
}

#[test]
fn what_the_sink_refuses_was_not_handled() {
    let known = Known::default();
    let (store, mut kept_of, blocks) =
        (Store::default(), Kept::default(), blocks(file(3).as_bytes(), 3));
    let refuse: crate::rig::Whim = Arc::new(|record| {
        if record.seq == 2 { crate::rig::Mood::Refuse } else { crate::rig::Mood::Take }
    });
    let sink = PartSink::over(&store, 1, refuse);
    let this = Try { memory: Some(known.memory()), ..Try::new(&blocks, sink) };
    this.run(&mut kept_of, |advance| known.commit(advance)).unwrap();
    let keys: Vec<String> = known.lock().keys().cloned().collect();
    assert_eq!(keys, ["Observation/o1", "Observation/o3"]);
}

#[test]
fn deletions_of_what_was_delivered_pass_and_are_handled_by_key() {
    let known = Known::before([(1, observation(1))]);
    let entry = |id: u64| {
        format!(r#"{{"request":{{"method":"DELETE","url":"Observation/o{id}"}}}}"#)
    };
    let text =
        format!(r#"{{"resourceType":"Bundle","entry":[{},{}]}}"#, entry(1), entry(2));
    let (store, mut kept_of, blocks) =
        (Store::default(), Kept::default(), blocks(text.as_bytes(), 3));
    let this = Try {
        kind: FileKind::Deleted,
        memory: Some(known.memory()),
        ..Try::new(&blocks, PartSink::over(&store, 1, take_all()))
    };
    this.run(&mut kept_of, |advance| known.commit(advance)).unwrap();
    assert_eq!(store.rows(), [retraction(1)]);
    let tally = kept_of.last.unwrap().tally;
    assert!(tally.balances());
    let total = tally.total();
    assert_eq!(
        (total.read_deletions, total.delivered_deletions, total.retracted),
        (2, 1, 0)
    );
    assert_eq!(total.dropped["never-delivered"], 1);
    assert_eq!(known.lock()["Observation/o1"].change, Change::Delete);
}

/// Items: 138, S9.
#[test]
fn keys_that_the_host_calls_back_leave_as_retractions_and_deletions() {
    let text = concat!(
        r#"{"resourceType":"Observation","id":"o1"}"#,
        "\n",
        r#"{"resourceType":"Patient","id":"p","gone":true}"#,
        "\n",
        r#"{"resourceType":"Observation","id":"o3","code":1}"#,
        "\n",
    );
    let (store, mut kept_of, blocks) =
        (Store::default(), Kept::default(), blocks(text.as_bytes(), 3));
    let stage = each("s", |record| {
        let is_patient = record.resource_type() == "Patient";
        assert_eq!(
            record.change,
            if is_patient { Change::Delete } else { Change::Retract }
        );
        assert_eq!(record.id(), Some(if is_patient { "p" } else { "o1" }));
        assert_eq!(record.envelope.patients.linked.len(), usize::from(is_patient));
        Verdict::Keep
    });
    let this = Try {
        kind: FileKind::Recalled,
        stages: vec![stage],
        ..Try::new(&blocks, PartSink::over(&store, 1, take_all()))
    };
    let mut handled = 0;
    this.run(&mut kept_of, |advance| handled += advance.handled.len()).unwrap();
    let patient =
        (2, "Patient".to_owned(), r#"{"resourceType":"Patient","id":"p"}"#.to_owned());
    assert_eq!(store.rows(), [retraction(1), patient]);
    assert_eq!(kept_of.codes(), [(3, "read:not-a-key".to_owned())]);
    assert_eq!(handled, 0, "no memory, nothing to remember");
    let tally = kept_of.last.unwrap().tally;
    assert!(tally.balances());
    let total = tally.total();
    assert_eq!(
        (total.read_deletions, total.delivered_deletions, total.retracted),
        (2, 2, 1)
    );
}

/// Answers what it was made with.
struct Parrot(Result<Vec<Recall>, &'static str>);

impl Memory for Parrot {
    fn recall<'a>(
        &'a mut self,
        _: &'a Batch,
        _: &'a Digests,
    ) -> BoxFuture<'a, Result<Vec<Recall>, MemoryError>> {
        ready(self.0.clone().map_err(|why| MemoryError::Read(why.into()))).boxed()
    }
}

#[test]
fn a_memory_that_does_not_tell_ends_the_file() {
    let pass = Recall::Pass { delivered_before: false };
    let cases = [
        ("too few", Ok(vec![pass]), "1 answers came for 2 records"),
        ("too many", Ok(vec![pass; 3]), "3 answers came for 2 records"),
        ("unreadable", Err("disk"), "what was delivered before cannot be read"),
    ];
    for (name, answer, expected) in cases {
        let store = Store::default();
        let sink = PartSink::over(&store, 1, take_all());
        let (limits, pause) = (LaneLimits::default(), Pauses::default().pause());
        let lane: Chain = chain(vec![]);
        let mut lane = Lane::new(intake(observations()), lane, sink, limits, pause)
            .with_memory(Box::new(Parrot(answer)));
        block_on(lane.open()).unwrap();
        let ended = block_on(lane.take(&blocks(file(2).as_bytes(), 2)[0]));
        let Err(LaneError::Memory(error)) = ended else {
            panic!("case: {name}: {ended:?}")
        };
        assert_eq!(error.to_string(), expected, "case: {name}");
        assert_eq!(store.rows(), []);
    }
}

#[test]
fn a_lane_without_a_memory_hands_nothing_out_and_copies_nothing() {
    let mut tally = Tally::default();
    let blocks = blocks(file(3).as_bytes(), 3);
    let batch =
        intake(observations()).take(&blocks[0], &mut tally).unwrap().batch.unwrap();
    for record in batch.records() {
        assert_eq!((record.delivered_before, &record.original), (false, &None));
        assert_eq!(record.source().as_ptr(), record.body.as_ptr());
    }
    let (address, recalls) =
        (batch.records().as_ptr(), vec![Recall::Pass { delivered_before: false }; 3]);
    let passed = apply(batch, &recalls, &mut tally).unwrap().unwrap();
    assert_eq!(passed.records().as_ptr(), address, "the records were moved");
}
