//! The patients of a Group on the server and of the groups within it.
//!
//! Nobody is left out without a word: a group that does not say who is in it, or a member that
//! cannot be told to be a patient, refuses the cohort.
//!
//! Source: FHIR R4, `Group.member`.

use std::collections::BTreeSet;

use bulkhead_bulk::Client;
use futures::{Stream, TryStreamExt as _};
use serde_json::Value;
use url::form_urlencoded::byte_serialize;

use super::bare;
use crate::failure::Failure;

/// Groups within groups that are followed. Server-controlled: bounded.
const GROUPS: usize = 1_000;

/// The patients of `Group/id`. Inactive members do not count.
pub(super) async fn patients(client: &Client, id: &str) -> anyhow::Result<Vec<String>> {
    walk(id, |path: String| async move { Ok(client.read(&path).await?) }).await
}

/// The id of the one Group with this identifier, `system|value` or a value.
pub(super) async fn find(client: &Client, identifier: &str) -> anyhow::Result<String> {
    let query: String = byte_serialize(identifier.as_bytes()).collect();
    let pages = client.search(&format!("Group?identifier={query}"));
    only(Box::pin(pages.map_err(anyhow::Error::new)), identifier).await
}

/// What a member is.
enum Member {
    Group(String),
    /// A device, a practitioner: nobody whose record is exported.
    Other,
    Patient(String),
}

async fn walk<R>(id: &str, read: impl Fn(String) -> R) -> anyhow::Result<Vec<String>>
where
    R: Future<Output = anyhow::Result<Value>>,
{
    let mut ids = Vec::new();
    let mut todo = vec![id.to_owned()];
    let mut seen = BTreeSet::from([id.to_owned()]);
    let mut others = 0_u64;
    while let Some(id) = todo.pop() {
        for member in members(&id, &read(format!("Group/{id}")).await?)? {
            match member {
                Member::Patient(id) => ids.push(id),
                Member::Other => others += 1,
                Member::Group(id) if seen.contains(&id) => {}
                Member::Group(_) if seen.len() >= GROUPS => {
                    let what =
                        format!("more than {GROUPS} groups lie within one another");
                    let hint = "list the patients in a file: `from = { csv = \"…\" }`";
                    return Err(Failure::refused(what).hint(hint).into());
                }
                Member::Group(id) => {
                    seen.insert(id.clone());
                    todo.push(id);
                }
            }
        }
    }
    if others > 0 {
        tracing::warn!(group = %id, others, "members that are neither patients nor groups do not count");
    }
    Ok(ids)
}

/// Who is in a group by its own word.
fn members(id: &str, group: &Value) -> anyhow::Result<Vec<Member>> {
    let listed = group.get("member").and_then(Value::as_array);
    let Some(listed) = listed.filter(|listed| !listed.is_empty()) else {
        if group.get("quantity").and_then(Value::as_u64) == Some(0) {
            return Ok(Vec::new());
        }
        let what = format!("Group/{id} does not list its members");
        let hint = "export at its level: `level = { group = \"…\" }`";
        return Err(Failure::refused(what).hint(hint).into());
    };
    let active = listed
        .iter()
        .filter(|member| member.get("inactive").and_then(Value::as_bool) != Some(true));
    let mut members = Vec::new();
    let mut unreadable = 0_u64;
    for member in active {
        match read(member) {
            Some(member) => members.push(member),
            None => unreadable += 1,
        }
    }
    if unreadable > 0 {
        let what = format!("of Group/{id}, {unreadable} members cannot be read");
        let hint =
            "each needs a reference as `Patient/123`; or list the patients in a file";
        return Err(Failure::refused(what).hint(hint).into());
    }
    Ok(members)
}

fn read(member: &Value) -> Option<Member> {
    let text = |at: &str| member.pointer(at).and_then(Value::as_str);
    let Some(reference) = text("/entity/reference") else {
        // An identifier alone tells nobody's id, but perhaps that it is no patient's.
        let kind = text("/entity/type")?;
        return (!matches!(kind, "Patient" | "Group")).then_some(Member::Other);
    };
    let reference =
        reference.split_once("/_history").map_or(reference, |(start, _)| start);
    let (before, id) = reference.rsplit_once('/')?;
    let kind = before.rsplit_once('/').map_or(before, |(_, kind)| kind);
    match kind {
        "Group" => bare(id).map(Member::Group),
        "Patient" => bare(id).map(Member::Patient),
        _ => bulkhead_model::ResourceType::is_valid(kind).then_some(Member::Other),
    }
}

/// The one Group of a search.
async fn only(
    mut pages: impl Stream<Item = anyhow::Result<Value>> + Unpin,
    identifier: &str,
) -> anyhow::Result<String> {
    let mut found = BTreeSet::new();
    while let Some(page) = pages.try_next().await? {
        let entries = page.get("entry").and_then(Value::as_array).into_iter().flatten();
        let groups =
            entries.filter_map(|entry| entry.get("resource")).filter(|resource| {
                resource.get("resourceType").and_then(Value::as_str) == Some("Group")
            });
        let ids = groups.filter_map(|group| group.get("id")?.as_str());
        found.extend(ids.filter_map(bare));
        if found.len() > 1 {
            let what = format!("several groups have the identifier `{identifier}`");
            let hint = "name it with its system, `system|value`, or by its id";
            return Err(Failure::refused(what).hint(hint).into());
        }
    }
    found.pop_first().ok_or_else(|| {
        let what = format!("no group has the identifier `{identifier}`");
        let hint = "write it as the server has it, `system|value`; the client's scope must cover Group";
        Failure::refused(what).hint(hint).into()
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, future::ready};

    use futures::{executor::block_on, stream};
    use serde_json::json;

    use super::*;

    fn member(reference: &str) -> Value {
        json!({"entity": {"reference": reference}})
    }

    fn group(members: &[Value]) -> Value {
        json!({"resourceType": "Group", "member": members})
    }

    /// The patients of group `a` among `groups`, or why there are none.
    fn found(groups: &[(&str, Value)]) -> Result<Vec<String>, String> {
        let groups: BTreeMap<String, Value> = groups
            .iter()
            .map(|(id, group)| (format!("Group/{id}"), group.clone()))
            .collect();
        let read = |path: String| {
            ready(groups.get(&path).cloned().ok_or_else(|| anyhow::anyhow!("no {path}")))
        };
        block_on(walk("a", read)).map_err(|error| error.to_string())
    }

    /// Items: 11.
    #[test]
    fn every_member_is_a_patient_a_group_or_a_reason_to_refuse() {
        let left = json!({"entity": {"reference": "Patient/9"}, "inactive": true});
        let device = json!({"entity": {"type": "Device", "identifier": {"value": "x"}}});
        let unnamed = json!({"entity": {"identifier": {"value": "x"}}});
        let typed = json!({"entity": {"type": "Patient", "identifier": {"value": "x"}}});
        let refused =
            |count: u64| Err(format!("of Group/a, {count} members cannot be read"));
        let unlisted = |id: &str| Err(format!("Group/{id} does not list its members"));
        let ids = |ids: &[&str]| Ok(ids.iter().map(|id| (*id).to_owned()).collect());
        // name, groups, the patients of group a
        let cases = [
            (
                "references of all kinds",
                vec![(
                    "a",
                    group(&[
                        member("Patient/1"),
                        member("https://h/fhir/Patient/2"),
                        member("Patient/3/_history/7"),
                        member("Practitioner/4"),
                        device,
                        left.clone(),
                    ]),
                )],
                ids(&["1", "2", "3"]),
            ),
            (
                "groups within groups, in a circle",
                vec![
                    ("a", group(&[member("Patient/1"), member("Group/b")])),
                    ("b", group(&[member("Group/a"), member("https://h/Group/c")])),
                    ("c", group(&[member("Patient/2")])),
                ],
                ids(&["1", "2"]),
            ),
            ("all have left", vec![("a", group(&[left]))], ids(&[])),
            ("empty by its own word", vec![("a", json!({"quantity": 0}))], ids(&[])),
            ("nobody is listed", vec![("a", json!({}))], unlisted("a")),
            ("an empty list says nothing", vec![("a", group(&[]))], unlisted("a")),
            ("only counted", vec![("a", json!({"quantity": 5}))], unlisted("a")),
            (
                "described by a trait, within another",
                vec![
                    ("a", group(&[member("Group/b")])),
                    ("b", json!({"characteristic": [{}]})),
                ],
                unlisted("b"),
            ),
            ("no reference", vec![("a", group(&[unnamed, typed]))], refused(2)),
            ("no type", vec![("a", group(&[member("7")]))], refused(1)),
            ("contained", vec![("a", group(&[member("#p")]))], refused(1)),
            ("a bad id", vec![("a", group(&[member("Patient/a b")]))], refused(1)),
            (
                "one among good ones",
                vec![("a", group(&[member("Patient/1"), member("urn:uuid:1")]))],
                refused(1),
            ),
            (
                "a group that is not there",
                vec![("a", group(&[member("Group/b")]))],
                Err("no Group/b".to_owned()),
            ),
        ];
        for (name, groups, expected) in cases {
            assert_eq!(found(&groups), expected, "case: {name}");
        }
    }

    /// Items: 11.
    #[test]
    fn more_groups_than_are_followed_are_an_error_and_no_patient_less() {
        let many = |count: usize| {
            let nested: Vec<Value> =
                (1..count).map(|at| member(&format!("Group/g{at}"))).collect();
            let mut groups = vec![("a".to_owned(), group(&nested))];
            groups.extend((1..count).map(|at| {
                (format!("g{at}"), group(&[member(&format!("Patient/{at}"))]))
            }));
            let groups: Vec<(&str, Value)> =
                groups.iter().map(|(id, group)| (id.as_str(), group.clone())).collect();
            found(&groups)
        };
        assert_eq!(many(GROUPS).unwrap().len(), GROUPS - 1);
        assert!(many(GROUPS + 1).unwrap_err().contains("more than 1000 groups"));
    }

    /// Items: 11.
    #[test]
    fn an_identifier_names_one_group_over_all_pages_or_none() {
        let page = |ids: &[&str]| {
            let entries: Vec<Value> = ids
                .iter()
                .map(|id| json!({"resource": {"resourceType": "Group", "id": id}}))
                .collect();
            json!({"resourceType": "Bundle", "entry": entries})
        };
        let outcome = json!({"entry": [{"resource": {"resourceType": "OperationOutcome", "id": "o"}}]});
        // name, pages, the id
        let cases = [
            ("one", vec![page(&["7"])], Ok("7")),
            ("on the second page", vec![page(&[]), page(&["7"])], Ok("7")),
            ("twice the same", vec![page(&["7"]), page(&["7"])], Ok("7")),
            ("two", vec![page(&["7", "8"])], Err("several groups")),
            ("two on two pages", vec![page(&["7"]), page(&["8"])], Err("several groups")),
            ("none", vec![page(&[])], Err("no group")),
            ("an outcome is none", vec![outcome], Err("no group")),
        ];
        for (name, pages, expected) in cases {
            let pages = stream::iter(pages.into_iter().map(Ok));
            match (block_on(only(pages, "s|v")), expected) {
                (Ok(id), Ok(expected)) => assert_eq!(id, expected, "case: {name}"),
                (Err(error), Err(expected)) => {
                    let error = error.to_string();
                    assert!(error.starts_with(expected), "case: {name}: {error}");
                }
                (found, _) => panic!("case: {name}: {found:?}"),
            }
        }
        let failed = stream::iter([Err(anyhow::anyhow!("gone"))]);
        assert!(block_on(only(failed, "v")).is_err());
    }
}
