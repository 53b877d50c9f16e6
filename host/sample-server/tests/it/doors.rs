//! Faults at the doors: answers, lost answers, redirects, headers, JSON, tokens, gates.

use std::time::Duration;

use bulkhead_sample_server::{
    Data, Fault, On, Origin, Scenario,
    scenario::{
        Answer, Content, End, Hop, LoseWhen, Per, RetryAfter, Revoke, Shift, Span,
    },
};
use serde_json::json;

use crate::client::{ASYNC, export, kickoff, misbehaving, raw, send, target};

fn data() -> Data {
    Data::made_up(4, 7)
}

/// Faults: F1.
#[tokio::test]
async fn every_door_answers_busy_in_every_notation() {
    let a_minute = Shift::ahead(Duration::from_mins(1));
    let notations = [
        ("seconds", RetryAfter::Seconds(18_000), "18000"),
        ("zero", RetryAfter::Seconds(0), "0"),
        ("negative", RetryAfter::Negative(5), "-5"),
        ("garbage", RetryAfter::Text("soon".to_owned()), "soon"),
        ("imf", RetryAfter::Imf(a_minute), " gmt"),
        ("rfc 850", RetryAfter::Rfc850(a_minute), "day, "),
        ("asctime", RetryAfter::Asctime(a_minute), ":"),
        ("epoch", RetryAfter::EpochMs(a_minute), "000"),
    ];
    let server = misbehaving(data(), Scenario::default()).await;
    let status = kickoff(&server, "$export?_type=Patient").await;
    let manifest = send(server.addr, "GET", &status, &[], "").await.json();
    let file = target(manifest["output"][0]["url"].as_str().unwrap());
    let doors = [
        (On::Kickoff, "GET", "/fhir/$export"),
        (On::Poll, "GET", status.as_str()),
        (On::File, "GET", file.as_str()),
        (On::Token, "POST", "/auth/token"),
        (On::Metadata, "GET", "/fhir/metadata"),
        (On::Smart, "GET", "/fhir/.well-known/smart-configuration"),
        (On::Read, "GET", "/fhir/Patient/x"),
        (On::Delete, "DELETE", status.as_str()),
    ];
    for (on, method, path) in doors {
        for (name, notation, expected) in &notations {
            let answer =
                Answer::status(429).retry_after(notation.clone()).outcome(["throttled"]);
            server.control.relent();
            server.control.order(Fault::on(on).times(1).answer(answer)).unwrap();
            let answer = send(server.addr, method, path, &ASYNC, "").await;
            assert_eq!(answer.status, 429, "case: {on:?} {name}");
            let value = answer.header("retry-after").unwrap().to_lowercase();
            assert!(value.contains(expected), "case: {on:?} {name}: {value}");
            assert_eq!(answer.json()["issue"][0]["code"], "throttled");
        }
    }
    server.control.relent();
    assert_eq!(send(server.addr, "DELETE", &status, &[], "").await.status, 202);
    server.shutdown().await;
}

/// Faults: F2, F3, F4.
#[tokio::test]
async fn polls_fail_as_ordered_and_go_on_after() {
    let transient = ["transient", "lock-error", "no-store", "exception", "timeout"];
    let outcome = |codes: &[&'static str]| {
        Content::Outcome(codes.iter().map(|code| (*code).to_owned()).collect())
    };
    let cases = [
        ("transient", Answer::status(503).body(outcome(&transient)), "\"timeout\""),
        ("mixed", Answer::status(503).outcome(["timeout", "processing"]), "processing"),
        ("html", Answer::status(502).body(Content::Html), "<html>"),
        ("empty", Answer::status(504), ""),
        ("failed", Answer::status(500).outcome(["processing"]), "processing"),
        ("bad", Answer::status(400).outcome(["invalid"]), "invalid"),
        ("unprocessable", Answer::status(422).outcome(["business-rule"]), "business"),
        ("empty object", Answer::status(200).body(Content::Json(json!({}))), "{}"),
        ("200 html", Answer::status(200).body(Content::Html), "<html>"),
    ];
    for (name, answer, expected) in cases {
        let fault = Fault::on(On::Poll).per(Per::Job).times(2).named(name).answer(answer);
        let wanted = fault.answer.as_ref().unwrap().status;
        let server = misbehaving(data(), Scenario::default().with(fault)).await;
        let status = kickoff(&server, "$export?_type=Patient").await;
        for _ in 0..2 {
            let poll = send(server.addr, "GET", &status, &[], "").await;
            assert_eq!(poll.status, wanted, "case: {name}");
            assert!(poll.text().contains(expected), "case: {name}");
        }
        let poll = send(server.addr, "GET", &status, &[], "").await;
        assert!(poll.json().get("output").is_some(), "case: {name}");
        let struck = server.control.struck();
        assert_eq!(struck.len(), 2, "case: {name}");
        assert_eq!(struck[0].name, name);
        assert_eq!(server.control.requests()[1].struck, [name]);
        server.shutdown().await;
    }
}

/// Faults: F4.
#[tokio::test]
async fn a_job_vanishes() {
    for status in [404, 410] {
        let fault = Fault::on(On::Manifest).vanish(status);
        let server = misbehaving(data(), Scenario::default().with(fault)).await;
        let path = kickoff(&server, "$export").await;
        assert_eq!(send(server.addr, "GET", &path, &[], "").await.status, status);
        assert_eq!(send(server.addr, "GET", &path, &[], "").await.status, 404);
        assert!(server.control.jobs().is_empty());
        server.shutdown().await;
    }
}

/// Faults: F2, F7.
#[tokio::test]
async fn answers_are_lost_before_or_after_the_deed() {
    let cases = [
        ("before, closed", LoseWhen::Before, End::Close, 0),
        ("before, reset", LoseWhen::Before, End::Reset, 0),
        ("after, closed", LoseWhen::After, End::Close, 1),
        ("after, reset", LoseWhen::After, End::Reset, 1),
    ];
    let prefer = "Prefer: respond-async\r\n";
    for (name, when, how, jobs) in cases {
        let fault = Fault::on(On::Kickoff).times(1).lose(when, how);
        let server = misbehaving(data(), Scenario::default().with(fault)).await;
        let lost = raw(server.addr, "/fhir/$export", prefer).await;
        assert!(lost.bytes.is_empty(), "case: {name}");
        assert_eq!(lost.is_reset, how == End::Reset, "case: {name}");
        assert_eq!(server.control.jobs().len(), jobs, "case: {name}");
        kickoff(&server, "$export").await;
        server.shutdown().await;
    }
}

/// Faults: F9, F21, F37.
#[tokio::test]
async fn headers_and_challenges_change_on_order() {
    let scenario = Scenario::default()
        .with(Fault::on(On::Poll).times(1).answer(Answer::status(401)))
        .with(
            Fault::on(On::Poll)
                .after(1)
                .times(1)
                .answer(Answer::status(401).without_challenge()),
        )
        .with(Fault::on(On::File).times(1).header("content-type", "text/html"))
        .with(Fault::on(On::File).after(1).without_header("content-type"))
        .with(Fault::on(On::Delete).answer(Answer::status(500)));
    let server = misbehaving(data(), scenario).await;
    let status = kickoff(&server, "$export?_type=Patient").await;
    let poll = send(server.addr, "GET", &status, &[], "").await;
    assert!(poll.has("www-authenticate"));
    let poll = send(server.addr, "GET", &status, &[], "").await;
    assert_eq!((poll.status, poll.has("www-authenticate")), (401, false));
    let manifest = send(server.addr, "GET", &status, &[], "").await.json();
    let file = target(manifest["output"][0]["url"].as_str().unwrap());
    let html = send(server.addr, "GET", &file, &[], "").await;
    assert_eq!(html.header("content-type"), Some("text/html"));
    assert!(html.text().starts_with("{\""));
    assert!(!send(server.addr, "GET", &file, &[], "").await.has("content-type"));
    assert_eq!(send(server.addr, "DELETE", &status, &[], "").await.status, 500);
    server.shutdown().await;
}

/// Faults: F6, F14, F30.
#[tokio::test]
async fn members_and_counts_of_a_manifest_change_on_order() {
    use bulkhead_sample_server::scenario::Count;
    let scenario = Scenario::default()
        .with(
            Fault::on(On::Manifest)
                .json("/surprise", json!({"of": 1}))
                .without_json("/error")
                .without_json("/request")
                .header("expires", "0"),
        )
        .with(Fault::on(On::Manifest).of_type("Condition").count(Count::Add(5)))
        .with(Fault::on(On::Manifest).of_type("Patient").count(Count::Text));
    let server = misbehaving(data(), scenario).await;
    let status = kickoff(&server, "$export?_type=Patient,Condition").await;
    let answer = send(server.addr, "GET", &status, &[], "").await;
    let manifest = answer.json();
    assert_eq!(answer.header("expires"), Some("0"));
    assert_eq!(manifest["surprise"], json!({"of": 1}));
    assert!(manifest.get("error").is_none() && manifest.get("request").is_none());
    let conditions = server.control.ids()[&"Condition".parse().unwrap()].len();
    assert_eq!(manifest["output"][0]["type"], "Condition");
    assert_eq!(manifest["output"][0]["count"], conditions + 5);
    assert_eq!(manifest["output"][1]["count"], "4");
    server.shutdown().await;
}

/// Faults: F33, F34.
#[tokio::test]
async fn redirects_lead_over_every_hop() {
    let cases: [(&str, u16, &[Hop]); 5] = [
        ("home", 302, &[Hop::Home]),
        ("elsewhere", 307, &[Hop::Elsewhere]),
        ("elsewhere twice", 308, &[Hop::Elsewhere, Hop::Elsewhere]),
        ("there and back", 303, &[Hop::Elsewhere, Hop::Home]),
        ("moved", 301, &[Hop::Home, Hop::Elsewhere]),
    ];
    for (name, status, hops) in cases {
        let fault = Fault::on(On::File).redirect(status, hops.iter().copied());
        let scenario = Scenario::default().with(fault).with_elsewhere();
        let server = misbehaving(data(), scenario).await;
        let manifest = export(&server, "$export?_type=Patient").await;
        let mut url = manifest["output"][0]["url"].as_str().unwrap().to_owned();
        for hop in hops {
            let answer = visit(&url).await;
            assert_eq!(answer.status, status, "case: {name}");
            url = answer.header("location").unwrap().to_owned();
            let is_home =
                url.starts_with(server.base_url.origin().ascii_serialization().as_str());
            assert_eq!(is_home, *hop == Hop::Home, "case: {name}");
        }
        let answer = visit(&url).await;
        assert_eq!(answer.status, 200, "case: {name}");
        assert_eq!(answer.text().lines().count(), 4, "case: {name}");
        let last = server.control.requests().pop().unwrap();
        let is_elsewhere = hops.last() == Some(&Hop::Elsewhere);
        assert_eq!(last.origin == Origin::Elsewhere, is_elsewhere, "case: {name}");
        server.shutdown().await;
    }
}

/// Faults: F33.
#[tokio::test]
async fn a_redirect_of_a_kickoff_loops_for_ever() {
    let fault = Fault::on(On::Kickoff).redirect(307, [Hop::Loop]);
    let server = misbehaving(data(), Scenario::default().with(fault)).await;
    let first = send(server.addr, "POST", "/fhir/$export", &ASYNC, "").await;
    let mut at = first.header("location").unwrap().to_owned();
    for _ in 0..30 {
        let next = send(server.addr, "POST", &target(&at), &ASYNC, "").await;
        assert_eq!(next.status, 307);
        assert_eq!(next.header("location"), Some(at.as_str()));
        at = next.header("location").unwrap().to_owned();
    }
    server.shutdown().await;
}

async fn visit(url: &str) -> crate::client::Answer {
    let parsed = url::Url::parse(url).unwrap();
    let addr = parsed.socket_addrs(|| None).unwrap()[0];
    send(addr, "GET", &target(url), &[], "").await
}

/// Faults: F38.
#[tokio::test]
async fn a_gate_holds_a_door_until_it_is_opened() {
    let fault = Fault::on(On::Manifest).named("held").hold("gate");
    let server = misbehaving(data(), Scenario::default().with(fault)).await;
    let status = kickoff(&server, "$export?_type=Patient").await;
    let poll = send(server.addr, "GET", &status, &[], "");
    let opening = async {
        server.control.wait_struck("held", 1).await;
        assert_eq!(server.control.requests().len(), 1);
        server.control.release("gate");
    };
    let (poll, ()) = tokio::join!(poll, opening);
    assert_eq!(poll.status, 200);
    server.shutdown().await;
}

/// Faults: F1, F2.
#[tokio::test]
async fn a_fault_strikes_only_whom_it_is_about() {
    let busy = || Answer::status(429);
    let scenario = Scenario::default()
        .with(Fault::on(On::Kickoff).method("POST").answer(busy()))
        .with(Fault::on(On::Poll).span(Span::Incremental).answer(busy()))
        .with(Fault::on(On::File).of_type("Condition").answer(busy()))
        .with(Fault::on(On::File).file(0).job(2).answer(busy()));
    let server = misbehaving(data(), scenario).await;
    let post = send(server.addr, "POST", "/fhir/$export", &ASYNC, "{}").await;
    assert_eq!(post.status, 429);
    let since = "$export?_since=2026-01-01T00:00:00Z";
    for (path, expected) in
        [("$export?_type=Condition,Device,Patient", 200), (since, 429)]
    {
        let status = kickoff(&server, path).await;
        assert_eq!(send(server.addr, "GET", &status, &[], "").await.status, expected);
    }
    let manifest = export(&server, "$export?_type=Condition,Patient").await;
    let statuses = |at: usize| {
        let url = target(manifest["output"][at]["url"].as_str().unwrap());
        let addr = server.addr;
        async move { send(addr, "GET", &url, &[], "").await.status }
    };
    assert_eq!((statuses(0).await, statuses(1).await), (429, 200));
    server.shutdown().await;
}

/// Faults: F9.
#[tokio::test]
async fn tokens_become_worthless_on_order() {
    let scenario = Scenario::default()
        .with(Fault::on(On::Kickoff).times(1).revoke(Revoke::AfterHead))
        .with(Fault::on(On::Poll).after(1).times(1).revoke(Revoke::Before));
    let signed = crate::auth::Signed::start(data(), scenario).await;
    let first = signed.token().await;
    let kickoff = signed.get("/fhir/$export?_type=Patient", &first).await;
    assert_eq!(kickoff.status, 202);
    let status = target(kickoff.header("content-location").unwrap());
    assert_eq!(signed.get(&status, &first).await.status, 401);
    let second = signed.token().await;
    let poll = signed.get(&status, &second).await;
    assert_eq!(poll.status, 401);
    assert!(poll.has("www-authenticate"));
    let third = signed.token().await;
    assert_eq!(signed.get(&status, &third).await.status, 200);
    signed.server.shutdown().await;
}
