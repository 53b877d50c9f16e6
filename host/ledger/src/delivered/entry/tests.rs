use proptest::{collection::vec, prelude::*};

use super::*;

fn entry() -> Entry {
    Entry {
        state: State::Live,
        epoch: 1,
        export: 2,
        file: 3,
        line: 4,
        seen: 0,
        last_updated: Some(Instant::from_unix_ms(5)),
        raw: 6,
        content: 7,
        patients: Patients::default(),
    }
}

fn encode(entry: &Entry) -> Vec<u8> {
    let mut out = b"what was there before".to_vec();
    let before = out.len();
    super::encode(&entry.borrowed(), &mut out);
    out.split_off(before)
}

fn patients(ids: &[&str]) -> Vec<PatientKey> {
    ids.iter().map(|id| PatientKey::of(id)).collect()
}

#[test]
fn takes_no_more_bytes_than_it_must() {
    let one = || Patients {
        primary: patients(&["1"]),
        linked: patients(&["1"]),
        ..Patients::default()
    };
    let cases = [
        ("nothing", Entry { last_updated: None, ..entry() }, 46),
        ("a moment", entry(), 54),
        ("a moment and a patient", Entry { patients: one(), ..entry() }, 70),
        ("seen too", Entry { seen: 9, patients: one(), ..entry() }, 78),
        (
            "another patient mentioned",
            Entry {
                patients: Patients { mentioned: patients(&["2"]), ..one() },
                ..entry()
            },
            54 + 12 + 3 * 16,
        ),
    ];
    for (name, entry, len) in cases {
        let bytes = encode(&entry);
        assert_eq!(bytes.len(), len, "case: {name}");
        assert_eq!(decode(&bytes, Path::new("x")).unwrap(), entry, "case: {name}");
    }
}

#[test]
fn refuses_what_it_did_not_write() {
    let bytes = encode(&entry());
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        bytes
    };
    let version = decode(&with(0, 2), Path::new("x")).unwrap_err();
    assert!(
        matches!(version, Error::DeliveredVersion { found: 2, known: 1, .. }),
        "{version:?}"
    );
    let cases = [
        ("empty", Vec::new()),
        ("cut short", bytes[..bytes.len() - 1].to_vec()),
        ("too long", [bytes.as_slice(), &[0]].concat()),
        ("no state", with(1, 3)),
        ("patients that are not there", with(1, bytes[1] | MANY)),
        (
            "more patients than bytes",
            [with(1, bytes[1] | MANY).as_slice(), &[0xFF; 12]].concat(),
        ),
    ];
    for (name, bytes) in cases {
        let error = decode(&bytes, Path::new("x")).unwrap_err();
        assert!(
            matches!(error, Error::DeliveredDamaged { .. }),
            "case: {name}: {error:?}"
        );
    }
}

fn keys() -> impl Strategy<Value = Vec<PatientKey>> {
    vec(any::<[u8; 16]>().prop_map(PatientKey::from_bytes), 0..4)
}

proptest! {
    #[test]
    fn reads_what_it_wrote(
        state in prop::sample::select(vec![State::Deleted, State::Live, State::Retracted]),
        numbers in any::<[u64; 6]>(),
        file in any::<u32>(),
        moment in any::<Option<i64>>(),
        lists in [keys(), keys(), keys()],
        is_one in any::<bool>(),
        (primary_unresolved, unresolved) in any::<(bool, bool)>(),
    ) {
        let [epoch, export, line, seen, raw, content] = numbers;
        let [primary, linked, mentioned] = lists;
        let linked = if is_one { primary.clone() } else { linked };
        let patients = Patients { primary, linked, mentioned, primary_unresolved, unresolved };
        let last_updated = moment.map(Instant::from_unix_ms);
        let entry = Entry {
            state, epoch, export, file, line, seen, last_updated, raw, content, patients,
        };
        prop_assert_eq!(decode(&encode(&entry), Path::new("x")).unwrap(), entry);
    }
}
