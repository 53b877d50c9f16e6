use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use futures::{FutureExt as _, executor::block_on, future::BoxFuture, future::ready};

use super::*;
use crate::{
    Batch, Chain, FileKind, Lane, LaneLimits, Output, Reject, Stage, StageError, Verdict,
    rig::{
        Mood, PartSink, Pauses, Store, Whim, blocks, chain, each, file, intake,
        observation, observations, take_all,
    },
};

fn lane(chain: Chain, kind: FileKind, store: &Store, part: usize, whim: Whim) -> Lane {
    let sink = PartSink::over(store, part, whim);
    let limits = LaneLimits { quiet_bytes: u64::MAX, ..LaneLimits::default() };
    Lane::new(intake(kind), chain, sink, limits, Pauses::default().pause())
}

/// Everything that ends in quarantine.
fn refused(mut lane: Lane, text: &[u8]) -> Vec<Quarantined> {
    block_on(lane.open()).unwrap();
    let mut all = Vec::new();
    for block in blocks(text, 100) {
        if let Some(advance) = block_on(lane.take(&block)).unwrap() {
            all.extend(advance.quarantined);
        }
    }
    let last = block_on(lane.finish()).unwrap();
    assert!(last.tally.balances(), "{:?}", last.tally);
    all.extend(last.quarantined);
    all.sort_by_key(|entry| entry.line);
    all
}

/// Line, stage and, where it is kept, the body.
fn shown(entries: &[Quarantined]) -> Vec<(u64, &str, Option<String>)> {
    let body = |entry: &Quarantined| match &entry.kept {
        Kept::Body(remains) => Some(String::from_utf8(remains.body.to_vec()).unwrap()),
        Kept::Lost(_) | Kept::Nothing | Kept::Stored { .. } => None,
    };
    entries.iter().map(|entry| (entry.line, entry.stage.as_str(), body(entry))).collect()
}

fn reject_at(name: &'static str, line: u64) -> Box<dyn Stage> {
    each(name, move |record| {
        if record.seq == line {
            return Verdict::Reject(Reject::new(RejectClass::Other, "no"));
        }
        Verdict::Keep
    })
}

fn anonymous(line: u64) -> String {
    format!(r#"{{"resourceType":"Observation","id":"anon{line}"}}"#)
}

/// Attacks: 41.
#[test]
fn keeps_only_what_passed_every_filter_as_it_came_to_the_stage_that_refused_it() {
    // Line 1 is no resource, 2 is refused before the filter, 3 by it, 4 by the stage that
    // follows and changes all others, 5 by the one after, 6 by the sink.
    let stages = || {
        let pseudonyms = each("pseudonyms", |record| match record.seq {
            4 => Verdict::Reject(Reject::new(RejectClass::Malformed, "odd")),
            line => Verdict::Replace(anonymous(line).into()),
        });
        vec![
            reject_at("early", 2),
            reject_at("cohort", 3),
            pseudonyms,
            reject_at("late", 5),
        ]
    };
    let text: String = (1..=7)
        .map(|id| if id == 1 { "{\"cut\n".to_owned() } else { observation(id) + "\n" })
        .collect();
    let whim: Whim =
        Arc::new(|record| if record.seq == 6 { Mood::Refuse } else { Mood::Take });
    let all = |bodies: [Option<String>; 6]| {
        let stages = ["read", "early", "cohort", "pseudonyms", "late", "store"];
        (1..=6)
            .zip(stages)
            .zip(bodies)
            .map(|((line, stage), body)| (line, stage, body))
            .collect::<Vec<_>>()
    };
    let later = [Some(observation(4)), Some(anonymous(5)), Some(anonymous(6))];
    let [of_pseudonyms, of_late, of_sink] = later;
    let cases = [
        ("nothing is asked for", Keeping::Nothing, all([const { None }; 6])),
        (
            "a filter stands before",
            Keeping::From(2),
            all([
                None,
                None,
                None,
                of_pseudonyms.clone(),
                of_late.clone(),
                of_sink.clone(),
            ]),
        ),
        (
            "the last stage is a filter",
            Keeping::From(4),
            all([None, None, None, None, None, of_sink.clone()]),
        ),
        (
            "there is no filter",
            Keeping::From(0),
            all([
                None,
                Some(observation(2)),
                Some(observation(3)),
                of_pseudonyms,
                of_late,
                of_sink,
            ]),
        ),
    ];
    for (name, keeping, expected) in cases {
        let chain = chain(stages()).keeping(keeping);
        let lane = lane(chain, observations(), &Store::default(), 10, whim.clone());
        let found = refused(lane, text.as_bytes());
        assert_eq!(shown(&found), expected, "case: {name}");
    }
}

#[test]
fn bare_keys_are_not_kept() {
    let chain = chain(vec![reject_at("stage", 1)]).keeping(Keeping::From(0));
    let lane = lane(chain, FileKind::Recalled, &Store::default(), 10, take_all());
    let found = refused(lane, b"{\"resourceType\":\"Observation\",\"id\":\"o\"}\n");
    assert_eq!(shown(&found), [(1, "stage", None)]);
}

/// Complains of every batch once, then refuses all of it.
struct Complaining {
    calls: AtomicU32,
    words: Option<String>,
}

impl Stage for Complaining {
    fn name(&self) -> &'static str {
        "complaining"
    }

    fn judge<'a>(
        &'a mut self,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Vec<Verdict>, StageError>> {
        if self.calls.fetch_add(1, Ordering::Relaxed) == 0 {
            self.words = Some("é".repeat(3_000));
            let (stage, code) = ("complaining".to_owned(), "odd".to_owned());
            let error = StageError::Retryable { stage, code, after: None };
            return ready(Err(error)).boxed();
        }
        let reject = Verdict::Reject(Reject::new(RejectClass::Other, "no"));
        ready(Ok(vec![reject; batch.len()])).boxed()
    }

    fn said(&mut self) -> Option<String> {
        self.words.take()
    }
}

/// Attacks: 42.
#[test]
fn a_plugins_words_are_kept_with_the_one_record_that_they_are_about() {
    for (lines, expected) in [(1, Some(4_096)), (2, None)] {
        let stage = Complaining { calls: AtomicU32::new(0), words: None };
        let chain = chain(vec![Box::new(stage)]).keeping(Keeping::From(0));
        let lane = lane(chain, observations(), &Store::default(), 10, take_all());
        let found = refused(lane, file(lines).as_bytes());
        let words = |entry: &Quarantined| match &entry.kept {
            Kept::Body(remains) => remains.message.as_ref().map(String::len),
            Kept::Lost(_) | Kept::Nothing | Kept::Stored { .. } => panic!("not kept"),
        };
        let found: Vec<Option<usize>> = found.iter().map(words).collect();
        let length = usize::try_from(lines).unwrap();
        assert_eq!(found, vec![expected; length], "{lines} lines");
    }
}

#[test]
fn tells_when_bodies_are_much_and_forgets_those_that_are_stored() {
    let pad = "x".repeat(800);
    let basic =
        |id: u64| format!(r#"{{"resourceType":"Basic","id":"b{id}","x":"{pad}"}}"#);
    let text: String = (1..=12_000).map(|id| basic(id) + "\n").collect();
    let whim: Whim =
        Arc::new(|record| if record.seq == 1 { Mood::Take } else { Mood::Refuse });
    let chain = chain(vec![]).keeping(Keeping::From(0));
    let mut lane = lane(chain, FileKind::Output(None), &Store::default(), 10, whim);
    block_on(lane.open()).unwrap();
    let stored = || Kept::Stored { name: "a".into(), is_changed: false };
    let mut asked = 0;
    for block in blocks(text.as_bytes(), 100) {
        assert_eq!(block_on(lane.take(&block)).unwrap(), None, "the sink owes line 1");
        let Some(groups) = lane.much_refused() else { continue };
        asked += 1;
        let of_group = |group: &&mut [Quarantined]| -> usize {
            group.iter().map(|entry| entry.kept.waiting()).sum()
        };
        let bytes: usize = groups.iter().map(of_group).sum();
        assert!((4 << 20..5 << 20).contains(&bytes), "{bytes} bytes");
        for entry in groups.into_iter().flatten() {
            if let Kept::Body(_) = entry.kept {
                entry.kept = stored();
            }
        }
    }
    assert_eq!(asked, 2, "some 10 MiB, 4 at a time");
    let last = block_on(lane.finish()).unwrap().quarantined;
    let stored = last.iter().filter(|entry| entry.kept == stored());
    let (stored, all) = (stored.count(), last.len());
    assert_eq!(all, 11_999);
    assert!(stored > 9_000 && stored < all, "{stored}");
}

#[test]
fn what_is_stored_ahead_is_never_parted_by_an_advance() {
    // Every block has a record that the sink takes, and its parts end where they will.
    let pad = "x".repeat(900);
    let basic =
        |id: u64| format!(r#"{{"resourceType":"Basic","id":"b{id}","x":"{pad}"}}"#);
    let text: String = (1..=20_000).map(|id| basic(id) + "\n").collect();
    let whim: Whim =
        Arc::new(
            |record| {
                if record.seq.is_multiple_of(50) { Mood::Take } else { Mood::Refuse }
            },
        );
    let chain = chain(vec![]).keeping(Keeping::From(0));
    let mut lane = lane(chain, FileKind::Output(None), &Store::default(), 130, whim);
    block_on(lane.open()).unwrap();
    let (mut groups, mut advances) = (0_u64, Vec::new());
    for block in blocks(text.as_bytes(), 60) {
        advances.extend(block_on(lane.take(&block)).unwrap());
        for group in lane.much_refused().into_iter().flatten() {
            groups += 1;
            for entry in group {
                if let Kept::Body(_) = entry.kept {
                    let name = groups.to_string().into();
                    entry.kept = Kept::Stored { name, is_changed: false };
                }
            }
        }
    }
    advances.push(block_on(lane.finish()).unwrap());
    assert!(advances.len() > 2 && groups > 20, "{} and {groups}", advances.len());
    let mut seen = std::collections::BTreeSet::new();
    for advance in advances {
        let names = advance.quarantined.iter().filter_map(|entry| match &entry.kept {
            Kept::Stored { name, .. } => Some(name.clone()),
            Kept::Body(_) | Kept::Lost(_) | Kept::Nothing => None,
        });
        let names: std::collections::BTreeSet<Arc<str>> = names.collect();
        assert!(names.is_disjoint(&seen), "a group is in two advances");
        seen.extend(names);
    }
}

#[test]
fn what_is_kept_goes_through_a_chain_again_and_is_known_as_what_it_was() {
    // A row, a changed body and one as it came, all refused by the sink.
    let split = each("split", |record| match record.seq {
        1 => Verdict::Emit(vec![Output {
            stream: Some("view/rows".to_owned()),
            body: r#"{"row":1}"#.into(),
        }]),
        2 => Verdict::Replace(anonymous(2).into()),
        _ => Verdict::Keep,
    });
    let chain_of = || chain(vec![]).keeping(Keeping::Nothing);
    let first = lane(
        chain(vec![split]).keeping(Keeping::From(0)),
        observations(),
        &Store::default(),
        10,
        Arc::new(|_| Mood::Refuse),
    );
    let found = refused(first, file(3).as_bytes());
    let mut again = Vec::new();
    for entry in &found {
        let (label, body) = Label::of(entry, 0).unwrap();
        assert_eq!(Label::parse(label.to_line().as_bytes()), Some(label.clone()));
        again.extend(label.replayed(body));
    }

    let store = Store::default();
    let mut second = lane(chain_of(), FileKind::Replayed, &store, 10, take_all());
    block_on(second.open()).unwrap();
    block_on(second.take(&blocks(&again, 100)[0])).unwrap();
    let last = block_on(second.finish()).unwrap();
    assert!(last.tally.balances(), "{:?}", last.tally);
    assert_eq!(last.tally.total().rows, 1);
    let row = |line, kind: &str, body: &str| (line, kind.to_owned(), body.to_owned());
    assert_eq!(
        store.rows(),
        [
            row(1, "view/rows", r#"{"row":1}"#),
            row(2, "Observation", &anonymous(2)),
            row(3, "Observation", &observation(3)),
        ]
    );

    // A filter before the sink is told the same patients, and the memory the same id.
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let watch = each("watch", move |record| {
        let about = record.envelope.patients.linked.to_vec();
        log.lock().unwrap().push((record.id().map(str::to_owned), about));
        Verdict::Drop
    });
    let third = lane(chain(vec![watch]), FileKind::Replayed, &store, 10, take_all());
    assert_eq!(refused(third, &again), []);
    let expected: Vec<_> = (1..=3)
        .map(|id| {
            let patient = PatientKey::of(&format!("p{id}"));
            (Some(format!("o{id}")), vec![patient])
        })
        .collect();
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[test]
fn a_damaged_line_is_refused_and_never_shown() {
    for line in ["no tab", "{}\t{}", "{\"line\":1}\t"] {
        let text = format!("{line}\n");
        let lane =
            lane(chain(vec![]), FileKind::Replayed, &Store::default(), 1, take_all());
        let found = refused(lane, text.as_bytes());
        assert_eq!(found[0].code, "not-a-replay", "case: {line}");
    }
    let remains = Remains {
        is_row: false,
        source: None,
        message: Some("canary".to_owned()),
        body: Bytes::from_static(b"canary"),
    };
    assert!(!format!("{remains:?}").contains("canary"));
}
