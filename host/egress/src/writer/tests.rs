use std::io::Read;

use bulkhead_ndjson::{Bases, Framer, FramerLimits};
use bulkhead_pipeline::{FileKind, Intake, Tally};

use super::*;

/// Everything below `dir`, scratch included: names and bytes.
fn tree(dir: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().display().to_string();
                found.push((name, std::fs::read(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn open(dir: &std::path::Path) -> Arc<Store> {
    Arc::new(Store::open("lake", &dir.display().to_string(), "test").unwrap())
}

fn batch(lines: &str) -> Batch {
    let mut framer = Framer::new(FramerLimits::default());
    framer.push(lines.to_owned().into());
    let block = framer.finish().0.unwrap();
    let mut intake = Intake::new(0, FileKind::Output(None), Bases::default());
    intake.take(&block, &mut Tally::default()).unwrap().batch.unwrap()
}

#[tokio::test]
async fn nothing_is_visible_before_commit_and_all_after() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut writer = store
        .create("e1/Patient/0.ndjson".parse().unwrap(), Compression::None, Digest::None)
        .unwrap();
    writer.append(b"one\n".to_vec()).await.unwrap();
    assert!(tree(dir.path()).iter().all(|(name, _)| name.starts_with(".bulkhead-test/")));
    let done = writer.commit().await.unwrap();
    assert_eq!(done.bytes, 4);
    assert_eq!(tree(dir.path()), [("e1/Patient/0.ndjson".to_owned(), b"one\n".to_vec())]);
}

/// Items: 130.
#[tokio::test]
async fn a_dropped_writer_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut writer =
        store.create("x".parse().unwrap(), Compression::Zstd, Digest::None).unwrap();
    writer.append(vec![b'x'; 1 << 20]).await.unwrap();
    drop(writer);
    assert_eq!(tree(dir.path()), []);
}

#[tokio::test]
async fn what_a_crash_left_is_removed_at_the_next_open() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    std::fs::write(dir.path().join(".bulkhead-test/7.part"), "half").unwrap();
    drop(open(dir.path()));
    assert_eq!(tree(dir.path()), []);
}

#[tokio::test]
async fn a_commit_replaces_and_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut digests = Vec::new();
    for _ in 0..2 {
        let mut writer = store
            .create("a.gz".parse().unwrap(), Compression::Gzip, Digest::Sha256)
            .unwrap();
        writer.append(b"{}\n".repeat(1000)).await.unwrap();
        digests.push(writer.commit().await.unwrap().digest.unwrap());
    }
    assert_eq!(digests[0], digests[1]);
    let stored = tree(dir.path());
    assert_eq!(stored.len(), 1);
    let mut text = String::new();
    flate2::read::GzDecoder::new(stored[0].1.as_slice())
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "{}\n".repeat(1000));
}

#[tokio::test]
async fn records_are_written_byte_for_byte_and_keys_as_bundles() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let lines = "{\"resourceType\":\"Observation\",\"id\":\"1\",\"v\":1.10,\"t\":\"\\u00e9é\"}\n\
                 {\"id\":\"2\", \"resourceType\":\"Observation\"}\n";
    let mut writer =
        store.create("o".parse().unwrap(), Compression::None, Digest::None).unwrap();
    let added = writer.append_records(batch(lines), Positions::All, Framing::Lines).await;
    assert_eq!(added.unwrap(), lines.len() as u64);
    writer.commit().await.unwrap();
    let mut writer =
        store.create("d".parse().unwrap(), Compression::None, Digest::None).unwrap();
    let second = Positions::Bits(vec![0b10]);
    writer.append_records(batch(lines), second, Framing::DeleteBundles).await.unwrap();
    writer.commit().await.unwrap();
    let stored = tree(dir.path());
    assert_eq!(stored[1].1, lines.as_bytes());
    let bundle: serde_json::Value = serde_json::from_slice(&stored[0].1).unwrap();
    assert_eq!(bundle["entry"][0]["request"]["url"], "Observation/2");
}

/// What was de-identified badly, or not at all, is for its owner alone.
#[cfg(unix)]
#[tokio::test]
async fn what_is_written_is_private() {
    use std::os::unix::fs::PermissionsExt as _;

    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("new"));
    let mut writer =
        store.create("e1/x".parse().unwrap(), Compression::None, Digest::None).unwrap();
    writer.append(b"phi".to_vec()).await.unwrap();
    let mode = |name: &str| {
        let path = dir.path().join("new").join(name);
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode(".bulkhead-test/0.part"), 0o600, "in the making");
    writer.commit().await.unwrap();
    let cases = [("e1/x", 0o600), ("e1", 0o700), (".bulkhead-test", 0o700), ("", 0o700)];
    for (name, expected) in cases {
        assert_eq!(mode(name), expected, "case: {name:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_planted_link_leads_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    std::os::unix::fs::symlink(outside.path(), dir.path().join("e1")).unwrap();
    let mut writer =
        store.create("e1/x".parse().unwrap(), Compression::None, Digest::None).unwrap();
    writer.append(b"phi".to_vec()).await.unwrap();
    assert!(matches!(writer.commit().await, Err(Error::Write { .. })));
    assert_eq!(tree(outside.path()), []);
}

/// Attacks: 38.
#[test]
fn a_stage_holds_the_stores_that_it_was_granted() {
    let dir = tempfile::tempdir().unwrap();
    let store = |name: &str| {
        let path = dir.path().join(name);
        Arc::new(Store::open(name, path.to_str().unwrap(), "test").unwrap())
    };
    let all: crate::Stores = ["lake", "lakes", "other"].map(store).into_iter().collect();
    let own = all.only(&["lake".to_owned(), "missing".to_owned()]);
    assert_eq!(own.names().collect::<Vec<_>>(), ["lake"]);
    assert!(own.find("lakes").is_none());
    assert_eq!(all.only(&[]).names().count(), 0);
}

#[test]
fn only_local_addresses_are_opened() {
    let dir = tempfile::tempdir().unwrap();
    let file_url = format!("file://{}", dir.path().join("new/deep").display());
    let cases = [
        ("a file URL", file_url.as_str(), true),
        ("an object store", "s3://warehouse/fhir/", false),
        ("a web address", "https://example.org/", false),
    ];
    for (name, address, expected) in cases {
        assert_eq!(
            Store::open("lake", address, "test").is_ok(),
            expected,
            "case: {name}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_store_that_anybody_may_write_to_is_refused() {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

    let cases = [(0o700, true), (0o755, true), (0o775, true), (0o777, false)];
    for (mode, opens) in cases {
        let dir = tempfile::tempdir().unwrap();
        fs_err::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
        let opened = Store::open("lake", &dir.path().display().to_string(), "test");
        assert_eq!(opened.is_ok(), opens, "mode {mode:o}: {opened:?}");
    }
}

/// Attacks: 24, 28.
#[test]
fn a_commit_that_was_given_up_never_replaces_a_later_one() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..20 {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let store = open(dir.path());
        runtime.block_on(async {
            let create = |store: &Arc<Store>| {
                let name = "a".parse().unwrap();
                store.create(name, Compression::Zstd, Digest::None).unwrap()
            };
            let mut old = create(&store);
            // Takes longer to finish than the new one.
            old.append(b"old\n".repeat(1 << 20)).await.unwrap();
            tokio::select! {
                biased;
                done = old.commit() => panic!("it takes a thread's time: {done:?}"),
                () = std::future::ready(()) => {}
            }
            let mut new = create(&store);
            new.append(b"new\n".to_vec()).await.unwrap();
            new.commit().await.unwrap();
        });
        // Waits for the threads that are still at work.
        drop(runtime);
        let found = tree(dir.path());
        let text = zstd::decode_all(found[0].1.as_slice()).unwrap();
        assert_eq!((found.len(), text.as_slice()), (1, &b"new\n"[..]), "round {round}");
    }
}

/// Attacks: 24, 28.
#[test]
fn nothing_appears_for_whom_nobody_waits() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for is_waited_for in [false, true] {
        let scratch = Scratch::create(Arc::clone(&store), "1.part".to_owned()).unwrap();
        let encoder = Encoder::new(scratch, Compression::None, Digest::None).unwrap();
        let waited = Waited::default();
        let waiting = is_waited_for.then(|| waited.waiting());
        if waiting.is_none() {
            drop(waited.waiting());
        }
        let done = finish(encoder, "a/b".parse().unwrap(), &waited);
        assert_eq!(done.is_ok(), is_waited_for, "{done:?}");
        let names: Vec<String> =
            tree(dir.path()).into_iter().map(|(name, _)| name).collect();
        let expected: &[&str] = if is_waited_for { &["a/b"] } else { &[] };
        assert_eq!(names, expected);
    }
}

/// Attacks: 38.
#[test]
fn of_names_that_differ_by_case_alone_one_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let cases = [
        ("the first", "e1/Patient.ndjson", true),
        ("the same again", "e1/Patient.ndjson", true),
        ("in other letters", "e1/patient.ndjson", false),
        ("in a folder in other letters", "E1/Patient.ndjson", false),
        ("another", "e1/Patients.ndjson", true),
    ];
    for (case, name, expected) in cases {
        let name: ArtifactName = name.parse().unwrap();
        let made = store.create(name, Compression::None, Digest::None);
        assert_eq!(made.is_ok(), expected, "case: {case}");
    }
}
