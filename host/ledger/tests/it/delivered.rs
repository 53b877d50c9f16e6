//! The ledger of resources: what comes back, what a kill leaves, and what is refused.

mod crash;
mod recent;

use bulkhead_ledger::{
    Error,
    delivered::{Bounds, Delivered, Entry, Patients, ResourceKey, State, fingerprint},
};
use bulkhead_model::PatientKey;

use super::*;

fn key(kind: &str, id: u64) -> ResourceKey {
    ResourceKey::new(kind, &format!("id-{id}")).unwrap()
}

fn entry(line: u64) -> Entry {
    let patient = PatientKey::of(&format!("p{}", line / 10));
    Entry {
        state: State::Live,
        epoch: 1,
        export: fingerprint("e1"),
        file: 3,
        line,
        seen: 0,
        last_updated: Some(at(1000)),
        raw: line.wrapping_mul(7),
        content: line.wrapping_mul(9),
        patients: Patients {
            primary: vec![patient],
            linked: vec![patient],
            ..Patients::default()
        },
    }
}

fn observations(lines: std::ops::Range<u64>) -> Vec<(ResourceKey, Entry)> {
    lines.map(|line| (key("Observation", line), entry(line))).collect()
}

fn all(delivered: &Delivered, kind: Option<&str>) -> Vec<(ResourceKey, Entry)> {
    let kind = kind.map(super::kind);
    delivered.of_type(kind.as_ref()).collect::<Result<_, _>>().unwrap()
}

/// Items: 134.
#[test]
fn what_was_committed_comes_back_after_opening_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("delivered/chain");
    let many: Vec<PatientKey> =
        (0..5000).map(|id| PatientKey::of(&format!("m{id}"))).collect();
    let group = Entry {
        state: State::Retracted,
        last_updated: None,
        seen: fingerprint("full"),
        patients: Patients {
            primary: many[..2].to_vec(),
            linked: many.clone(),
            mentioned: many[..1].to_vec(),
            primary_unresolved: true,
            unresolved: true,
        },
        ..entry(7)
    };
    let delivered = Delivered::open(&path).unwrap();
    delivered.commit(&observations(0..100)).unwrap();
    // Of several with one key the last counts, in one batch and in another.
    let twice = [(key("Group", 1), entry(1)), (key("Group", 1), group.clone())];
    delivered.commit(&twice).unwrap();
    delivered.commit(&[(key("Observation", 5), entry(500))]).unwrap();
    drop(delivered);

    let delivered = Delivered::open(&path).unwrap();
    let keys = [
        key("Observation", 5),
        key("Observation", 100),
        key("Group", 1),
        key("Patient", 1),
    ];
    let expected = [Some(entry(500)), None, Some(group), None];
    assert_eq!(delivered.get_many(&keys).unwrap(), expected);
    assert_eq!(delivered.count(None).unwrap(), 101);
    assert!(delivered.size_on_disk().unwrap() > 0);
    delivered.commit(&[]).unwrap();
}

#[test]
fn goes_through_one_type_or_all_as_it_stood() {
    let directory = tempfile::tempdir().unwrap();
    let delivered = Delivered::open(directory.path()).unwrap();
    let of =
        |kind: &str| (0..50).map(|id| (key(kind, id), entry(id))).collect::<Vec<_>>();
    // One type's name begins with another's.
    for kind in ["Medication", "MedicationRequest", "Patient"] {
        delivered.commit(&of(kind)).unwrap();
    }
    let mut expected = of("Medication");
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    let mut running = delivered.of_type(Some(&kind("Medication")));
    let first = running.next().unwrap().unwrap();
    delivered.commit(&[(key("Medication", 99), entry(99))]).unwrap();
    let rest = running.collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!([vec![first], rest].concat(), expected, "what came later is not seen");
    assert_eq!(all(&delivered, Some("Medication")).len(), 51);
    assert_eq!(all(&delivered, Some("Binary")), []);
    let kinds: Vec<String> = all(&delivered, None)
        .into_iter()
        .map(|(key, _)| key.resource_type().to_owned())
        .collect();
    assert!(kinds.is_sorted());
    assert_eq!(kinds.len(), 151);
    assert_eq!(delivered.count(Some(&kind("Patient"))).unwrap(), 50);
}

#[test]
fn forgets_all_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let delivered = Delivered::open(directory.path()).unwrap();
    delivered.commit(&observations(0..1000)).unwrap();
    delivered.forget_all().unwrap();
    assert_eq!(delivered.count(None).unwrap(), 0);
    delivered.commit(&observations(3..4)).unwrap();
    drop(delivered);
    let delivered = Delivered::open(directory.path()).unwrap();
    assert_eq!(all(&delivered, None), observations(3..4));
}

#[test]
fn keeps_everything_within_small_bounds() {
    let directory = tempfile::tempdir().unwrap();
    let bounds = Bounds { cache: 1 << 20, write_buffer: 1 << 20, journal: 0 };
    let delivered = Delivered::open_within(directory.path(), &bounds).unwrap();
    // Ten times the write buffer, so that it was sorted into files and merged meanwhile.
    for batch in 0..10 {
        delivered.commit(&observations(batch * 8000..(batch + 1) * 8000)).unwrap();
    }
    // Each but the last batch a second time.
    for batch in 0..9 {
        let again: Vec<_> = observations(batch * 8000..(batch + 1) * 8000)
            .into_iter()
            .map(|(key, entry)| (key, Entry { seen: 9, ..entry }))
            .collect();
        delivered.commit(&again).unwrap();
    }
    assert_eq!(delivered.count(None).unwrap(), 80_000);
    let keys: Vec<ResourceKey> =
        (0..80_000).step_by(97).map(|id| key("Observation", id)).collect();
    for (at, found) in (0..80_000).step_by(97).zip(delivered.get_many(&keys).unwrap()) {
        let seen = if at < 72_000 { 9 } else { 0 };
        assert_eq!(found, Some(Entry { seen, ..entry(at) }), "line {at}");
    }
}

#[test]
fn one_at_a_time_may_have_it_open() {
    let directory = tempfile::tempdir().unwrap();
    let delivered = Delivered::open(directory.path()).unwrap();
    let second = Delivered::open(directory.path()).unwrap_err();
    assert!(matches!(second, Error::DeliveredLocked { .. }), "{second:?}");
    assert!(second.hint().is_some());
    let shared = delivered.clone();
    drop(delivered);
    shared.commit(&observations(0..1)).unwrap();
}

#[cfg(unix)]
#[test]
fn no_one_else_may_look_into_its_folder() {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

    let directory = tempfile::tempdir().unwrap();
    for name in ["new", "there"] {
        let path = directory.path().join(name);
        if name == "there" {
            fs_err::create_dir(&path).unwrap();
            fs_err::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        }
        drop(Delivered::open(&path).unwrap());
        let mode = fs_err::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{name}");
    }
}

#[test]
fn an_entry_of_another_form_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let bounds = Bounds { write_buffer: 1, journal: 0, ..Bounds::default() };
    let delivered = Delivered::open_within(directory.path(), &bounds).unwrap();
    delivered.commit(&observations(1..3)).unwrap();
    delivered.commit(&observations(3..4)).unwrap();
    // Whoever reads in order waits until all but the last log is in the engine.
    assert_eq!(delivered.count(None).unwrap(), 3);
    drop(delivered);
    let cases = [
        ("a newer form", 0, 9_u8, "form 9 of an entry is not 1"),
        ("no state", 1, 3, "which is damaged"),
    ];
    for (name, at, byte, expected) in cases {
        {
            let database = fjall::Database::builder(directory.path()).open().unwrap();
            let resources = database
                .keyspace("resource", fjall::KeyspaceCreateOptions::default)
                .unwrap();
            let mut value = resources.get("Observation\0id-1").unwrap().unwrap().to_vec();
            value[0] = 1;
            value[at] = byte;
            resources.insert("Observation\0id-1", value).unwrap();
            database.persist(fjall::PersistMode::SyncAll).unwrap();
        }
        let delivered = Delivered::open(directory.path()).unwrap();
        let error = delivered.get_many(&[key("Observation", 1)]).unwrap_err();
        assert!(error.to_string().contains(expected), "case: {name}: {error}");
        let listed: Result<Vec<_>, _> = delivered.of_type(None).collect();
        assert_eq!(listed.unwrap_err().to_string(), error.to_string(), "case: {name}");
        // The others can be read, and it can be written over.
        assert_eq!(
            delivered.get_many(&[key("Observation", 2)]).unwrap(),
            [Some(entry(2))]
        );
    }
}

/// Faults: F38.
#[test]
fn what_a_kill_left_of_the_first_opening_is_no_hindrance() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("delivered");
    // A first opening that was killed half-way: some files, none of them whole.
    fs_err::create_dir_all(folder.path().join("delivered.new/keyspaces")).unwrap();
    fs_err::write(folder.path().join("delivered.new/0.jnl"), "").unwrap();
    drop(Delivered::open(&dir).unwrap());
    assert!(!folder.path().join("delivered.new").exists());
    assert_eq!(Delivered::open(&dir).unwrap().count(None).unwrap(), 0);
}
