//! Damaged answers of servers, for a bounded time.
//!
//! The bodies are those of the fuzz targets in `fuzz/`.

#[path = "../../../fuzz/bodies/protocol.rs"]
mod protocol;
#[path = "../../../fuzz/bodies/runs.rs"]
mod runs;

const SEEDS: [&[u8]; 14] = [
    include_bytes!("../../../fuzz/seeds/protocol/capability.json"),
    include_bytes!("../../../fuzz/seeds/protocol/manifest-3.json"),
    include_bytes!("../../../fuzz/seeds/protocol/manifest-4.json"),
    include_bytes!("../../../fuzz/seeds/protocol/one-member.gz"),
    include_bytes!("../../../fuzz/seeds/protocol/outcome.json"),
    include_bytes!("../../../fuzz/seeds/protocol/packed-twice.gz"),
    include_bytes!("../../../fuzz/seeds/protocol/page.html"),
    include_bytes!("../../../fuzz/seeds/protocol/pages.txt"),
    include_bytes!("../../../fuzz/seeds/protocol/retry-date.txt"),
    include_bytes!("../../../fuzz/seeds/protocol/retry-milliseconds.txt"),
    include_bytes!("../../../fuzz/seeds/protocol/retry-old-date.txt"),
    include_bytes!("../../../fuzz/seeds/protocol/retry-oldest-date.txt"),
    include_bytes!("../../../fuzz/seeds/protocol/retry-seconds.txt"),
    include_bytes!("../../../fuzz/seeds/protocol/two-members.gz"),
];

/// Items: 70, 89.
/// Faults: F39.
#[test]
fn any_pages_make_a_manifest_that_the_journal_keeps() {
    runs::bounded(protocol::manifest, &SEEDS);
}

/// Items: 55, 62.
#[test]
fn any_refusal_is_read_and_little_is_kept_of_it() {
    runs::bounded(protocol::outcome, &SEEDS);
}

/// Items: 1.
#[test]
fn any_statement_is_read_or_refused() {
    runs::bounded(protocol::capability, &SEEDS);
}

/// Items: 63.
/// Faults: F1.
#[test]
fn any_wait_is_read_or_passed_over() {
    runs::bounded(protocol::retry_after, &SEEDS);
}

/// Items: 101, 105.
/// Faults: F15, F16.
#[test]
fn what_is_unpacked_is_what_was_packed() {
    runs::bounded(protocol::gunzip, &SEEDS);
}
