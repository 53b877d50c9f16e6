//! Everything a change must pass, in the order in which it fails soonest.
//!
//! All Cargo calls share one profile and, as far as Cargo lets them, one set of features, so
//! that dependencies are built once for running and once for checking, and no more. Not
//! here: measurements (`benches/`), which need a quiet machine.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::{
    attacks, claims, conformance, floors, guests, licences,
    plan::{self, Outcome, Step},
    setup, shell, tidy,
    workspace::Workspace,
};

type Check = fn(&Workspace) -> Result<Outcome>;

/// All steps after `setup`, in order.
const STEPS: &[(&str, &str, Check)] = &[
    ("fmt", "rustfmt has nothing to change", format),
    ("tidy", tidy::ABOUT, tidy::check),
    ("conformance", conformance::ABOUT, |workspace| conformance::PAGE.check(workspace)),
    ("attacks", attacks::ABOUT, |workspace| attacks::PAGE.check(workspace)),
    ("claims", claims::ABOUT, claims::check),
    ("floors", floors::ABOUT, floors::check),
    ("licences", licences::ABOUT, licences::check),
    ("deny", "advisories and bans, with cargo-deny", deny),
    ("build", "the program and all tests, in release", |workspace| {
        cargo(workspace, BUILD, "built")
    }),
    ("guests", "the first-party plugins, to components", |workspace| {
        guests::build(workspace, None)
    }),
    ("clippy", "lints of all crates, for this machine", |workspace| {
        cargo(workspace, CLIPPY, "no warning")
    }),
    ("clippy-guests", "lints of the plugins, for their own target", guests::lint),
    ("test", "unit, whole-program and documentation tests", tests),
    ("doc", "documentation without a broken link", |workspace| {
        let mut command = workspace.cargo(&[
            "doc",
            "--release",
            "--locked",
            "--no-deps",
            "--workspace",
        ]);
        shell::run(command.env("RUSTDOCFLAGS", "--deny warnings"))?;
        Ok(Outcome::Done("no warning".to_owned()))
    }),
];

/// `--tests` lets development dependencies take part in choosing features, as they do in
/// `cargo test`: what is built here is what `test` runs.
const BUILD: &[&str] =
    &["build", "--release", "--locked", "--workspace", "--bins", "--tests"];

const CLIPPY: &[&str] = &[
    "clippy",
    "--release",
    "--locked",
    "--workspace",
    "--all-targets",
    "--",
    "--deny",
    "warnings",
];

/// Runs all steps, or only those named, always in the order of the list.
///
/// # Errors
///
/// When `only` names a step that is none.
pub(crate) fn run(workspace: &Workspace, only: &[String]) -> Result<ExitCode> {
    let names: Vec<&str> = names().collect();
    if let Some(unknown) = only.iter().find(|wanted| !names.contains(&wanted.as_str())) {
        bail!("`test` has no step `{unknown}`; its steps are {}", names.join(", "));
    }
    let wanted = |name: &str| only.is_empty() || only.iter().any(|step| step == name);
    let mut steps = Vec::new();
    if wanted("setup") {
        steps.push(setup::step(workspace));
    }
    for &(name, about, check) in STEPS.iter().filter(|(name, ..)| wanted(name)) {
        let workspace = workspace.clone();
        let repeat = format!("cargo xtask test --only {name}");
        steps.push(Step::new(name, about, repeat, move || check(&workspace)));
    }
    Ok(plan::run("test", steps))
}

/// Says which steps there are.
pub(crate) fn list() {
    plan::say(names().collect::<Vec<_>>().join("\n"));
}

fn names() -> impl Iterator<Item = &'static str> {
    std::iter::once("setup").chain(STEPS.iter().map(|(name, ..)| *name))
}

fn cargo(workspace: &Workspace, arguments: &[&str], found: &str) -> Result<Outcome> {
    shell::run(&mut workspace.cargo(arguments))?;
    Ok(Outcome::Done(found.to_owned()))
}

/// Names the files only: what is to change is what `cargo fmt --all` changes.
fn format(workspace: &Workspace) -> Result<Outcome> {
    let check = ["fmt", "--all", "--", "--check", "--files-with-diff"];
    shell::run(&mut workspace.cargo(&check))
        .context("the files above are not formatted, `cargo fmt --all` does it")?;
    Ok(Outcome::Done("formatted".to_owned()))
}

fn deny(workspace: &Workspace) -> Result<Outcome> {
    if !shell::succeeds(&mut workspace.cargo(&["deny", "--version"])) {
        return Ok(Outcome::Skipped(
            "cargo-deny is not installed, so known vulnerabilities were NOT looked up \
             (`cargo install cargo-deny --locked`)"
                .to_owned(),
        ));
    }
    cargo(
        workspace,
        &["deny", "--workspace", "check"],
        "nothing known against the dependencies",
    )
}

fn tests(workspace: &Workspace) -> Result<Outcome> {
    let folder = guests::folder(&workspace.metadata()?);
    if !folder.is_dir() {
        bail!(
            "the plugins are not built: run `cargo xtask test --only build guests` first"
        );
    }
    let mut command = workspace.cargo(&["test", "--release", "--locked", "--workspace"]);
    shell::run(command.env("BULKHEAD_PLUGINS", folder))?;
    Ok(Outcome::Done("all passed".to_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_every_step_once() {
        let all: Vec<&str> = names().collect();
        let once: BTreeSet<&str> = names().collect();
        assert_eq!(all.len(), once.len());
    }

    #[test]
    fn refuses_a_step_that_is_none() {
        let workspace = Workspace::find().unwrap();
        let refused = run(&workspace, &["format".to_owned()]).unwrap_err().to_string();
        assert!(
            refused.starts_with("`test` has no step `format`; its steps are setup, fmt,")
        );
    }
}
