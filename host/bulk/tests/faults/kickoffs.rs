//! Faults of kick-offs: busy, without a location, without an answer, refused in part.

use bulkhead_bulk::{StatusSource, Version};
use bulkhead_sample_server::{
    Fault, On, Scenario,
    scenario::{
        Answer, Content, End as How, ExportStatus, Hop, Lists, Location, LoseWhen,
        Organized, RetryAfter, Treatment,
    },
};

use crate::row::{End, Row, check, error, row};

fn on(fault: Fault) -> Scenario {
    Scenario::default().with(fault)
}

/// Faults: F1, F6, F7, F33.
#[tokio::test]
async fn kickoffs_are_sent_again_only_where_no_job_can_be_running() {
    let kickoff = || Fault::on(On::Kickoff);
    let busy =
        Answer::status(429).retry_after(RetryAfter::Seconds(0)).outcome(["throttled"]);
    let location =
        |location| Scenario::default().in_mode(|modes| modes.location = location);
    let lost = |when, how| on(kickoff().times(1).lose(when, how));
    let no_job = |seen: &crate::rig::Seen| seen.accepted.is_none();
    check(vec![
        row("F1 busy once", on(kickoff().times(1).answer(busy.clone())), End::Complete),
        row("F1 busy for ever", on(kickoff().answer(busy)), error("Busy")),
        row("F6 no location", location(Location::Absent), error("NoStatusUrl"))
            .shown_by(no_job),
        row("F6 relative", location(Location::Relative), End::Complete)
            .shown_by(|seen| seen.accepted.is_some()),
        row("F6 elsewhere", location(Location::Elsewhere), error("Network/Credential"))
            .shown_by(|seen| seen.accepted.is_some()),
        row(
            "F6 a capability",
            location(Location::Query("sig=s3cret".to_owned()))
                .with(Fault::on(On::Poll).answer(Answer::status(400))),
            error("JobFailed"),
        ),
        row(
            "F7 closed after",
            lost(LoseWhen::After, How::Close),
            error("KickoffUnknown"),
        )
        .shown_by(|seen| seen.asked("GET", "/$export") == 1),
        row("F7 reset after", lost(LoseWhen::After, How::Reset), error("KickoffUnknown"))
            .shown_by(|seen| seen.asked("GET", "/$export") == 1),
        row(
            "F7 closed before",
            lost(LoseWhen::Before, How::Close),
            error("KickoffUnknown"),
        )
        .shown_by(|seen| seen.asked("GET", "/$export") == 1),
        row(
            "F7 gateway",
            on(kickoff().answer(Answer::status(504))),
            error("KickoffUnknown"),
        )
        .shown_by(|seen| seen.asked("GET", "/$export") == 1),
        row("F33 moved", on(kickoff().redirect(307, [Hop::Home])), End::Complete),
        row(
            "F33 post moved",
            on(kickoff().redirect(307, [Hop::Elsewhere])),
            error("Network/Redirect"),
        )
        .set(|settings| settings.method = bulkhead_bulk::KickoffMethod::Post),
    ])
    .await;
}

/// Faults: F5.
#[tokio::test]
async fn the_state_of_a_job_is_read_where_the_server_agreed_to_tell_it() {
    let mode = |mode| Scenario::default().in_mode(|modes| modes.export_status = mode);
    let asking = |row: Row| row.asking(|kickoff| kickoff.separate_export_status = true);
    check(vec![
        asking(row("F5 one line", mode(ExportStatus::Applied), End::Complete))
            .shown_by(|seen| told_by(seen) == StatusSource::ExportStatus),
        asking(row("F5 two lines", mode(ExportStatus::AppliedTwice), End::Complete))
            .shown_by(|seen| told_by(seen) == StatusSource::ExportStatus),
        asking(row("F5 ignored", mode(ExportStatus::Unsupported), End::Complete))
            .shown_by(|seen| told_by(seen) == StatusSource::Http),
        asking(row("F5 without state", mode(ExportStatus::WithoutState), End::Complete))
            .shown_by(|seen| seen.warned("ExportStatusMissing")),
        row("F5 unasked", mode(ExportStatus::Unasked), End::Complete)
            .shown_by(|seen| told_by(seen) == StatusSource::Http),
    ])
    .await;
}

fn told_by(seen: &crate::rig::Seen) -> StatusSource {
    seen.accepted.as_ref().unwrap().status_source
}

/// Faults: F32, F35.
#[tokio::test]
async fn refused_parameters_are_left_out_only_where_that_widens_nothing() {
    let treated = |name: &str, treatment| {
        let name = name.to_owned();
        Scenario::default().in_mode(|modes| {
            modes.parameters.insert(name, treatment);
        })
    };
    let elements =
        |row: Row| row.asking(|kickoff| kickoff.elements = vec!["id".to_owned()]);
    let organized = |row: Row| {
        row.asking(|kickoff| kickoff.organize_output_by = Some("Patient".to_owned()))
    };
    let left_out =
        |seen: &crate::rig::Seen| !seen.accepted.as_ref().unwrap().left_out.is_empty();
    let html = Answer::status(400).body(Content::Html);
    check(vec![
        elements(row(
            "F35 refused",
            treated("_elements", Treatment::Refuse),
            End::Complete,
        ))
        .shown_by(left_out),
        elements(row(
            "F35 passed over",
            treated("_elements", Treatment::Ignore),
            End::Complete,
        ))
        .shown_by(|seen| seen.lines.windows(8).any(|part| part == b"\"gender\"")),
        elements(row(
            "F35 lenient",
            treated("_elements", Treatment::Lenient),
            End::Complete,
        ))
        .set(|settings| settings.handling = bulkhead_bulk::Handling::Lenient)
        .shown_by(|seen| !seen.manifest.as_ref().unwrap().outcome.is_empty()),
        row("F35 types refused", treated("_type", Treatment::Refuse), error("Refused"))
            .shown_by(|seen| seen.accepted.is_none()),
        row("F35 types passed over", treated("_type", Treatment::Ignore), End::AsSent)
            .shown_by(|seen| {
                seen.lines.windows(13).any(|part| part == b"\"Observation\"")
            }),
        row(
            "F35 refused in html",
            on(Fault::on(On::Kickoff).answer(html)),
            error("Refused"),
        ),
        row("F35 no comma", listed(Lists::NoComma), error("Refused"))
            .shown_by(|seen| seen.accepted.is_none()),
        row("F35 no repeats", listed(Lists::NoRepeat), End::Complete)
            .shown_by(|seen| seen.log.iter().any(|one| one.query.contains("_type="))),
        row("F35 no comma, told", listed(Lists::NoComma), End::Complete)
            .set(|settings| settings.version = Version::V4)
            .shown_by(|seen| seen.asked("POST", "/$export") == 1),
        organized(row("F32 refused", Scenario::default(), End::Complete))
            .shown_by(left_out),
        organized(row(
            "F32 passed over",
            Scenario::default()
                .in_mode(|modes| modes.organized = Organized::IgnoredSilently),
            End::Complete,
        ))
        .shown_by(|seen| seen.manifest.as_ref().unwrap().organized_by.is_none()),
    ])
    .await;
}

fn listed(lists: Lists) -> Scenario {
    Scenario::default().in_mode(|modes| modes.lists = lists)
}
