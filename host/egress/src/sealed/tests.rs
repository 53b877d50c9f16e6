use bulkhead_model::Secret;
use bulkhead_pipeline::RejectClass;

use super::*;

const PUBLIC: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
const PRIVATE: &str = "# created: by a test\nAGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33\n";
const OTHER: &str =
    "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

fn vault(path: &Path, most: u64) -> Vault {
    Vault::open(path, vec![PUBLIC.parse().unwrap()], most).unwrap()
}

fn identities(text: &str) -> Identities {
    Identities::parse(&Secret::new(text)).unwrap()
}

fn body(line: u64, bytes: usize) -> (Label, Bytes) {
    let label = Label {
        line,
        part: 0,
        kind: "Observation".to_owned(),
        stage: "store".to_owned(),
        class: RejectClass::Other,
        code: "no".to_owned(),
        row: false,
        source: None,
        message: Some("CANARY said".to_owned()),
    };
    (label, Bytes::from(format!("{{\"CANARY\":\"{}\"}}", "x".repeat(bytes))))
}

fn read(vault: &Vault, name: &str, identities: &Identities) -> Vec<(Label, Bytes)> {
    let mut sealed = vault.unseal("e1", name, identities).unwrap();
    std::iter::from_fn(|| sealed.next_record().unwrap()).collect()
}

fn contents(path: &Path) -> Vec<Vec<u8>> {
    let files = fs_err::read_dir(path.join("e1")).unwrap();
    files.map(|entry| fs_err::read(entry.unwrap().path()).unwrap()).collect()
}

/// Attacks: 38.
#[test]
fn a_name_does_not_lead_out_of_the_vault() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(&folder.path().join("quarantine"), 1 << 20);
    let bodies = [body(1, 10)];
    vault.seal("e1", "a.age", &bodies).unwrap();
    let cases = [
        ("..", "a.age"),
        ("e1", "../a.age"),
        ("e1/../e2", "a.age"),
        ("", "a.age"),
        ("e1", "/a.age"),
        ("e1", ".a.age"),
        (".e1", "a.age"),
        ("e1", "a b"),
    ];
    for (export, name) in cases {
        let sealed = vault.seal(export, name, &bodies);
        assert!(sealed.is_err(), "case: {export} {name}");
        let opened = vault.unseal(export, name, &identities(PRIVATE));
        assert!(opened.is_err(), "case: {export} {name}");
    }
    assert_eq!(vault.exports().unwrap(), ["e1"]);
    assert_eq!(vault.files("e1").unwrap(), ["a.age"]);
}

/// Attacks: 41.
#[test]
fn what_is_sealed_is_opened_by_its_key_alone_and_shows_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quarantine");
    let vault = vault(&path, 1 << 20);
    // The second is longer than a chunk of age.
    let bodies = [body(1, 10), body(2, 200_000), body(3, 0)];
    assert_eq!(vault.seal("e1", "a.age", &bodies).unwrap(), Room { sealed: 3 });
    assert_eq!(read(&vault, "a.age", &identities(PRIVATE)), bodies);
    let error = vault.unseal("e1", "a.age", &identities(OTHER)).unwrap_err();
    assert!(matches!(error, Error::NotForUs { .. }), "{error:?}");
    let files = contents(&path);
    assert_eq!(files.len(), 1);
    assert!(files[0].starts_with(b"age-encryption.org/v1\n"));
    assert!(!files[0].windows(6).any(|window| window == b"CANARY"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode =
            |path: PathBuf| fs_err::metadata(path).unwrap().permissions().mode() & 0o777;
        let modes = [path.clone(), path.join("e1"), path.join("e1/a.age")].map(mode);
        assert_eq!(modes, [0o700, 0o700, 0o600]);
    }
}

#[test]
fn a_damaged_file_is_told_from_one_for_somebody_else() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path(), 1 << 20);
    vault.seal("e1", "a.age", &[body(1, 100)]).unwrap();
    let path = folder.path().join("e1/a.age");
    let whole = fs_err::read(&path).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let cases: [(&str, &[u8]); 3] = [
        ("a bit is another", &flipped),
        ("cut short", &whole[..whole.len() - 20]),
        ("no age file", b"{}"),
    ];
    for (name, bytes) in cases {
        fs_err::write(&path, bytes).unwrap();
        let opened = vault.unseal("e1", "a.age", &identities(PRIVATE));
        let error = opened.and_then(|mut sealed| sealed.next_record()).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "case: {name}: {error:?}");
    }
}

#[test]
fn there_is_no_room_beyond_the_most_and_room_again_after_a_removal() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path(), 5_000);
    let all = [body(1, 1_500), body(2, 1_500), body(3, 1_500)];
    let room = |name: &str| vault.seal("e1", name, &all).unwrap().sealed;
    assert_eq!(room("a.age"), 2, "the third does not fit");
    assert_eq!(room("b.age"), 0);
    assert!(vault.used() <= 5_000, "{}", vault.used());
    assert_eq!(vault.files("e1").unwrap(), ["a.age"]);
    let used = Vault::open(folder.path(), vec![], 0).unwrap().used();
    assert_eq!(used, vault.used(), "counted anew");
    assert_eq!(vault.retain("e1", |_| false).unwrap(), 1);
    assert_eq!((vault.used(), vault.exports().unwrap()), (0, vec![]));
    assert_eq!(room("c.age"), 2);
    assert_eq!(vault.seal("e1", "c.age", &all).unwrap().sealed, 0, "it is not replaced");
}

#[test]
fn a_second_file_of_a_name_takes_the_place_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path(), 1 << 20);
    vault.seal("e1", "a.age", &[body(1, 5_000)]).unwrap();
    vault.seal("e1", "a.age", &[body(2, 10)]).unwrap();
    assert_eq!(read(&vault, "a.age", &identities(PRIVATE)), [body(2, 10)]);
    assert!(vault.used() < 2_000, "{}", vault.used());
    vault.seal("e1", "a.age", &[body(1, 10), body(2, 10)]).unwrap();
    let full = Vault::open(folder.path(), vec![PUBLIC.parse().unwrap()], 0).unwrap();
    full.reseal("e1", "a.age", &[body(2, 10)]).unwrap();
    assert_eq!(read(&full, "a.age", &identities(PRIVATE)), [body(2, 10)]);
    assert!(full.used() < vault.used());
}

#[test]
fn what_a_crash_left_unfinished_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let first = vault(folder.path(), 1 << 20);
    first.seal("e1", "a.age", &[body(1, 10)]).unwrap();
    fs_err::write(folder.path().join("e1/.b.age.part"), "half").unwrap();
    let second = vault(folder.path(), 1 << 20);
    assert_eq!(second.all_names("e1").unwrap(), ["a.age"]);
    assert_eq!(second.used(), first.used());
}

#[test]
fn names_cannot_climb_out() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(&folder.path().join("in"), 1 << 20);
    for (export, name) in [("..", "a.age"), ("e1", "../a.age"), ("e1", "/a")] {
        assert!(vault.seal(export, name, &[body(1, 1)]).is_err(), "{export} {name}");
        assert!(vault.unseal(export, name, &identities(PRIVATE)).is_err());
    }
    assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(vault.used(), 0);
}

/// Attacks: 41.
#[test]
fn a_key_is_public_here_and_never_shown_when_it_is_not() {
    let private = OTHER.to_owned();
    let cases = [
        ("public", PUBLIC, Ok(())),
        ("private", private.as_str(), Err(RecipientError::Private)),
        ("nonsense", "age1nonsense", Err(RecipientError::NotAKey)),
        ("empty", "", Err(RecipientError::NotAKey)),
    ];
    for (name, text, expected) in cases {
        let parsed = text.parse::<Recipient>();
        assert_eq!(parsed.map(drop), expected, "case: {name}");
    }
    for text in ["", "# nothing\n", "AGE-SECRET-KEY-1CANARY\n"] {
        let error = Identities::parse(&Secret::new(text)).unwrap_err();
        assert!(matches!(error, Error::Identity { .. }), "{error:?}");
        assert!(!format!("{error:?} {error}").contains("CANARY"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_folder_that_others_write_to_or_that_is_elsewhere_is_refused() {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

    let ground = tempfile::tempdir().unwrap();
    let (real, link) = (ground.path().join("real"), ground.path().join("link"));
    for (mode, opens) in [(0o700, true), (0o770, false), (0o777, false)] {
        drop(vault(&real, 1 << 20));
        fs_err::set_permissions(&real, Permissions::from_mode(mode)).unwrap();
        let opened = Vault::open(&real, Vec::new(), 0);
        assert_eq!(opened.is_ok(), opens, "mode {mode:o}: {opened:?}");
        fs_err::set_permissions(&real, Permissions::from_mode(0o700)).unwrap();
    }
    fs_err::os::unix::fs::symlink(&real, &link).unwrap();
    let refused = Vault::open(&link, Vec::new(), 0);
    assert!(matches!(refused, Err(Error::Vault { .. })), "{refused:?}");
}
