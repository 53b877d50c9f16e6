//! Builds the first-party plugins to components, with the program's own `plugin build`.
//!
//! What a plugin author does is what we do: there is no second way to make a component.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::{
    plan::{Outcome, Step},
    setup, shell,
    workspace::{GUEST_TARGET, Metadata, Workspace},
};

/// Builds the program with the features that it has among all crates.
///
/// `--workspace`, not `-p bulkhead`: the other crates ask for further features of shared
/// dependencies (`anyhow`, `indexmap`, `serde_json`), and Cargo would build the whole Wasm
/// engine once for the program alone and once more for the tests.
pub(crate) const BUILD_PROGRAM: &[&str] =
    &["build", "--release", "--locked", "--workspace", "--bins"];

/// The steps of `cargo xtask plugins`.
pub(crate) fn steps(workspace: &Workspace, out: Option<PathBuf>) -> Vec<Step> {
    let (program, guests) = (workspace.clone(), workspace.clone());
    vec![
        setup::step(workspace),
        Step::new(
            "build",
            "the program, in release",
            format!("cargo {}", BUILD_PROGRAM.join(" ")),
            move || {
                shell::run(&mut program.cargo(BUILD_PROGRAM))?;
                Ok(Outcome::Done("built".to_owned()))
            },
        ),
        Step::new(
            "guests",
            "the first-party plugins, to components",
            "cargo xtask plugins".to_owned(),
            move || build(&guests, out),
        ),
    ]
}

/// Builds every crate below `plugins/`. The program must have been built.
///
/// # Errors
///
/// When the program is not there, or refuses a plugin.
pub(crate) fn build(workspace: &Workspace, out: Option<PathBuf>) -> Result<Outcome> {
    let metadata = workspace.metadata()?;
    let folders: Vec<&str> = metadata
        .members
        .iter()
        .map(|m| m.folder.as_str())
        .filter(|f| f.starts_with("plugins/"))
        .collect();
    if folders.is_empty() {
        bail!("there is no crate below plugins/");
    }
    let out = out.unwrap_or_else(|| folder(&metadata));
    let mut command = workspace.command(program(&metadata)?);
    command.args(["plugin", "build", "--locked"]).args(&folders).arg("--out").arg(&out);
    shell::run(&mut command)?;
    Ok(Outcome::Done(format!("{} plugins in {}", folders.len(), out.display())))
}

/// The lint of every crate that runs as a guest, for the target that it runs on.
///
/// # Errors
///
/// When the linter complains.
pub(crate) fn lint(workspace: &Workspace) -> Result<Outcome> {
    let metadata = workspace.metadata()?;
    let mut arguments =
        vec!["clippy", "--locked", "--profile", "guest", "--target", GUEST_TARGET];
    let guests: Vec<&str> = metadata
        .members
        .iter()
        .filter(|m| m.is_guest || m.folder == "plugin-sdk")
        .map(|m| m.name.as_str())
        .collect();
    for name in &guests {
        arguments.extend(["--package", name]);
    }
    arguments.extend(["--", "--deny", "warnings"]);
    shell::run(&mut workspace.cargo(&arguments))?;
    Ok(Outcome::Done(format!("{} crates without a warning", guests.len())))
}

/// Where the built plugins lie by default.
pub(crate) fn folder(metadata: &Metadata) -> PathBuf {
    metadata.target_directory.join("plugins")
}

/// The built program.
///
/// # Errors
///
/// When it was not built yet.
pub(crate) fn program(metadata: &Metadata) -> Result<PathBuf> {
    let name = format!("bulkhead{}", std::env::consts::EXE_SUFFIX);
    let path = metadata.target_directory.join("release").join(name);
    if !path.is_file() {
        bail!("{} is not there: run `cargo {}`", path.display(), BUILD_PROGRAM.join(" "));
    }
    Ok(path)
}
