use super::*;

fn at(seconds: i64) -> Instant {
    Instant::from_unix_ms(seconds * 1000)
}

fn entry(state: State, export: u64, updated: i64, raw: u64) -> Entry {
    Entry {
        state,
        epoch: 1,
        export,
        file: 0,
        line: 5,
        seen: 0,
        last_updated: Some(at(updated)),
        raw,
        content: raw,
        patients: bulkhead_ledger::delivered::Patients::default(),
    }
}

/// Items: 110, 111, 134, S8. Faults: F23, F24, F29.
#[test]
fn decides_by_what_the_destination_has_and_what_the_snapshot_can_know() {
    use Change::{Delete, Retract, Upsert};
    let setting =
        Setting { epoch: 1, export: 9, snapshot: at(100), entry_looked: Ordering::Less };
    let before = Recall::Pass { delivered_before: true };
    let new = Recall::Pass { delivered_before: false };
    let live = |export, updated, raw| Some(entry(State::Live, export, updated, raw));
    let gone = |export, updated| Some(entry(State::Deleted, export, updated, 0));
    let flying = |file, line, updated, raw| {
        Some(InFlight { last_updated: Some(at(updated)), raw, file, line })
    };
    // name, change, lastUpdated, raw, line, entry, void, in flight, expected
    let cases = [
        ("never seen", Upsert, 50, 7, 9, None, false, None, new),
        (
            "the same again",
            Upsert,
            50,
            7,
            9,
            live(3, 50, 7),
            false,
            None,
            Recall::Skip(UNCHANGED),
        ),
        ("the same, touched", Upsert, 60, 7, 9, live(3, 50, 7), false, None, before),
        ("changed", Upsert, 60, 8, 9, live(3, 50, 7), false, None, before),
        (
            "changed without a new time",
            Upsert,
            50,
            8,
            9,
            live(3, 50, 7),
            false,
            None,
            before,
        ),
        ("the server went back", Upsert, 40, 8, 9, live(3, 50, 7), false, None, before),
        (
            "a replica lags",
            Upsert,
            40,
            8,
            9,
            live(3, 150, 7),
            false,
            None,
            Recall::Skip(OLDER),
        ),
        (
            "older in the same export",
            Upsert,
            40,
            8,
            9,
            live(9, 50, 7),
            false,
            None,
            Recall::Skip(OLDER),
        ),
        (
            "its delivery came to nothing",
            Upsert,
            50,
            7,
            9,
            live(3, 50, 7),
            true,
            None,
            before,
        ),
        (
            "its retraction came to nothing",
            Upsert,
            50,
            7,
            9,
            Some(entry(State::Retracted, 3, 150, 7)),
            true,
            None,
            before,
        ),
        (
            "its deletion came to nothing",
            Delete,
            0,
            0,
            9,
            gone(3, 50),
            true,
            None,
            before,
        ),
        ("an own line again", Upsert, 50, 7, 5, live(9, 50, 7), false, None, before),
        (
            "an own line before",
            Upsert,
            50,
            7,
            9,
            live(9, 50, 7),
            false,
            None,
            Recall::Skip(UNCHANGED),
        ),
        (
            "twice at once",
            Upsert,
            50,
            7,
            9,
            None,
            false,
            flying(1, 2, 50, 7),
            Recall::Skip(UNCHANGED),
        ),
        (
            "older at once",
            Upsert,
            40,
            8,
            9,
            None,
            false,
            flying(1, 2, 50, 7),
            Recall::Skip(OLDER),
        ),
        ("newer at once", Upsert, 60, 8, 9, None, false, flying(1, 2, 50, 7), before),
        ("itself at once", Upsert, 50, 7, 9, None, false, flying(0, 9, 50, 7), new),
        ("made again after a deletion", Upsert, 90, 8, 9, gone(3, 50), false, None, new),
        (
            "a replica from before a deletion",
            Upsert,
            90,
            8,
            9,
            gone(3, 150),
            false,
            None,
            Recall::Skip(OLDER),
        ),
        (
            "retracted and back",
            Upsert,
            50,
            7,
            9,
            Some(entry(State::Retracted, 3, 50, 7)),
            false,
            None,
            new,
        ),
        (
            "a replica from before a retraction",
            Upsert,
            50,
            7,
            9,
            Some(entry(State::Retracted, 3, 150, 7)),
            false,
            None,
            Recall::Skip(OLDER),
        ),
        ("deleted", Delete, 0, 0, 9, live(3, 50, 7), false, None, before),
        (
            "deleted again",
            Delete,
            0,
            0,
            9,
            gone(3, 50),
            false,
            None,
            Recall::Skip(NOT_DELIVERED),
        ),
        (
            "deleted, never known",
            Delete,
            0,
            0,
            9,
            None,
            false,
            None,
            Recall::Skip(NOT_DELIVERED),
        ),
        (
            "deleted and in output",
            Delete,
            0,
            0,
            9,
            live(9, 50, 7),
            false,
            None,
            Recall::Skip(ALSO_IN_OUTPUT),
        ),
        (
            "deleted and in output, where it was unchanged",
            Delete,
            0,
            0,
            9,
            live(3, 50, 7).map(|entry| Entry { seen: 9, ..entry }),
            false,
            None,
            Recall::Skip(ALSO_IN_OUTPUT),
        ),
        (
            "deleted and in flight",
            Delete,
            0,
            0,
            9,
            None,
            false,
            flying(1, 2, 50, 7),
            Recall::Skip(ALSO_IN_OUTPUT),
        ),
        ("an own deletion again", Delete, 0, 0, 5, gone(9, 50), false, None, before),
        ("called back", Retract, 0, 0, 9, live(3, 50, 7), false, None, before),
    ];
    for (name, change, updated, raw, line, entry, is_void, in_flight, expected) in cases {
        let last_updated = (change == Upsert).then(|| at(updated));
        let record = Candidate { change, last_updated, raw, file: 0, line };
        let found =
            decide(&setting, &record, entry.as_ref(), is_void, in_flight.as_ref());
        assert_eq!(found, expected, "case: {name}");
    }
}

#[test]
fn another_definition_of_the_stream_delivers_everything_again() {
    let setting =
        Setting { epoch: 2, export: 9, snapshot: at(100), entry_looked: Ordering::Less };
    let record = Candidate {
        change: Change::Upsert,
        last_updated: Some(at(50)),
        raw: 7,
        file: 0,
        line: 9,
    };
    let known = entry(State::Live, 3, 50, 7);
    let found = decide(&setting, &record, Some(&known), false, None);
    assert_eq!(found, Recall::Pass { delivered_before: true });
}

/// Items: 111, S8. Faults: F8, F23.
#[test]
fn what_looked_later_stands_against_what_looked_before_it() {
    use Change::{Delete, Upsert};
    use Ordering::{Equal, Greater, Less};
    let before = Recall::Pass { delivered_before: true };
    let fresh = Recall::Pass { delivered_before: false };
    let older = Recall::Skip(OLDER);
    let of = |state| entry(state, 3, 50, 7);
    let (live, taken, gone) = (of(State::Live), of(State::Retracted), of(State::Deleted));
    // name, how the entry's export looked, change, lastUpdated, entry, expected
    let cases = [
        ("the server went back", Less, Upsert, 40, &live, before),
        ("older, of the same moment", Equal, Upsert, 40, &live, older),
        ("older, of a job used again", Greater, Upsert, 40, &live, older),
        ("as old, of a job used again", Greater, Upsert, 50, &live, older),
        ("newer, of a torn file", Greater, Upsert, 60, &live, before),
        ("left since then", Greater, Upsert, 40, &taken, older),
        ("left and came back", Greater, Upsert, 50, &taken, fresh),
        ("deleted since then", Greater, Upsert, 40, &gone, older),
        ("deleted before it was made again", Greater, Delete, 0, &live, older),
        ("deleted at the same moment", Equal, Delete, 0, &live, before),
        ("deleted", Less, Delete, 0, &live, before),
    ];
    for (name, entry_looked, change, updated, entry, expected) in cases {
        let setting = Setting { epoch: 1, export: 9, snapshot: at(100), entry_looked };
        let last_updated = (change == Upsert).then(|| at(updated));
        let candidate = Candidate { change, last_updated, raw: 8, file: 0, line: 9 };
        let found = decide(&setting, &candidate, Some(entry), false, None);
        assert_eq!(found, expected, "case: {name}");
    }
}
