//! The same guests with `isolation = "process"`: each in a process of its own, behind walls of the
//! kernel, while the neighbour stays in this one. What comes to another end there says so in its
//! file (`apart`).

use bulkhead_sandbox::Isolation;

use crate::{beside, given_up};

const APART: Isolation = Isolation::Process;

/// Attacks: 1, 2, 3, 4, 9, 10, 27.
#[tokio::test]
async fn guests_that_take_time_or_stack_end_alone() {
    beside::every("time", APART).await;
}

/// Attacks: 5, 6, 7, 8, 23.
#[tokio::test]
async fn guests_that_take_memory_end_alone() {
    beside::every("memory", APART).await;
}

/// Attacks: 13, 14, 15, 16, 17, 18, 19, 20.
#[tokio::test]
async fn guests_that_answer_nonsense_end_alone() {
    beside::every("answers", APART).await;
}

/// Attacks: 21, 22, 24, 25, 26, 44.
#[tokio::test]
async fn guests_that_misuse_handles_end_alone() {
    beside::every("handles", APART).await;
}

/// Attacks: 42, 43, 45.
#[tokio::test]
async fn guests_that_talk_leak_nothing() {
    beside::every("talk", APART).await;
}

/// Attacks: 38, 39, 40, 46.
#[tokio::test]
async fn guests_that_reach_for_files_and_state_get_nothing() {
    beside::every("reach", APART).await;
}

/// Attacks: 12, 29, 30, 31, 32, 33, 34, 35, 36.
#[tokio::test]
async fn guests_that_abuse_a_destination_get_nowhere() {
    beside::every("network", APART).await.network.stayed_within();
}

/// Attacks: 47, 50, 53.
#[tokio::test]
async fn components_that_are_no_plugins_are_not_loaded() {
    beside::every("loading", APART).await;
}

/// WASI and a process of its own exclude each other: all of these are refused by name.
#[tokio::test]
async fn guests_that_need_wasi_are_not_loaded() {
    beside::every("wasi", APART).await;
}

/// Attacks: 11.
#[tokio::test]
async fn guests_that_no_compiler_gets_through_are_not_loaded() {
    beside::every("compiling", APART).await;
}

/// Attacks: 47, 48, 49, 51, 52.
#[tokio::test]
async fn files_that_are_not_what_they_seem_are_not_run() {
    beside::every("files", APART).await;
}

/// Attacks: 28.
#[tokio::test]
async fn guests_that_are_given_up_run_no_further() {
    given_up::every("given-up", APART).await;
}
