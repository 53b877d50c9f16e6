//! The house law and the set-up, as `cargo xtask …`: no shell scripts, no tool to install.
//!
//! Each task is a list of steps (`plan`); a step calls Cargo or checks the tree by itself.
//! What is law is written elsewhere and read from there: floors in `docs/architecture.md`,
//! licences in `deny.toml`, versions in the root `Cargo.toml`. Nothing of the product
//! depends on this crate.

mod attacks;
mod claims;
mod cli;
mod conformance;
mod demo;
mod floors;
mod guests;
mod licences;
mod plan;
mod proof;
mod setup;
mod shell;
mod tag;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use cli::Task;
use plan::{Outcome, Step};
use workspace::Workspace;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let task = match cli::parse(&arguments) {
        Ok(task) => task,
        Err(usage) => {
            plan::complain(format_args!("error: {usage}\n\n{}", cli::HELP));
            return ExitCode::from(2);
        }
    };
    match run(task) {
        Ok(code) => code,
        Err(error) => {
            plan::complain(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    match task {
        Task::Attacks => Ok(plan::run(
            "attacks",
            vec![alone("attacks", attacks::ABOUT, move || {
                attacks::PAGE.write(&workspace)
            })],
        )),
        Task::Claims => Ok(plan::run(
            "claims",
            vec![alone("claims", claims::ABOUT, move || claims::check(&workspace))],
        )),
        Task::Conformance => Ok(plan::run(
            "conformance",
            vec![alone("conformance", conformance::ABOUT, move || {
                conformance::PAGE.write(&workspace)
            })],
        )),
        Task::Demo { fresh, arguments } => demo::run(&workspace, fresh, &arguments),
        Task::Floors => Ok(plan::run(
            "floors",
            vec![alone("floors", floors::ABOUT, move || floors::check(&workspace))],
        )),
        Task::Help => {
            plan::say(cli::HELP);
            Ok(ExitCode::SUCCESS)
        }
        Task::Licences => Ok(plan::run(
            "licences",
            vec![alone("licences", licences::ABOUT, move || licences::check(&workspace))],
        )),
        Task::ListSteps => {
            test::list();
            Ok(ExitCode::SUCCESS)
        }
        Task::Plugins { out } => Ok(plan::run("plugins", guests::steps(&workspace, out))),
        Task::Setup => Ok(plan::run("setup", vec![setup::step(&workspace)])),
        Task::Test { only } => test::run(&workspace, &only),
        Task::Tidy => Ok(plan::run(
            "tidy",
            vec![alone("tidy", tidy::ABOUT, move || tidy::check(&workspace))],
        )),
    }
}

/// A step that is a task of its own.
fn alone(
    name: &'static str,
    about: &'static str,
    run: impl FnOnce() -> anyhow::Result<Outcome> + 'static,
) -> Step {
    Step::new(name, about, format!("cargo xtask {name}"), run)
}
