//! Faults of manifests in pages: early, empty, in a circle, elsewhere, out of reach.

use bulkhead_sample_server::{
    Fault, On, Scenario,
    scenario::{Answer, End as How, Issue, LoseWhen, Outcome, Pages, Then},
};

use crate::row::{End, Row, Why, check, error, row};

fn pages(pages: Pages) -> Scenario {
    Scenario::default().in_mode(|modes| modes.pages = Some(pages))
}

fn one() -> Pages {
    Pages { files: 1, ..Pages::default() }
}

fn partial(row: Row) -> Row {
    row.asking(|kickoff| kickoff.allow_partial_manifests = true)
}

/// Faults: F31.
#[tokio::test]
async fn pages_are_followed_to_the_end_and_a_missing_one_is_told() {
    let second = || Fault::on(On::Manifest).page(1);
    let several = |seen: &crate::rig::Seen| seen.pages() > 1;
    let gone = || End::Incomplete(Why::Pages);
    let issue = Issue {
        severity: "warning".to_owned(),
        code: "processing".to_owned(),
        resource_type: None,
    };
    let outcome = Outcome { issues: vec![issue], ..Outcome::default() };
    let repeated = pages(Pages { errors_repeated: true, ..one() })
        .in_mode(|modes| modes.outcome = outcome);
    check(vec![
        row("F31 one file each", pages(one()), End::Complete).shown_by(several),
        partial(row("F31 early", pages(Pages { partial: true, ..one() }), End::Complete))
            .shown_by(several),
        row("F31 empty page", pages(Pages { empty: Some(1), ..one() }), End::Complete)
            .shown_by(several),
        row(
            "F31 circle",
            pages(Pages { then: Then::Loop, ..one() }),
            error("Manifest/Loop"),
        )
        .shown_by(|seen| seen.manifest.is_none()),
        row("F31 elsewhere", pages(Pages { elsewhere: true, ..one() }), gone())
            .shown_by(|seen| seen.pages() == 1),
        row(
            "F31 times differ",
            pages(Pages { time_differs: true, ..one() }),
            End::Complete,
        )
        .shown_by(|seen| seen.warned("TimeDiffers")),
        row("F31 errors on each page", repeated, End::Complete)
            .shown_by(|seen| seen.manifest.as_ref().unwrap().outcome.len() == 1),
        row(
            "F31 busy page",
            pages(one()).with(second().times(2).answer(Answer::status(503))),
            End::Complete,
        ),
        row(
            "F31 lost page",
            pages(one()).with(second().times(1).lose(LoseWhen::Before, How::Reset)),
            End::Complete,
        ),
        row(
            "F31 failed page",
            pages(one())
                .with(second().answer(Answer::status(500).outcome(["processing"]))),
            gone(),
        ),
        row(
            "F31 gone page",
            pages(one()).with(second().answer(Answer::status(404))),
            gone(),
        ),
    ])
    .await;
}
