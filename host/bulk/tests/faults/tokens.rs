//! Faults of sign-in: tokens that end, scopes that shrink, clocks that differ.

use std::time::Duration;

use bulkhead_bulk::{Coverage, GrantedScope};
use bulkhead_sample_server::{
    Fault, On, Rule, Scenario,
    scenario::{Answer, ExpiresIn, Hop, Revoke, Scope, Shift, Unscoped},
};

use crate::{
    rig::Seen,
    row::{End, check, error, row},
};

/// Faults: F9.
#[tokio::test]
async fn a_token_that_ends_is_replaced_once_wherever_it_ends() {
    let on = |fault| Scenario::default().with(fault);
    let lives =
        |expires| Scenario::default().in_mode(|modes| modes.token.expires_in = expires);
    let bare = Answer::status(401).without_challenge();
    check(vec![
        row(
            "F9 at a poll",
            on(Fault::on(On::Poll).times(1).revoke(Revoke::Before)),
            End::Complete,
        )
        .shown_by(|seen| seen.tokens() == 2),
        row(
            "F9 in the queue",
            on(Fault::on(On::File).file(1).times(1).revoke(Revoke::Before)),
            End::Complete,
        )
        .shown_by(|seen| seen.tokens() == 2),
        row(
            "F9 in a body",
            on(Fault::on(On::File).file(0).times(1).revoke(Revoke::AfterHead)),
            End::Complete,
        )
        .shown_by(|seen| seen.tokens() == 2),
        row(
            "F9 at the cancellation",
            on(Fault::on(On::Delete).times(1).revoke(Revoke::Before)),
            End::Complete,
        )
        .shown_by(|seen| seen.tokens() == 2 && matches!(seen.cancelled, Some(Ok(_)))),
        row(
            "F9 without challenge",
            on(Fault::on(On::Poll).times(1).answer(bare.clone())),
            End::Complete,
        )
        .shown_by(|seen| seen.tokens() == 2),
        row(
            "F9 refused for ever",
            on(Fault::on(On::Poll).answer(bare)),
            error("Unauthorized"),
        )
        .shown_by(|seen| seen.tokens() == 2),
        row(
            "F9 lifetime as text",
            lives(ExpiresIn::Text("300".to_owned())),
            End::Complete,
        )
        .shown_by(|seen| seen.tokens() == 1),
        row("F9 no lifetime", lives(ExpiresIn::Absent), End::Complete)
            .shown_by(|seen| seen.tokens() == 1),
        row("F9 lives a second", lives(ExpiresIn::Other(1)), End::Complete)
            .shown_by(|seen| seen.tokens() > 1),
    ])
    .await;
}

fn covers(seen: &Seen, name: &str) -> Coverage {
    seen.scope.as_ref().unwrap().coverage(&name.parse().unwrap())
}

/// Faults: F10, F12.
#[tokio::test]
async fn what_a_scope_leaves_out_is_told_for_each_type() {
    let scope = |text: &str| {
        let text = Scope::Text(text.to_owned());
        Scenario::default().in_mode(|modes| modes.token.scope = text)
    };
    let silent = Scenario::default().in_mode(|modes| modes.unscoped = Unscoped::Omitted);
    check(vec![
        row("F10 narrower, refused", Scenario::default(), error("Refused"))
            .granting(&["Patient"])
            .shown_by(|seen| covers(seen, "Condition") == Coverage::None),
        row("F10 narrower, left out in silence", silent, End::AsSent)
            .granting(&["Patient"])
            .shown_by(|seen| {
                covers(seen, "Condition") == Coverage::None
                    && covers(seen, "Patient") == Coverage::Full
            }),
        row("F10 other dialect", scope("system/*.read"), End::Complete)
            .shown_by(|seen| covers(seen, "Condition") == Coverage::Full),
        row("F10 constrained", scope("system/Condition.rs?category=x"), End::Complete)
            .shown_by(|seen| covers(seen, "Condition") == Coverage::Partial),
        row("F10 empty", scope(""), End::Complete)
            .shown_by(|seen| covers(seen, "Patient") == Coverage::None),
        row(
            "F10 missing",
            Scenario::default().in_mode(|modes| modes.token.scope = Scope::Absent),
            End::Complete,
        )
        .shown_by(|seen| seen.scope == Some(GrantedScope::Unstated)),
    ])
    .await;
}

/// Faults: F1, F11, F33.
#[tokio::test]
async fn an_assertion_follows_the_clock_of_the_server_and_never_a_redirect() {
    let ten = Duration::from_mins(10);
    let skewed = |shift| {
        Scenario::default().in_mode(|modes| {
            modes.skew.judge = shift;
            modes.skew.date = shift;
        })
    };
    let busy = Answer::status(429);
    check(vec![
        row("F11 behind", skewed(Shift::back(ten)), End::Complete)
            .excusing(Rule::TokenRefused)
            .shown_by(|seen| {
                seen.asked("POST", "/auth/token") == 2 && seen.tokens() == 1
            }),
        row("F11 ahead", skewed(Shift::ahead(ten)), End::Complete)
            .excusing(Rule::TokenRefused)
            .shown_by(|seen| {
                seen.asked("POST", "/auth/token") == 2 && seen.tokens() == 1
            }),
        row(
            "F1 busy once",
            Scenario::default().with(Fault::on(On::Token).times(1).answer(busy)),
            End::Complete,
        ),
        row(
            "F33 moved elsewhere",
            Scenario::default()
                .with(Fault::on(On::Token).redirect(307, [Hop::Elsewhere])),
            error("Network/Redirect"),
        )
        .shown_by(|seen| seen.struck.len() == 1),
    ])
    .await;
}
