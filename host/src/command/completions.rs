//! `bulkhead completions`: the script that makes a shell complete this command line.

use std::{io::Write, process::ExitCode};

use clap_complete::Shell;

const EXAMPLES: &str = "\
Examples:
  bulkhead completions bash > ~/.local/share/bash-completion/completions/bulkhead
  bulkhead completions zsh  > \"${fpath[1]}/_bulkhead\"
  bulkhead completions fish > ~/.config/fish/completions/bulkhead.fish";

/// Prints a script that makes your shell complete bulkhead's commands and options.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Completions {
    /// The shell to write for.
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    /// Prints the script of `command`, the whole command line.
    pub(crate) fn run(self, command: clap::Command) -> anyhow::Result<ExitCode> {
        std::io::stdout().lock().write_all(&script(self.shell, command))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn script(shell: Shell, mut command: clap::Command) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "bulkhead", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, ValueEnum};

    use super::*;

    #[test]
    fn writes_a_script_that_knows_the_commands_for_every_shell() {
        for shell in Shell::value_variants() {
            let script = script(*shell, crate::cli::Cli::command());
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("serve-sample"), "case: {shell}");
        }
    }
}
