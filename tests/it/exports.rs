//! A full export and what follows it: sign-in, two chains, changes, deletions, nothing new.

use std::{collections::BTreeSet, time::Duration};

use bulkhead_sample_server::{Auth, Client, Data, Script};
use serde_json::Value;

use crate::rig::{Delivered, Sample, Setup, Site, Walk};

const PATIENTS: u32 = 60;
const SEED: u64 = 7;

/// All types of the made-up world but those of no single patient.
fn types(script: &Script) -> Vec<String> {
    let ids = script.ids(0);
    let names = ids.keys().map(ToString::to_string);
    names.filter(|name| !matches!(name.as_str(), "Group" | "Provenance")).collect()
}

/// The keys among `raw` that the cohort filter must let through.
fn wanted(raw: &Delivered, walk: &Walk) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for (kind, lines) in &raw.lines {
        for line in lines.iter().filter(|line| walk.keeps(line)) {
            let resource: Value = serde_json::from_slice(line).unwrap();
            keys.insert(format!("{kind}/{}", resource["id"].as_str().unwrap()));
        }
    }
    keys
}

/// Items: 19, 41, 43, 85, 131, 132, 139.
/// Faults: F28, F29, F40.
#[test]
fn a_full_export_then_increments_deliver_exactly_what_changed() {
    let site = Site::new();
    let keys = site.program(&["keys", "generate", "--out", "client.pem"]).run().expect(0);
    let client = Client::from_jwks("tests", &keys.out).unwrap();
    let server = Sample::start(Data::made_up(PATIENTS, SEED), |options| {
        options.auth = Auth::Clients(vec![client]);
    });
    let script = Script::new(PATIENTS, SEED);
    let members: Vec<String> = server.ids("Patient").into_iter().step_by(2).collect();
    let mut setup = Setup::new(&server.base, types(&script));
    setup.source =
        "[source.auth]\nclient-id = \"tests\"\nkey = { file = \"client.pem\" }\n\
        [sync]\noverlap = \"0s\"\n"
            .to_owned();
    setup.chains = vec![
        ("everything", String::new(), ", layout = \"everything/{export}/{kind}/\""),
        (
            "research",
            Setup::filter_and_deidentify(),
            ", layout = \"research/{export}/{kind}/\", compression = \"gzip\"",
        ),
    ];
    let folder = Site::with(&setup, &members);
    folder.write("client.pem", site.read("client.pem"));
    let walk = Walk {
        members: members.iter().cloned().collect(),
        base: server.base.as_str().trim_end_matches('/').to_owned(),
    };

    // The first run: everything that the server holds, and of it what is the cohort's.
    folder.run().expect(0);
    let (raw, kept) = (folder.delivered("everything"), folder.delivered("research"));
    assert_eq!((raw.len(), kept.len()), (1, 1));
    let held: BTreeSet<String> = server
        .control
        .ids()
        .into_iter()
        .filter(|(name, _)| setup.types.contains(&name.to_string()))
        .flat_map(|(name, ids)| ids.into_iter().map(move |id| format!("{name}/{id}")))
        .collect();
    assert_eq!(raw[0].keys(), held);
    assert_eq!(raw[0].count(), held.len());
    assert_eq!(kept[0].keys(), wanted(&raw[0], &walk));
    assert!(kept[0].count() > 100 && kept[0].count() < raw[0].count() * 2 / 3);
    assert!(raw[0].deleted.is_empty() && kept[0].deleted.is_empty());
    for line in &kept[0].lines["Patient"] {
        let patient: Value = serde_json::from_slice(line).unwrap();
        assert_eq!((&patient["name"], &patient["telecom"]), (&Value::Null, &Value::Null));
    }

    // A day of the script, and one change of each sort beyond it.
    server.control.next_round().unwrap();
    let (member, outsider) = (&members[0], &server.ids("Patient")[1]);
    for (id, patient) in [("added-1", member), ("added-2", outsider)] {
        let resource = format!(
            r#"{{"resourceType":"Condition","id":"{id}","subject":{{"reference":"Patient/{patient}"}}}}"#
        );
        server.control.put(&resource).unwrap();
    }
    let changes = script.changes_between(0, 1);
    let mut upserts: BTreeSet<String> =
        ["Condition/added-1".to_owned(), "Condition/added-2".to_owned()].into();
    let mut deletes = BTreeSet::new();
    for (name, difference) in &changes {
        if setup.types.contains(&name.to_string()) {
            upserts.extend(difference.upserts.iter().map(|id| format!("{name}/{id}")));
            deletes.extend(difference.deletes.iter().map(|id| format!("{name}/{id}")));
        }
    }
    let gone = server
        .ids("Procedure")
        .into_iter()
        .find(|id| !upserts.contains(&format!("Procedure/{id}")))
        .unwrap();
    server.control.delete("Procedure", &gone).unwrap();
    deletes.insert(format!("Procedure/{gone}"));
    assert!(deletes.len() > 3, "{deletes:?}");
    server.control.advance(Duration::from_mins(1));

    // The second run: the changes and nothing else.
    let second = folder.run().expect(0);
    assert_eq!(second.out.matches(": incremental, system level").count(), 2);
    let (raw, kept) = (folder.delivered("everything"), folder.delivered("research"));
    assert_eq!((raw.len(), kept.len()), (2, 2));
    assert_eq!(raw[1].keys(), upserts);
    assert_eq!(raw[1].deleted, deletes);
    assert_eq!(kept[1].keys(), wanted(&raw[1], &walk));
    assert!(kept[1].keys().contains("Condition/added-1"));
    assert!(!kept[1].keys().contains("Condition/added-2"));
    // Of what was deleted, this chain's destination hears just what it had.
    let had = kept[0].keys();
    let deletes: BTreeSet<String> = deletes.intersection(&had).cloned().collect();
    assert!(!deletes.is_empty());
    assert_eq!(kept[1].deleted, deletes);

    // The third run: nothing has changed.
    server.control.advance(Duration::from_mins(1));
    folder.run().expect(0);
    for chain in ["everything", "research"] {
        let exports = folder.delivered(chain);
        assert_eq!(exports.len(), 3, "{chain}");
        assert_eq!((exports[2].count(), exports[2].deleted.len()), (0, 0), "{chain}");
        let total = &folder.report(&exports[2].id)["tally"];
        assert_eq!(total, &serde_json::json!({}), "{chain}");
    }

    let status = folder.status();
    let exports = status["exports"].as_array().unwrap();
    assert_eq!(exports.len(), 6);
    for export in exports {
        assert_eq!(export["phase"], "completed");
        assert_eq!(export["files"], export["files-done"]);
        assert_eq!(export["failure"], Value::Null);
    }
    let full = exports.iter().filter(|export| export["since"].is_null());
    assert_eq!(full.count(), 2);
    let watermarks = status["watermarks"].as_object().unwrap();
    assert_eq!(watermarks.len(), 2);
    let now = server.control.now();
    for marks in watermarks.values() {
        let marks = marks.as_object().unwrap();
        assert_eq!(marks.len(), setup.types.len());
        for mark in marks.values() {
            let mark: bulkhead_model::Instant = mark.as_str().unwrap().parse().unwrap();
            assert_eq!(mark.unix_ms() / 1000, now.unix_ms() / 1000);
        }
    }
}
