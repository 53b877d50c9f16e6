//! Makes the toolchain ready: compiler, plugin target, C compiler, formatter, linter.
//!
//! Adds only what `rustup` can add, and says so; everything else is an error that names the
//! remedy. Source of the least version: `rust-version` in the root `Cargo.toml`.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{
    plan::{self, Outcome, Step},
    shell,
    workspace::{GUEST_TARGET, Workspace},
};

const ABOUT: &str = "toolchain, plugin target, C compiler, rustfmt and clippy";

/// The step, for any task.
pub(crate) fn step(workspace: &Workspace) -> Step {
    let workspace = workspace.clone();
    let repeat = "cargo xtask setup".to_owned();
    Step::new("setup", ABOUT, repeat, move || check(&workspace))
}

fn check(workspace: &Workspace) -> Result<Outcome> {
    let rustc = compiler(workspace)?;
    guest_target()?;
    c_compiler()?;
    component(workspace, "fmt", "rustfmt")?;
    component(workspace, "clippy", "clippy")?;
    Ok(Outcome::Done(format!("rustc {rustc} with {GUEST_TARGET}")))
}

fn compiler(workspace: &Workspace) -> Result<String> {
    let manifest = workspace.toml("Cargo.toml")?;
    let least = manifest
        .get("workspace")
        .and_then(|table| table.get("package")?.get("rust-version")?.as_str())
        .context("finding `workspace.package.rust-version` in Cargo.toml")?;
    let said = shell::read(rustc().arg("-vV")).context(
        "asking for the compiler's version; install Rust from https://rustup.rs",
    )?;
    let found = release(&said).context("reading what `rustc -vV` wrote")?;
    if parts(found) < parts(least) {
        bail!(
            "rustc {found} is too old, {least} or later is needed: run `rustup update`"
        );
    }
    Ok(found.to_owned())
}

fn guest_target() -> Result<()> {
    if has_guest_target()? {
        return Ok(());
    }
    plan::say(format_args!("      adding the target {GUEST_TARGET} with rustup"));
    shell::run(Command::new("rustup").args(["target", "add", GUEST_TARGET])).with_context(|| {
        format!("plugins are built for {GUEST_TARGET}, and this toolchain cannot: add its standard library by hand")
    })?;
    if !has_guest_target()? {
        bail!(
            "rustup added {GUEST_TARGET} to another toolchain than the `rustc` in use: \
             put rustup's `rustc` first in PATH"
        );
    }
    Ok(())
}

fn has_guest_target() -> Result<bool> {
    let library = shell::read(rustc().args([
        "--print",
        "target-libdir",
        "--target",
        GUEST_TARGET,
    ]))?;
    Ok(Path::new(library.trim()).is_dir())
}

/// `SQLite`, zstd and the crypto library are C, built with the product.
fn c_compiler() -> Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let wanted = std::env::var("CC").unwrap_or_default();
    let mut words = wanted.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("cc"));
    if !shell::succeeds(command.args(words).arg("--version")) {
        bail!(
            "there is no C compiler `{}`: install one (Debian: `apt install build-essential`, \
             macOS: `xcode-select --install`) or set CC",
            shell::spell(&command)
        );
    }
    Ok(())
}

fn component(workspace: &Workspace, subcommand: &str, component: &str) -> Result<()> {
    if shell::succeeds(&mut workspace.cargo(&[subcommand, "--version"])) {
        return Ok(());
    }
    plan::say(format_args!("      adding {component} with rustup"));
    shell::run(Command::new("rustup").args(["component", "add", component]))
        .with_context(|| format!("`cargo {subcommand}` is missing: install {component}"))
}

fn rustc() -> Command {
    Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

fn release(said: &str) -> Option<&str> {
    said.lines().find_map(|line| line.strip_prefix("release: "))
}

/// The numbers of a version; a nightly's `-nightly` is left out.
fn parts(version: &str) -> Vec<u32> {
    let numbers = version.split('-').next().unwrap_or_default();
    numbers.split('.').map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_versions_by_number() {
        let cases: &[(&str, &str, bool)] = &[
            ("1.94.1", "1.95", true),
            ("1.95.0", "1.95", false),
            ("1.100.0", "1.95", false),
            ("1.97.0-nightly", "1.95", false),
            ("2.0.0", "1.95", false),
        ];
        for (found, least, too_old) in cases {
            assert_eq!(parts(found) < parts(least), *too_old, "case: {found}");
        }
    }

    #[test]
    fn finds_the_release_of_a_compiler() {
        let said =
            "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\nrelease: 1.95.0\n";
        assert_eq!(release(said), Some("1.95.0"));
    }
}
