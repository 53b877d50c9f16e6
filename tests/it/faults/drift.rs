//! Faults that no incremental export shows, and deletions in every spelling.

use bulkhead_sample_server::{
    Scenario,
    scenario::{Deleted, EntryUrl, Shift, Target, What},
};
use serde_json::json;

use super::{HOUR, MINUTE, condition, has_all, held, mode, site, start, truth};
use crate::rig::Site;

/// Faults: F24, F26, F29.
/// Items: 110, 131, 132.
#[test]
fn what_no_incremental_export_shows_is_found_by_asking_for_everything() {
    let server = start(Scenario::default());
    let site = site(&server);
    let patients = server.ids("Patient");
    site.run().expect(0);
    server.control.advance(HOUR);
    let target = Target::id("Patient", &patients[0]);
    let set = vec![
        ("/active".to_owned(), json!(false)),
        ("/gender".to_owned(), json!("other")),
    ];
    server.control.change(&What::SilentEdit { target, set }).unwrap();
    let text = condition("backdated", &patients[1]);
    let back = Shift::back(10 * HOUR);
    server.control.change(&What::PutAt { shift: back, text }).unwrap();
    let gone = server.ids("Encounter").remove(0);
    let target = Target::id("Encounter", &gone);
    server.control.change(&What::DeleteSilently(target)).unwrap();

    let edited = |site: &Site| {
        held(site)[&format!("Patient/{}", patients[0])]["gender"] == json!("other")
    };
    site.run().expect(0);
    assert!(!edited(&site) && !held(&site).contains_key("Condition/backdated"));
    assert!(held(&site).contains_key(&format!("Encounter/{gone}")));

    let ended = site.program(&["resync"]).run().expect(0);
    assert!(edited(&site), "{}", ended.out);
    has_all(&site, &server, "resync");
    for line in [
        "! Patient: 1 edited without a new lastUpdated",
        "! Condition: 1 new with an old lastUpdated",
        "! Encounter: 1 deleted without a word",
    ] {
        assert!(ended.out.contains(line), "{line}:\n{}", ended.out);
    }
    // What was the same was compared as well.
    let table = ended.out.split("compared").nth(1).unwrap();
    let row = table.lines().find(|line| line.trim_start().starts_with("in all"));
    let compared: usize =
        row.unwrap().split_whitespace().nth(2).unwrap().parse().unwrap();
    assert_eq!(compared, truth(&server).len(), "{}", ended.out);
}

/// Items: S5, S7. Faults: F24, F26.
#[test]
fn a_server_that_was_restored_is_named_and_the_destination_follows_when_asked_to() {
    // A server that plays a scenario keeps its history.
    let server = start(mode(|modes| modes.unknown_members = true));
    let mut setup = crate::rig::Setup::new(&server.base, super::TYPES);
    setup.chains = vec![("everything", String::new(), "")];
    setup.tables = "[sync]\nsamples = 100\n".to_owned();
    let site = Site::with(&setup, &["m".to_owned()]);
    site.run().expect(0);
    let patients = server.ids("Patient");
    server.control.advance(HOUR);
    for id in &patients[..2] {
        let line = &held(&site)[&format!("Patient/{id}")];
        let mut changed = line.clone();
        changed["active"] = json!(false);
        server.control.put(&changed.to_string()).unwrap();
    }
    server.control.put(&condition("lost", &patients[0])).unwrap();
    server.control.advance(HOUR);
    site.run().expect(0);
    has_all(&site, &server, "before");

    // An hour and a half is gone, and nobody tells.
    server.control.change(&What::Restore(Shift::back(HOUR + HOUR / 2))).unwrap();
    server.control.advance(MINUTE);
    let ended = site.run().expect(0);
    let told = format!("! {} went back in time: ", server.base);
    assert!(ended.out.contains(&told), "{}", ended.out);
    assert!(ended.out.contains("1 gone, or deleted just now"), "{}", ended.out);
    assert!(held(&site).contains_key("Condition/lost"));

    let ended = site.program(&["resync"]).run().expect(0);
    assert!(
        ended.out.contains("of an older version than was delivered"),
        "{}",
        ended.out
    );
    has_all(&site, &server, "after");
    let now = held(&site);
    assert!(
        patients.iter().all(|id| now[&format!("Patient/{id}")]["active"] != json!(false))
    );
    // All is well again.
    server.control.advance(MINUTE);
    let ended = site.run().expect(0);
    assert!(!ended.out.contains("went back in time"), "{}", ended.out);
}

/// Items: S7. Faults: F24, F29.
#[test]
fn what_no_export_of_changes_shows_is_found_by_reading_a_few_again() {
    let server = start(Scenario::default());
    let mut setup = crate::rig::Setup::new(&server.base, super::TYPES);
    setup.chains = vec![("everything", String::new(), "")];
    setup.tables = "[sync]\nsamples = 100\n".to_owned();
    let site = Site::with(&setup, &["m".to_owned()]);
    site.run().expect(0);
    server.control.advance(HOUR);
    let ended = site.run().expect(0);
    assert!(!ended.out.contains("read again by id"), "{}", ended.out);
    let target = Target::id("Patient", &server.ids("Patient")[0]);
    let set = vec![("/gender".to_owned(), json!("other"))];
    server.control.change(&What::SilentEdit { target, set }).unwrap();
    let gone = Target::id("Condition", &server.ids("Condition")[0]);
    server.control.change(&What::DeleteSilently(gone)).unwrap();
    server.control.advance(HOUR);
    let ended = site.run().expect(0);
    assert!(
        ended.out.contains("1 changed without a new lastUpdated, 1 gone"),
        "{}",
        ended.out
    );
}

/// Faults: F29.
/// Items: 110, 111.
#[test]
fn deletions_are_read_in_every_spelling_and_mean_nothing_else() {
    let with = |deleted| mode(|modes| modes.deleted = deleted);
    let at = |url| with(Deleted { url, ..Deleted::default() });
    let cases = [
        ("relative", at(EntryUrl::Relative)),
        ("absolute", at(EntryUrl::Absolute)),
        ("leading slash", at(EntryUrl::LeadingSlash)),
        (
            "collection",
            with(Deleted { bundle: "collection".to_owned(), ..Deleted::default() }),
        ),
    ];
    for (name, scenario) in cases {
        let server = start(scenario);
        let site = site(&server);
        site.run().expect(0);
        server.control.advance(10 * MINUTE);
        let gone = server.ids("Condition").remove(0);
        server.control.delete("Condition", &gone).unwrap();
        server.control.advance(10 * MINUTE);
        site.run().expect(0);
        has_all(&site, &server, name);
        // Created anew under the same id, it is there again.
        let patient = server.ids("Patient").remove(0);
        server.control.put(&condition(&gone, &patient)).unwrap();
        server.control.advance(10 * MINUTE);
        site.run().expect(0);
        has_all(&site, &server, name);
    }
}
