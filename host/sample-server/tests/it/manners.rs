//! What the request log tells of a client, and what it makes of its manners.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bulkhead_sample_server::{
    Bearer, Data, Ended, Fault, On, Rule, Running, Scenario, Stopwatch,
    scenario::{Answer, At, BodyFault, CutHow, FilesAt, RetryAfter},
};

use crate::{
    auth::Signed,
    client::{ASYNC, kickoff, misbehaving, raw, send, target},
};

const GZIP: [(&str, &str); 1] = [("Accept-Encoding", "gzip")];

fn rules(server: &Running) -> Vec<Rule> {
    server.control.lapses().into_iter().map(|lapse| lapse.rule).collect()
}

async fn whole_export(server: &Running, path: &str) -> (String, String) {
    let status = kickoff(server, path).await;
    let manifest = send(server.addr, "GET", &status, &[], "").await.json();
    let file = target(manifest["output"][0]["url"].as_str().unwrap());
    send(server.addr, "GET", &file, &GZIP, "").await;
    (status, file)
}

#[tokio::test]
async fn a_good_client_has_no_lapses() {
    let server = misbehaving(Data::made_up(3, 7), Scenario::default()).await;
    let path = "$export?_type=Patient&_since=2026-01-01T00:00:00%2B02:00";
    let status = kickoff(&server, path).await;
    send(server.addr, "GET", &status, &[], "").await;
    let (status, _) = whole_export(&server, "$export?_type=Patient").await;
    send(server.addr, "DELETE", &status, &[], "").await;
    assert_eq!(rules(&server), []);
    server.shutdown().await;
}

#[tokio::test]
async fn bad_manners_are_told() {
    let scenario =
        Scenario::default().in_mode(|modes| modes.files_at = FilesAt::Elsewhere);
    let server = misbehaving(Data::made_up(3, 7), scenario).await;
    let (status, file) = whole_export(&server, "$export?_type=Patient").await;
    assert_eq!(rules(&server), []);
    send(server.addr, "GET", "/fhir/$export", &ASYNC[..1], "").await;
    let plus = "/fhir/$export?_since=2026-01-01T00:00:00+02:00";
    send(server.addr, "GET", plus, &ASYNC, "").await;
    send(server.addr, "GET", &file, &[], "").await;
    let elsewhere = server.elsewhere.as_ref().unwrap().socket_addrs(|| None).unwrap()[0];
    let token = [GZIP[0], ("Authorization", "Bearer x")];
    send(elsewhere, "GET", &file, &token, "").await;
    send(server.addr, "POST", "/auth/token", &[], "").await;
    send(server.addr, "DELETE", &status, &[], "").await;
    send(server.addr, "GET", &status, &[], "").await;
    let expected = [
        Rule::KickoffHeaders,
        Rule::Since,
        Rule::NoGzip,
        Rule::TokenElsewhere,
        Rule::TokenUnknown,
        Rule::TokenRefused,
        Rule::AfterDelete,
    ];
    assert_eq!(rules(&server), expected);
    server.shutdown().await;
}

/// Faults: F1.
#[tokio::test]
async fn a_poll_before_its_time_is_told() {
    let seconds = Arc::new(AtomicU64::new(0));
    let shared = Arc::clone(&seconds);
    let busy = Answer::status(429).retry_after(RetryAfter::Seconds(10));
    let scenario = Scenario::default().with(Fault::on(On::Poll).times(3).answer(busy));
    let signed = Signed::with(Data::made_up(3, 7), scenario, |options| {
        options.stopwatch =
            Stopwatch::new(move || Duration::from_secs(shared.load(Ordering::Relaxed)));
    })
    .await;
    let token = signed.token().await;
    let answer = signed.get("/fhir/$export?_type=Patient", &token).await;
    let status = target(answer.header("content-location").unwrap());
    for at in [0, 10, 15, 40] {
        seconds.store(at, Ordering::Relaxed);
        signed.get(&status, &token).await;
    }
    let lapses = signed.server.control.lapses();
    let told: Vec<(Rule, usize)> =
        lapses.iter().map(|lapse| (lapse.rule, lapse.request)).collect();
    assert_eq!(told, [(Rule::TooSoon, 4)]);
    let requests = signed.server.control.requests();
    assert_eq!(requests[4].took_at, Duration::from_secs(15));
    assert_eq!(requests[4].retry_after, Some(10));
    signed.server.shutdown().await;
}

/// Faults: F9.
#[tokio::test]
async fn the_log_knows_whose_token_was_used() {
    let signed = Signed::start(Data::made_up(3, 7), Scenario::default()).await;
    let (first, second) = (signed.token().await, signed.token().await);
    for token in [&first, &second, &"made-up".to_owned()] {
        signed.get("/fhir/Patient", token).await;
    }
    let requests = signed.server.control.requests();
    let bearers: Vec<Bearer> = requests.iter().map(|request| request.bearer).collect();
    let expected =
        [Bearer::None, Bearer::None, Bearer::Ours(1), Bearer::Ours(2), Bearer::Unknown];
    assert_eq!(bearers, expected);
    signed.server.shutdown().await;
}

/// Faults: F15.
#[tokio::test]
async fn the_log_knows_how_a_file_ended() {
    let cut = BodyFault::cut(At::Byte(100), CutHow::Close);
    let scenario = Scenario::default().with(Fault::on(On::File).times(1).body(cut));
    let server = misbehaving(Data::made_up(3, 7), scenario).await;
    let status = kickoff(&server, "$export?_type=Patient").await;
    let manifest = send(server.addr, "GET", &status, &[], "").await.json();
    let file = target(manifest["output"][0]["url"].as_str().unwrap());
    raw(server.addr, &file, "").await;
    let whole = send(server.addr, "GET", &file, &[], "").await.body.len() as u64;
    // The log is told when the body is dropped, which a next request on the same
    // runtime comes after.
    send(server.addr, "GET", "/fhir/metadata", &[], "").await;
    let requests = server.control.requests();
    let sent: Vec<_> = requests.iter().filter_map(|request| request.sent).collect();
    let ended: Vec<_> = sent.iter().map(|sent| (sent.bytes, sent.ended)).collect();
    assert_eq!(ended, [(100, Ended::Cut), (whole, Ended::Whole)]);
    server.shutdown().await;
}
