//! Floors are law: which crate may name which, and who alone may name a heavy dependency.
//!
//! Owns the check, not the law: that is the block ```` ```floors ```` in
//! `docs/architecture.md`, so that the text for readers and the rule for machines are one.
//! `deny.toml` repeats the fences for cargo-deny; that both agree is checked here too.

mod fence;
mod law;
mod manifest;

use anyhow::{Result, bail};

use crate::{
    plan::Outcome,
    workspace::{Kind, Member, Metadata, Workspace},
};
use law::Law;

/// What the step does.
pub(crate) const ABOUT: &str = "crates name only what docs/architecture.md lets them";

/// Holds every manifest against the law.
///
/// # Errors
///
/// One that names every breach.
pub(crate) fn check(workspace: &Workspace) -> Result<Outcome> {
    let law = Law::read(&workspace.text("docs/architecture.md")?)?;
    let metadata = workspace.metadata()?;
    let mut breaches = arrows(&law, &metadata);
    breaches.extend(fence::breaches(&law, &metadata));
    breaches.extend(fence::differences(&law, &metadata, &workspace.toml("deny.toml")?));
    for member in &metadata.members {
        let path = format!("{}/Cargo.toml", member.folder);
        breaches.extend(manifest::breaches(member, &workspace.toml(&path)?));
    }
    if !breaches.is_empty() {
        bail!("{} breaches of the floors:\n  {}", breaches.len(), breaches.join("\n  "));
    }
    Ok(Outcome::Done(format!("{} crates", metadata.members.len())))
}

/// Every arrow between our crates that the law does not draw, and every line of the law
/// that speaks of no crate.
fn arrows(law: &Law, metadata: &Metadata) -> Vec<String> {
    let mut breaches = Vec::new();
    for member in &metadata.members {
        let from = floor(member);
        if !law.knows(from) {
            breaches.push(format!(
                "`{from}` ({}) has no line in the floors block",
                member.folder
            ));
            continue;
        }
        for dependency in &member.dependencies {
            let Some(used) = metadata.member(&dependency.name) else { continue };
            let to = floor(used);
            let allowed = match dependency.kind {
                Kind::Build | Kind::Normal => law.allows(from, to),
                Kind::Dev => law.allows(from, to) || may_test_with(law, member, used),
            };
            if !allowed {
                let how =
                    if dependency.kind == Kind::Dev { "tests with" } else { "names" };
                breaches.push(format!("`{from}` {how} `{to}`, and no arrow allows it"));
            }
        }
    }
    for name in
        law.floors().filter(|name| !metadata.members.iter().any(|m| floor(m) == *name))
    {
        breaches.push(format!("the floors block speaks of `{name}`, which is no crate"));
    }
    breaches
}

/// Tests may look sideways and down, not up, and not over the wall of the sandbox.
fn may_test_with(law: &Law, from: &Member, to: &Member) -> bool {
    is_guest(from) == is_guest(to) && !law.reaches(floor(to), floor(from))
}

fn is_guest(member: &Member) -> bool {
    member.folder == "plugin-sdk" || matches!(floor(member), "plugins" | "guests")
}

/// The name by which the law knows a crate: its folder, without the folder that all share.
fn floor(member: &Member) -> &str {
    let folder = member.folder.as_str();
    if folder.starts_with("tests/guests/") {
        return "guests";
    }
    match folder.split_once('/') {
        // What tests of the host's crates are made with must not see the host.
        Some(("host", name) | ("tests", name @ ("guest-builder" | "servers"))) => name,
        Some((shared, _)) => shared,
        None => folder,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    const TEXT: &str = "```floors\nmodel -> nothing\nnet -> model\nbulk -> net, model\n\
        host -> bulk, net, model\nplugin-sdk -> nothing\nplugins -> plugin-sdk\n\
        tests -> anything\n```";

    #[test]
    fn knows_a_crate_by_its_folder() {
        let cases = [
            ("host", "host"),
            ("host/sample-server", "sample-server"),
            ("plugins/files-sink", "plugins"),
            ("plugin-sdk", "plugin-sdk"),
            ("tests", "tests"),
            ("tests/guest-builder", "guest-builder"),
            ("tests/servers", "servers"),
            ("tests/guests/greedy", "guests"),
        ];
        for (folder, expected) in cases {
            assert_eq!(floor(&member(folder, &[])), expected, "case: {folder}");
        }
    }

    #[test]
    fn refuses_arrows_that_the_law_does_not_draw() {
        use Kind::{Build, Dev, Normal};
        let cases: &[(&str, &str, &str, Kind, &[&str])] = &[
            ("drawn", "host/net", "host/model", Normal, &[]),
            (
                "not drawn",
                "host/model",
                "host/net",
                Normal,
                &["`model` names `net`, and no arrow allows it"],
            ),
            (
                "build script",
                "host/net",
                "host/bulk",
                Build,
                &["`net` names `bulk`, and no arrow allows it"],
            ),
            ("test down", "host/bulk", "host/model", Dev, &[]),
            (
                "test up",
                "host/net",
                "host/bulk",
                Dev,
                &["`net` tests with `bulk`, and no arrow allows it"],
            ),
            ("anything", "tests", "plugins/a", Normal, &[]),
            ("guest's SDK", "plugins/a", "plugin-sdk", Normal, &[]),
            (
                "guest in host",
                "plugins/a",
                "host/model",
                Dev,
                &["`plugins` tests with `model`, and no arrow allows it"],
            ),
            (
                "host in guest",
                "host/net",
                "plugin-sdk",
                Dev,
                &["`net` tests with `plugin-sdk`, and no arrow allows it"],
            ),
        ];
        for (name, from, to, kind, expected) in cases {
            let breaches = arrows(&Law::read(TEXT).unwrap(), &house(from, to, *kind));
            assert_eq!(&breaches, expected, "case: {name}");
        }
    }

    #[test]
    fn finds_crates_without_a_line_and_lines_without_a_crate() {
        let law = Law::read("```floors\nmodel -> nothing\ncellar -> model\n```").unwrap();
        let metadata =
            metadata(vec![member("host/model", &[]), member("host/attic", &[])]);
        let expected = [
            "`attic` (host/attic) has no line in the floors block",
            "the floors block speaks of `cellar`, which is no crate",
        ];
        assert_eq!(arrows(&law, &metadata), expected);
    }

    /// A house with every crate of `TEXT`, and one arrow.
    fn house(from: &str, to: &str, kind: Kind) -> Metadata {
        let folders = [
            "host",
            "host/bulk",
            "host/model",
            "host/net",
            "plugin-sdk",
            "plugins/a",
            "tests",
        ];
        let with_arrow = |folder: &&str| {
            if *folder == from {
                member(folder, &[(to, kind)])
            } else {
                member(folder, &[])
            }
        };
        metadata(folders.iter().map(with_arrow).collect())
    }

    fn metadata(members: Vec<Member>) -> Metadata {
        Metadata { members, packages: [].into(), target_directory: "target".into() }
    }

    fn member(folder: &str, dependencies: &[(&str, Kind)]) -> Member {
        Member {
            id: folder.to_owned(),
            name: folder.to_owned(),
            folder: folder.to_owned(),
            dependencies: dependencies
                .iter()
                .map(|(name, kind)| Dependency { name: (*name).to_owned(), kind: *kind })
                .collect(),
            is_guest: false,
        }
    }
}
