//! The table: every capability that a plugin asked for or was granted, and what it has made of
//! it. Rows follow the interfaces of the grants, one a name where names are granted.

use std::collections::BTreeSet;

use bulkhead_ledger::PastUse;
use bulkhead_model::Instant;
use bulkhead_sandbox::{Grants, Manifest, Package};
use serde::Serialize;

use crate::command::{plain, plugin::can};

/// One capability of one plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Row {
    pub(super) interface: String,
    /// Which store, cohort, key or field; empty where there is no name.
    pub(super) name: String,
    /// What it lets a plugin do.
    pub(super) can: String,
    /// Why the plugin asks for it, in its own words; `None` when it does not ask.
    pub(super) why: Option<String>,
    pub(super) is_granted: bool,
    pub(super) used: Used,
}

/// What a plugin has made of a capability.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Used {
    /// Exports in which it was called.
    pub(super) runs: u64,
    pub(super) calls: u64,
    pub(super) bytes: u64,
    pub(super) latest: Option<Instant>,
}

/// The names that are granted of an interface; `None` where it takes no names.
pub(super) fn names<'a>(grants: &'a Grants, interface: &str) -> Option<&'a [String]> {
    match interface {
        "artifacts" => Some(&grants.stores),
        "cohorts" => Some(&grants.cohorts),
        "keyed-hash" => Some(&grants.keys),
        "outbound-http" => Some(&grants.destinations),
        "projection" => Some(&grants.fields),
        _ => None,
    }
}

/// The rows of one plugin. `past` is what this very file called under its stages.
pub(super) fn rows(
    package: &Package,
    manifest: Option<&Manifest>,
    grants: &Grants,
    past: &[PastUse],
) -> Vec<Row> {
    let asked = manifest.map(|manifest| &manifest.capabilities[..]).unwrap_or_default();
    let mut interfaces: BTreeSet<&str> = package.interfaces().collect();
    interfaces.extend(asked.iter().map(|asked| asked.interface.as_str()));
    for granted in grants.interfaces() {
        interfaces.insert(granted);
    }
    let mut rows = Vec::new();
    for interface in interfaces {
        let why = asked.iter().find(|asked| asked.interface == interface);
        let why = why.map(|asked| plain(&asked.why));
        let row = |name: &str, is_granted: bool| Row {
            interface: plain(interface),
            name: plain(name),
            can: can(interface).unwrap_or("is not known to this version").to_owned(),
            why: why.clone(),
            is_granted,
            used: used(past, interface, name),
        };
        let is_granted = grants.grants(interface);
        match names(grants, interface) {
            Some(granted) if is_granted => {
                rows.extend(granted.iter().map(|name| row(name, true)));
            }
            _ => rows.push(row("", is_granted)),
        }
        // A field is asked for by its name.
        if interface == "projection" {
            let fields =
                manifest.map(|manifest| &manifest.fields[..]).unwrap_or_default();
            let missing = fields.iter().filter(|field| !grants.fields.contains(field));
            rows.extend(missing.map(|field| row(field, false)));
        }
    }
    rows
}

fn used(past: &[PastUse], interface: &str, name: &str) -> Used {
    let mut sum = Used::default();
    let same = |past: &&PastUse| past.of.interface == interface && past.of.name == name;
    for past in past.iter().filter(same).filter(|past| past.of.calls > 0) {
        sum.runs = sum.runs.saturating_add(past.exports);
        sum.calls = sum.calls.saturating_add(past.of.calls);
        sum.bytes = sum.bytes.saturating_add(past.of.bytes);
        sum.latest = sum.latest.max(Some(past.latest));
    }
    sum
}
