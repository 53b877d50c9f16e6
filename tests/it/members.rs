//! Cohorts that live, and resources that move between patients: what the destination holds is
//! what the server has of the cohort, whoever joins or leaves it.

use std::{collections::BTreeSet, time::Duration};

use bulkhead_sample_server::Data;

use crate::rig::{Delivered, Sample, Setup, Site, held, wanted};

const TYPES: [&str; 5] = ["Patient", "Condition", "Observation", "Encounter", "Location"];

fn list(members: &[String]) -> String {
    format!("id\n{}\n", members.join("\n"))
}

/// Items: 136, 137, 138. Faults: F36.
#[test]
fn who_joins_gets_their_history_and_what_of_who_leaves_is_taken_back() {
    let server = Sample::start(Data::made_up(12, 3), |_| {});
    let ids = server.ids("Patient");
    let site = Site::with(&Setup::new(&server.base, TYPES), &ids[..4]);
    site.run().expect(0);
    assert_eq!(held(&site), wanted(&server, &TYPES, &ids[..4]));

    // One leaves, one joins.
    server.control.advance(Duration::from_hours(2));
    site.write("members.csv", list(&ids[1..5]));
    let ended = site.run().expect(0);
    assert!(ended.err.contains("the history of 1 who joined a cohort"), "{}", ended.err);
    assert_eq!(held(&site), wanted(&server, &TYPES, &ids[1..5]));
    let exports = site.delivered("").len();
    let taken_back: BTreeSet<String> =
        site.delivered("").into_iter().flat_map(|export| export.deleted).collect();
    assert!(taken_back.contains(&format!("Patient/{}", ids[0])));
    assert!(taken_back.len() > 3, "{taken_back:?}");

    // Nothing more happens to anybody.
    site.run().expect(0);
    let last = site.delivered("");
    assert_eq!(last.len(), exports + 1);
    let last = &last[exports];
    assert_eq!((last.count(), last.deleted.len()), (0, 0));

    // Who comes back gets everything again.
    site.write("members.csv", list(&ids[..5]));
    site.run().expect(0);
    assert_eq!(held(&site), wanted(&server, &TYPES, &ids[..5]));
}

/// Items: 137, 138.
#[test]
fn what_left_may_stay_where_the_operator_says_so() {
    let server = Sample::start(Data::made_up(6, 3), |_| {});
    let ids = server.ids("Patient");
    let mut setup = Setup::new(&server.base, TYPES);
    setup.source =
        "[sync]\nleft = \"keep\"\nbackfill-most = 0\neverything-most = 0\n".to_owned();
    let site = Site::with(&setup, &ids[..2]);
    site.run().expect(0);
    site.write("members.csv", list(&ids[1..3]));
    let ended = site.run().expect(0);
    assert!(ended.err.contains("more than `sync.backfill-most`"), "{}", ended.err);
    assert_eq!(held(&site), wanted(&server, &TYPES, &ids[..3]));
}

/// Items: 111, 134, 139. Faults: F23, F29.
#[test]
fn the_overlap_brings_nothing_twice_and_what_moves_to_another_patient_is_taken_back() {
    let server = Sample::start(Data::made_up(6, 5), |_| {});
    let ids = server.ids("Patient");
    let site = Site::with(&Setup::new(&server.base, TYPES), &ids[..2]);
    site.run().expect(0);
    let condition = |patient: &str| {
        format!(
            r#"{{"resourceType":"Condition","id":"moving","subject":{{"reference":"Patient/{patient}"}}}}"#
        )
    };
    server.control.advance(Duration::from_mins(1));
    server.control.put(&condition(&ids[0])).unwrap();
    site.run().expect(0);
    let all = site.delivered("");
    assert_eq!(all[1].keys(), BTreeSet::from(["Condition/moving".to_owned()]));

    // Within the overlap the server sends it again; the destination has it.
    site.run().expect(0);
    let all = site.delivered("");
    assert_eq!((all[2].count(), all[2].deleted.len()), (0, 0));
    let report = site.report(&all[2].id);
    assert_eq!(report["tally"]["Condition"]["dropped"]["unchanged"], 1, "{report}");

    // Now it is about somebody outside the cohort: no server tells that as a deletion.
    server.control.advance(Duration::from_mins(1));
    server.control.put(&condition(&ids[4])).unwrap();
    site.run().expect(0);
    let all = site.delivered("");
    let taken = BTreeSet::from(["Condition/moving".to_owned()]);
    assert_eq!((all[3].count(), &all[3].deleted), (0, &taken));
    assert_eq!(held(&site), wanted(&server, &TYPES, &ids[..2]));

    // Deleted there, it was not here any more: nobody hears of it.
    server.control.advance(Duration::from_mins(10));
    server.control.delete("Condition", "moving").unwrap();
    site.run().expect(0);
    let all = site.delivered("");
    assert_eq!((all[4].count(), all[4].deleted.len()), (0, 0));
}

/// Items: S11.
#[test]
fn an_export_that_took_long_is_followed_at_once_by_one_for_what_changed_meanwhile() {
    let server = Sample::start(Data::made_up(2, 3), |_| {});
    let ids = server.ids("Patient");
    let mut setup = Setup::new(&server.base, ["Patient"]);
    // Longer than no time at all every export takes.
    setup.source = "[sync]\ncatch-up = \"0s\"\n".to_owned();
    let site = Site::with(&setup, &ids);
    let ended = site.run().expect(0);
    assert_eq!(ended.err.matches("is asked for at once").count(), 2, "{}", ended.err);
    assert_eq!(ended.err.matches(": incremental, because ").count(), 2, "{}", ended.err);
    let counts: Vec<usize> = site.delivered("").iter().map(Delivered::count).collect();
    assert_eq!(counts, [2, 0, 0]);
}
