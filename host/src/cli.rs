//! The command line: one subcommand a file under `command/`.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::{command, log::Log};

const EXIT_CODES: &str = "\
Exit codes:
  0  done; for `run`: everything delivered and complete, or its omission accepted
  1  failed; what was delivered stays, and running again goes on where it was
  2  the configuration, the command line or a plugin is not acceptable; nothing was done
  3  delivered, but not complete: the report says what is missing, its watermark did not move
  4  another run holds the lock
  5  stopped by a signal; running again goes on where it was";

/// Pulls FHIR data out of a server with Bulk Data $export and streams every resource through
/// a chain of sandboxed plugins: filters, transforms, one sink.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) log: Log,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Audit(command::Audit),
    Cancel(command::Cancel),
    Check(command::Check),
    Completions(command::Completions),
    Demo(command::Demo),
    Init(command::Init),
    Keys(command::Keys),
    Plugin(command::Plugin),
    Resync(command::Resync),
    Run(command::Run),
    ServeSample(command::ServeSample),
    Status(command::Status),
}

impl Cli {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Audit(audit) => audit.run(),
            Command::Cancel(cancel) => cancel.run().await,
            Command::Check(check) => check.run().await,
            Command::Completions(completions) => completions.run(Self::command()),
            Command::Demo(demo) => demo.run().await,
            Command::Init(init) => init.run(),
            Command::Keys(keys) => keys.run(),
            Command::Plugin(plugin) => plugin.run().await,
            Command::Resync(resync) => resync.run().await,
            Command::Run(run) => run.run().await,
            Command::ServeSample(serve) => serve.run().await,
            Command::Status(status) => status.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
