//! Whose resources an export holds.
//!
//! Source: Bulk Data IG, "Endpoint"; R4 Group (nested groups, inactive members).

use std::collections::BTreeSet;

use axum::http::StatusCode;
use bulkhead_model::{Instant, Level};
use serde_json::Value;

use crate::{
    outcome::Refusal,
    peek::body,
    store::{Snapshot, State, Table},
};

/// The patients of an export.
pub(super) enum Members {
    /// System level: resources about no patient too.
    Everything,
    /// Patient level: every patient there is, and for deletions every patient there was.
    All(Vec<bool>),
    /// The patients with these numbers.
    Some(Vec<bool>),
}

impl Members {
    /// The patients of a level, or only `chosen` ones of them.
    pub(super) fn of(
        snapshot: &Snapshot,
        level: &Level,
        chosen: Option<&[String]>,
    ) -> Result<Self, Refusal> {
        let members: Option<BTreeSet<String>> = match level {
            Level::System => return Ok(Self::Everything),
            Level::Patient => None,
            Level::Group(id) => Some(group(snapshot, id)?),
        };
        let Some(chosen) = chosen else {
            if let Some(ids) = members {
                return Ok(Self::Some(numbers(snapshot, ids.iter().map(String::as_str))));
            }
            let patients =
                "Patient".parse().ok().and_then(|name| snapshot.tables.get(&name));
            let ids = patients.into_iter().flat_map(Table::lines).map(|line| line.id);
            return Ok(Self::All(numbers(snapshot, ids)));
        };
        for id in chosen {
            let known = match (&members, snapshot.find("Patient", id)) {
                (Some(members), _) => members.contains(id),
                (None, Some(State::Live(_))) => true,
                (None, Some(State::Deleted(_)) | None) => false,
            };
            if !known {
                return Err(Refusal::invalid(
                    "`patient` names one who is not in this export",
                ));
            }
        }
        Ok(Self::Some(numbers(snapshot, chosen.iter().map(String::as_str))))
    }

    /// The patients who were not among `before`.
    pub(super) fn since(&self, before: Option<&Self>) -> Vec<bool> {
        let (Self::All(now) | Self::Some(now)) = self else { return Vec::new() };
        let then: &[bool] = match before {
            Some(Self::All(then) | Self::Some(then)) => then,
            Some(Self::Everything) | None => &[],
        };
        let is_new = |(at, is_in): (usize, &bool)| *is_in && then.get(at) != Some(&true);
        now.iter().enumerate().map(is_new).collect()
    }

    /// Whether a resource of these patients belongs in.
    pub(super) fn hold(&self, patients: &[u32]) -> bool {
        match self {
            Self::Everything => true,
            Self::All(chosen) | Self::Some(chosen) => any(chosen, patients),
        }
    }

    /// Whether a deleted resource of these patients belonged in.
    pub(super) fn held(&self, patients: &[u32]) -> bool {
        match self {
            Self::Everything => true,
            Self::All(_) => !patients.is_empty(),
            Self::Some(chosen) => any(chosen, patients),
        }
    }
}

/// Whether one of these patients is chosen.
pub(super) fn any(chosen: &[bool], patients: &[u32]) -> bool {
    patients.iter().any(|number| chosen.get(*number as usize) == Some(&true))
}

/// The patients whose Patient changed after an instant.
pub(super) fn changed_since(snapshot: &Snapshot, since: Instant) -> Vec<bool> {
    let patients = "Patient".parse().ok().and_then(|name| snapshot.tables.get(&name));
    let lines = patients.into_iter().flat_map(Table::lines);
    let changed = lines.filter(|line| line.updated > since).map(|line| line.id);
    numbers(snapshot, changed)
}

fn numbers<'a>(snapshot: &Snapshot, ids: impl Iterator<Item = &'a str>) -> Vec<bool> {
    let mut chosen = Vec::new();
    for number in ids.filter_map(|id| snapshot.patients.number(id)) {
        let at = number as usize;
        if chosen.len() <= at {
            chosen.resize(at + 1, false);
        }
        if let Some(place) = chosen.get_mut(at) {
            *place = true;
        }
    }
    chosen
}

/// The ids of the patients of a group and of the groups within it.
fn group(snapshot: &Snapshot, id: &str) -> Result<BTreeSet<String>, Refusal> {
    let mut patients = BTreeSet::new();
    let mut seen = BTreeSet::from([id.to_owned()]);
    let mut open = vec![id.to_owned()];
    while let Some(next) = open.pop() {
        let line = match snapshot.find("Group", &next) {
            Some(State::Live(line)) => line,
            // A group that points at a missing one still has its other members.
            Some(State::Deleted(_)) | None if next != id => continue,
            Some(State::Deleted(_)) | None => {
                return Err(Refusal::not_found("there is no such Group"));
            }
        };
        let bytes = line.read().map_err(|_| {
            Refusal::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "exception",
                "cannot read the Group",
            )
        })?;
        let group: Value = serde_json::from_slice(body(&bytes)).unwrap_or_default();
        for member in group.get("member").and_then(Value::as_array).into_iter().flatten()
        {
            if member.get("inactive").and_then(Value::as_bool) == Some(true) {
                continue;
            }
            let reference =
                member.get("entity").and_then(|entity| entity.get("reference"));
            let target = reference
                .and_then(Value::as_str)
                .and_then(|text| snapshot.references.parse(text));
            match target {
                Some((kind, id)) if kind == "Patient" => {
                    patients.insert(id);
                }
                Some((kind, id)) if kind == "Group" => {
                    if seen.insert(id.clone()) {
                        open.push(id);
                    }
                }
                Some(_) | None => {}
            }
        }
    }
    Ok(patients)
}
