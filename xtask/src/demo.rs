//! Builds everything and hands over to `bulkhead demo`, terminal and all.

use std::{io::ErrorKind, process::ExitCode};

use anyhow::{Context as _, Result};

use crate::{guests, plan, shell, workspace::Workspace};

/// Where the demonstration keeps its data, below the root; listed in `.gitignore`.
const FOLDER: &str = "bulkhead-demo";

/// Runs the demonstration and ends as it ends. With `fresh`, its folder is deleted first.
///
/// # Errors
///
/// When the folder cannot be deleted, or the program cannot start.
pub(crate) fn run(
    workspace: &Workspace,
    fresh: bool,
    arguments: &[String],
) -> Result<ExitCode> {
    plan::say("building all first; the first time this takes some minutes");
    let built = plan::run("demo", guests::steps(workspace, None));
    if built != ExitCode::SUCCESS {
        return Ok(built);
    }
    if fresh {
        delete(workspace)?;
    }
    let metadata = workspace.metadata()?;
    let mut command = workspace.command(guests::program(&metadata)?);
    command.arg("demo").arg("--plugins").arg(guests::folder(&metadata));
    command.args(["--dir", FOLDER]).args(arguments);
    plan::say(format_args!("\n$ {}", shell::spell(&command)));
    let status = shell::status(&mut command)?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

fn delete(workspace: &Workspace) -> Result<()> {
    match std::fs::remove_dir_all(workspace.root().join(FOLDER)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("deleting {FOLDER}"))
        }
        _ => Ok(()),
    }
}
