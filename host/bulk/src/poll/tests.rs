//! Every answer a status endpoint is known to give.

use super::*;

fn limits() -> PollLimits {
    PollLimits { failures: 2, ..PollLimits::default() }
}

fn at(seconds: i64) -> Instant {
    Instant::from_unix_ms(seconds * 1000)
}

fn reply(status: u16, body: &'static str) -> StatusReply {
    StatusReply {
        status,
        body: Bytes::from_static(body.as_bytes()),
        ..StatusReply::default()
    }
}

fn asking(status: u16, retry_after: &str) -> StatusReply {
    StatusReply {
        status,
        date: Some("2026-11-22T10:00:00Z".parse().unwrap()),
        retry_after: Some(retry_after.to_owned()),
        ..StatusReply::default()
    }
}

fn exporting(status: u16, export_status: &str) -> StatusReply {
    StatusReply {
        status,
        export_status: Some(export_status.to_owned()),
        ..StatusReply::default()
    }
}

fn done(export_status: &str) -> StatusReply {
    let body = Bytes::from_static(MANIFEST.as_bytes());
    StatusReply { body, ..exporting(200, export_status) }
}

fn wait(seconds: u64, running: bool) -> Step {
    Step::Wait { delay: Duration::from_secs(seconds), running }
}

const TRANSIENT: &str = r#"{"resourceType":"OperationOutcome",
    "issue":[{"severity":"error","code":"transient"}]}"#;
const MIXED: &str = r#"{"resourceType":"OperationOutcome",
    "issue":[{"severity":"error","code":"timeout"},{"severity":"error","code":"processing"}]}"#;

const EXCEPTION: &str = r#"{"resourceType":"OperationOutcome",
    "issue":[{"severity":"error","code":"exception","details":{"text":"Not found"}}]}"#;
const FORBIDDEN: &str = r#"{"resourceType":"OperationOutcome",
    "issue":[{"severity":"error","code":"forbidden"}]}"#;
const MANIFEST: &str = r#"{"transactionTime":"2026-11-22T09:00:00Z",
    "requiresAccessToken":true,"output":[]}"#;

/// Items: 61, 63, 65, 66, 67, 68, 69.
/// Faults: F1, F2, F4.
#[test]
fn answers_every_first_reply() {
    let failed = |body: &str| Step::Failed(Outcome::read(body.as_bytes()));
    let cases = [
        ("running", reply(202, ""), wait(2, true)),
        ("running, seconds", asking(202, "10"), wait(10, true)),
        ("running, zero", asking(202, "0"), wait(1, true)),
        ("running, five hours", asking(202, "18000"), wait(900, true)),
        ("running, date", asking(202, "Sun, 22 Nov 2026 10:00:30 GMT"), wait(30, true)),
        ("running, epoch ms", asking(202, "1795341660000"), wait(60, true)),
        ("running, garbage", asking(202, "soon"), wait(2, true)),
        ("done", reply(200, MANIFEST), Step::Done),
        ("done, of a shape of its own", reply(200, r#"{"output":7}"#), Step::Done),
        ("an empty object", reply(200, "{}"), wait(2, false)),
        ("a login page", reply(200, "<html>"), wait(2, false)),
        ("nothing", reply(200, ""), wait(2, false)),
        ("gone", reply(404, ""), Step::Gone),
        ("expired", reply(410, ""), Step::Gone),
        ("gone for now", reply(404, TRANSIENT), wait(2, false)),
        ("gone for good, with an outcome", reply(410, MIXED), Step::Gone),
        ("too often", reply(429, ""), wait(4, true)),
        ("too often, asks for less", asking(429, "1"), wait(4, true)),
        ("too often, asks for more", asking(429, "300"), wait(300, true)),
        ("gateway", reply(503, "<html>"), wait(2, false)),
        ("gateway asks", asking(503, "7"), wait(7, false)),
        ("transient outcome", reply(500, TRANSIENT), wait(2, false)),
        ("transient 4xx", reply(400, TRANSIENT), wait(2, false)),
        ("mixed outcome", reply(500, MIXED), failed(MIXED)),
        ("bare 500", reply(500, "<html>"), wait(2, false)),
        ("mere exception", reply(500, EXCEPTION), wait(2, false)),
        ("bad request, bare", reply(400, ""), wait(2, false)),
        ("bad request", reply(400, FORBIDDEN), failed(FORBIDDEN)),
        ("forbidden, bare", reply(403, ""), wait(2, false)),
        ("forbidden", reply(403, FORBIDDEN), wait(2, false)),
        ("unauthorized", reply(401, ""), wait(2, false)),
        ("job runs behind a 200", exporting(200, "202 Accepted"), wait(2, true)),
        ("job done behind a 200", done("200 OK"), Step::Done),
        ("job failed behind a 200", exporting(200, "500"), wait(2, false)),
        ("poll failed, job unknown", exporting(503, "202"), wait(2, false)),
        ("export status unreadable", done("fine"), Step::Done),
    ];
    for (name, reply, expected) in cases {
        let mut poll = Poll::new(limits(), at(0));
        assert_eq!(poll.step(&reply, at(0), 0.0), expected, "case: {name}");
    }
}

/// Items: 39, 69.
/// Faults: F5.
#[test]
fn the_state_of_a_job_is_read_where_it_was_agreed_to_be() {
    use StatusSource::{ExportStatus, Http};
    let running = exporting(200, "202 Accepted");
    let behind_202 = StatusReply { status: 202, ..done("200") };
    let done = done("200 OK");
    let cases = [
        ("agreed, running", ExportStatus, running.clone(), wait(2, true)),
        ("agreed, done", ExportStatus, done.clone(), Step::Done),
        ("agreed, done behind a 202", ExportStatus, behind_202.clone(), Step::Done),
        ("agreed, bare 200", ExportStatus, reply(200, ""), wait(2, false)),
        ("agreed, 200 with a manifest", ExportStatus, reply(200, MANIFEST), Step::Done),
        ("agreed, bare 202", ExportStatus, reply(202, ""), wait(2, true)),
        ("not agreed, running", Http, running, wait(2, true)),
        ("not agreed, done", Http, done, Step::Done),
        ("not agreed, done behind a 202", Http, behind_202, wait(2, true)),
        ("not agreed, bare 200", Http, reply(200, ""), wait(2, false)),
    ];
    for (name, source, reply, expected) in cases {
        let mut poll = Poll::new(limits(), at(0)).with_status(source);
        assert_eq!(poll.step(&reply, at(0), 0.0), expected, "case: {name}");
    }
}

/// Items: 64.
#[test]
fn backs_off_to_the_cap_and_never_beyond_the_ceiling() {
    let mut poll = Poll::new(limits(), at(0));
    let mut delays = Vec::new();
    for _ in 0..11 {
        if let Step::Wait { delay, .. } = poll.step(&reply(202, ""), at(0), 0.0) {
            delays.push(delay.as_secs());
        }
    }
    assert_eq!(delays, [2, 3, 4, 6, 10, 15, 22, 34, 51, 60, 60]);
    let Step::Wait { delay, .. } = poll.step(&asking(202, "900"), at(0), 1.0) else {
        panic!("did not wait");
    };
    assert_eq!(delay, Duration::from_mins(15));
}

/// Items: 65.
#[test]
fn a_server_that_is_asked_too_often_is_asked_half_as_often_each_time() {
    let mut poll = Poll::new(limits(), at(0));
    let steps = [
        ("running", asking(202, "60"), 60),
        ("bare refusal", reply(429, ""), 120),
        ("refusal that asks for less", asking(429, "5"), 240),
        ("refusal that asks for more", asking(429, "600"), 600),
        ("at the ceiling", reply(429, ""), 900),
    ];
    for (name, reply, expected) in steps {
        assert_eq!(poll.step(&reply, at(0), 0.0), wait(expected, true), "step: {name}");
    }
}

/// Items: 64.
#[test]
fn jitter_only_lengthens() {
    let mut poll = Poll::new(limits(), at(0));
    let step = poll.step(&asking(202, "100"), at(0), 1.0);
    assert_eq!(step, wait(110, true));
}

/// Items: 67.
/// Faults: F2.
#[test]
fn a_failing_endpoint_is_given_up_only_after_both_tries_and_time() {
    let mut poll = Poll::new(limits(), at(0));
    let gateway = reply(503, "");
    assert!(matches!(poll.step(&gateway, at(0), 0.0), Step::Wait { .. }));
    assert!(matches!(poll.lost(at(1), 0.0), Step::Wait { .. }));
    assert!(
        matches!(poll.step(&gateway, at(2), 0.0), Step::Wait { .. }),
        "tries, not time"
    );
    assert_eq!(poll.lost(at(1801), 0.0), Step::Unreachable);

    let mut poll = Poll::new(limits(), at(0));
    assert!(matches!(poll.step(&gateway, at(0), 0.0), Step::Wait { .. }));
    assert!(
        matches!(poll.step(&gateway, at(1801), 0.0), Step::Wait { .. }),
        "time, not tries"
    );
    assert!(matches!(poll.step(&reply(202, ""), at(1802), 0.0), Step::Wait { .. }));
    assert!(
        matches!(poll.step(&gateway, at(9000), 0.0), Step::Wait { .. }),
        "starts anew"
    );
}

/// Items: 67, 68.
/// Faults: F2, F3, F4.
#[test]
fn what_may_not_be_about_the_job_is_believed_the_third_time() {
    let of = |body: &str| Outcome::read(body.as_bytes());
    let cases = [
        ("bare 500", reply(500, "<html>"), Step::Failed(of("<html>"))),
        ("mere exception", reply(500, EXCEPTION), Step::Failed(of(EXCEPTION))),
        ("bad request, bare", reply(400, "<html>"), Step::Failed(of("<html>"))),
        ("gone as it says, for now as it says", reply(404, EXCEPTION), Step::Gone),
        ("gone and transient", reply(410, TRANSIENT), Step::Gone),
        ("an empty object", reply(200, "{}"), Step::Done),
        ("a login page", reply(200, "<html>"), Step::Done),
        ("forbidden", reply(403, FORBIDDEN), Step::Refused(of(FORBIDDEN))),
        ("a firewall", reply(403, "<html>"), Step::Refused(of("<html>"))),
    ];
    for (name, reply, believed) in cases {
        let mut poll = Poll::new(limits(), at(0));
        for asked in 0..2 {
            let step = poll.step(&reply, at(asked), 0.0);
            assert!(matches!(step, Step::Wait { .. }), "case: {name}: {step:?}");
        }
        assert_eq!(poll.step(&reply, at(2), 0.0), believed, "case: {name}");

        let mut poll = Poll::new(limits(), at(0));
        for asked in 0..2 {
            poll.step(&reply, at(asked), 0.0);
        }
        poll.step(&self::reply(202, ""), at(2), 0.0);
        let step = poll.step(&reply, at(3), 0.0);
        assert!(matches!(step, Step::Wait { .. }), "case: {name}: it ran in between");
    }
}

/// Items: 67.
/// Faults: F2.
#[test]
fn what_took_weeks_is_not_thrown_away_for_a_bad_minute() {
    let hour = 3600;
    // name, answer, age of the job, seconds for which it has been answered so, believed
    let cases = [
        ("a young job", reply(500, "<html>"), 60, 5, true),
        ("an hour", reply(500, "<html>"), hour, 30, false),
        ("an hour, for a while", reply(500, "<html>"), hour, 37, true),
        ("three weeks", reply(200, "<html>"), 500 * hour, 1700, false),
        ("three weeks, for half an hour", reply(200, "<html>"), 500 * hour, 1800, true),
        ("gone is gone", reply(404, EXCEPTION), 500 * hour, 5, true),
    ];
    for (name, reply, age, row, believed) in cases {
        let mut poll = Poll::new(limits(), at(-age));
        poll.step(&reply, at(0), 0.0);
        poll.step(&reply, at(1), 0.0);
        let step = poll.step(&reply, at(row), 0.0);
        assert_eq!(
            !matches!(step, Step::Wait { .. }),
            believed,
            "case: {name}: {step:?}"
        );
    }
}

/// Items: 74.
#[test]
fn a_job_that_does_not_end_is_given_up() {
    let mut poll = Poll::new(limits(), at(0));
    let month = 30 * 24 * 3600;
    assert!(matches!(poll.step(&reply(202, ""), at(month - 1), 0.0), Step::Wait { .. }));
    assert_eq!(poll.step(&reply(202, ""), at(month), 0.0), Step::OutOfTime);
    assert_eq!(poll.step(&reply(200, MANIFEST), at(month), 0.0), Step::Done);
}
