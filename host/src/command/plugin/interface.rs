//! What each interface of the contract lets a plugin do, and what its absence proves.
//!
//! Source: `wit/types.wit` and `wit/capabilities.wit`.

#[cfg(test)]
use bulkhead_sandbox::Grants;
use bulkhead_sandbox::{Package, VirtualWasi};

use super::wasi;

/// One interface in plain words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interface {
    /// Its name in the contract.
    pub(super) name: &'static str,
    /// What a plugin that imports it can do, once it is granted.
    pub(super) can: &'static str,
    /// What a plugin that does not import it cannot do.
    pub(super) without: &'static str,
    /// The grant that opens it, as written in `bulkhead.toml`; `None` where there is none.
    pub(super) grant: Option<&'static str>,
}

/// Every interface that takes a grant, alphabetical.
pub(super) const INTERFACES: [Interface; 11] = [
    Interface {
        name: "artifacts",
        can: "can write files to the stores that you grant, by name, and to nowhere else",
        without: "write a file or an object",
        grant: Some("stores = [\"…\"]"),
    },
    Interface {
        name: "bodies",
        can: "can read whole resources, with everything that is in them",
        without: "receive a resource: whole bodies never enter it",
        grant: Some("bodies = true"),
    },
    Interface {
        name: "clock",
        can: "can tell the time, rounded by the host",
        without: "tell the time",
        grant: Some("clock = true"),
    },
    Interface {
        name: "cohorts",
        can: "can ask how many of a record's patients are in the cohorts that you grant; \
              identifiers stay with the host",
        without: "ask who is in a cohort",
        grant: Some("cohorts = [\"…\"]"),
    },
    Interface {
        name: "keyed-hash",
        can: "can have values hashed under the keys that you grant; the keys stay with the \
              host",
        without: "use one of your keys",
        grant: Some("keys = [\"…\"]"),
    },
    Interface {
        name: "outbound-http",
        can: "can send HTTP requests to the destinations that you grant, by name, as far as you \
              allow methods, paths and headers there; addresses and credentials stay with the \
              host",
        without: "reach the network",
        grant: Some("destinations = [\"…\"]"),
    },
    Interface {
        name: "projection",
        can: "can read the fields listed below, and no others",
        without: "pick out single fields of a resource",
        grant: Some("fields = [\"…\"]"),
    },
    Interface {
        name: "random",
        can: "can draw randomness",
        without: "draw randomness",
        grant: Some("random = true"),
    },
    Interface {
        name: "state",
        can: "can keep small values of its own from one run to the next",
        without: "remember anything from one run to the next",
        grant: Some("state = true"),
    },
    Interface {
        name: "telemetry",
        can: "can report the event codes and metrics listed below; the host shows no free text",
        without: "write to your logs or metrics",
        grant: Some("telemetry = true"),
    },
    Interface {
        name: "wasi",
        can: VirtualWasi::SUMMARY,
        without: "call WASI",
        grant: Some("wasi = true"),
    },
];

/// What comes with every batch, granted or not.
pub(super) const ALWAYS: &str = "knows of each record its type, size, place in the file, time of change, and whether it \
     is a deletion; nothing of what is in it";

/// What no plugin can do, because the contract has no words for it.
pub(super) const NEVER: [&str; 4] = [
    "open a file, folder or socket of this machine",
    "read variables of the environment or arguments",
    "start a process or a thread",
    "see another plugin's memory or settings",
];

/// The interface called `name`.
pub(super) fn find(name: &str) -> Option<&'static Interface> {
    INTERFACES.iter().find(|interface| interface.name == name)
}

/// What a plugin that is granted `name` can do.
pub(in crate::command) fn can(name: &str) -> Option<&'static str> {
    find(name).map(|interface| interface.can)
}

/// What `package` provably cannot do. Means something only while nothing is imported from
/// elsewhere than the contract and virtual WASI.
pub(super) fn impossible(package: &Package) -> Vec<&'static str> {
    let wasi = package.foreign_imports().filter_map(|import| wasi::find(import)?.like);
    let imported: Vec<&str> = package.interfaces().chain(wasi).collect();
    let absent =
        INTERFACES.iter().filter(|interface| !imported.contains(&interface.name));
    absent.map(|interface| interface.without).chain(NEVER).collect()
}

/// Whether this version of bulkhead can grant `name` at all.
#[cfg(test)]
fn is_provided(name: &str) -> bool {
    let one = || vec![String::new()];
    let everything = Grants {
        bodies: true,
        clock: true,
        cohorts: one(),
        destinations: one(),
        fields: one(),
        keys: one(),
        random: true,
        state: true,
        stores: one(),
        telemetry: bulkhead_sandbox::Telemetry::On,
        wasi: true,
    };
    everything.grants(name)
}

#[cfg(test)]
mod tests {
    use bulkhead_sandbox::Role;

    use super::*;

    #[test]
    fn explains_every_interface_that_a_role_may_have() {
        for role in [Role::Filter, Role::Sink, Role::Transform] {
            for name in role.interfaces() {
                assert!(find(name).is_some(), "case: {} {name}", role.as_str());
            }
        }
    }

    #[test]
    fn a_grant_is_told_exactly_for_what_can_be_granted() {
        for interface in INTERFACES {
            assert_eq!(
                interface.grant.is_some(),
                is_provided(interface.name),
                "case: {}",
                interface.name
            );
        }
        assert!(INTERFACES.is_sorted_by_key(|interface| interface.name));
    }
}
