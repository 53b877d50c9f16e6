//! What happens to the data between and during exports.

use std::time::Duration;

use bulkhead_sample_server::{
    Data, Running, Scenario,
    scenario::{GroupSince, Member, Shift, Target, TransactionTime, What, When},
};
use serde_json::{Value, json};

use crate::client::{export, get, kickoff, misbehaving, modes, target};

fn condition(id: &str) -> String {
    json!({"resourceType": "Condition", "id": id, "subject": {"reference": "Patient/x"}})
        .to_string()
}

/// The ids in the first file of an export.
async fn ids(server: &Running, path: &str) -> Vec<String> {
    let manifest = export(server, path).await;
    let mut ids = Vec::new();
    for file in manifest["output"].as_array().unwrap() {
        let text = get(server, &target(file["url"].as_str().unwrap())).await.text();
        ids.extend(text.lines().map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["id"].as_str().unwrap().to_owned()
        }));
    }
    ids
}

/// Faults: F25.
#[tokio::test]
async fn a_late_commit_is_seen_only_by_a_later_export() {
    let late = What::LateCommit { text: condition("late"), until: When::AfterKickoff(1) };
    let scenario = Scenario::default().changing(When::BeforeKickoff(1), late);
    let server = misbehaving(Data::made_up(3, 7), scenario).await;
    let first = export(&server, "$export?_type=Condition").await;
    let time = first["transactionTime"].as_str().unwrap();
    let file = target(first["output"][0]["url"].as_str().unwrap());
    assert!(!get(&server, &file).await.text().contains("\"late\""));
    let since = format!("$export?_type=Condition&_since={time}");
    assert!(ids(&server, &since).await.is_empty());
    let overlap = server.control.now().minus(Duration::from_mins(1));
    let overlap = format!("$export?_type=Condition&_since={overlap}");
    assert!(ids(&server, &overlap).await.contains(&"late".to_owned()));
    server.shutdown().await;
}

/// Faults: F24.
#[tokio::test]
async fn data_changes_behind_the_clock() {
    let server =
        misbehaving(Data::made_up(3, 7), Scenario::default().with_elsewhere()).await;
    let all = "$export?_type=Condition";
    let before = ids(&server, all).await;
    server.control.advance(Duration::from_hours(2));
    let since =
        format!("{all}&_since={}", server.control.now().minus(Duration::from_mins(10)));
    let back = Shift::back(Duration::from_mins(90));
    let put = What::PutAt { shift: back, text: condition("backdated") };
    server.control.change(&put).unwrap();
    let edit = What::SilentEdit {
        target: Target::pick("Condition", 1),
        set: vec![("/recordedDate".to_owned(), json!("1999-01-01"))],
    };
    server.control.change(&edit).unwrap();
    server.control.change(&What::DeleteSilently(Target::pick("Condition", 1))).unwrap();
    assert!(ids(&server, &since).await.is_empty());
    let after = ids(&server, all).await;
    assert!(after.contains(&"backdated".to_owned()));
    assert_eq!(after.len(), before.len());
    let manifest = export(&server, all).await;
    let file = target(manifest["output"][0]["url"].as_str().unwrap());
    assert!(get(&server, &file).await.text().contains("1999-01-01"));
    server.shutdown().await;
}

/// Faults: F26.
#[tokio::test]
async fn a_replica_is_behind_and_a_restore_goes_back() {
    let lag = Duration::from_hours(6);
    let server = misbehaving(
        Data::made_up(3, 7),
        modes(|modes| modes.transaction_time = TransactionTime::Replica(lag)),
    )
    .await;
    let path = "$export?_type=Condition";
    server.control.advance(Duration::from_hours(24));
    server.control.put(&condition("new")).unwrap();
    server.control.advance(Duration::from_hours(5));
    let manifest = export(&server, path).await;
    let time = server.control.now().minus(lag).to_string();
    assert_eq!(manifest["transactionTime"], time);
    assert!(!ids(&server, path).await.contains(&"new".to_owned()));
    server.control.advance(Duration::from_hours(2));
    assert!(ids(&server, path).await.contains(&"new".to_owned()));
    server.control.change(&What::Restore(Shift::back(lag * 2))).unwrap();
    server.control.set_modes(|modes| modes.transaction_time = TransactionTime::Start);
    assert!(!ids(&server, path).await.contains(&"new".to_owned()));
    server.shutdown().await;
}

/// Faults: F36.
#[tokio::test]
async fn members_join_and_leave_groups() {
    let server = misbehaving(
        Data::made_up(6, 7),
        modes(|modes| modes.group = GroupSince::Backfill),
    )
    .await;
    let path = "Group/cohort-a/$export?_type=Patient";
    let before = ids(&server, path).await;
    server.control.advance(Duration::from_hours(1));
    let since = format!("{path}&_since={}", server.control.now());
    server.control.advance(Duration::from_hours(1));
    server.control.change(&What::AddMember(Member::pick("cohort-a", 1))).unwrap();
    let joined = ids(&server, path).await;
    assert_eq!(joined.len(), before.len() + 1);
    let backfilled = ids(&server, &since).await;
    assert_eq!(backfilled.len(), 1);
    assert!(!before.contains(&backfilled[0]));
    server.control.set_modes(|modes| modes.group = GroupSince::ChangedOnly);
    assert!(ids(&server, &since).await.is_empty());
    server.control.change(&What::RemoveMember(Member::pick("cohort-a", 1))).unwrap();
    assert_eq!(ids(&server, path).await.len(), before.len());
    let nest = What::NestGroup { group: "cohort-nested".into(), into: "cohort-a".into() };
    server.control.change(&nest).unwrap();
    assert!(ids(&server, path).await.len() >= before.len());
    server.shutdown().await;
}

/// Faults: F27, F29.
#[tokio::test]
async fn a_resource_is_deleted_and_created_again() {
    let server = misbehaving(Data::made_up(3, 7), Scenario::default()).await;
    let since = server.control.now();
    server.control.advance(Duration::from_hours(1));
    let id = server.control.ids()[&"Condition".parse().unwrap()][0].clone();
    let target_of = Target::id("Condition", &id);
    server.control.change(&What::Delete(target_of)).unwrap();
    server.control.change(&What::Put(condition(&id))).unwrap();
    let path = format!("$export?_type=Condition&_since={since}");
    let manifest = export(&server, &path).await;
    assert_eq!(manifest["deleted"], json!([]));
    assert_eq!(ids(&server, &path).await, [id]);
    server.shutdown().await;
}

/// Faults: F27.
#[tokio::test]
async fn a_change_happens_when_the_manifest_is_found() {
    use bulkhead_sample_server::scenario::Reads;
    let put = What::Put(condition("during"));
    let scenario =
        modes(|modes| modes.reads = Reads::New).changing(When::AtManifest(1), put);
    let server = misbehaving(Data::made_up(3, 7), scenario).await;
    let path = kickoff(&server, "$export?_type=Condition").await;
    let manifest = get(&server, &path).await.json();
    let file = target(manifest["output"][0]["url"].as_str().unwrap());
    assert!(get(&server, &file).await.text().contains("\"during\""));
    server.shutdown().await;
}
