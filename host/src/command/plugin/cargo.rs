//! Cargo and the toolchain, as far as building a plugin needs them.
//!
//! A plugin is built alone, so that its bytes do not depend on which others are built beside
//! it; as a `cdylib` only, because Cargo skips link-time optimisation where an `rlib` is asked
//! for too; and with the folders of this machine replaced in it, so that another machine can
//! make the same bytes.
//!
//! Source: The Cargo Book, "External tools" (messages) and "Configuration" (rustflags).

use std::{
    ffi::OsString,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use anyhow::Context;
use serde::Deserialize;

use crate::failure::Failure;

/// What plugins are built for: no system interface at all.
const TARGET: &str = "wasm32-unknown-unknown";

/// The profile that a workspace can define for its plugins.
const PROFILE: &str = "guest";

/// A crate that could be a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Crate {
    /// The package's name.
    pub(super) name: String,
    /// Where builds go by default.
    pub(super) target_dir: PathBuf,
    /// The name of its library, which names the file.
    pub(super) library: String,
    id: String,
    manifest: PathBuf,
    workspace: PathBuf,
    profile: Profile,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Profile {
    Guest,
    Release,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<PackageOf>,
    target_directory: PathBuf,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct PackageOf {
    id: String,
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    crate_types: Vec<String>,
}

impl Target {
    fn is_library(&self) -> bool {
        let is_library =
            |kind: &String| matches!(kind.as_str(), "cdylib" | "lib" | "rlib");
        self.crate_types.iter().any(is_library)
    }
}

/// One line of what `cargo` tells while it builds.
#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Message {
    CompilerArtifact {
        package_id: String,
        target: Target,
        filenames: Vec<PathBuf>,
    },
    #[serde(other)]
    Other,
}

impl Crate {
    /// The crate in `dir`.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when there is none, or none with a library.
    pub(super) fn find(dir: &Path) -> anyhow::Result<Self> {
        let manifest = dir.join("Cargo.toml");
        let manifest = fs_err::canonicalize(&manifest).map_err(|error| {
            Failure::refused(format!("looking for a crate: {error}"))
                .hint("name the folder of a plugin's Cargo.toml")
        })?;
        let mut command = cargo();
        command.args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--manifest-path",
        ]);
        command.arg(&manifest);
        let told = output(&mut command)?;
        let metadata: Metadata = serde_json::from_slice(&told.stdout)
            .context("reading what cargo says of the crate")?;
        let text = fs_err::read_to_string(metadata.workspace_root.join("Cargo.toml"))?;
        Self::of(metadata, manifest, profile(&text)).map_err(Into::into)
    }

    fn of(
        metadata: Metadata,
        manifest: PathBuf,
        profile: Profile,
    ) -> Result<Self, Failure> {
        let Metadata { packages, target_directory, workspace_root } = metadata;
        let shown = manifest.display();
        let found =
            packages.into_iter().find(|package| package.manifest_path == manifest);
        let Some(package) = found else {
            return Err(Failure::refused(format!("{shown} is a workspace, not a crate"))
                .hint("name the folders of its plugins"));
        };
        let Some(library) = package.targets.into_iter().find(Target::is_library) else {
            return Err(Failure::refused(format!("{shown} has no library"))
                .hint("a plugin is a library: write it in src/lib.rs"));
        };
        Ok(Self {
            name: package.name,
            target_dir: target_directory,
            // Cargo writes the file under this name.
            library: library.name.replace('-', "_"),
            id: package.id,
            manifest,
            workspace: workspace_root,
            profile,
        })
    }

    /// Builds it and returns the core module. What the compiler has to say goes to standard
    /// error.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when it does not compile.
    pub(super) fn build(&self, locked: bool) -> anyhow::Result<Vec<u8>> {
        let mut command = cargo();
        command.arg("rustc").arg("--manifest-path").arg(&self.manifest);
        command.args(["--lib", "--crate-type", "cdylib", "--target", TARGET]);
        match self.profile {
            Profile::Guest => command.args(["--profile", PROFILE]),
            Profile::Release => command.arg("--release"),
        };
        if locked {
            command.arg("--locked");
        }
        command.arg("--message-format=json-render-diagnostics");
        command.arg("--config").arg(flags(&self.workspace, cargo_home().as_deref()));
        // They would take the place of ours, and the bytes would depend on the environment.
        command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        let told = command
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| not_started(&command, &error))?;
        if !told.status.success() {
            let what = format!("`{}` does not compile", self.name);
            return Err(Failure::refused(what)
                .hint("the compiler's words are above")
                .into());
        }
        let module =
            self.module(&told.stdout).context("cargo named no WebAssembly file")?;
        Ok(fs_err::read(module)?)
    }

    /// The module among what cargo says it made.
    fn module(&self, messages: &[u8]) -> Option<PathBuf> {
        let lines = messages.split(|byte| *byte == b'\n');
        // What does not read is no message but, say, a build script's own words.
        let messages = lines.filter_map(|line| serde_json::from_slice(line).ok());
        let mut files = messages.filter_map(|message| match message {
            Message::CompilerArtifact { package_id, target, filenames }
                if package_id == self.id && target.is_library() =>
            {
                filenames
                    .into_iter()
                    .find(|name| name.extension() == Some("wasm".as_ref()))
            }
            Message::CompilerArtifact { .. } | Message::Other => None,
        });
        files.next_back()
    }
}

/// Makes sure that the toolchain used in `dir` can build plugins; says so when it had to add
/// something.
///
/// # Errors
///
/// A [`Failure`] when it cannot and cannot be made to.
pub(super) fn require_target(dir: &Path) -> anyhow::Result<()> {
    let has_target = || -> anyhow::Result<bool> {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let mut command = Command::new(rustc);
        command.args(["--print", "target-libdir", "--target", TARGET]).current_dir(dir);
        let told = output(&mut command)?;
        let libraries = PathBuf::from(String::from_utf8_lossy(&told.stdout).trim());
        Ok(fs_err::read_dir(libraries).is_ok_and(|mut files| files.next().is_some()))
    };
    if has_target()? {
        return Ok(());
    }
    writeln!(
        std::io::stderr().lock(),
        "adding the compilation target {TARGET} with rustup, once"
    )?;
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]).current_dir(dir).stdin(Stdio::null());
    let added = rustup.status().is_ok_and(|status| status.success());
    if added && has_target()? {
        return Ok(());
    }
    let what = format!("the Rust toolchain cannot build for {TARGET}");
    Err(Failure::refused(what)
        .hint(format!(
            "with rustup: `rustup target add {TARGET}`; else install the package of your \
             system that holds Rust's standard library for it"
        ))
        .into())
}

fn profile(workspace_manifest: &str) -> Profile {
    let has_guest = workspace_manifest.parse::<toml::Table>().is_ok_and(|manifest| {
        manifest.get("profile").is_some_and(|it| it.get(PROFILE).is_some())
    });
    if has_guest { Profile::Guest } else { Profile::Release }
}

/// Compiler flags as cargo's `--config` takes them: the folders of this machine do not appear
/// in the module. The last one that fits wins, and Cargo's home can lie in the workspace.
fn flags(workspace: &Path, cargo_home: Option<&Path>) -> String {
    let folders = [(Some(workspace), "/plugin"), (cargo_home, "/cargo")];
    let flags: toml::value::Array = folders
        .into_iter()
        .filter_map(|(folder, name)| Some(format!("{}={name}", folder?.to_str()?)))
        .flat_map(|map| ["--remap-path-prefix".to_owned(), map])
        .map(toml::Value::from)
        .collect();
    format!("target.{TARGET}.rustflags = {}", toml::Value::Array(flags))
}

fn cargo_home() -> Option<PathBuf> {
    let named = std::env::var_os("CARGO_HOME").filter(|home| !home.is_empty());
    named.map(PathBuf::from).or_else(|| Some(std::env::home_dir()?.join(".cargo")))
}

/// The cargo that runs us, if one does, else the first on the path.
fn cargo() -> Command {
    let cargo: OsString = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    Command::new(cargo)
}

fn output(command: &mut Command) -> anyhow::Result<Output> {
    let told = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| not_started(command, &error))?;
    if told.status.success() {
        return Ok(told);
    }
    let program = command.get_program().display().to_string();
    let why = String::from_utf8_lossy(&told.stderr).trim().to_owned();
    Err(Failure::refused(format!("{program} refused: {why}")).into())
}

fn not_started(command: &Command, error: &std::io::Error) -> Failure {
    let program = command.get_program().display().to_string();
    let failure = Failure::refused(format!("starting {program}: {error}"));
    if error.kind() == ErrorKind::NotFound {
        failure.hint("building plugins needs a Rust toolchain: see https://rustup.rs")
    } else {
        failure
    }
}

#[cfg(test)]
mod tests;
