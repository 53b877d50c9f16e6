//! `bulkhead guest`: this program as a child of itself, never started by hand.
//!
//! What a child does and may lies in the sandbox (`bulkhead_sandbox::child`).

use std::process::ExitCode;

use bulkhead_sandbox::child;
use clap::Subcommand;

/// Works for another `bulkhead`, which started this one and listens on its standard input.
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(crate) struct Guest {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Compiles a plugin.
    Compile,
    /// Runs a plugin.
    Run,
}

impl Guest {
    /// Does it, and ends.
    pub(crate) fn run(&self) -> ExitCode {
        match self.task {
            Task::Compile => child::compile(),
            Task::Run => child::run(),
        }
    }
}
