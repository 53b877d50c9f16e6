//! Files on disk: modes, schema versions, foreign and damaged files, the run lock.

use std::path::Path;

use bulkhead_ledger::{Error, Ledger};
use rusqlite::Connection;

use super::*;

#[test]
fn makes_a_ledger_from_nothing_or_an_empty_file() {
    let directory = tempfile::tempdir().unwrap();
    let cases = [("missing, with its directory", "new/deep/l.db"), ("empty", "empty.db")];
    fs_err::write(directory.path().join("empty.db"), b"").unwrap();
    for (name, path) in cases {
        let path = directory.path().join(path);
        for _ in 0..2 {
            let ledger = Ledger::open(&path).unwrap();
            assert_eq!(ledger.streams().unwrap(), [""; 0], "case: {name}");
        }
        let marks = marks(&path);
        assert_eq!(marks, (0x424C_4B48, steps(), "wal".to_owned()), "case: {name}");
    }
}

/// Items: 130.
#[cfg(unix)]
#[test]
fn only_the_owner_may_read() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("home");
    let path = home.join("l.db");
    let ledger = Ledger::open(&path).unwrap();
    let lock = ledger.lock().unwrap();
    begin(&ledger, "e1", None);
    let mode = |path: &Path| fs_err::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&home), 0o700);
    for name in ["l.db", "l.db-wal", "l.db-shm", "l.db.lock"] {
        assert_eq!(mode(&home.join(name)), 0o600, "case: {name}");
    }
    drop((lock, ledger));

    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    drop(Ledger::open(&path).unwrap());
    assert_eq!(mode(&path), 0o600, "a wide file is narrowed");

    let foreign = directory.path().join("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE a (b)").unwrap();
    fs_err::set_permissions(&foreign, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(word(&Ledger::open(&foreign)), "not a ledger");
    assert_eq!(mode(&foreign), 0o644, "someone else's file keeps its mode");
}

#[test]
fn refuses_what_is_not_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let make = |name: &str, sql: &str| {
        let path = directory.path().join(name);
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        path
    };
    let text = directory.path().join("text");
    fs_err::write(
        &text,
        "not a database, and long enough to be taken for one".repeat(99),
    )
    .unwrap();
    let newer =
        make("newer", "PRAGMA application_id = 0x424C4B48; PRAGMA user_version = 99");
    let older = make("older", "PRAGMA application_id = 0x424C4B48; CREATE TABLE a (b)");
    let cases = [
        ("text", text.clone(), "not a ledger", "not a ledger"),
        (
            "foreign",
            make("foreign", "CREATE TABLE a (b)"),
            "not a ledger",
            "not a ledger",
        ),
        (
            "versioned",
            make("other", "PRAGMA user_version = 1"),
            "not a ledger",
            "not a ledger",
        ),
        ("newer", newer, "newer", "newer"),
        ("older", older, "ok", "older"),
        ("directory", directory.path().to_owned(), "other", "other"),
        ("missing", directory.path().join("none"), "ok", "missing"),
    ];
    for (name, path, writing, reading) in cases {
        let before = path.is_file().then(|| fs_err::read(&path).unwrap());
        assert_eq!(
            word(&Ledger::open_read_only(&path)),
            reading,
            "case: {name}, reading"
        );
        assert_eq!(word(&Ledger::open(&path)), writing, "case: {name}, writing");
        if let (Some(before), "not a ledger" | "newer") = (before, writing) {
            assert_eq!(fs_err::read(&path).unwrap(), before, "case: {name}, untouched");
        }
    }
}

#[test]
fn names_a_damaged_ledger() {
    let Fixture { ledger, directory } = Fixture::new();
    begin(&ledger, "e1", None);
    drop(ledger);
    let path = directory.path().join("ledger.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch("UPDATE export SET id = 'not an id'")
        .unwrap();
    let error = Ledger::open(&path).unwrap().exports(1).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("backup")));
    assert!(error.to_string().contains("ledger.db"));
}

#[test]
fn one_run_holds_the_lock() {
    let Fixture { ledger, directory } = Fixture::new();
    let path = directory.path().join("ledger.db");
    let other = Ledger::open(&path).unwrap();
    let lock = ledger.lock().unwrap();
    assert!(matches!(other.lock(), Err(Error::Locked { path: named }) if named == path));
    assert!(matches!(ledger.clone().lock(), Err(Error::Locked { .. })));
    assert_eq!(other.exports(1).unwrap(), [], "reading needs no lock");
    drop(lock);
    drop(other.lock().unwrap());
    assert!(directory.path().join("ledger.db.lock").exists(), "the file stays");
}

fn marks(path: &Path) -> (i32, i32, String) {
    let connection = Connection::open(path).unwrap();
    let number = |name| {
        connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).unwrap()
    };
    let mode =
        connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    (number("application_id"), number("user_version"), mode)
}

/// The steps that a ledger has been through: one file each.
fn steps() -> i32 {
    let steps = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/schema");
    i32::try_from(fs_err::read_dir(steps).unwrap().count()).unwrap()
}

fn word(outcome: &Result<Ledger, Error>) -> &'static str {
    match outcome {
        Ok(_) => "ok",
        Err(Error::Missing { .. }) => "missing",
        Err(Error::NewerSchema { found: 99, known, .. }) if *known == steps() => "newer",
        Err(Error::NotALedger { .. }) => "not a ledger",
        Err(Error::OlderSchema { found: 0, known, .. }) if *known == steps() => "older",
        Err(_) => "other",
    }
}
