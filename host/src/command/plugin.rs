//! `bulkhead plugin`: for those who build plugins and those who judge them.

mod build;
mod cargo;
mod componentize;
mod diff;
mod embed;
mod faults;
mod inspect;
mod interface;
mod keygen;
mod password;
mod report;
mod settings;
mod shape;
mod sign;
mod signed;
mod text;
mod wasi;

pub(super) use self::interface::can;
pub(crate) use self::text::plain;

use std::process::ExitCode;

use clap::Subcommand;

const EXAMPLES: &str = "\
Examples:
  bulkhead plugin build plugins/my-filter --out plugins
  bulkhead plugin inspect plugins/my_filter.wasm
  bulkhead plugin inspect --diff old.wasm new.wasm
  bulkhead plugin sign plugins/my_filter.wasm --key team.key --password-env TEAM_PASSWORD";

/// Builds and signs plugins, and tells what a plugin is, asks for and can never do.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Plugin {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Build(build::Build),
    Embed(embed::Embed),
    Inspect(inspect::Inspect),
    Keygen(keygen::Keygen),
    Sign(sign::Sign),
}

impl Plugin {
    /// Does what was asked.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.task {
            Task::Build(build) => build.run().await,
            Task::Embed(embed) => embed.run().await,
            Task::Inspect(inspect) => inspect.run().await,
            Task::Keygen(keygen) => keygen.run(),
            Task::Sign(sign) => sign.run(),
        }
    }
}
