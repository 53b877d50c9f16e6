//! Groups that change while they are exported: who joins brings their history, and what of
//! who leaves is taken back, whatever the server makes of `_since`.

use std::collections::BTreeSet;

use bulkhead_sample_server::{
    Data,
    scenario::{GroupSince, Member, What},
};
use serde_json::Value;

use super::{HOUR, TYPES, held};
use crate::rig::{Sample, Setup, Site, Walk, get};

/// The members of a group, by what the server says.
fn members(server: &Sample) -> BTreeSet<String> {
    let (_, body) =
        get(server.addr, "/fhir/Group/cohort-a", "Accept: application/json\r\n");
    let group: Value = serde_json::from_slice(&body).unwrap();
    let members = group["member"].as_array().unwrap().iter();
    members
        .filter_map(|member| member["entity"]["reference"].as_str())
        .filter_map(|reference| reference.rsplit_once("Patient/"))
        .map(|(_, id)| id.to_owned())
        .collect()
}

/// What the server has of a group's members: an export of everything, and a walk over it.
fn wanted(server: &Sample) -> BTreeSet<String> {
    let mut setup = Setup::new(&server.base, TYPES);
    setup.chains = vec![("everything", String::new(), "")];
    let site = Site::with(&setup, &["m".to_owned()]);
    site.run().expect(0);
    let walk = Walk {
        members: members(server),
        base: server.base.as_str().trim_end_matches('/').to_owned(),
    };
    let held = held(&site).into_iter();
    held.filter(|(_, line)| walk.keeps(line.to_string().as_bytes()))
        .map(|(key, _)| key)
        .collect()
}

/// Faults: F36.
/// Items: 136, 137.
#[test]
fn a_group_that_changes_is_followed_whatever_the_server_makes_of_since() {
    let cases = [
        ("backfill", GroupSince::Backfill),
        ("changed only", GroupSince::ChangedOnly),
        ("patient changed", GroupSince::PatientChanged),
    ];
    for (name, group) in cases {
        let server = Sample::start(Data::made_up(12, 3), |options| {
            options.scenario.modes.group = group;
        });
        let mut setup = Setup::new(&server.base, TYPES);
        setup.source = "level = { group = \"cohort-a\" }\n".to_owned();
        setup.chains = vec![("everything", String::new(), "")];
        let site = Site::with(&setup, &["m".to_owned()]);
        let had = |case: &str| {
            let keys: BTreeSet<String> = held(&site).into_keys().collect();
            assert_eq!(keys, wanted(&server), "case: {name}, {case}");
        };
        site.run().expect(0);
        had("first");
        let before = members(&server);
        let outsider = server.ids("Patient").into_iter().find(|id| !before.contains(id));
        let member =
            |patient: Option<String>| Member { patient, ..Member::pick("cohort-a", 1) };
        server.control.advance(HOUR);
        server.control.change(&What::AddMember(member(outsider))).unwrap();
        assert_eq!(members(&server).len(), before.len() + 1);
        server.control.advance(HOUR);
        site.run().expect(0);
        had("joined");
        let leaver = before.into_iter().next();
        server.control.change(&What::RemoveMember(member(leaver))).unwrap();
        server.control.advance(HOUR);
        site.run().expect(0);
        had("left");
        assert_eq!(server.control.lapses(), [], "case: {name}");
    }
}
