//! Jobs on the server: waited for, deleted when nobody needs them, left alone when they may be
//! others'.

use std::time::Duration;

use bulkhead_sample_server::{Data, Ready};

use crate::rig::{Exported, Fake, Sample, Seen, Served, Setup, Site};

fn exported() -> Exported {
    let line = "{\"resourceType\":\"Patient\",\"id\":\"m\"}\n";
    Exported::new(vec![Served::new("Patient", line)])
}

fn site(server: &Fake) -> Site {
    let setup = Setup::new(&server.base(), ["Patient"]);
    Site::with(&setup, &["m".to_owned()])
}

/// Kick-offs and deletions, in order.
fn steps(seen: &[Seen]) -> Vec<&str> {
    seen.iter()
        .filter_map(|seen| match (seen.method.as_str(), seen.path.as_str()) {
            (_, "/fhir/$export") => Some("kick-off"),
            ("DELETE", _) => Some("DELETE"),
            _ => None,
        })
        .collect()
}

/// Items: 56.
/// Faults: F1.
#[test]
fn a_server_that_is_too_busy_to_begin_is_asked_again() {
    let (server, _) = Fake::exporting(Exported { busy: 2, ..exported() });
    let site = site(&server);
    let ended = site.run().expect(0);
    for wait in ["1 s", "2 s"] {
        let line = format!("the kick-off is sent again in {wait}");
        assert_eq!(ended.err.matches(&line).count(), 1, "{}", ended.err);
    }
    assert_eq!(steps(&server.seen()), ["kick-off", "kick-off", "kick-off", "DELETE"]);

    let (server, _) = Fake::exporting(Exported { busy: 1, ..exported() });
    let mut setup = Setup::new(&server.base(), ["Patient"]);
    setup.tables = "[limits]\nkickoff-wait = \"0s\"\n".to_owned();
    let impatient = Site::with(&setup, &["m".to_owned()]);
    impatient.run().expect(1);
    assert_eq!(steps(&server.seen()), ["kick-off"]);
    impatient.run().expect(0);
}

/// Items: 120, 121, S4.
/// Faults: F37.
#[test]
fn a_job_whose_deletion_was_lost_is_deleted_before_the_next_kickoff() {
    let (server, exported) = Fake::exporting(Exported { delete: 503, ..exported() });
    let site = site(&server);
    let ended = site.run().expect(0);
    assert!(ended.err.contains("the next run tries to delete it again"), "{}", ended.err);
    exported.lock().unwrap().delete = 404;
    site.run().expect(0);
    assert_eq!(
        steps(&server.seen()),
        ["kick-off", "DELETE", "DELETE", "kick-off", "DELETE"]
    );
    assert!(site.status()["exports"][1]["released-at"].is_string());
}

/// Items: 58, 123.
/// Faults: F8.
#[test]
fn a_job_that_may_be_others_is_left_to_the_server() {
    let transaction_time = "2026-11-22T09:00:00Z";
    let (server, _) = Fake::exporting(Exported { transaction_time, ..exported() });
    let ended = site(&server).run().expect(0);
    assert!(ended.err.contains("the job is left to the server"), "{}", ended.err);
    assert_eq!(steps(&server.seen()), ["kick-off"]);
}

/// Items: 119.
#[test]
fn an_export_that_must_not_go_on_is_cancelled_with_its_job() {
    let server = Sample::start(Data::made_up(5, 1), |options| {
        options.behaviour.ready = Ready::After(Duration::from_hours(1));
    });
    let members = server.ids("Patient");
    let site = Site::with(&Setup::new(&server.base, ["Patient"]), &members);
    let nothing = site.program(&["cancel"]).run().expect(0);
    assert!(nothing.out.contains("There is nothing to cancel"), "{}", nothing.out);
    let run = site.program(&["run"]).start();
    run.wait_for("waiting for the server to prepare the export");
    site.program(&["cancel"]).run().expect(4);
    run.signal("INT");
    run.finish().expect(5);

    site.program(&["cancel", "another"]).run().expect(2);
    let ended = site.program(&["cancel", "research"]).run().expect(0);
    assert!(ended.out.contains("its job is gone from the server"), "{}", ended.out);
    let seen = server.control.requests();
    assert_eq!(seen.iter().filter(|seen| seen.method == "DELETE").count(), 1);
    let status = site.status();
    assert_eq!(status["exports"][0]["phase"], "abandoned");
    assert_eq!(status["exports"][0]["failure"], "cancelled by the operator");
    let again = site.program(&["cancel"]).run().expect(0);
    assert!(again.out.contains("no export is under way"), "{}", again.out);
}

/// Items: 57.
/// Faults: F7.
#[test]
fn a_kickoff_that_nobody_answered_is_sent_once_more_by_the_next_run() {
    let (server, _) = Fake::exporting(Exported { silent: 1, ..exported() });
    let site = site(&server);
    let ended = site.run().expect(1);
    assert!(ended.err.contains("a job may be running"), "{}", ended.err);
    assert_eq!(site.status()["exports"][0]["phase"], "intent");
    let ended = site.run().expect(0);
    let line = "the kick-off's fate is unknown; a job may be left on the server";
    assert_eq!(ended.err.matches(line).count(), 1, "{}", ended.err);
    assert_eq!(steps(&server.seen()), ["kick-off", "kick-off", "DELETE"]);
}

/// Items: 68.
/// Faults: F4.
#[test]
fn a_job_that_is_gone_is_begun_anew_and_not_deleted() {
    let polls = vec![(410, "deleted")];
    let (server, _) = Fake::exporting(Exported { polls, ..exported() });
    let ended = site(&server).run().expect(0);
    assert!(ended.err.contains("the job is gone"), "{}", ended.err);
    assert_eq!(steps(&server.seen()), ["kick-off", "kick-off", "DELETE"]);
}

/// Items: 119.
/// Faults: F3.
#[test]
fn a_job_that_failed_is_deleted_and_asked_for_again_by_the_next_run() {
    let polls = vec![(500, "processing")];
    let (server, _) = Fake::exporting(Exported { polls, ..exported() });
    let site = site(&server);
    site.run().expect(1);
    assert_eq!(steps(&server.seen()), ["kick-off", "DELETE"]);
    let status = site.status();
    assert_eq!(status["exports"][0]["phase"], "failed");
    site.run().expect(0);
    assert_eq!(steps(&server.seen()), ["kick-off", "DELETE", "kick-off", "DELETE"]);
}

/// Items: 68, 70.
/// Faults: F4.
#[test]
fn an_answer_that_is_no_manifest_is_asked_for_again_before_the_job_is_begun_anew() {
    let cases = [
        ("twice", 2, vec!["kick-off", "DELETE"]),
        ("three times", 3, vec!["kick-off", "DELETE", "kick-off", "DELETE"]),
    ];
    for (name, count, expected) in cases {
        let polls = vec![(200, "informational"); count];
        let (server, _) = Fake::exporting(Exported { polls, ..exported() });
        let ended = site(&server).run().expect(0);
        assert_eq!(steps(&server.seen()), expected, "case: {name}: {}", ended.err);
    }
}

/// Items: 70, 93.
#[test]
fn a_job_whose_manifest_will_not_change_is_given_up_and_deleted() {
    let format = Some("application/parquet");
    let (server, exported) = Fake::exporting(Exported { format, ..exported() });
    let site = site(&server);
    let ended = site.run().expect(1);
    assert!(ended.err.contains("not NDJSON"), "{}", ended.err);
    assert_eq!(steps(&server.seen()), ["kick-off", "DELETE"]);
    assert_eq!(site.status()["exports"][0]["phase"], "failed");
    exported.lock().unwrap().format = None;
    site.run().expect(0);
}

/// Items: 66, 119.
/// Faults: F3.
#[test]
fn a_job_that_we_may_not_ask_for_stays_for_the_next_run() {
    let polls = vec![(403, "forbidden"); 3];
    let (server, _) = Fake::exporting(Exported { polls, ..exported() });
    let site = site(&server);
    let ended = site.run().expect(1);
    assert!(ended.err.contains("whose: operator"), "{}", ended.err);
    assert_eq!(site.status()["exports"][0]["phase"], "accepted");
    site.run().expect(0);
    assert_eq!(steps(&server.seen()), ["kick-off", "DELETE"]);
}

/// Items: 56.
/// Faults: F1.
#[test]
fn a_server_that_is_too_busy_to_say_what_it_can_do_is_asked_again() {
    let metadata_faults = vec![429, 503];
    let (server, _) = Fake::exporting(Exported { metadata_faults, ..exported() });
    let ended = site(&server).run().expect(0);
    for wait in ["1 s", "2 s"] {
        let line = format!("it is asked again in {wait}");
        assert_eq!(ended.err.matches(&line).count(), 1, "{}", ended.err);
    }
}
