//! Faults of files before their first byte: dead links, other origins, redirects, labels.

use std::time::Duration;

use bulkhead_sample_server::{
    Fault, On, Scenario,
    scenario::{Access, Answer, Content, FilesAt, Hop, Links, Per, RetryAfter},
};

use crate::row::{End, check, error, row};

fn file(fault: Fault) -> Scenario {
    Scenario::default().with(fault)
}

fn dead() -> [(&'static str, Answer); 4] {
    [
        ("403", Answer::status(403).body(Content::Xml)),
        ("404", Answer::status(404)),
        ("410", Answer::status(410)),
        ("401", Answer::status(401)),
    ]
}

/// Faults: F1, F13.
#[tokio::test]
async fn dead_links_are_renewed_by_the_manifest_and_given_up_when_that_does_not_help() {
    let mut rows = Vec::new();
    for (name, answer) in dead() {
        let links = Links::dead_until_refreshed(answer.clone());
        let renewed = Scenario::default().in_mode(|modes| modes.links = Some(links));
        rows.push(
            row(format!("F13 {name}, renewed"), renewed, End::Complete)
                .shown_by(|seen| seen.files() > 1),
        );
        let links = Links {
            after: None,
            downloads: Some(0),
            answer: answer.clone(),
            refreshed: false,
            generations: 1,
        };
        let stays = Scenario::default().in_mode(|modes| modes.links = Some(links));
        let end = if name == "401" { "Unauthorized" } else { "Refused" };
        rows.push(
            row(format!("F13 {name}, not renewed"), stays, error(end))
                .shown_by(|seen| seen.manifest.is_some()),
        );
        let once = Fault::on(On::File).per(Per::File).times(1).answer(answer);
        rows.push(row(format!("F13 {name} once"), file(once), End::Complete));
    }
    let busy = Answer::status(429).retry_after(RetryAfter::Seconds(18_000));
    let once = Fault::on(On::File).times(1).answer(busy);
    rows.push(row("F1 busy file", file(once), End::Complete));
    check(rows).await;
}

/// Faults: F34.
#[tokio::test]
async fn the_token_goes_to_files_as_the_manifest_says_and_to_no_other_origin() {
    let at = |files_at, access| {
        Scenario::default().in_mode(|modes| {
            modes.files_at = files_at;
            modes.access = access;
        })
    };
    check(vec![
        row(
            "F34 capability elsewhere",
            at(FilesAt::Elsewhere, Access::Capability),
            End::Complete,
        )
        .shown_by(strangers),
        row("F34 open elsewhere", at(FilesAt::Elsewhere, Access::Never), End::Complete)
            .shown_by(strangers),
        row(
            "F34 token for a stranger",
            at(FilesAt::Elsewhere, Access::Always),
            error("Network/Credential"),
        )
        .shown_by(|seen| !strangers(seen)),
        row(
            "F34 presigned stranger",
            at(FilesAt::Elsewhere, Access::TrueButPresigned),
            error("Network/Credential"),
        )
        .shown_by(|seen| !strangers(seen)),
        row(
            "F34 presigned at home",
            at(FilesAt::Home, Access::TrueButPresigned),
            End::Complete,
        )
        .shown_by(|seen| seen.log.iter().any(|one| one.status == 400 && one.authorized)),
        row(
            "F34 capability at home",
            at(FilesAt::Home, Access::Capability),
            End::Complete,
        )
        .shown_by(|seen| seen.log.iter().all(|one| one.status != 400)),
        row("F34 always at home", at(FilesAt::Home, Access::Always), End::Complete)
            .shown_by(|seen| seen.files() > 1),
    ])
    .await;
}

fn strangers(seen: &crate::rig::Seen) -> bool {
    seen.log.iter().any(|one| one.origin == bulkhead_sample_server::Origin::Elsewhere)
}

/// Faults: F33.
#[tokio::test]
async fn redirects_are_followed_without_the_token_once_they_leave_home() {
    let mut rows = Vec::new();
    for status in [301, 302, 303, 307, 308] {
        let home = Fault::on(On::File).redirect(status, [Hop::Home]);
        rows.push(row(format!("F33 {status} at home"), file(home), End::Complete));
        let away = Fault::on(On::File).redirect(status, [Hop::Elsewhere]);
        rows.push(
            row(format!("F33 {status} elsewhere"), file(away), End::Complete)
                .shown_by(strangers),
        );
    }
    let back =
        Fault::on(On::File).redirect(307, [Hop::Elsewhere, Hop::Elsewhere, Hop::Home]);
    rows.push(
        row("F33 there, there and back", file(back), End::Complete).shown_by(strangers),
    );
    let circle = Fault::on(On::File).redirect(307, [Hop::Loop]);
    rows.push(row("F33 circle", file(circle), error("Network/Redirect")));
    check(rows).await;
}

/// Faults: F17, F21.
#[tokio::test]
async fn markup_is_refused_and_silence_is_waited_out_no_longer_than_allowed() {
    let labelled = |label: &str| file(Fault::on(On::File).header("content-type", label));
    let late = Fault::on(On::File).times(1).delay(Duration::from_secs(20));
    check(vec![
        row("F21 html", labelled("text/html"), error("MediaType")),
        row("F21 xml", labelled("application/xml"), error("MediaType")),
        row("F21 generic", labelled("application/octet-stream"), End::Complete)
            .shown_by(|seen| !seen.labelled),
        row(
            "F21 missing",
            file(Fault::on(On::File).without_header("content-type")),
            End::Complete,
        )
        .shown_by(|seen| !seen.labelled),
        row("F17 late head", file(late), End::Complete)
            .over(|config| config.response_timeout = Duration::from_millis(500)),
    ])
    .await;
}
