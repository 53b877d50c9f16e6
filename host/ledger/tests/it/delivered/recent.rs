//! What was written and is not sorted yet: found, overruled, carried on, never half.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use bulkhead_ledger::delivered::{Draft, Durable, KeyHash};
use proptest::{collection::vec, prelude::*};

use super::*;

/// Many small logs that nobody sorts before he must.
const LAZY: Bounds = Bounds { cache: 1 << 20, write_buffer: 4 << 10, journal: 1 << 30 };

/// The same, sorted as soon as they are full.
const EAGER: Bounds = Bounds { journal: 0, ..LAZY };

/// The logs in a ledger's folder, oldest first.
fn logs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut logs: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|end| end == "entries"))
        .collect();
    logs.sort();
    logs
}

#[test]
fn what_an_earlier_process_left_is_sorted_in_and_the_newest_counts() {
    let directory = tempfile::tempdir().unwrap();
    let delivered = Delivered::open_within(directory.path(), &LAZY).unwrap();
    assert!(delivered.is_empty());
    for round in 0..3_u64 {
        // Each time fewer of them, from the front.
        for start in (0..1000 - 300 * round).step_by(50) {
            let of = observations(start..start + 50).into_iter();
            let of: Vec<_> =
                of.map(|(key, entry)| (key, Entry { seen: round, ..entry })).collect();
            delivered.commit(&of).unwrap();
        }
    }
    assert!(!delivered.is_empty());
    let expected = |id: u64| {
        let seen = if id < 400 { 2 } else { u64::from(id < 700) };
        (id < 1000).then(|| Entry { seen, ..entry(id) })
    };
    let keys: Vec<ResourceKey> = (0..1100).map(|id| key("Observation", id)).collect();
    let all: Vec<_> = (0..1100).map(expected).collect();
    assert!(logs(directory.path()).len() > 10, "nothing is sorted yet");
    assert_eq!(delivered.get_many(&keys).unwrap(), all);
    drop(delivered);
    assert!(logs(directory.path()).len() > 10, "nor when it was closed");

    let delivered = Delivered::open_within(directory.path(), &LAZY).unwrap();
    assert!(!delivered.is_empty());
    assert_eq!(delivered.get_many(&keys).unwrap(), all);
    assert_eq!(logs(directory.path()).len(), 1, "all but the open one is in the engine");
    assert_eq!(delivered.count(None).unwrap(), 1000);
}

#[test]
fn of_what_may_have_no_entry_it_is_certain() {
    let directory = tempfile::tempdir().unwrap();
    let hash = |id: u64| KeyHash::new("Observation", &format!("id-{id}")).unwrap();
    let delivered = Delivered::open_within(directory.path(), &EAGER).unwrap();
    delivered.commit(&observations(0..2000)).unwrap();
    let known = delivered.may_have((0..2000).map(hash));
    assert!(known.iter().all(|may| *may));
    let strangers = delivered.may_have((5000..7000).map(hash));
    assert!(strangers.iter().filter(|may| **may).count() < 200);
    drop(delivered);
    // What is in the open log it knows again.
    let delivered = Delivered::open_within(directory.path(), &LAZY).unwrap();
    assert!(delivered.may_have((0..2000).map(hash)).iter().all(|may| *may));
    assert!(!delivered.may_have((5000..7000).map(hash)).iter().all(|may| *may));
    delivered.commit(&observations(2000..2001)).unwrap();
    drop(delivered);
    // Of what is in the engine it does not: then anything may be known.
    let delivered = Delivered::open_within(directory.path(), &LAZY).unwrap();
    assert!(delivered.may_have((5000..7000).map(hash)).iter().all(|may| *may));
}

/// Faults: F23.
#[test]
fn what_was_half_written_is_gone_and_what_was_whole_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let delivered = Delivered::open(directory.path()).unwrap();
    delivered.commit(&observations(0..10)).unwrap();
    drop(delivered);
    let path = logs(directory.path()).remove(0);
    let whole = fs_err::read(&path).unwrap();
    let delivered = Delivered::open(directory.path()).unwrap();
    delivered.commit(&observations(5..20)).unwrap();
    drop(delivered);
    let longer = fs_err::read(&path).unwrap();
    for len in [whole.len() + 1, whole.len() + 11, whole.len() + 100, longer.len() - 1] {
        fs_err::write(&path, &longer[..len]).unwrap();
        let delivered = Delivered::open(directory.path()).unwrap();
        assert_eq!(delivered.count(None).unwrap(), 10, "{len} bytes");
        delivered.commit(&observations(10..12)).unwrap();
        drop(delivered);
        let delivered = Delivered::open(directory.path()).unwrap();
        assert_eq!(delivered.count(None).unwrap(), 12, "{len} bytes");
    }
    // A file that was made and never written to.
    fs_err::write(&path, "").unwrap();
    let delivered = Delivered::open(directory.path()).unwrap();
    assert_eq!(delivered.count(None).unwrap(), 0);
    delivered.commit(&observations(0..1)).unwrap();
}

#[test]
fn a_damaged_log_is_named_and_not_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let delivered = Delivered::open_within(directory.path(), &LAZY).unwrap();
    for start in 0..5 {
        delivered.commit(&observations(start * 50..(start + 1) * 50)).unwrap();
    }
    drop(delivered);
    let path = logs(directory.path()).remove(1);
    let mut bytes = fs_err::read(&path).unwrap();
    bytes[100] ^= 1;
    fs_err::write(&path, &bytes).unwrap();
    let delivered = Delivered::open_within(directory.path(), &LAZY).unwrap();
    let error = delivered.get_many(&[key("Observation", 1)]).unwrap_err();
    assert!(matches!(error, Error::DeliveredDamaged { .. }), "{error:?}");
    let error = delivered.commit(&observations(0..1)).unwrap_err();
    assert!(matches!(error, Error::DeliveredDamaged { .. }), "{error:?}");
    assert!(delivered.of_type(None).next().unwrap().is_err());
}

/// What is done to a ledger.
#[derive(Clone, Debug)]
enum Step {
    Count,
    Forget,
    Open(Bounds),
    Put(u64, u64, u64, Durable),
}

fn step() -> impl Strategy<Value = Step> {
    let durable = prop_oneof![Just(Durable::Now), Just(Durable::Later)];
    prop_oneof![
        12 => (0..300_u64, 1..60_u64, 1..1000_u64, durable)
            .prop_map(|(start, len, seen, durable)| Step::Put(start, len, seen, durable)),
        2 => prop_oneof![Just(LAZY), Just(EAGER)].prop_map(Step::Open),
        1 => Just(Step::Count),
        1 => Just(Step::Forget),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Items: 134. Faults: F23.
    #[test]
    fn says_what_a_map_says_whatever_is_done(steps in vec(step(), 1..40)) {
        let directory = tempfile::tempdir().unwrap();
        let mut map: BTreeMap<ResourceKey, Entry> = BTreeMap::new();
        let mut delivered = Some(Delivered::open_within(directory.path(), &LAZY).unwrap());
        for step in steps {
            let open = delivered.as_ref().unwrap();
            match step {
                Step::Count => {
                    prop_assert_eq!(open.count(None).unwrap(), map.len() as u64);
                }
                Step::Forget => {
                    open.forget_all().unwrap();
                    map.clear();
                }
                Step::Open(bounds) => {
                    drop(delivered.take());
                    let open = Delivered::open_within(directory.path(), &bounds);
                    delivered = Some(open.unwrap());
                }
                Step::Put(start, len, seen, durable) => {
                    let mut draft = Draft::default();
                    for (key, entry) in observations(start..start + len) {
                        let entry = Entry { seen, ..entry };
                        draft.add(key.resource_type(), key.id(), &entry.borrowed()).unwrap();
                        map.insert(key, entry);
                    }
                    prop_assert_eq!((draft.len() as u64, draft.is_empty()), (len, false));
                    open.put(draft, durable).unwrap();
                }
            }
            let open = delivered.as_ref().unwrap();
            let keys: Vec<ResourceKey> =
                (0..370).step_by(7).map(|id| key("Observation", id)).collect();
            let expected: Vec<_> = keys.iter().map(|key| map.get(key).cloned()).collect();
            prop_assert_eq!(open.get_many(&keys).unwrap(), expected);
        }
        let expected: Vec<_> = map.into_iter().collect();
        prop_assert_eq!(all(delivered.as_ref().unwrap(), None), expected);
    }
}
