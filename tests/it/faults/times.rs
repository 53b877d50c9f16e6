//! Faults of times and of data that moves while it is exported.

use std::time::Duration;

use bulkhead_model::Instant;
use bulkhead_sample_server::{
    Data, Scenario,
    scenario::{Reads, Reuse, ReuseWhen, Shift, Since, TransactionTime, What, When},
};
use url::form_urlencoded;

use super::{HOUR, MINUTE, condition, has_all, held, marks, mode, site, start};
use crate::rig::{Sample, get};

/// Faults: F26.
/// Items: 127, 128.
#[test]
fn a_watermark_is_never_later_than_the_data_and_nothing_is_lost_by_its_time() {
    use TransactionTime::{
        Ahead, Behind, End, Missing, Offset, PollNow, Replica, Start, Text, Truncated,
        Zoneless,
    };
    // How much earlier than the kick-off the watermark is, in minutes.
    let cases = [
        ("start", Start, 0),
        ("end", End, 0),
        ("now at each poll", PollNow, 0),
        ("ahead", Ahead(HOUR), 0),
        ("behind", Behind(HOUR), 60),
        ("a replica's", Replica(HOUR), 60),
        ("missing", Missing, 0),
        ("no zone", Zoneless, 0),
        ("no seconds", Truncated, 0),
        ("an offset", Offset("+05:30".to_owned()), 0),
        ("text", Text("today".to_owned()), 0),
    ];
    for (name, time, minutes) in cases {
        let server = start(mode(|modes| modes.transaction_time = time));
        let site = site(&server);
        let patient = server.ids("Patient").remove(0);
        let began = server.control.now();
        site.run().expect(0);
        for mark in marks(&site).into_values() {
            assert!(mark <= began.plus(Duration::from_secs(1)), "case: {name}: {mark}");
            let early = began.since(mark).as_secs().div_euclid(60);
            assert_eq!(early, minutes, "case: {name}: {mark} {began}");
        }
        server.control.advance(MINUTE);
        server.control.put(&condition("later", &patient)).unwrap();
        server.control.advance(2 * HOUR);
        site.run().expect(0);
        has_all(&site, &server, name);
    }
}

/// Faults: F23, F25, F27, F28.
/// Items: 129, 130.
#[test]
fn what_an_export_missed_comes_with_the_next_one() {
    let late = condition("changed", "p");
    let put = |reads| {
        mode(|modes| modes.reads = reads)
            .changing(When::AfterKickoff(1), What::Put(late.clone()))
    };
    let commit = What::LateCommit { text: late.clone(), until: When::AfterKickoff(1) };
    let cases = [
        (
            "F25 a late commit",
            Scenario::default().changing(When::BeforeKickoff(1), commit),
        ),
        ("F27 the old version", put(Reads::Old)),
        ("F27 the new version", put(Reads::New)),
        ("F27 no version", put(Reads::Omitted)),
        ("F28 at or after", mode(|modes| modes.since = Since::AtOrAfter)),
        ("F28 no fractions", mode(|modes| modes.since = Since::RefusesFraction)),
        (
            "F28 local time",
            mode(|modes| modes.since = Since::Local(Shift::back(5 * HOUR))),
        ),
        ("F28 the future", mode(|modes| modes.since = Since::TakesFuture)),
    ];
    for (name, scenario) in cases {
        let server = start(scenario);
        let site = site(&server);
        site.run().expect(0);
        if name.starts_with("F28") {
            server.control.advance(MINUTE);
            server.control.put(&late).unwrap();
        }
        server.control.advance(MINUTE);
        let second = site.run().expect(0);
        has_all(&site, &server, name);
        if name.starts_with("F25") {
            assert!(second.out.contains("visible late"), "{}", second.out);
        }
        // Nothing comes twice, whatever the server sends again.
        server.control.advance(MINUTE);
        site.run().expect(0);
        let exports = site.delivered("");
        assert_eq!(exports.last().unwrap().count(), 0, "case: {name}");
        assert_eq!(server.control.lapses(), [], "case: {name}");
    }
}

/// Faults: F25.
/// Items: 133, S2.
#[test]
fn an_overlap_that_was_nearly_too_short_is_longer_from_then_on() {
    let server = start(Scenario::default());
    let site = site(&server);
    let patient = server.ids("Patient").remove(0);
    // Written now, and in sight only when that export has looked.
    let write_late = |id: &str, export: u32| {
        let (text, until) = (condition(id, &patient), When::AfterKickoff(export));
        server.control.change(&What::LateCommit { text, until }).unwrap();
    };
    // What the latest export asked for.
    let since = || -> Option<Instant> {
        let requests = server.control.requests();
        let last = requests.iter().rfind(|one| one.path.ends_with("$export")).unwrap();
        let mut asked = form_urlencoded::parse(last.query.as_bytes());
        asked.find(|(name, _)| name == "_since").map(|(_, at)| at.parse().unwrap())
    };
    let began = server.control.now();
    write_late("first", 1);
    server.control.advance(4 * MINUTE);
    site.run().expect(0);
    assert_eq!(since(), None);

    // The watermark is at 4 minutes; five before it is what is configured.
    server.control.advance(MINUTE);
    let ended = site.run().expect(0);
    assert_eq!(since(), Some(began.minus(MINUTE)));
    let learnt = "resources became visible 4 min late, which only the overlap caught: from now on \
                  it is 8 min";
    assert!(ended.out.contains(learnt), "{}\n{}", ended.out, ended.err);

    // From 5 minutes eight back; and what comes 7 minutes late then is caught as well.
    write_late("second", 3);
    server.control.advance(7 * MINUTE);
    site.run().expect(0);
    assert_eq!(since(), Some(began.minus(3 * MINUTE)));
    assert!(!held(&site).contains_key("Condition/second"));
    server.control.advance(MINUTE);
    site.run().expect(0);
    assert_eq!(since(), Some(began.plus(4 * MINUTE)));
    has_all(&site, &server, "seven minutes late");
}

/// Faults: F28.
#[test]
fn a_since_that_is_passed_over_is_told_and_holds_the_watermarks() {
    let server = Sample::start(Data::made_up(30, 3), |options| {
        options.scenario = mode(|modes| modes.since = Since::Ignored);
    });
    let site = site(&server);
    site.run().expect(0);
    let before = marks(&site);
    server.control.advance(HOUR);
    let ended = site.run().expect(3);
    assert!(ended.out.contains("the server seems to ignore `_since`"), "{}", ended.out);
    assert_eq!(marks(&site).get("Patient"), before.get("Patient"));
    has_all(&site, &server, "ignored");
}

/// Faults: F8.
/// Items: 123.
#[test]
fn an_old_job_used_again_moves_the_watermark_no_further_than_its_own_time() {
    let server = start(Scenario::default());
    site(&server).run().expect(0);
    let requests = server.control.requests();
    let kickoff = requests.iter().find(|one| one.path.ends_with("$export")).unwrap();
    let target = format!("{}?{}", kickoff.path, kickoff.query);
    let headers = "Accept: application/fhir+json\r\nPrefer: respond-async\r\n";
    let (head, _) = get(server.addr, &target, headers);
    assert!(head.contains("202"), "{head}");
    let old = server.control.now();
    let reuse = Reuse { when: ReuseWhen::Always, done: true, across_clients: true };
    server.control.set_modes(|modes| modes.reuse = reuse);
    server.control.advance(10 * MINUTE);
    let patient = server.ids("Patient").remove(0);
    server.control.put(&condition("newer", &patient)).unwrap();
    server.control.advance(10 * MINUTE);

    let site = site(&server);
    let deleted = |server: &Sample| {
        let requests = server.control.requests();
        requests.iter().filter(|one| one.method == "DELETE").count()
    };
    let before = deleted(&server);
    site.run().expect(0);
    assert!(!held(&site).contains_key("Condition/newer"));
    assert!(marks(&site).values().all(|mark| *mark <= old.plus(Duration::from_secs(1))));
    assert_eq!(deleted(&server), before, "the job may be somebody else's");

    server.control.set_modes(|modes| modes.reuse = Reuse::default());
    site.run().expect(0);
    has_all(&site, &server, "used again");
}
