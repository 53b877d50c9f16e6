//! `bulkhead plugin`: for those who build plugins and those who judge them.

mod build;
mod cargo;
mod componentize;
mod faults;
mod inspect;
mod interface;
mod report;
mod settings;
mod text;

use std::process::ExitCode;

use clap::Subcommand;

const EXAMPLES: &str = "\
Examples:
  bulkhead plugin build plugins/my-filter --out plugins
  bulkhead plugin inspect plugins/my_filter.wasm";

/// Builds plugins, and tells what a plugin is, asks for and can never do.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Plugin {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Build(build::Build),
    Inspect(inspect::Inspect),
}

impl Plugin {
    /// Does what was asked.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.task {
            Task::Build(build) => build.run().await,
            Task::Inspect(inspect) => inspect.run().await,
        }
    }
}
