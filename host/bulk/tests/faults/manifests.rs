//! Faults of manifests: times, what is left out, what goes with them.

use std::time::Duration;

use bulkhead_model::Instant;
use bulkhead_sample_server::{
    Scenario,
    scenario::{Expires, Issue, Modes, Omission, Outcome, Shift, Since, TransactionTime},
};

use crate::{
    rig::Seen,
    row::{End, Why, check, row},
};

fn mode(set: impl FnOnce(&mut Modes)) -> Scenario {
    Scenario::default().in_mode(set)
}

fn time(seen: &Seen) -> Option<Instant> {
    seen.manifest.as_ref().unwrap().transaction_time
}

/// When the made-up data was made, a round before it is served.
const MADE: Instant = Instant::from_unix_ms(1_767_571_200_000);

/// When the kick-off was sent, by the server's clock.
fn kicked_off(seen: &Seen) -> Instant {
    seen.log.iter().find(|one| one.path.ends_with("$export")).unwrap().at
}

/// Faults: F26, F28.
#[tokio::test]
async fn a_transaction_time_is_the_earliest_that_can_be_right_or_none() {
    let hour = Duration::from_hours(1);
    let stated = |time| mode(|modes| modes.transaction_time = time);
    let per_job = TransactionTime::PerJob(vec![TransactionTime::Behind(hour)]);
    check(vec![
        row("F26 start", stated(TransactionTime::Start), End::Complete)
            .shown_by(|seen| time(seen) == Some(kicked_off(seen))),
        row("F26 end", stated(TransactionTime::End), End::Complete)
            .shown_by(|seen| time(seen) >= Some(kicked_off(seen))),
        row("F26 now", stated(TransactionTime::PollNow), End::Complete)
            .shown_by(|seen| time(seen) >= Some(kicked_off(seen))),
        row("F26 ahead", stated(TransactionTime::Ahead(hour)), End::Complete)
            .shown_by(|seen| time(seen).is_none() && seen.warned("TimeAhead")),
        row("F26 behind", stated(TransactionTime::Behind(hour)), End::Complete)
            .shown_by(|seen| time(seen) < Some(kicked_off(seen))),
        row("F26 backwards", stated(per_job), End::Complete)
            .shown_by(|seen| time(seen) < Some(kicked_off(seen))),
        row("F26 missing", stated(TransactionTime::Missing), End::Complete)
            .shown_by(|seen| time(seen).is_none() && seen.warned("TimeUnreadable")),
        row("F26 no zone", stated(TransactionTime::Zoneless), End::Complete)
            .shown_by(|seen| time(seen).is_none_or(|time| time <= kicked_off(seen))),
        row("F26 cut", stated(TransactionTime::Truncated), End::Complete)
            .shown_by(|seen| time(seen).is_none_or(|time| time <= kicked_off(seen))),
        row("F26 text", stated(TransactionTime::Text("today".to_owned())), End::Complete)
            .shown_by(|seen| time(seen).is_none() && seen.warned("TimeUnreadable")),
        row(
            "F26 offset",
            stated(TransactionTime::Offset("+05:30".to_owned())),
            End::Complete,
        )
        .shown_by(|seen| time(seen) == Some(kicked_off(seen))),
        row(
            "F28 no fractions",
            mode(|modes| modes.since = Since::RefusesFraction),
            End::Complete,
        )
        .asking(|kickoff| kickoff.since = Some(Instant::from_unix_ms(1_001)))
        .shown_by(|seen| {
            seen.log
                .iter()
                .any(|one| one.query.contains("_since=1970-01-01T00%3A00%3A01Z"))
        }),
        row("F28 kept", Scenario::default(), End::AsSent)
            .asking(|kickoff| kickoff.since = Some(MADE))
            .shown_by(|seen| !holds(seen, "\"Condition\"")),
        row("F28 passed over", mode(|modes| modes.since = Since::Ignored), End::Complete)
            .asking(|kickoff| kickoff.since = Some(MADE))
            .shown_by(|seen| seen.files() > 1),
    ])
    .await;
}

/// Faults: F14.
#[tokio::test]
async fn an_expires_header_is_believed_when_it_can_be_read() {
    let expires = |expires| mode(|modes| modes.expires = expires);
    let far = Duration::from_hours(24 * 365 * 50);
    check(vec![
        row("F14 absent", expires(Expires::Absent), End::Complete)
            .shown_by(|seen| until(seen).is_none()),
        row("F14 past", expires(Expires::In(Shift::back(far))), End::Complete)
            .shown_by(|seen| until(seen) < Some(kicked_off(seen))),
        row("F14 far", expires(Expires::In(Shift::ahead(far))), End::Complete)
            .shown_by(|seen| until(seen) > Some(kicked_off(seen))),
        row("F14 zero", expires(Expires::Text("0".to_owned())), End::Complete)
            .shown_by(|seen| until(seen).is_some()),
        row("F14 text", expires(Expires::Text("tomorrow".to_owned())), End::Complete)
            .shown_by(|seen| until(seen).is_some()),
    ])
    .await;
}

fn until(seen: &Seen) -> Option<Instant> {
    seen.manifest.as_ref().unwrap().expires
}

/// Faults: F12, F30.
#[tokio::test]
async fn silent_omissions_come_as_sent_and_every_list_of_outcomes_can_be_read() {
    let left_out = |omission| mode(|modes| modes.omit = vec![omission]);
    let types = || vec!["Condition".to_owned()];
    let short = |lying_count| {
        let rows_after = Some(3);
        Omission { types: types(), rows_after, lying_count, ..Omission::default() }
    };
    let issue = |severity: &str, of: Option<&str>| Issue {
        severity: severity.to_owned(),
        code: "exception".to_owned(),
        resource_type: of.map(str::to_owned),
    };
    let outcome =
        |issues| mode(|modes| modes.outcome = Outcome { issues, ..Outcome::default() });
    let raw = Outcome { raw: Some("<html>".to_owned()), ..Outcome::default() };
    let absent = Outcome { absent: true, ..Outcome::default() };
    let told = |seen: &Seen| !seen.manifest.as_ref().unwrap().outcome.is_empty();
    check(vec![
        row(
            "F12 a type",
            left_out(Omission { types: types(), ..Omission::default() }),
            End::AsSent,
        )
        .shown_by(|seen| !holds(seen, "\"Condition\"")),
        row(
            "F12 a type, told",
            left_out(Omission { types: types(), told: true, ..Omission::default() }),
            End::AsSent,
        )
        .shown_by(told),
        row(
            "F12 a file",
            left_out(Omission { file: Some(1), ..Omission::default() }),
            End::AsSent,
        )
        .shown_by(|seen| seen.files() > 0),
        row("F12 rows, honest count", left_out(short(false)), End::AsSent)
            .shown_by(|seen| seen.files() > 0),
        row("F12 rows, lying count", left_out(short(true)), End::Incomplete(Why::Count))
            .shown_by(|seen| seen.files() > 0),
        row("F30 information", outcome(vec![issue("information", None)]), End::Complete)
            .shown_by(told),
        row(
            "F30 fatal of a type",
            outcome(vec![issue("fatal", Some("Condition"))]),
            End::Complete,
        )
        .shown_by(told),
        row("F30 no json", mode(|modes| modes.outcome = raw), End::Complete)
            .shown_by(told),
        row("F30 no list", mode(|modes| modes.outcome = absent), End::Complete)
            .shown_by(|seen| !seen.manifest.as_ref().unwrap().output.is_empty()),
    ])
    .await;
}

fn holds(seen: &Seen, part: &str) -> bool {
    seen.lines.windows(part.len()).any(|window| window == part.as_bytes())
}
