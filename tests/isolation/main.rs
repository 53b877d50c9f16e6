//! Hostile guests, each beside a neighbour at work, and what becomes of both.
//!
//! The guests are files under `tests/guests`, one attack a file, with the ending it must come to.
//! Every attack runs on one thread with an honest chain (cohort filter, de-identification, files)
//! whose output must be what it is without the attack, byte for byte. Bodies, ids and keys are
//! canaries: nothing that was logged, said or written may hold one, but the stores that were
//! granted. `docs/attacks.md` lists all cases and their tests.

#![cfg(test)]

mod beside;
mod canary;
mod disk;
mod ground;
mod network;

use bulkhead_tests::all;
use ground::Ground;

/// Attacks: 1, 2, 3, 4, 9, 10, 27.
#[tokio::test]
async fn guests_that_take_time_or_stack_end_alone() {
    beside::every("time").await;
}

/// Attacks: 5, 6, 7, 8, 23.
#[tokio::test]
async fn guests_that_take_memory_end_alone() {
    beside::every("memory").await;
}

/// Attacks: 13, 14, 15, 16, 17, 18, 19, 20.
#[tokio::test]
async fn guests_that_answer_nonsense_end_alone() {
    beside::every("answers").await;
}

/// Attacks: 21, 22, 24, 25, 26, 44.
#[tokio::test]
async fn guests_that_misuse_handles_end_alone() {
    beside::every("handles").await;
}

/// Attacks: 42, 43, 45.
#[tokio::test]
async fn guests_that_talk_leak_nothing() {
    beside::every("talk").await;
}

/// Attacks: 38, 40, 46.
#[tokio::test]
async fn guests_that_reach_for_files_and_state_get_nothing() {
    beside::every("reach").await;
}

/// Attacks: 12, 29, 30, 31, 32, 36.
#[tokio::test]
async fn guests_that_abuse_a_destination_get_nowhere() {
    let ground = beside::every("network").await;
    let seen = ground.seen.lock().unwrap().clone();
    assert!(!seen.is_empty(), "what was granted is reached");
    for head in seen {
        assert!(head.starts_with("POST /v1/in/"), "{head}");
        let credential = format!("Bearer {}", canary::TOKEN);
        assert!(head.contains(&credential), "the host adds the credential: {head}");
    }
}

/// Attacks: 47, 50, 53.
#[tokio::test]
async fn components_that_are_no_plugins_are_not_loaded() {
    beside::every("loading").await;
}

#[test]
fn every_guest_belongs_to_a_test() {
    let tests =
        ["answers", "handles", "loading", "memory", "network", "reach", "talk", "time"];
    for guest in all() {
        assert!(tests.contains(&guest.about.as_str()), "nobody runs {}", guest.name);
        assert!(!guest.head.attacks.is_empty(), "{} plays no case", guest.name);
    }
}

/// The harness itself: a neighbour that is disturbed and a canary that gets out are seen.
#[tokio::test]
async fn the_harness_sees_what_it_looks_for() {
    let ground = Ground::new().await;
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
