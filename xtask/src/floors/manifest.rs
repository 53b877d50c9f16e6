//! What every member inherits from the workspace, and who may write lints of its own.

use toml::{Table, Value};

use super::floor;
use crate::workspace::Member;

/// Fields of `[package]` that have one value for all.
const INHERITED: &[&str] = &["edition", "license", "rust-version", "version"];

/// Crates with their own lints: a lint that the workspace forbids cannot be allowed at one
/// place, and generated bindings and compiled plugins each need `unsafe` at one place.
const OWN_LINTS: &[&str] = &["guests", "plugin-sdk", "plugins", "sandbox"];

/// What `manifest` does not inherit as it should.
pub(super) fn breaches(member: &Member, manifest: &Table) -> Vec<String> {
    let package = manifest.get("package");
    let mut breaches: Vec<String> = INHERITED
        .iter()
        .filter(|field| !is_inherited(package.and_then(|package| package.get(field))))
        .map(|field| format!("{} does not inherit `package.{field}`", member.folder))
        .collect();
    let lints = manifest.get("lints");
    if is_inherited(lints) {
        return breaches;
    }
    if !OWN_LINTS.contains(&floor(member)) {
        breaches.push(format!("{} does not inherit `lints`", member.folder));
    } else if !keeps_unsafe_out(lints) {
        breaches.push(format!("{} must deny `lints.rust.unsafe_code`", member.folder));
    }
    breaches
}

fn is_inherited(field: Option<&Value>) -> bool {
    field.and_then(|field| field.get("workspace")?.as_bool()) == Some(true)
}

fn keeps_unsafe_out(lints: Option<&Value>) -> bool {
    let level = lints.and_then(|lints| {
        let lint = lints.get("rust")?.get("unsafe_code")?;
        lint.as_str().or_else(|| lint.get("level")?.as_str())
    });
    matches!(level, Some("deny" | "forbid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKAGE: &str = "package.version.workspace = true\npackage.edition.workspace = true\n\
        package.rust-version.workspace = true\npackage.license.workspace = true\n";

    #[test]
    fn finds_what_is_not_inherited() {
        let cases: &[(&str, &str, String, &[&str])] = &[
            ("all", "host/net", format!("{PACKAGE}lints.workspace = true"), &[]),
            (
                "own version and no licence",
                "host/net",
                "package.version = '2.0.0'\npackage.edition.workspace = true\n\
                 package.rust-version.workspace = true\nlints.workspace = true"
                    .to_owned(),
                &[
                    "host/net does not inherit `package.license`",
                    "host/net does not inherit `package.version`",
                ],
            ),
            (
                "no lints",
                "host/net",
                PACKAGE.to_owned(),
                &["host/net does not inherit `lints`"],
            ),
            (
                "own lints where it may",
                "plugins/a",
                format!("{PACKAGE}lints.rust.unsafe_code = 'deny'"),
                &[],
            ),
            (
                "own lints that let unsafe in",
                "plugins/a",
                format!("{PACKAGE}lints.rust.unsafe_code = 'warn'"),
                &["plugins/a must deny `lints.rust.unsafe_code`"],
            ),
        ];
        for (name, folder, manifest, expected) in cases {
            let found = breaches(&member(folder), &manifest.parse().unwrap());
            assert_eq!(&found, expected, "case: {name}");
        }
    }

    fn member(folder: &str) -> Member {
        Member {
            id: folder.to_owned(),
            name: folder.to_owned(),
            folder: folder.to_owned(),
            dependencies: Vec::new(),
            is_guest: false,
        }
    }
}
