//! A chain whose sink delivers over HTTP, against a server of the test that is a FHIR server
//! as far as the sink can tell.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bulkhead_sample_server::Data;
use serde_json::{Value, json};

use crate::rig::{Fake, Reply, Sample, Seen, Site, plugin, sha256};

/// What would show up wherever the credential leaked to.
const TOKEN: &str = "canary-token-5f2b9e";

/// A server that takes Bundles of type `transaction` from whoever has the token.
fn warehouse(busy: usize) -> Fake {
    let busy = Arc::new(AtomicUsize::new(busy));
    Fake::start(move |seen, _| {
        let expected = format!("Bearer {TOKEN}");
        let is_known = seen.headers.get("authorization") == Some(&expected);
        if !is_known {
            return Reply::new(401, "");
        }
        if (seen.method.as_str(), seen.path.as_str()) != ("POST", "/fhir/ingest") {
            return Reply::new(404, "");
        }
        let turn = |left: usize| left.checked_sub(1);
        if busy.fetch_update(Ordering::Relaxed, Ordering::Relaxed, turn).is_ok() {
            let after = ("Retry-After", "0".to_owned());
            return Reply { headers: vec![after], ..Reply::new(503, "") };
        }
        let entries = entries(seen).len();
        let answers = vec![json!({ "response": { "status": "200 OK" } }); entries];
        Reply::json(&json!({
            "resourceType": "Bundle", "type": "transaction-response", "entry": answers,
        }))
    })
}

fn entries(seen: &Seen) -> Vec<Value> {
    let bundle: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(
        (&bundle["resourceType"], &bundle["type"]),
        (&json!("Bundle"), &json!("transaction"))
    );
    bundle["entry"].as_array().unwrap().clone()
}

fn site(server: &Sample, warehouse: &Fake, settings: &str, types: &str) -> Site {
    let site = Site::new();
    let path = plugin("http_sink");
    let pin = sha256(&fs_err::read(&path).unwrap());
    site.write("dwh.token", TOKEN);
    site.write(
        "bulkhead.toml",
        format!(
            "[source]\nbase-url = \"{}\"\ntypes = [{types}]\n\n\
             [destinations.dwh]\nurl = \"{}fhir/\"\npath-prefix = \"/ingest\"\n\
             allow-cidr = [\"127.0.0.0/8\"]\n\
             auth = {{ bearer = {{ file = \"dwh.token\" }} }}\n\n\
             [plugins.http-sink]\npath = {path:?}\nsha256 = \"{pin}\"\n\
             grants = {{ destinations = [\"dwh\"] }}\n\n\
             [[chain]]\nname = \"warehouse\"\n\
             sink = {{ plugin = \"http-sink\", config = {{ destination = \"dwh\"{settings} }} }}\n",
            server.base, warehouse.url,
        ),
    );
    site
}

/// `Type/id` of everything that was put, and how often.
fn put(warehouse: &Fake) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for seen in warehouse.seen().iter().filter(|seen| !seen.body.is_empty()) {
        for entry in entries(seen) {
            let (method, url) = (&entry["request"]["method"], &entry["request"]["url"]);
            let resource = &entry["resource"];
            let key = format!(
                "{}/{}",
                resource["resourceType"].as_str().unwrap(),
                resource["id"].as_str().unwrap()
            );
            assert_eq!((method, url), (&json!("PUT"), &json!(key)));
            *found.entry(key).or_default() += 1;
        }
    }
    found
}

/// Every file below the folder, and both outputs, where the token is; but for the file that
/// it is in.
fn leaks(site: &Site, said: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![site.folder().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path != site.path("dwh.token") {
                let bytes = fs_err::read(&path).unwrap();
                if bytes.windows(TOKEN.len()).any(|at| at == TOKEN.as_bytes()) {
                    found.push(path.display().to_string());
                }
            }
        }
    }
    if said.contains(TOKEN) {
        found.push("the output".to_owned());
    }
    found
}

#[test]
fn an_export_is_delivered_as_transactions_and_the_credential_goes_there_and_nowhere_else()
{
    let server = Sample::start(Data::made_up(60, 7), |_| ());
    let warehouse = warehouse(2);
    let types = "\"Patient\", \"Observation\", \"Condition\"";
    let site = site(&server, &warehouse, ", rows = 100", types);

    let checked = site.program(&["check"]).run().expect(0);
    let shown = format!(
        "    destination `dwh`: POST below {}fhir/ingest, with a bearer token",
        warehouse.url
    );
    assert!(checked.out.lines().any(|line| line == shown), "{}", checked.out);
    assert!(warehouse.seen().is_empty(), "`check` contacts nobody");

    let ended = site.program(&["run", "--log", "debug"]).run().expect(0);
    let expected: BTreeSet<String> = ["Patient", "Observation", "Condition"]
        .into_iter()
        .flat_map(|kind| {
            server.ids(kind).into_iter().map(move |id| format!("{kind}/{id}"))
        })
        .collect();
    assert!(expected.len() > 100, "{}", expected.len());
    let taken = put(&warehouse);
    assert_eq!(taken.keys().cloned().collect::<BTreeSet<_>>(), expected);

    // A sample server logs what it was asked: the token is not there.
    let seen = warehouse.seen();
    let heads: Vec<&str> = seen
        .iter()
        .filter_map(|seen| seen.headers.get("authorization"))
        .map(String::as_str)
        .collect();
    assert_eq!(heads.len(), seen.len(), "every request has it");
    assert!(seen.iter().all(|seen| entries(seen).len() <= 100));
    assert_eq!(leaks(&site, &(ended.out.clone() + &ended.err)), Vec::<String>::new());

    let sums = format!("The sums agree: {0} read = {0} delivered", expected.len());
    assert!(ended.out.contains(&sums), "{}", ended.out);

    // Nothing has changed: nothing is sent again.
    let before = warehouse.seen().len();
    site.run().expect(0);
    assert_eq!(warehouse.seen().len(), before);
}

#[test]
fn a_destination_that_is_not_there_stops_the_run_with_what_to_look_at() {
    let server = Sample::start(Data::made_up(5, 7), |_| ());
    let warehouse = warehouse(0);
    let site = site(&server, &warehouse, "", "\"Patient\"");
    site.write("dwh.token", "another token");
    let ended = site.run().expect(1);
    assert!(
        ended.err.contains("sink `http-sink` gave up with `not-authorized`"),
        "{}",
        ended.err
    );
    assert!(!ended.err.contains("another token"), "{}", ended.err);

    site.edit(
        "bulkhead.toml",
        "allow-cidr = [\"127.0.0.0/8\"]",
        "allow-cidr = [\"10.0.0.0/8\"]",
    );
    let ended = site.program(&["check"]).run().expect(2);
    let problem = "`destinations.dwh.url`: its address is of a private or reserved network that \
        is not allowed; list its network in `allow-cidr`, if that is meant";
    assert!(ended.err.contains(problem), "{}", ended.err);
}

#[test]
fn what_a_plugin_may_spend_is_named_when_it_is_used_up() {
    let server = Sample::start(Data::made_up(20, 7), |_| ());
    let warehouse = warehouse(0);
    let site = site(&server, &warehouse, ", rows = 5", "\"Patient\"");
    let limits = "grants = { destinations = [\"dwh\"] }\nlimits = { http-requests = 2 }";
    site.edit("bulkhead.toml", "grants = { destinations = [\"dwh\"] }", limits);
    let ended = site.run().expect(1);
    assert!(
        ended.err.contains("sink `http-sink` used up its `limits.http-requests`"),
        "{}",
        ended.err
    );
    assert!(
        ended.err.contains("raise `plugins.http-sink.limits.http-requests`"),
        "{}",
        ended.err
    );
    assert_eq!(warehouse.seen().len(), 2);

    // What is durable stays so; the next run may spend as much again, and goes on.
    site.edit("bulkhead.toml", "http-requests = 2", "http-requests = 100");
    site.run().expect(0);
    let taken = put(&warehouse);
    assert_eq!(taken.len(), 20);
}
