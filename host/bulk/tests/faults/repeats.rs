//! What takes more than one run: a job used again, a client that dies, waits that are kept.

use std::time::Duration;

use bulkhead_bulk::Job;
use bulkhead_sample_server::{
    Fault, On, Rule, Scenario,
    scenario::{Answer, RetryAfter, Reuse, ReuseWhen},
};

use crate::{
    rig::{Stage, run},
    row::{End, row},
};

/// Faults: F8.
#[tokio::test]
async fn an_earlier_job_is_used_again_only_by_servers_that_always_do() {
    let cases = [
        ("passed by", ReuseWhen::UnlessNoCache, false),
        ("always", ReuseWhen::Always, true),
        ("never", ReuseWhen::Never, false),
    ];
    for (name, when, is_same) in cases {
        let reuse = Reuse { when, done: true, across_clients: false };
        let scenario = Scenario::default().in_mode(|modes| modes.reuse = reuse);
        let row = row(name, scenario, End::Complete);
        let Stage { server, client } = Stage::set(&row).await;
        let found = client.discover().await.unwrap();
        let mut jobs = Vec::new();
        for _ in 0..2 {
            let accepted = client.kickoff(&found, &row.kickoff).await.unwrap();
            let manifest = client.wait(&accepted.status_url, |_| {}).await.unwrap();
            jobs.push((accepted.status_url, manifest.transaction_time.unwrap()));
            server.control.advance(Duration::from_mins(1));
        }
        assert_eq!(jobs[0].0 == jobs[1].0, is_same, "case: {name}");
        // The old job keeps its old time, which is what the watermark must follow.
        assert_eq!(jobs[0].1 == jobs[1].1, is_same, "case: {name}");
        assert_eq!(server.control.lapses(), [], "case: {name}");
    }
}

/// Faults: F38.
#[tokio::test]
async fn a_wait_that_was_cut_off_is_taken_up_by_the_url_alone() {
    let held = Fault::on(On::Manifest).named("held").times(1).hold("gate");
    let row = row("held", Scenario::default().with(held), End::Complete);
    let Stage { server, client } = Stage::set(&row).await;
    let found = client.discover().await.unwrap();
    let accepted = client.kickoff(&found, &row.kickoff).await.unwrap();
    let job = Job::at(accepted.status_url);
    tokio::select! {
        _ = client.wait_for(&job, |_| {}) => panic!("the manifest was held back"),
        () = server.control.wait_struck("held", 1) => {}
    }
    server.control.release("gate");
    let manifest = client.wait_for(&job, |_| {}).await.unwrap();
    assert!(manifest.output.len() > 1);
    assert_eq!(server.control.jobs().len(), 1);
    assert_eq!(server.control.lapses(), []);
}

/// Faults: F1.
#[tokio::test]
async fn a_wait_that_the_server_asks_for_is_kept() {
    let busy = Answer::status(429).retry_after(RetryAfter::Seconds(1));
    let fault = Fault::on(On::Poll).times(1).answer(busy);
    let row = row("a second", Scenario::default().with(fault), End::Complete)
        .set(|settings| settings.poll.ceiling = Duration::from_secs(10))
        .timed();
    let seen = Box::pin(run(row)).await;
    assert_eq!(seen.end, End::Complete);
    assert_eq!(seen.struck.len(), 1);
    let soon = seen.lapses.iter().filter(|lapse| lapse.rule == Rule::TooSoon);
    assert_eq!(soon.count(), 0, "{:?}", seen.lapses);
}
