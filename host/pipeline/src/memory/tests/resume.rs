//! Killed anywhere, after entries were committed and before their checkpoint too, a file with a
//! memory ends exactly as if undisturbed: its own lines are no duplicates.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::rig::{Mood, Whim};

/// What became of a resource in an export before: each third digit of its die.
fn known(dice: &[u8]) -> Known {
    let before = dice.iter().zip(1..).filter_map(|(die, id)| match die / 10 % 3 {
        0 => None,
        1 => Some((id, observation(id))),
        _ => Some((id, "another version".to_owned())),
    });
    Known::before(before)
}

/// The fate of a line: the last digit of its die.
fn stages(dice: &[u8]) -> Vec<Box<dyn Stage>> {
    let fates: Vec<u8> = dice.iter().map(|die| die % 10).collect();
    let row = || Output { stream: Some("rows".into()), body: "{}".into() };
    let fate = each("fate", move |record| {
        if record.change != Change::Upsert {
            return Verdict::Keep;
        }
        match fates[usize::try_from(record.seq - 1).unwrap()] {
            0 | 1 => Verdict::Drop,
            2 => Verdict::Reject(Reject::new(RejectClass::Policy, "fate")),
            3 => Verdict::Reject(Reject::new(RejectClass::Malformed, "fate")),
            4 => Verdict::Emit(vec![row(), row()]),
            5 => Verdict::Emit(vec![
                Output { stream: None, body: record.body.clone() },
                row(),
            ]),
            _ => Verdict::Keep,
        }
    });
    vec![fate]
}

/// Refuses each line whose die ends with 6; dies when its strength is used up.
fn whim(fates: &[u8], strength: usize) -> Whim {
    let (fates, left) = (fates.to_vec(), AtomicUsize::new(strength));
    Arc::new(move |record| {
        if left.load(Ordering::Relaxed) == 0 {
            return Mood::Die;
        }
        left.fetch_sub(1, Ordering::Relaxed);
        let fate = fates[usize::try_from(record.seq - 1).unwrap()];
        if fate % 10 == 6 { Mood::Refuse } else { Mood::Take }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Faults: F38.
    #[test]
    fn killed_anywhere_it_remembers_as_if_undisturbed(
        dice in vec(any::<u8>(), 1..50),
        part in 1_usize..9,
        tries in vec((1_usize..12, 0_usize..40, 0_usize..30, any::<bool>()), 0..6),
        quiet_bytes in prop_oneof![Just(0_u64), Just(u64::MAX)],
        last_block_lines in 1_usize..12,
    ) {
        let text = file(dice.len() as u64);
        let all_blocks = blocks(text.as_bytes(), last_block_lines);

        let (whole, calm, mut calm_kept) = (Store::default(), known(&dice), Kept::default());
        let sink = PartSink::over(&whole, part, whim(&dice, usize::MAX));
        let this = Try {
            stages: stages(&dice), memory: Some(calm.memory()), quiet_bytes, ..Try::new(&all_blocks, sink)
        };
        this.run(&mut calm_kept, |advance| calm.commit(advance)).unwrap();

        let (store, shaken, mut kept) = (Store::default(), known(&dice), Kept::default());
        for (block_lines, strength, host_blocks, dies_between) in tries {
            let blocks = blocks(text.as_bytes(), block_lines);
            let sink = PartSink::over(&store, part, whim(&dice, strength));
            let pause = Pauses::default().pause();
            let limits = LaneLimits { quiet_bytes, ..LaneLimits::default() };
            let mut lane = Lane::new(intake(observations()), chain(stages(&dice)), sink, limits, pause)
                .with_memory(shaken.memory());
            if let Some(last) = &kept.last {
                lane = lane.resuming(last);
            }
            block_on(lane.open()).unwrap();
            let mut left = host_blocks;
            for block in &blocks {
                if left == 0 {
                    break;
                }
                left -= 1;
                match block_on(lane.take(block)) {
                    Ok(None) => {}
                    Ok(Some(advance)) => {
                        shaken.commit(&advance);
                        // The host dies with its entries written and its checkpoint not.
                        if dies_between && left == 0 {
                            break;
                        }
                        kept.keep(advance);
                    }
                    Err(LaneError::SinkDied { .. }) => break,
                    Err(error) => prop_assert!(false, "{}", error),
                }
            }
        }
        let sink = PartSink::over(&store, part, whim(&dice, usize::MAX));
        let this = Try {
            stages: stages(&dice), memory: Some(shaken.memory()), quiet_bytes, ..Try::new(&all_blocks, sink)
        };
        this.run(&mut kept, |advance| shaken.commit(advance)).unwrap();

        prop_assert_eq!(store.parts(), whole.parts());
        prop_assert_eq!(kept.codes(), calm_kept.codes());
        prop_assert_eq!(&*shaken.lock(), &*calm.lock());
        let (last, calm) = (kept.last.unwrap(), calm_kept.last.unwrap());
        prop_assert!(last.tally.balances());
        prop_assert_eq!(last.tally, calm.tally);
    }
}
