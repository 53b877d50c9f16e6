//! Hostile guests, each beside a neighbour at work, and what becomes of both.
//!
//! The guests are files under `tests/guests`, one attack a file, with the ending it must come to.
//! Every attack runs on one thread with an honest chain (cohort filter, de-identification, files)
//! whose output must be what it is without the attack, byte for byte. Bodies, ids and keys are
//! canaries: nothing that was logged, said or written may hold one, but the stores that were
//! granted. `docs/attacks.md` lists all cases and their tests.
//!
//! Here the guests live in the process of their neighbour; in `apart` every one of them does the
//! same in a process of its own.

#![cfg(test)]

#[cfg(target_os = "linux")]
mod apart;
mod beside;
mod canary;
mod disk;
mod files;
mod given_up;
mod ground;
mod network;

use bulkhead_guest_builder::all;
use bulkhead_sandbox::Isolation;
use ground::Ground;

const HERE: Isolation = Isolation::InProcess;

/// Attacks: 1, 2, 3, 4, 9, 10, 27.
#[tokio::test]
async fn guests_that_take_time_or_stack_end_alone() {
    beside::every("time", HERE).await;
}

/// Attacks: 5, 6, 7, 8, 23.
#[tokio::test]
async fn guests_that_take_memory_end_alone() {
    beside::every("memory", HERE).await;
}

/// Attacks: 13, 14, 15, 16, 17, 18, 19, 20.
#[tokio::test]
async fn guests_that_answer_nonsense_end_alone() {
    beside::every("answers", HERE).await;
}

/// Attacks: 21, 22, 24, 25, 26, 44.
#[tokio::test]
async fn guests_that_misuse_handles_end_alone() {
    beside::every("handles", HERE).await;
}

/// Attacks: 42, 43, 45.
#[tokio::test]
async fn guests_that_talk_leak_nothing() {
    beside::every("talk", HERE).await;
}

/// Attacks: 38, 39, 40, 46.
#[tokio::test]
async fn guests_that_reach_for_files_and_state_get_nothing() {
    beside::every("reach", HERE).await;
}

/// Attacks: 12, 29, 30, 31, 32, 33, 34, 35, 36.
#[tokio::test]
async fn guests_that_abuse_a_destination_get_nowhere() {
    beside::every("network", HERE).await.network.stayed_within();
}

/// Attacks: 47, 50, 53.
#[tokio::test]
async fn components_that_are_no_plugins_are_not_loaded() {
    beside::every("loading", HERE).await;
}

/// Attacks: 12, 35, 41, 42.
#[tokio::test]
async fn guests_that_need_wasi_find_it_empty() {
    beside::every("wasi", HERE).await;
}

/// Attacks: 11.
#[tokio::test]
async fn guests_that_no_compiler_gets_through_are_not_loaded() {
    beside::every("compiling", HERE).await;
}

/// Attacks: 47, 48, 49, 51, 52.
#[tokio::test]
async fn files_that_are_not_what_they_seem_are_not_run() {
    beside::every("files", HERE).await;
}

/// Attacks: 28.
#[tokio::test]
async fn guests_that_are_given_up_run_no_further() {
    given_up::every("given-up", HERE).await;
}

#[test]
fn every_guest_belongs_to_a_test() {
    let tests = [
        "answers",
        "compiling",
        "disk",
        "files",
        "given-up",
        "handles",
        "loading",
        "memory",
        "network",
        "reach",
        "talk",
        "time",
        "wasi",
    ];
    for guest in all() {
        assert!(tests.contains(&guest.about.as_str()), "nobody runs {}", guest.name);
        assert!(!guest.head.attacks.is_empty(), "{} plays no case", guest.name);
    }
}

/// Guests that die do so for what they do on a batch, when they are closed, when they are asked
/// for memory, and for nothing else.
#[tokio::test]
async fn guests_that_die_would_live_without_their_attack() {
    beside::without_attack().await;
}

/// The harness itself: a neighbour that is disturbed and a canary that gets out are seen.
#[tokio::test]
async fn the_harness_sees_what_it_looks_for() {
    let ground = Ground::new(HERE).await;
    let undisturbed = ground.neighbour("a").await;
    assert_eq!(
        undisturbed, ground.undisturbed,
        "the neighbour is a function of its input"
    );
    assert!(!undisturbed.is_empty(), "the neighbour delivers something");
    fs_err::write(ground.path("state").join("x"), canary::BODY).unwrap();
    let found = canary::search(&ground, "", "").join("\n");
    assert!(found.contains("state/x"), "{found}");
}
