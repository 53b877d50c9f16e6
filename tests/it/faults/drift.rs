//! Faults that no incremental export shows, and deletions in every spelling.

use bulkhead_sample_server::{
    Scenario,
    scenario::{Deleted, EntryUrl, Shift, Target, What},
};
use serde_json::json;

use super::{HOUR, MINUTE, condition, has_all, held, mode, site, start};
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
