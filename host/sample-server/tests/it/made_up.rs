//! Made-up data: always the same, whole in itself, and changing as its script says.

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_model::ResourceType;
use bulkhead_sample_server::{Data, Difference, MadeUp, Options, Running, Script};
use serde_json::Value;

use crate::client::{export, lines, options, start};

async fn at_round(rounds: u32) -> Running {
    start(Data::MadeUp(MadeUp { patients: 60, seed: 3, rounds })).await
}

#[tokio::test]
async fn the_same_numbers_give_the_same_bytes() {
    let origin = Some("https://sample.example.org/".parse().unwrap());
    let mut exports = Vec::new();
    for seed in [5, 5, 6] {
        let options =
            Options { public_origin: origin.clone(), ..options(Data::made_up(40, seed)) };
        let server = bulkhead_sample_server::Server::start(options).await.unwrap();
        let manifest = export(&server, "$export").await;
        exports.push(lines(&server, &manifest, "output").await);
        server.shutdown().await;
    }
    assert!(exports[0] == exports[1]);
    assert!(exports[0] != exports[2]);
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    let server = at_round(3).await;
    let manifest = export(&server, "$export").await;
    let all = lines(&server, &manifest, "output").await;
    let mut known = BTreeSet::new();
    let mut types = BTreeSet::new();
    let mut references = Vec::new();
    for (resource_type, line) in &all {
        let resource: Value = serde_json::from_str(line).unwrap();
        assert_eq!(resource["resourceType"], resource_type.as_str());
        assert!(resource["meta"]["versionId"].is_string());
        assert!(resource["meta"]["lastUpdated"].as_str().unwrap().ends_with('Z'));
        let id = resource["id"].as_str().unwrap();
        assert!(
            known.insert(format!("{resource_type}/{id}")),
            "{resource_type}/{id} twice"
        );
        types.insert(resource_type.clone());
        collect(&resource, &mut references);
    }
    assert!(types.len() >= 20, "{types:?}");
    let base = format!("{}/", server.base_url);
    let absolute =
        references.iter().filter(|reference| reference.starts_with(&base)).count();
    assert!(absolute > 0);
    for reference in &references {
        let local = reference.strip_prefix(&base).unwrap_or(reference);
        assert!(local.starts_with('#') || known.contains(local), "{reference}");
    }
    let text: String = all.iter().map(|(_, line)| line.as_str()).collect();
    for (name, sign) in
        [("decimal", "0,\"unit\":\"kg\""), ("escape", "\\u00e9"), ("letter", "ü")]
    {
        assert!(text.contains(sign), "case: {name}");
    }
    server.shutdown().await;
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Array(values) => {
            for value in values {
                collect(value, references);
            }
        }
        Value::Object(object) => {
            references.extend(
                object.get("reference").and_then(Value::as_str).map(str::to_owned),
            );
            for value in object.values() {
                collect(value, references);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What an incremental export carries, by type.
async fn difference(server: &Running, since: &str) -> BTreeMap<ResourceType, Difference> {
    let manifest = export(server, &format!("$export?_since={since}")).await;
    let mut found: BTreeMap<ResourceType, Difference> = BTreeMap::new();
    for (resource_type, line) in lines(server, &manifest, "output").await {
        let resource: Value = serde_json::from_str(&line).unwrap();
        let id = resource["id"].as_str().unwrap().to_owned();
        found.entry(resource_type.parse().unwrap()).or_default().upserts.insert(id);
    }
    for (_, line) in lines(server, &manifest, "deleted").await {
        let bundle: Value = serde_json::from_str(&line).unwrap();
        for entry in bundle["entry"].as_array().unwrap() {
            assert_eq!(entry["request"]["method"], "DELETE");
            let url = entry["request"]["url"].as_str().unwrap();
            let (resource_type, id) = url.split_once('/').unwrap();
            let entry = found.entry(resource_type.parse().unwrap()).or_default();
            entry.deletes.insert(id.to_owned());
        }
    }
    found
}

#[tokio::test]
async fn increments_are_what_the_script_says() {
    let script = Script::new(60, 3);
    let server = at_round(0).await;
    let mut since = Vec::new();
    let mut bodies = export_by_id(&server).await;
    for round in 1..=4 {
        let manifest = export(&server, "$export?_type=Patient").await;
        since.push(manifest["transactionTime"].as_str().unwrap().to_owned());
        let summary = server.control.next_round().unwrap();
        assert_eq!(summary, script.summary(round));
        let found = difference(&server, since.last().unwrap()).await;
        assert_eq!(found, script.changes_between(round - 1, round), "round {round}");
        let now = export_by_id(&server).await;
        for (name, changes) in summary {
            let difference = found.get(&name).cloned().unwrap_or_default();
            let (old, new): (Vec<_>, Vec<_>) = difference
                .upserts
                .iter()
                .map(|id| format!("{name}/{id}"))
                .partition(|key| bodies.contains_key(key));
            assert_eq!(new.len() as u64, changes.created, "round {round}, {name}");
            assert_eq!(old.len() as u64, changes.updated, "round {round}, {name}");
            assert_eq!(
                difference.deletes.len() as u64,
                changes.deleted,
                "round {round}, {name}"
            );
            for key in old {
                assert!(without_meta(&bodies[&key]) != without_meta(&now[&key]), "{key}");
            }
        }
        bodies = now;
    }
    assert_eq!(difference(&server, &since[0]).await, script.changes_between(0, 4));
    assert_eq!(difference(&server, &since[1]).await, script.changes_between(1, 4));
    let ids: BTreeMap<ResourceType, BTreeSet<String>> = server
        .control
        .ids()
        .into_iter()
        .map(|(name, ids)| (name, ids.into_iter().collect()))
        .collect();
    let expected: BTreeMap<ResourceType, BTreeSet<String>> = script
        .ids(4)
        .into_iter()
        .map(|(name, ids)| (name, ids.into_iter().collect()))
        .collect();
    assert_eq!(ids, expected);
    server.shutdown().await;

    // A server that starts at round 4 tells the same story.
    let server = at_round(4).await;
    assert_eq!(difference(&server, &since[1]).await, script.changes_between(1, 4));
    server.shutdown().await;
}

async fn export_by_id(server: &Running) -> BTreeMap<String, Value> {
    let manifest = export(server, "$export").await;
    let lines = lines(server, &manifest, "output").await;
    let keyed = lines.into_iter().map(|(name, line)| {
        let resource: Value = serde_json::from_str(&line).unwrap();
        (format!("{name}/{}", resource["id"].as_str().unwrap()), resource)
    });
    keyed.collect()
}

fn without_meta(resource: &Value) -> Value {
    let mut resource = resource.clone();
    resource.as_object_mut().unwrap().remove("meta");
    resource
}
