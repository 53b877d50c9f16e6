//! Stopping by a signal, going on, and two runs at once.

use std::time::Duration;

use bulkhead_sample_server::{Data, Ready};

use crate::rig::{Sample, Setup, Site, tree};

/// Items: 60, 123.
#[test]
fn a_signal_while_waiting_stops_the_run_and_the_next_one_finishes_it() {
    for name in ["INT", "TERM"] {
        let server = Sample::start(Data::made_up(5, 1), |options| {
            options.behaviour.ready = Ready::After(Duration::from_hours(1));
        });
        let members = server.ids("Patient");
        let site = Site::with(&Setup::new(&server.base, ["Patient"]), &members);
        let first = site.program(&["run"]).start();
        first.wait_for("waiting for the server to prepare the export");

        let second = site.run().expect(4);
        second.says("error: another run uses this ledger");
        second.says(
            "hint: wait for the other run to end, or give this one a ledger of its own",
        );

        first.signal(name);
        let first = first.finish().expect(5);
        first.says("error: stopped; what is delivered stays");
        first.says("hint: run again: it goes on where it was");

        server.control.advance(Duration::from_hours(1));
        let third = site.run().expect(0);
        assert!(third.err.contains("going on where an earlier run stopped (accepted)"));
        let delivered = site.delivered("");
        assert_eq!(delivered.len(), 1, "case: {name}");
        assert_eq!(delivered[0].count(), 5, "case: {name}");
        let kickoffs = server.control.requests();
        let kickoffs = kickoffs.iter().filter(|seen| seen.path.ends_with("/$export"));
        assert_eq!(kickoffs.count(), 1, "case: {name}");
    }
}

/// Items: 123.
#[test]
fn a_signal_among_the_files_loses_and_repeats_nothing() {
    let server = Sample::start(Data::made_up(300, 2), |_| {});
    let members: Vec<String> = server.ids("Patient");
    let types =
        ["AllergyIntolerance", "Encounter", "Observation", "Patient", "Procedure"];
    let mut setup = Setup::new(&server.base, types);
    setup.tables = "[limits]\nblock = \"4KiB\"\nfiles-in-flight = 1\n".to_owned();
    setup.chains =
        vec![("research", Setup::filter_and_deidentify(), ", part-size = \"64KiB\"")];
    let undisturbed = Site::with(&setup, &members);
    undisturbed.run().expect(0);

    let site = Site::with(&setup, &members);
    let stopped = site.program(&["run"]).start();
    stopped.wait_for("file 0 (AllergyIntolerance): ");
    stopped.signal("INT");
    stopped.finish().expect(5);
    assert!(site.delivered("").is_empty(), "a manifest before the end");
    let status = site.status();
    assert_eq!(status["exports"][0]["phase"], "manifested");
    let resumed = site.run().expect(0);
    assert!(resumed.err.contains("going on where an earlier run stopped (manifested)"));
    assert!(tree(&site.path("out")) == tree(&undisturbed.path("out")));
}
