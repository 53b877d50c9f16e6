//! The history of who joined a cohort, in each way in which a server may give it.

use std::time::Duration;

use bulkhead_sample_server::{
    Data, Fault, On, Scenario,
    scenario::{Answer, Treatment},
};

use crate::rig::{Sample, Setup, Site, held, wanted};

const TYPES: [&str; 4] = ["Patient", "Condition", "Observation", "Encounter"];

/// A server that takes no kick-off for some patients alone, and more.
fn start(more: impl FnOnce(Scenario) -> Scenario) -> Sample {
    Sample::start(Data::made_up(8, 12), |options| {
        let refused = Scenario::default().in_mode(|modes| {
            modes.parameters.insert("patient".to_owned(), Treatment::Refuse);
        });
        options.scenario = more(refused);
    })
}

fn site(server: &Sample, members: &[String], sync: &str) -> Site {
    let mut setup = Setup::new(&server.base, TYPES);
    setup.tables = format!("[limits]\nfile-tries = 2\n{sync}");
    Site::with(&setup, members)
}

fn join(site: &Site, members: &[String]) {
    site.write("members.csv", format!("id\n{}\n", members.join("\n")));
}

/// The requests for all of a patient, and the kick-offs, since `from`.
fn asked(server: &Sample, from: usize) -> (usize, usize) {
    let requests = server.control.requests();
    let count = |end: &str| {
        requests.iter().skip(from).filter(|one| one.path.ends_with(end)).count()
    };
    (count("/$everything"), count("/$export"))
}

/// Items: 137. Faults: F35, F36.
#[test]
fn who_joins_gets_their_history_one_by_one_where_no_kickoff_names_patients() {
    let server = start(|scenario| scenario);
    let ids = server.ids("Patient");
    let site = site(&server, &ids[..3], "");
    site.run().expect(0);
    let before = site.status()["watermarks"].clone();
    server.control.advance(Duration::from_hours(2));
    join(&site, &ids[..5]);
    let from = server.control.requests().len();
    let ended = site.run().expect(0);
    assert!(ended.err.contains("the history of 2 who joined a cohort"), "{}", ended.err);
    assert!(ended.err.contains("/Patient/-/$everything?_type="), "{}", ended.err);
    assert!(!ended.err.contains("everything is asked for"), "{}", ended.err);
    for id in &ids {
        assert!(!ended.err.contains(id) && !ended.out.contains(id), "a patient's id");
    }
    // The question whether the server knows it, then more than one page for each; one kick-off
    // that was refused and one for changes.
    let (pages, kickoffs) = asked(&server, from);
    assert!(pages > 4, "{pages} pages");
    assert_eq!(kickoffs, 2);
    assert_eq!(held(&site), wanted(&server, &TYPES, &ids[..5]));
    // The export of changes has moved the watermarks, and the history has not.
    let exports = site.delivered("");
    let history = site.report(&exports[exports.len() - 2].id);
    assert!(history["request"].as_str().unwrap().contains("$everything"), "{history}");
    assert_ne!(site.status()["watermarks"], before);
    let marks = site.status()["watermarks"].to_string();
    // Once is enough, and nothing comes twice.
    let from = server.control.requests().len();
    site.run().expect(0);
    assert_eq!(asked(&server, from), (0, 1));
    assert_eq!(site.delivered("").last().unwrap().count(), 0);
    assert!(!marks.is_empty());
    assert_eq!(server.control.lapses(), []);
}

/// Items: 137. Faults: F36.
#[test]
fn where_a_server_gives_no_history_everything_is_asked_for_and_it_is_said_why() {
    let on = || Fault::on(On::Everything);
    let refused = |status| on().answer(Answer::status(status).outcome(["forbidden"]));
    let page = on().answer(
        Answer::status(200)
            .body(bulkhead_sample_server::scenario::Content::Text("<html>".to_owned())),
    );
    // name, fault, [sync], what is said, requests for all of a patient
    let cases = [
        ("no right", Some(refused(403)), "", "scope `system/*.rs`", 1),
        ("not known", Some(refused(404)), "", "(HTTP 404)", 1),
        ("not made", Some(refused(501)), "", "(HTTP 501)", 1),
        (
            "out of order",
            Some(on().answer(Answer::status(500))),
            "",
            "cannot be asked",
            1,
        ),
        ("no bundle", Some(page), "", "with a Bundle", 1),
        (
            "too many",
            None,
            "[sync]\neverything-most = 1\n",
            "more than `sync.everything-most`",
            0,
        ),
        (
            "not wanted",
            None,
            "[sync]\nbackfill = [\"patient\"]\n",
            "the server does not export by patient",
            0,
        ),
        ("none wanted", None, "[sync]\nbackfill = []\n", "names no other way", 0),
    ];
    for (name, fault, sync, said, requests) in cases {
        let server = start(|scenario| match fault {
            Some(fault) => scenario.with(fault),
            None => scenario,
        });
        let ids = server.ids("Patient");
        let site = site(&server, &ids[..2], sync);
        site.run().expect(0);
        join(&site, &ids[..4]);
        let from = server.control.requests().len();
        let ended = site.run().expect(0);
        assert!(ended.err.contains(said), "case: {name}: {}", ended.err);
        assert!(ended.err.contains("everything is asked for"), "case: {name}");
        assert_eq!(asked(&server, from).0, requests, "case: {name}");
        assert_eq!(held(&site), wanted(&server, &TYPES, &ids[..4]), "case: {name}");
    }
}

/// Items: 125, 137. Faults: F34, F36.
#[test]
fn a_history_that_does_not_come_whole_is_told_and_asked_for_again() {
    let on = || Fault::on(On::Everything).after(1);
    let cases = [
        ("an error", on().answer(Answer::status(400).outcome(["processing"])), ""),
        ("no answer", on().answer(Answer::status(500)), ""),
        (
            "a page elsewhere",
            on().json(
                "/link",
                serde_json::json!([
                    {"relation": "next", "url": "http://192.0.2.7/fhir?page=2"}
                ]),
            ),
            "the link to the next page leads to `http://192.0.2.7`",
        ),
        (
            "pages in a circle",
            on().json(
                "/link",
                serde_json::json!([{"relation": "next", "url": "?_count=50"}]),
            ),
            "its pages lead in a circle",
        ),
    ];
    for (name, fault, said) in cases {
        let server = start(|scenario| scenario.with(fault));
        let ids = server.ids("Patient");
        let site = site(&server, &ids[..2], "");
        site.run().expect(0);
        join(&site, &ids[..3]);
        let ended = site.run().expect(3);
        assert!(ended.err.contains(said), "case: {name}: {}", ended.err);
        assert!(!ended.err.contains(&ids[2]), "case: {name}: {}", ended.err);
        server.control.relent();
        server.control.advance(Duration::from_hours(1));
        let ended = site.run().expect(0);
        assert!(ended.err.contains("the history of 1 who"), "case: {name}");
        assert_eq!(held(&site), wanted(&server, &TYPES, &ids[..3]), "case: {name}");
    }
}

/// Items: 137, S1. Faults: F38.
#[test]
fn a_history_goes_on_where_a_killed_run_left_it() {
    // The question, the first of two patients, then nothing for a while.
    let hold = Fault::on(On::Everything).after(3).hold("gate");
    let server = start(|scenario| scenario.with(hold));
    let ids = server.ids("Patient");
    let mut setup = Setup::new(&server.base, TYPES);
    setup.tables = "[limits]\nfiles-in-flight = 1\n".to_owned();
    let site = Site::with(&setup, &ids[..2]);
    site.run().expect(0);
    join(&site, &ids[..4]);
    let running = site.program(&["run"]).start();
    running.wait_for("$everything");
    running.kill_after(Duration::from_millis(1_500));
    server.control.relent();
    server.control.release("gate");
    let ended = site.run().expect(0);
    assert!(ended.err.contains("going on where an earlier run stopped"), "{}", ended.err);
    assert_eq!(held(&site), wanted(&server, &TYPES, &ids[..4]));
}
