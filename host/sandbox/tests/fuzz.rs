//! Damaged plugins and answers of plugins, for a bounded time.
//!
//! The bodies are those of the fuzz targets in `fuzz/`.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests say what they expect by failing"
)]

use bulkhead_sandbox::fuzzing;

#[path = "../../../fuzz/bodies/guests.rs"]
mod guests;
#[allow(dead_code, reason = "other tests give their bodies the usual number of runs")]
#[path = "../../../fuzz/bodies/runs.rs"]
mod runs;

/// Whole plugins of each role, components within components, and answers of guests.
fn seeds() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/guests");
    let mut paths: Vec<_> =
        fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs_err::read(path).unwrap()).collect()
}

/// Attacks: 47, 48, 53.
#[test]
fn any_bytes_are_refused_or_loaded_and_end_in_time() {
    let seeds = seeds();
    let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
    runs::bounded_to(guests::loader, &seeds, 20_000, 16 << 10);
}

/// Attacks: 47, 50, 53.
#[test]
fn a_plugin_with_a_few_other_bytes_is_refused_or_loaded_and_ends_in_time() {
    let seeds = seeds();
    let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
    runs::bounded_to(guests::patched, &seeds, 1_500, 64);
}

/// Answers that are all nonsense would prove nothing of what follows the first check.
#[test]
fn many_of_the_answers_that_are_tried_are_allowed() {
    let (mut allowed, mut state) = ([0; 3], 0x5eed_u64);
    for _ in 0..2_000 {
        let data: Vec<u8> = (0..400)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state.to_be_bytes()[0]
            })
            .collect();
        let found = [
            fuzzing::decision(&data).1.is_some(),
            fuzzing::changes(&data).1.is_some(),
            fuzzing::receipt(&data).1.is_some(),
        ];
        for (count, found) in allowed.iter_mut().zip(found) {
            *count += u32::from(found);
        }
    }
    assert!(allowed.iter().all(|count| (100..1_900).contains(count)), "{allowed:?}");
}

/// Attacks: 15, 16, 17, 19, 20.
#[test]
fn any_answer_becomes_verdicts_or_a_breach() {
    let seeds = seeds();
    let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
    runs::bounded(guests::convert, &seeds);
}
