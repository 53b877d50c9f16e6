//! Plays what a scenario orders to happen to the data.

use bulkhead_model::Instant;
use serde_json::{Value, json};

use crate::{
    edits,
    error::Error,
    peek::body,
    scenario::{Member, Target, What, When},
    state::State,
    store::{State as Known, Store},
};

/// Plays all that is due at a moment.
pub(crate) fn play(state: &State, when: When) {
    let due: Vec<What> = {
        let mut changes = state.changes();
        let due = changes.iter().filter(|change| change.when == when);
        let due = due.map(|change| change.what.clone()).collect();
        changes.retain(|change| change.when != when);
        due
    };
    state.store().reveal(when);
    for what in due {
        if let Err(error) = now(state, &what) {
            tracing::warn!(%error, "a change of the scenario cannot be played");
        }
    }
}

/// Plays one change at once.
pub(crate) fn now(state: &State, what: &What) -> Result<(), Error> {
    let now = state.clock.now();
    let mut store = state.store();
    match what {
        What::AddMember(member) => join(&mut store, member, now),
        What::Delete(target) => {
            let id = find(&store, target)?;
            store.delete(&target.resource_type, &id, now).map(|_| ()).ok_or(MISSING)
        }
        What::DeleteSilently(target) => {
            let id = find(&store, target)?;
            store.hide(&target.resource_type, &id, None)
        }
        What::Hide { target, until } => {
            let id = find(&store, target)?;
            store.hide(&target.resource_type, &id, Some(*until))
        }
        What::LateCommit { text, until } => {
            store.put(text, now)?;
            let read: Value = serde_json::from_str(text).unwrap_or_default();
            let word = |name: &str| read.get(name).and_then(Value::as_str).unwrap_or("");
            store.hide(word("resourceType"), word("id"), Some(*until))
        }
        What::NestGroup { group, into } => {
            let entity = json!({"entity": {"reference": format!("Group/{group}")}});
            regroup(&mut store, into, now, |members| members.push(entity))
        }
        What::Put(text) => store.put(text, now).map(|_| ()),
        What::PutAt { shift, text } => store.put_at(text, shift.of(now)),
        What::RemoveMember(member) => leave(&mut store, member, now),
        What::Restore(shift) => store.restore(shift.of(now)),
        What::SilentEdit { target, set } => {
            let id = find(&store, target)?;
            store.edit(&target.resource_type, &id, |value| {
                for (pointer, new) in set {
                    edits::set(value, pointer, new);
                }
            })
        }
    }
}

fn find(store: &Store, target: &Target) -> Result<String, Error> {
    if let Some(id) = &target.id {
        return Ok(id.clone());
    }
    let ids = ids(store, &target.resource_type);
    nth(ids.into_iter(), target.pick).ok_or(MISSING)
}

fn ids(store: &Store, resource_type: &str) -> Vec<String> {
    let tables = &store.snapshot().tables;
    let table = resource_type.parse().ok().and_then(|name| tables.get(&name));
    let lines = table.into_iter().flat_map(crate::store::Table::lines);
    lines.map(|line| line.id.to_owned()).collect()
}

fn nth(mut ids: impl Iterator<Item = String>, pick: u32) -> Option<String> {
    ids.nth(usize::try_from(pick.checked_sub(1)?).ok()?)
}

fn join(store: &mut Store, member: &Member, now: Instant) -> Result<(), Error> {
    let present = members(store, &member.group);
    let id = if let Some(id) = &member.patient {
        id.clone()
    } else {
        let all = ids(store, "Patient").into_iter();
        let others = all.filter(|id| !present.contains(&format!("Patient/{id}")));
        nth(others, member.pick).ok_or(MISSING)?
    };
    let entity = json!({"entity": {"reference": format!("Patient/{id}")}});
    regroup(store, &member.group, now, |members| members.push(entity))
}

fn leave(store: &mut Store, member: &Member, now: Instant) -> Result<(), Error> {
    let present = members(store, &member.group);
    let reference = match &member.patient {
        Some(id) => format!("Patient/{id}"),
        None => nth(present.into_iter(), member.pick).ok_or(MISSING)?,
    };
    regroup(store, &member.group, now, |members| {
        members.retain(|one| reference_of(one) != Some(&reference));
    })
}

/// The references of the members of a group.
fn members(store: &Store, group: &str) -> Vec<String> {
    let Some(Known::Live(line)) = store.snapshot().find("Group", group) else {
        return Vec::new();
    };
    let bytes = line.read().unwrap_or_default();
    let group: Value = serde_json::from_slice(body(&bytes)).unwrap_or_default();
    let members = group.get("member").and_then(Value::as_array).into_iter().flatten();
    members.filter_map(|one| reference_of(one).cloned()).collect()
}

fn reference_of(member: &Value) -> Option<&String> {
    match member.pointer("/entity/reference")? {
        Value::String(reference) => Some(reference),
        Value::Array(_)
        | Value::Bool(_)
        | Value::Null
        | Value::Number(_)
        | Value::Object(_) => None,
    }
}

/// Changes the members of a group, with a new version and stamp.
fn regroup(
    store: &mut Store,
    group: &str,
    now: Instant,
    change: impl FnOnce(&mut Vec<Value>),
) -> Result<(), Error> {
    let mut value = {
        let Some(Known::Live(line)) = store.snapshot().find("Group", group) else {
            return Err(MISSING);
        };
        let bytes = line.read().map_err(|_| MISSING)?;
        serde_json::from_slice::<Value>(body(&bytes)).map_err(|_| MISSING)?
    };
    let object = value.as_object_mut().ok_or(MISSING)?;
    let members = object.entry("member").or_insert_with(|| json!([]));
    change(members.as_array_mut().ok_or(MISSING)?);
    store.put(&value.to_string(), now).map(|_| ())
}

const MISSING: Error = Error::Put { reason: "there is no such resource" };
