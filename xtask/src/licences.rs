//! Licence and origin of every package of the resolved graph, on every platform.
//!
//! Owns no list: what is allowed stands in `deny.toml`, in the words of cargo-deny, so that
//! both tools obey one text.

mod expression;

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};

use crate::{
    plan::{self, Outcome},
    workspace::{Package, Workspace},
};
use expression::Expression;

/// What the step does.
pub(crate) const ABOUT: &str = "every dependency is allowed by deny.toml";

/// Checks all packages that are not ours.
///
/// # Errors
///
/// One that names every package whose licence or origin is not allowed.
pub(crate) fn check(workspace: &Workspace) -> Result<Outcome> {
    let allowed =
        Allowed::read(&workspace.toml("deny.toml")?).context("reading deny.toml")?;
    let metadata = workspace.metadata()?;
    let foreign: Vec<&Package> = metadata
        .packages
        .values()
        .filter(|package| metadata.member(&package.name).is_none())
        .collect();
    let faults: Vec<String> =
        foreign.iter().filter_map(|package| allowed.fault(package)).collect();
    if !faults.is_empty() {
        bail!("{} packages are not allowed:\n  {}", faults.len(), faults.join("\n  "));
    }
    for licence in allowed.idle(&foreign) {
        plan::say(format_args!(
            "      note: deny.toml allows `{licence}`, which nothing needs"
        ));
    }
    Ok(Outcome::Done(format!("{} packages", foreign.len())))
}

/// What `deny.toml` allows.
#[derive(Debug)]
struct Allowed {
    licences: BTreeSet<String>,
    registries: BTreeSet<String>,
}

impl Allowed {
    fn read(rules: &toml::Table) -> Result<Self> {
        Ok(Self {
            licences: words(rules, "licenses", "allow")?,
            registries: words(rules, "sources", "allow-registry")?,
        })
    }

    /// What is wrong with `package`, if anything is.
    fn fault(&self, package: &Package) -> Option<String> {
        let Package { name, version, licence, source, needs: _ } = package;
        let origin = source.as_deref().unwrap_or("a path outside the workspace");
        let registry = origin.strip_prefix("registry+").unwrap_or(origin);
        if !self.registries.contains(registry) {
            return Some(format!("{name} {version} comes from {origin}"));
        }
        let Some(licence) = licence else {
            return Some(format!("{name} {version} declares no licence"));
        };
        match licence.parse::<Expression>() {
            Ok(expression) if expression.holds(&|id| self.licences.contains(id)) => None,
            Ok(_) => Some(format!("{name} {version} is under `{licence}`")),
            Err(error) => Some(format!("{name} {version}: {error} in `{licence}`")),
        }
    }

    /// The licences that no package needs: without them all would still be allowed.
    fn idle(&self, packages: &[&Package]) -> Vec<&str> {
        let expressions: Vec<Expression> = packages
            .iter()
            .filter_map(|package| package.licence.as_deref()?.parse().ok())
            .collect();
        let needed = |licence: &str| {
            let others = |id: &str| id != licence && self.licences.contains(id);
            expressions.iter().any(|expression| !expression.holds(&others))
        };
        self.licences
            .iter()
            .map(String::as_str)
            .filter(|licence| !needed(licence))
            .collect()
    }
}

fn words(rules: &toml::Table, table: &str, key: &str) -> Result<BTreeSet<String>> {
    let words = rules
        .get(table)
        .and_then(|table| table.get(key)?.as_array())
        .with_context(|| format!("finding the list `{table}.{key}`"))?;
    Ok(words.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

    #[test]
    fn judges_licence_and_origin() {
        let cases: &[(&str, Package, Option<&str>)] = &[
            ("allowed", package(Some("MIT OR GPL-3.0"), Some(REGISTRY)), None),
            (
                "not allowed",
                package(Some("MIT AND GPL-3.0"), Some(REGISTRY)),
                Some("x 1.0.0 is under `MIT AND GPL-3.0`"),
            ),
            ("none", package(None, Some(REGISTRY)), Some("x 1.0.0 declares no licence")),
            (
                "from git",
                package(Some("MIT"), Some("git+https://example.org/x")),
                Some("x 1.0.0 comes from git+https://example.org/x"),
            ),
            (
                "from a folder",
                package(Some("MIT"), None),
                Some("x 1.0.0 comes from a path outside the workspace"),
            ),
            (
                "no expression",
                package(Some("MIT OR"), Some(REGISTRY)),
                Some("x 1.0.0: a licence is missing in `MIT OR`"),
            ),
        ];
        for (name, package, expected) in cases {
            assert_eq!(allowed().fault(package).as_deref(), *expected, "case: {name}");
        }
    }

    #[test]
    fn finds_allowed_licences_that_nothing_needs() {
        let mit = package(Some("MIT OR Zlib"), Some(REGISTRY));
        let isc = package(Some("MIT AND ISC"), Some(REGISTRY));
        assert_eq!(allowed().idle(&[&mit, &isc]), ["Zlib"]);
    }

    fn allowed() -> Allowed {
        let rules = format!(
            "licenses.allow = ['ISC', 'MIT', 'Zlib']\nsources.allow-registry = ['{}']",
            REGISTRY.trim_start_matches("registry+")
        );
        Allowed::read(&rules.parse().unwrap()).unwrap()
    }

    fn package(licence: Option<&str>, source: Option<&str>) -> Package {
        Package {
            name: "x".to_owned(),
            version: "1.0.0".to_owned(),
            licence: licence.map(str::to_owned),
            source: source.map(str::to_owned),
            needs: Vec::new(),
        }
    }
}
