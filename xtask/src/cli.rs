//! Words on the command line, made into a task. Knows no task's content.
//!
//! Written by hand: only the program itself may name an argument parser.

use std::path::PathBuf;

use anyhow::{Result, bail};

/// What `cargo xtask help` says.
pub(crate) const HELP: &str = "\
usage: cargo xtask TASK

  setup                    check the toolchain, add the wasm32-unknown-unknown target
  plugins [--out DIR]      build the program, then the first-party plugins to components
                           (default: target/plugins)
  demo [--fresh] [-- ARG…] build all, then run `bulkhead demo` in bulkhead-demo/;
                           --fresh deletes that folder first, ARG… go to `bulkhead demo`
  test [--only STEP…]      everything a change must pass; `--list` names the steps
  ci                       the same as `test`
  attacks                  write docs/attacks.md: which hostile cases are tested where
  claims                   what the threat model claims, against the tests it names
  conformance              write docs/conformance.md: what the tests prove
  floors                   which crate may name which: docs/architecture.md against Cargo.toml
  tidy                     size, headers, links and left-overs of every file
  licences                 licence and origin of every dependency, against deny.toml";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Write which attacks are tested.
    Attacks,
    /// Check that claims name tests.
    Claims,
    /// Write what the tests prove.
    Conformance,
    /// Build all and run the demonstration.
    Demo { fresh: bool, arguments: Vec<String> },
    /// Check the arrows between crates.
    Floors,
    /// Say what there is to say.
    Help,
    /// Check what the dependencies are licensed under.
    Licences,
    /// Name the steps of `test`.
    ListSteps,
    /// Build the first-party plugins.
    Plugins { out: Option<PathBuf> },
    /// Make the toolchain ready.
    Setup,
    /// Run all steps, or only some.
    Test { only: Vec<String> },
    /// Check every file of the tree.
    Tidy,
}

/// Reads the words after `cargo xtask`.
///
/// # Errors
///
/// A word that is no task, or an argument that the task does not take.
pub(crate) fn parse(words: &[String]) -> Result<Task> {
    let Some((task, rest)) = words.split_first() else { return Ok(Task::Help) };
    match task.as_str() {
        "attacks" => alone(task, rest, Task::Attacks),
        "ci" => alone(task, rest, Task::Test { only: Vec::new() }),
        "claims" => alone(task, rest, Task::Claims),
        "conformance" => alone(task, rest, Task::Conformance),
        "demo" => demo(rest),
        "floors" => alone(task, rest, Task::Floors),
        "help" | "--help" | "-h" => Ok(Task::Help),
        "licences" => alone(task, rest, Task::Licences),
        "plugins" => plugins(rest),
        "setup" => alone(task, rest, Task::Setup),
        "test" => test(rest),
        "tidy" => alone(task, rest, Task::Tidy),
        other => bail!("there is no task `{other}`"),
    }
}

fn alone(task: &str, rest: &[String], parsed: Task) -> Result<Task> {
    match rest.first() {
        None => Ok(parsed),
        Some(word) => bail!("`{task}` takes no argument, but was given `{word}`"),
    }
}

fn demo(rest: &[String]) -> Result<Task> {
    let mut own = rest;
    let mut arguments = Vec::new();
    if let Some(split) = rest.iter().position(|word| word == "--") {
        let (before, after) = rest.split_at(split);
        own = before;
        arguments = after.iter().skip(1).cloned().collect();
    }
    let mut fresh = false;
    for word in own {
        match word.as_str() {
            "--fresh" => fresh = true,
            other => {
                bail!(
                    "`demo` does not know `{other}`; arguments for `bulkhead demo` come after `--`"
                )
            }
        }
    }
    Ok(Task::Demo { fresh, arguments })
}

fn plugins(rest: &[String]) -> Result<Task> {
    match rest {
        [] => Ok(Task::Plugins { out: None }),
        [flag, folder] if flag == "--out" => {
            Ok(Task::Plugins { out: Some(folder.into()) })
        }
        [flag] if flag == "--out" => bail!("`--out` wants a folder"),
        [first, ..] => bail!("`plugins` takes `--out DIR`, but was given `{first}`"),
    }
}

fn test(rest: &[String]) -> Result<Task> {
    match rest.split_first() {
        None => Ok(Task::Test { only: Vec::new() }),
        Some((flag, [])) if flag == "--list" => Ok(Task::ListSteps),
        Some((flag, [])) if flag == "--only" => bail!("`--only` wants one step or more"),
        Some((flag, steps)) if flag == "--only" => {
            Ok(Task::Test { only: steps.to_vec() })
        }
        Some((word, _)) => bail!("`test` takes `--only STEP…` or `--list`, not `{word}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_task() {
        let cases: &[(&str, &str, Task)] = &[
            ("nothing is a cry for help", "", Task::Help),
            ("ci is test", "ci", Task::Test { only: vec![] }),
            ("all steps", "test", Task::Test { only: vec![] }),
            (
                "some steps",
                "test --only fmt tidy",
                Task::Test { only: words("fmt tidy") },
            ),
            ("steps by name", "test --list", Task::ListSteps),
            ("default folder", "plugins", Task::Plugins { out: None }),
            ("own folder", "plugins --out x", Task::Plugins { out: Some("x".into()) }),
            ("demo", "demo", Task::Demo { fresh: false, arguments: vec![] }),
            (
                "demo with arguments that look like ours",
                "demo --fresh -- --fresh -v",
                Task::Demo { fresh: true, arguments: words("--fresh -v") },
            ),
        ];
        for (name, line, expected) in cases {
            assert_eq!(&parse(&words(line)).unwrap(), expected, "case: {name}");
        }
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        let cases: &[(&str, &str, &str)] = &[
            ("task", "tset", "there is no task `tset`"),
            ("surplus word", "tidy now", "`tidy` takes no argument, but was given `now`"),
            ("no folder", "plugins --out", "`--out` wants a folder"),
            ("no step", "test --only", "`--only` wants one step or more"),
            (
                "program's argument without the dashes",
                "demo --patients",
                "`demo` does not know `--patients`; arguments for `bulkhead demo` come after `--`",
            ),
        ];
        for (name, line, expected) in cases {
            let refused = parse(&words(line)).unwrap_err().to_string();
            assert_eq!(&refused, expected, "case: {name}");
        }
    }

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }
}
