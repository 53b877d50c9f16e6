//! What must hold of anything that a server may answer. A body fails by panicking.

use std::{collections::BTreeSet, io::Read as _};

use bulkhead_bulk::{Capability, Manifest, Outcome, fuzzing};

/// Pages, told apart by a NUL, make a manifest that the journal gives back as it was, and
/// whose files are known by their places.
pub(crate) fn manifest(data: &[u8]) {
    let pages: Vec<&[u8]> = data.split(|byte| *byte == 0).take(8).collect();
    let mut manifest = fuzzing::manifest(&pages);
    let places: BTreeSet<String> =
        manifest.files().map(|file| format!("{:?}", file.id)).collect();
    assert_eq!(places.len(), manifest.files().count());
    for file in manifest.files() {
        assert_eq!(manifest.file(file.id), Some(file));
    }
    let mut order = manifest.soonest_first();
    order.sort_unstable();
    assert!(order.into_iter().eq(0..manifest.output.len()));
    // What is kept as it came may hold numbers that JSON cannot say twice alike.
    (manifest.extension, manifest.organized_by_detail) = (None, None);
    let Manifest { output, deleted, outcome, .. } = &mut manifest;
    for file in output.iter_mut().chain(deleted).chain(outcome) {
        (file.extension, file.count_severity) = (None, None);
    }
    let journalled = serde_json::to_string(&manifest).unwrap_or_default();
    assert_eq!(serde_json::from_str::<Manifest>(&journalled).ok(), Some(manifest));
}

/// Little is kept of an error body, and nothing that could deceive on a terminal.
pub(crate) fn outcome(data: &[u8]) {
    let outcome = Outcome::read(data);
    assert!(outcome.issues.len() <= 16);
    let words = outcome.issues.iter().flat_map(|issue| [&issue.severity, &issue.code]);
    for text in words.chain(&outcome.text) {
        assert!(text.chars().count() <= 200, "{text}");
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
    // To be called with anything.
    let _ = (outcome.complaint(), outcome.is_transient());
}

/// What a server says of itself is JSON or refused, and read the same every time.
pub(crate) fn capability(data: &[u8]) {
    let read = Capability::read(data).ok().map(|read| format!("{read:?}"));
    assert_eq!(read, Capability::read(data).ok().map(|read| format!("{read:?}")));
    if serde_json::from_slice::<serde::de::IgnoredAny>(data).is_err() {
        assert_eq!(read, None);
    }
}

/// A number is always a wait, however long; blanks around it mean nothing.
pub(crate) fn retry_after(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let wait = fuzzing::retry_after(text);
    assert_eq!(wait, fuzzing::retry_after(&format!(" {text}\t")));
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        assert!(wait.is_some());
    }
}

/// However chunks break, the outcome is the same, and what is taken as whole is what another
/// reader makes of it.
pub(crate) fn gunzip(data: &[u8]) {
    let [chunk, packed @ ..] = data else { return };
    let unpacked = fuzzing::gunzip(packed, usize::from(*chunk) + 1);
    assert_eq!(unpacked, fuzzing::gunzip(packed, usize::MAX));
    if let Ok(unpacked) = unpacked {
        let expected = layer(packed).and_then(|text| layer(&text));
        assert_eq!(Some(unpacked), expected);
    }
}

/// One layer of gzip, or none, by another reader; nothing when it is damaged.
fn layer(packed: &[u8]) -> Option<Vec<u8>> {
    if !packed.starts_with(b"\x1f\x8b") {
        return Some(packed.to_vec());
    }
    let (mut rest, mut text) = (packed, Vec::new());
    // Zeros after the last member are padding.
    while rest.iter().any(|byte| *byte != 0) {
        let mut member = flate2::bufread::GzDecoder::new(rest);
        member.read_to_end(&mut text).ok()?;
        rest = member.into_inner();
    }
    Some(text)
}
