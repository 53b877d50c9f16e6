//! Damaged lines: the scanner and the framer against slower readers, for a bounded time.
//!
//! The bodies are those of the fuzz targets in `fuzz/`.

#[path = "../../../fuzz/bodies/lines.rs"]
mod lines;
#[path = "../../../fuzz/bodies/runs.rs"]
mod runs;

const SEEDS: [&[u8]; 5] = [
    include_bytes!("../../../fuzz/seeds/lines/carriage-returns.ndjson"),
    include_bytes!("../../../fuzz/seeds/lines/observation.json"),
    include_bytes!("../../../fuzz/seeds/lines/patient.json"),
    include_bytes!("../../../fuzz/seeds/lines/task.json"),
    include_bytes!("../../../fuzz/seeds/lines/two-lines.ndjson"),
];

/// Items: 104.
/// Faults: F18.
#[test]
fn blocks_are_the_same_however_chunks_break() {
    runs::bounded(lines::framer, &SEEDS);
}

/// Items: 128.
/// Faults: F19.
#[test]
fn no_line_is_read_as_what_it_is_not() {
    runs::bounded(lines::peek, &SEEDS);
}

/// Items: 134.
/// Faults: F20.
#[test]
fn content_survives_being_written_anew() {
    runs::bounded(lines::content, &SEEDS);
}
