//! The tree we stand in: its root, its Cargo, and what Cargo knows of its crates.
//!
//! Source: the Cargo Book, "cargo metadata", format version 1.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::shell;

/// The compile target of every plugin.
pub(crate) const GUEST_TARGET: &str = "wasm32-unknown-unknown";

/// The folder of the workspace.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The workspace that this program was built from.
    ///
    /// # Errors
    ///
    /// When that folder is no longer there.
    pub(crate) fn find() -> Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.parent().unwrap_or(here);
        let root =
            root.canonicalize().with_context(|| format!("opening {}", root.display()))?;
        Ok(Self { root })
    }

    /// The folder that holds the root `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A file of the workspace as text.
    ///
    /// # Errors
    ///
    /// When it cannot be read as UTF-8.
    pub(crate) fn text(&self, path: &str) -> Result<String> {
        std::fs::read_to_string(self.root.join(path))
            .with_context(|| format!("reading {path}"))
    }

    /// A file of the workspace as TOML.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is no TOML.
    pub(crate) fn toml(&self, path: &str) -> Result<toml::Table> {
        self.text(path)?.parse().with_context(|| format!("reading {path} as TOML"))
    }

    /// A call of the Cargo that runs us, in the root.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = self.command(&program);
        command.args(arguments);
        command
    }

    /// A call of any program, in the root.
    ///
    /// What Cargo sets for the crate it runs is taken out of the environment, so that build
    /// scripts see the same as when Cargo is called by hand, and nothing is built twice.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        for (name, _) in std::env::vars_os() {
            let shown = name.to_string_lossy();
            if shown.starts_with("CARGO_PKG_") || shown.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        command
    }

    /// Asks Cargo for the crates, their dependencies and the resolved graph.
    ///
    /// # Errors
    ///
    /// When Cargo refuses: a broken manifest, or a `Cargo.lock` that does not fit.
    pub(crate) fn metadata(&self) -> Result<Metadata> {
        let said =
            shell::read(&mut self.cargo(&["metadata", "--format-version=1", "--locked"]))
                .context(
                    "asking Cargo about the workspace (is `Cargo.lock` up to date?)",
                )?;
        let said: Value =
            serde_json::from_str(&said).context("reading `cargo metadata`")?;
        Metadata::read(&said).context("reading `cargo metadata`: a field is missing")
    }
}

/// What Cargo knows.
#[derive(Debug)]
pub(crate) struct Metadata {
    /// Our own crates.
    pub(crate) members: Vec<Member>,
    /// All packages of the resolved graph by id, ours included.
    pub(crate) packages: BTreeMap<String, Package>,
    /// Where Cargo builds to.
    pub(crate) target_directory: PathBuf,
}

/// One crate of the workspace.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its id in the resolved graph.
    pub(crate) id: String,
    /// Its package name.
    pub(crate) name: String,
    /// Its folder, relative to the root, with `/`.
    pub(crate) folder: String,
    /// Its manifest's dependencies, as declared.
    pub(crate) dependencies: Vec<Dependency>,
    /// Whether it builds to a `cdylib`: a plugin.
    pub(crate) is_guest: bool,
}

/// One declared dependency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    /// The package asked for, whatever it is renamed to.
    pub(crate) name: String,
    /// Where it is used.
    pub(crate) kind: Kind,
}

/// Where a dependency is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In the build script.
    Build,
    /// In tests, benches and examples only.
    Dev,
    /// In the crate itself.
    Normal,
}

/// One package of the resolved graph.
#[derive(Debug)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// Its licence expression.
    pub(crate) licence: Option<String>,
    /// Where it comes from; `None` for a path.
    pub(crate) source: Option<String>,
    /// Ids of the packages that it needs to be built and run; tests' needs left out.
    pub(crate) needs: Vec<String>,
}

impl Metadata {
    /// The member whose package is called `name`.
    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    fn read(said: &Value) -> Option<Self> {
        let root = Path::new(text(said, "workspace_root")?);
        let ids: Vec<&str> =
            list(said, "workspace_members")?.filter_map(Value::as_str).collect();
        let mut members = Vec::new();
        let mut packages = BTreeMap::new();
        for package in list(said, "packages")? {
            let id = text(package, "id")?;
            packages.insert(id.to_owned(), Package::read(package)?);
            if ids.contains(&id) {
                members.push(Member::read(package, root)?);
            }
        }
        for node in list(said.get("resolve")?, "nodes")? {
            let needs = list(node, "deps")?.filter(|edge| !is_dev_only(edge));
            let needs = needs
                .map(|edge| text(edge, "pkg").map(str::to_owned))
                .collect::<Option<_>>()?;
            packages.get_mut(text(node, "id")?)?.needs = needs;
        }
        members.sort_by(|a, b| a.folder.cmp(&b.folder));
        Some(Self {
            members,
            packages,
            target_directory: text(said, "target_directory")?.into(),
        })
    }
}

impl Member {
    fn read(package: &Value, root: &Path) -> Option<Self> {
        let folder = Path::new(text(package, "manifest_path")?)
            .parent()?
            .strip_prefix(root)
            .ok()?;
        let is_guest = list(package, "targets")?
            .filter_map(|target| list(target, "crate_types"))
            .flatten()
            .any(|kind| kind == "cdylib");
        let dependencies = list(package, "dependencies")?.map(Dependency::read);
        Some(Self {
            id: text(package, "id")?.to_owned(),
            name: text(package, "name")?.to_owned(),
            folder: folder.to_string_lossy().replace('\\', "/"),
            dependencies: dependencies.collect::<Option<_>>()?,
            is_guest,
        })
    }
}

impl Dependency {
    fn read(said: &Value) -> Option<Self> {
        let kind = match said.get("kind")?.as_str() {
            None => Kind::Normal,
            Some("build") => Kind::Build,
            Some("dev") => Kind::Dev,
            Some(_) => return None,
        };
        Some(Self { name: text(said, "name")?.to_owned(), kind })
    }
}

impl Package {
    fn read(said: &Value) -> Option<Self> {
        Some(Self {
            name: text(said, "name")?.to_owned(),
            version: text(said, "version")?.to_owned(),
            licence: text(said, "license").map(str::to_owned),
            source: text(said, "source").map(str::to_owned),
            needs: Vec::new(),
        })
    }
}

fn is_dev_only(edge: &Value) -> bool {
    list(edge, "dep_kinds")
        .is_some_and(|mut kinds| kinds.all(|kind| text(kind, "kind") == Some("dev")))
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

fn list<'a>(value: &'a Value, key: &str) -> Option<impl Iterator<Item = &'a Value>> {
    Some(value.get(key)?.as_array()?.iter())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_members_packages_and_edges() {
        let said = json!({
            "workspace_root": "/home/x/house",
            "target_directory": "/home/x/house/target",
            "workspace_members": ["ours"],
            "packages": [
                {
                    "id": "ours", "name": "bulkhead-net", "version": "0.1.0",
                    "license": "Apache-2.0", "source": null,
                    "manifest_path": "/home/x/house/host/net/Cargo.toml",
                    "targets": [{ "crate_types": ["lib"] }],
                    "dependencies": [
                        { "name": "reqwest", "kind": null }, { "name": "axum", "kind": "dev" },
                    ],
                },
                {
                    "id": "theirs", "name": "reqwest", "version": "1.0.0", "license": "MIT",
                    "source": "registry+https://example.org", "dependencies": [],
                },
            ],
            "resolve": { "nodes": [
                { "id": "ours", "deps": [
                    { "pkg": "theirs", "dep_kinds": [{ "kind": null }, { "kind": "dev" }] },
                    { "pkg": "tests-only", "dep_kinds": [{ "kind": "dev" }] },
                ] },
                { "id": "theirs", "deps": [] },
            ] },
        });
        let read = Metadata::read(&said).unwrap();
        let net = read.member("bulkhead-net").unwrap();
        assert_eq!(net.folder, "host/net");
        assert_eq!(
            net.dependencies,
            [
                Dependency { name: "reqwest".to_owned(), kind: Kind::Normal },
                Dependency { name: "axum".to_owned(), kind: Kind::Dev },
            ]
        );
        assert_eq!(read.packages["ours"].needs, ["theirs"]);
        assert_eq!(read.packages["theirs"].licence.as_deref(), Some("MIT"));
    }

    #[test]
    fn refuses_an_answer_with_a_missing_field() {
        assert!(Metadata::read(&json!({ "workspace_root": "/x" })).is_none());
    }
}
