//! Fenced dependencies: who names them, and who gets them through somebody else.

use std::collections::BTreeSet;

use super::{Law, floor, law::Fence};
use crate::workspace::{Kind, Member, Metadata};

/// Every crate of ours that names a fenced dependency from outside, or is built with it
/// although none of the crates that it names is inside.
pub(super) fn breaches(law: &Law, metadata: &Metadata) -> Vec<String> {
    let mut breaches = Vec::new();
    for (dependency, fence) in law.fences() {
        let inside: BTreeSet<&str> = metadata
            .members
            .iter()
            .filter(|member| fence.inside.contains(floor(member)))
            .map(|member| member.id.as_str())
            .collect();
        for member in &metadata.members {
            if inside.contains(member.id.as_str()) {
                continue;
            }
            if names_from_outside(member, dependency, fence) {
                breaches.push(format!("`{}` names `{dependency}`", floor(member)));
            } else if is_built_with(metadata, &member.id, dependency, &inside) {
                breaches.push(format!(
                    "`{}` gets `{dependency}` through a package that is not ours",
                    floor(member)
                ));
            }
        }
    }
    breaches
}

/// Where `deny.toml` says something else than the law: cargo-deny knows a fence as an entry
/// of `bans.deny` with `wrappers`.
pub(super) fn differences(
    law: &Law,
    metadata: &Metadata,
    rules: &toml::Table,
) -> Vec<String> {
    let bans = rules.get("bans").and_then(|bans| bans.get("deny")?.as_array());
    let ban = |dependency: &str| {
        let is_it = |ban: &&toml::Value| {
            ban.get("crate").and_then(toml::Value::as_str) == Some(dependency)
        };
        bans?.iter().find(is_it)?.get("wrappers")?.as_array()
    };
    let mut differences = Vec::new();
    for (dependency, fence) in law.fences() {
        let Some(wrappers) = ban(dependency) else {
            differences
                .push(format!("deny.toml has no ban with wrappers for `{dependency}`"));
            continue;
        };
        let wrappers: BTreeSet<&str> =
            wrappers.iter().filter_map(toml::Value::as_str).collect();
        for member in &metadata.members {
            let listed = wrappers.contains(member.name.as_str());
            let wanted = member.dependencies.iter().any(|used| used.name == dependency)
                && !names_from_outside(member, dependency, fence);
            if listed && !wanted {
                differences.push(format!(
                    "deny.toml lets `{}` name `{dependency}`, and it may not or does not",
                    member.name
                ));
            } else if wanted && !listed {
                differences.push(format!(
                    "deny.toml does not let `{}` name `{dependency}`",
                    member.name
                ));
            }
        }
    }
    differences
}

fn names_from_outside(member: &Member, dependency: &str, fence: &Fence) -> bool {
    !fence.inside.contains(floor(member))
        && member
            .dependencies
            .iter()
            .filter(|used| used.name == dependency)
            .any(|used| used.kind != Kind::Dev || !fence.open_to_tests)
}

/// Whether building `from` builds `dependency`, on a way that avoids the crates `inside`.
fn is_built_with(
    metadata: &Metadata,
    from: &str,
    dependency: &str,
    inside: &BTreeSet<&str>,
) -> bool {
    let mut seen = BTreeSet::new();
    let mut ahead = vec![from];
    while let Some(id) = ahead.pop() {
        if inside.contains(id) || !seen.insert(id) {
            continue;
        }
        let Some(package) = metadata.packages.get(id) else { continue };
        if package.name == dependency {
            return true;
        }
        ahead.extend(package.needs.iter().map(String::as_str));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::{Dependency, Package};

    const LAW: &str = "```floors\nnet -> nothing\nbulk -> net\nhost -> bulk\n\
        reqwest only net\naxum only host, dev\n```";

    #[test]
    fn finds_who_climbs_a_fence() {
        let cases: &[(&str, &[Arrow], &[&str])] = &[
            ("inside", &[("net", "reqwest", Kind::Normal)], &[]),
            (
                "by name",
                &[("bulk", "reqwest", Kind::Normal)],
                &["`bulk` names `reqwest`"],
            ),
            (
                "by name, in tests",
                &[("bulk", "reqwest", Kind::Dev)],
                &["`bulk` names `reqwest`"],
            ),
            ("open to tests", &[("bulk", "axum", Kind::Dev)], &[]),
            (
                "through a stranger",
                &[
                    ("bulk", "stranger", Kind::Normal),
                    ("stranger", "reqwest", Kind::Normal),
                ],
                &["`bulk` gets `reqwest` through a package that is not ours"],
            ),
            (
                "through the owner",
                &[("bulk", "net", Kind::Normal), ("net", "reqwest", Kind::Normal)],
                &[],
            ),
        ];
        for (name, arrows, expected) in cases {
            let found = breaches(&Law::read(LAW).unwrap(), &metadata(arrows));
            assert_eq!(&found, expected, "case: {name}");
        }
    }

    #[test]
    fn compares_the_law_with_cargo_deny() {
        let both = "bans.deny = [{ crate = 'reqwest', wrappers = ['net'] }, \
            { crate = 'axum', wrappers = ['bulk', 'somebody'] }]";
        let cases: &[(&str, &str, &[&str])] = &[
            ("agree", both, &[]),
            (
                "no entry",
                "bans.deny = [{ crate = 'axum', wrappers = ['bulk'] }]",
                &["deny.toml has no ban with wrappers for `reqwest`"],
            ),
            (
                "too wide and too narrow",
                "bans.deny = [{ crate = 'reqwest', wrappers = ['bulk'] }, \
                 { crate = 'axum', wrappers = ['bulk'] }]",
                &[
                    "deny.toml does not let `net` name `reqwest`",
                    "deny.toml lets `bulk` name `reqwest`, and it may not or does not",
                ],
            ),
        ];
        let metadata =
            metadata(&[("net", "reqwest", Kind::Normal), ("bulk", "axum", Kind::Dev)]);
        for (name, rules, expected) in cases {
            let found =
                differences(&Law::read(LAW).unwrap(), &metadata, &rules.parse().unwrap());
            let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
            let expected: BTreeSet<&str> = expected.iter().copied().collect();
            assert_eq!(found, expected, "case: {name}");
        }
    }

    /// From, to, and where it is used.
    type Arrow = (&'static str, &'static str, Kind);

    /// Our crates `net` and `bulk`, strangers as needed, and the given arrows.
    fn metadata(arrows: &[Arrow]) -> Metadata {
        let member = |name: &str| Member {
            id: name.to_owned(),
            name: name.to_owned(),
            folder: format!("host/{name}"),
            dependencies: arrows
                .iter()
                .filter(|(from, ..)| *from == name)
                .map(|(_, to, kind)| Dependency { name: (*to).to_owned(), kind: *kind })
                .collect(),
            is_guest: false,
        };
        let package = |name: &str| {
            let needs = arrows
                .iter()
                .filter(|(from, _, kind)| *from == name && *kind != Kind::Dev);
            let package = Package {
                name: name.to_owned(),
                version: "1.0.0".to_owned(),
                licence: None,
                source: None,
                needs: needs.map(|(_, to, _)| (*to).to_owned()).collect(),
            };
            (name.to_owned(), package)
        };
        Metadata {
            members: ["net", "bulk"].map(member).into(),
            packages: ["net", "bulk", "stranger", "reqwest", "axum"].map(package).into(),
            target_directory: "target".into(),
        }
    }
}
