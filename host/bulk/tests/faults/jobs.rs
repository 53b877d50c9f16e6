//! Faults of jobs under way: busy, failing, gone, deleted.

use bulkhead_bulk::Cancelled;
use bulkhead_sample_server::{
    Fault, On, Scenario,
    scenario::{Answer, Content, End as How, LoseWhen, Per, RetryAfter, Shift},
};
use serde_json::json;
use std::time::Duration;

use crate::{
    rig::Seen,
    row::{End, check, error, row},
};

fn polls(fault: Fault) -> Scenario {
    Scenario::default().with(fault)
}

/// Polls of the job, pages and files not counted.
fn asked(seen: &Seen) -> usize {
    let is = |path: &str| {
        path.strip_prefix("/fhir/bulk/").is_some_and(|rest| !rest.contains('/'))
    };
    seen.log.iter().filter(|one| one.method == "GET" && is(&one.path)).count()
}

/// Faults: F1, F2.
#[tokio::test]
async fn waits_are_kept_within_limits_and_what_may_pass_is_asked_again() {
    let minute = Shift::ahead(Duration::from_mins(1));
    let waits = [
        ("seconds", RetryAfter::Seconds(1)),
        ("huge", RetryAfter::Seconds(18_000)),
        ("zero", RetryAfter::Seconds(0)),
        ("negative", RetryAfter::Negative(5)),
        ("garbage", RetryAfter::Text("soon".to_owned())),
        ("imf", RetryAfter::Imf(minute)),
        ("rfc 850", RetryAfter::Rfc850(minute)),
        ("asctime", RetryAfter::Asctime(minute)),
        ("past", RetryAfter::Imf(Shift::back(Duration::from_mins(1)))),
        ("epoch", RetryAfter::EpochMs(minute)),
    ];
    let mut rows = Vec::new();
    for (name, wait) in waits {
        let busy = Answer::status(429).retry_after(wait);
        let fault = Fault::on(On::Poll).times(2).answer(busy);
        // Two refusals, "in progress", and the manifest: no request more than that.
        rows.push(
            row(format!("F1 {name}"), polls(fault), End::Complete)
                .shown_by(|seen| seen.struck.len() == 2 && asked(seen) == 4),
        );
    }
    for code in [
        "transient",
        "lock-error",
        "no-store",
        "exception",
        "timeout",
        "incomplete",
        "throttled",
    ] {
        let answer = Answer::status(503).outcome([code]);
        let fault = Fault::on(On::Poll).times(2).answer(answer);
        rows.push(row(format!("F2 {code}"), polls(fault), End::Complete));
        // Even with a status that means failure, the code decides.
        let answer = Answer::status(500).outcome([code]);
        let fault = Fault::on(On::Poll).times(2).answer(answer);
        rows.push(row(format!("F2 {code} with 500"), polls(fault), End::Complete));
    }
    let answers = [
        ("html", Answer::status(503).body(Content::Html)),
        ("empty", Answer::status(502)),
        ("bare 500", Answer::status(500).body(Content::Html)),
    ];
    for (name, answer) in answers {
        let fault = Fault::on(On::Poll).times(2).answer(answer);
        rows.push(row(format!("F2 {name}"), polls(fault), End::Complete));
    }
    for (name, how) in [("closed", How::Close), ("reset", How::Reset)] {
        let fault = Fault::on(On::Poll).times(2).lose(LoseWhen::Before, how);
        rows.push(row(format!("F2 {name}"), polls(fault), End::Complete));
    }
    let mixed = Answer::status(500).outcome(["timeout", "processing"]);
    let fault = Fault::on(On::Poll).answer(mixed);
    rows.push(
        row("F2 not transient alone", polls(fault), error("JobFailed"))
            .shown_by(|seen| asked(seen) == 1),
    );
    let fault = Fault::on(On::Poll).answer(Answer::status(503).outcome(["timeout"]));
    rows.push(row("F2 for ever", polls(fault), error("Unreachable")));
    check(rows).await;
}

/// Faults: F3, F4.
#[tokio::test]
async fn jobs_that_fail_or_vanish_are_neither_asked_again_nor_taken_for_empty() {
    let mut rows = Vec::new();
    let failures = [
        ("500", Answer::status(500).outcome(["processing"])),
        ("400", Answer::status(400).outcome(["invalid"])),
        ("422", Answer::status(422).outcome(["invalid"])),
    ];
    for (name, answer) in failures {
        let fault = Fault::on(On::Poll).after(1).per(Per::Job).answer(answer);
        rows.push(row(format!("F3 {name}"), polls(fault), error("JobFailed")).shown_by(
            |seen| asked(seen) == 2 && seen.cancelled == Some(Ok(Cancelled::Accepted)),
        ));
    }
    // Whoever says it in words that are not FHIR's is asked three times.
    let unclear = [
        ("bare 400", Answer::status(400), "JobFailed"),
        ("exception", Answer::status(500).outcome(["exception"]), "JobFailed"),
        ("404 with an exception", Answer::status(404).outcome(["exception"]), "JobGone"),
        ("410 with a timeout", Answer::status(410).outcome(["timeout"]), "JobGone"),
        ("bare 403", Answer::status(403), "Refused"),
    ];
    for (name, answer, end) in unclear {
        let fault = Fault::on(On::Poll).after(1).per(Per::Job).answer(answer.clone());
        rows.push(
            row(format!("F4 {name}"), polls(fault), error(end))
                .shown_by(|seen| asked(seen) == 4),
        );
        let fault = Fault::on(On::Poll).times(2).answer(answer);
        rows.push(row(format!("F4 {name}, twice"), polls(fault), End::Complete));
    }
    for status in [404, 410] {
        let fault = Fault::on(On::Poll).times(1).vanish(status);
        rows.push(
            row(format!("F4 {status}"), polls(fault), error("JobGone"))
                .shown_by(|seen| seen.cancelled == Some(Ok(Cancelled::AlreadyGone))),
        );
        let fault = Fault::on(On::File).times(1).vanish(status);
        rows.push(row(format!("F4 {status} at a file"), polls(fault), error("JobGone")));
    }
    let nothings = [
        ("empty object", Content::Json(json!({})), "Manifest/NotAManifest"),
        ("html", Content::Html, "Manifest/Json"),
    ];
    for (name, body, end) in nothings {
        let answer = Answer::status(200).body(body.clone());
        let fault = Fault::on(On::Manifest).answer(answer);
        rows.push(row(format!("F4 {name}"), polls(fault), error(end)));
        let answer = Answer::status(200).body(body);
        let fault = Fault::on(On::Manifest).times(2).answer(answer);
        rows.push(row(format!("F4 {name}, twice"), polls(fault), End::Complete));
    }
    check(rows).await;
}

/// Faults: F37.
#[tokio::test]
async fn a_cancellation_takes_every_answer_and_is_never_followed_by_a_poll() {
    let done = |status| Scenario::default().in_mode(|modes| modes.delete.done = status);
    let lingers = Scenario::default().in_mode(|modes| modes.delete.polls_after = 3);
    check(vec![
        row("F37 204", done(204), End::Complete)
            .shown_by(|seen| seen.cancelled == Some(Ok(Cancelled::Accepted))),
        row("F37 404", done(404), End::Complete)
            .shown_by(|seen| seen.cancelled == Some(Ok(Cancelled::AlreadyGone))),
        row("F37 500", done(500), End::Complete).shown_by(|seen| {
            matches!(&seen.cancelled, Some(Err(name)) if name == "Refused" || name == "Busy")
        }),
        row("F37 lingers", lingers, End::Complete)
            .shown_by(|seen| seen.cancelled == Some(Ok(Cancelled::Accepted))),
    ])
    .await;
}
