//! Killed anywhere and resumed from what was kept, a file ends exactly as if undisturbed.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    Output, Stage, Verdict,
    rig::{Row, observation},
};

/// Lines by a die: resources of seven fates, and lines that are none.
fn text(dice: &[u8]) -> String {
    let line = |(at, die): (usize, &u8)| match die % 10 {
        7 => "nope".to_owned(),
        8 => String::new(),
        9 => r#"{"resourceType":"Patient","id":"1"}"#.to_owned(),
        fate => observation(at as u64 * 10 + u64::from(fate)),
    };
    dice.iter().enumerate().map(|die| line(die) + "\n").collect()
}

/// The last digit of the id: the fate that [`text`] gave it.
fn fate(record: &Record) -> u8 {
    let body = std::str::from_utf8(&record.body).unwrap();
    let id = body.split(r#""id":"o"#).nth(1).and_then(|rest| rest.split('"').next());
    id.and_then(|id| id.bytes().last()).unwrap_or(b'0') - b'0'
}

fn stages() -> Vec<Box<dyn Stage>> {
    let body = |text: &'static str| Bytes::from_static(text.as_bytes());
    let row = move || Output { stream: Some("rows".into()), body: body(r#"{"a":1}"#) };
    vec![each("fate", move |record| match fate(record) {
        1 => Verdict::Drop,
        2 => Verdict::Reject(Reject::new(RejectClass::Policy, "fate")),
        3 => Verdict::Replace(body(r#"{"resourceType":"Observation","id":"changed"}"#)),
        4 => Verdict::Emit(vec![row(), row()]),
        5 => {
            Verdict::Emit(vec![Output { stream: None, body: record.body.clone() }, row()])
        }
        _ => Verdict::Keep,
    })]
}

/// Refuses by content; dies with the record after which its strength is used up.
fn whim(strength: usize) -> Whim {
    let left = AtomicUsize::new(strength);
    Arc::new(move |record| {
        if left.load(Ordering::Relaxed) == 0 {
            return Mood::Die;
        }
        left.fetch_sub(1, Ordering::Relaxed);
        if !record.is_row && fate(record) == 6 { Mood::Refuse } else { Mood::Take }
    })
}

/// The tally at every line, and everything delivered, of a run in which nothing happens.
fn undisturbed(text: &str) -> (BTreeMap<u64, Tally>, Vec<Row>, Kept) {
    let (store, mut kept, mut tallies) =
        (Store::default(), Kept::default(), BTreeMap::new());
    let blocks = blocks(text.as_bytes(), 1);
    let sink = PartSink::over(&store, 1, whim(usize::MAX));
    let this = Try { stages: stages(), ..Try::new(&blocks, sink) };
    this.run(&mut kept, |advance| {
        tallies.insert(advance.through, advance.tally.clone());
    })
    .unwrap();
    (tallies, store.rows(), kept)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Faults: F38.
    #[test]
    fn killed_anywhere_it_ends_as_if_undisturbed(
        dice in vec(any::<u8>(), 0..60),
        part in 1_usize..9,
        tries in vec((1_usize..12, 0_usize..40, 0_usize..30), 0..6),
        quiet_bytes in prop_oneof![Just(0_u64), Just(500), Just(u64::MAX)],
        last_block_lines in 1_usize..12,
    ) {
        let text = text(&dice);
        let (tallies, rows, calm) = undisturbed(&text);

        // The same parts as a run that no one killed, not only the same rows.
        let whole = Store::default();
        let all_blocks = blocks(text.as_bytes(), last_block_lines);
        let sink = PartSink::over(&whole, part, whim(usize::MAX));
        let this = Try { stages: stages(), quiet_bytes, ..Try::new(&all_blocks, sink) };
        this.run(&mut Kept::default(), |_| {}).unwrap();

        let (store, mut kept) = (Store::default(), Kept::default());
        let is_covered = |store: &Store, advance: &Advance| {
            let durable = store.rows();
            rows.iter().filter(|row| row.0 <= advance.through).all(|row| durable.contains(row))
        };
        for (block_lines, strength, host_blocks) in tries {
            // The sink dies when its strength is used up, the host after some blocks.
            let blocks = blocks(text.as_bytes(), block_lines);
            let sink = PartSink::over(&store, part, whim(strength));
            let pause = Pauses::default().pause();
            let limits = LaneLimits { quiet_bytes, ..LaneLimits::default() };
            let mut lane = Lane::new(intake(observations()), chain(stages()), sink, limits, pause);
            if let Some(last) = &kept.last {
                lane = lane.resuming(last);
            }
            block_on(lane.open()).unwrap();
            for block in blocks.iter().take(host_blocks) {
                match block_on(lane.take(block)) {
                    Ok(None) => {}
                    Ok(Some(advance)) => {
                        prop_assert!(is_covered(&store, &advance), "beyond the sink's word");
                        prop_assert_eq!(Some(&advance.tally), tallies.get(&advance.through));
                        kept.keep(advance);
                    }
                    Err(LaneError::SinkDied { .. }) => break,
                    Err(error) => prop_assert!(false, "{}", error),
                }
            }
        }
        let sink = PartSink::over(&store, part, whim(usize::MAX));
        let this = Try { stages: stages(), quiet_bytes, ..Try::new(&all_blocks, sink) };
        this.run(&mut kept, |advance| assert!(is_covered(&store, advance))).unwrap();

        prop_assert_eq!(store.parts(), whole.parts());
        prop_assert_eq!(store.rows(), rows);
        prop_assert_eq!(kept.codes(), calm.codes());
        let (last, calm) = (kept.last.unwrap(), calm.last.unwrap());
        prop_assert!(last.tally.balances());
        prop_assert_eq!((last.through, last.prefix_hash, last.tally), (calm.through, calm.prefix_hash, calm.tally));
    }
}
