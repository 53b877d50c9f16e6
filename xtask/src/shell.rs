//! Runs other programs and says which one failed. Knows no task.

use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result, bail};

/// Runs `command` with our output and no input.
///
/// # Errors
///
/// When it cannot start, or ends with anything but success.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = status(command.stdin(Stdio::null()))?;
    if !status.success() {
        bail!("`{}` failed ({status})", spell(command));
    }
    Ok(())
}

/// Runs `command` with our input and output, and returns how it ended.
///
/// # Errors
///
/// When it cannot start.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    command.status().with_context(|| format!("starting `{}`", spell(command)))
}

/// Runs `command` and returns what it wrote to standard output.
///
/// # Errors
///
/// When it cannot start, fails (then with what it complained of), or writes no UTF-8.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting `{}`", spell(command)))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{}` failed ({})\n{}",
            spell(command),
            output.status,
            complaint.trim_end()
        );
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("reading what `{}` wrote", spell(command)))
}

/// Whether `command` starts and succeeds; all it says is thrown away.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The command as one would type it.
pub(crate) fn spell(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_stem().unwrap_or(command.get_program());
    std::iter::once(name)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spells_a_command_as_typed() {
        let mut command = Command::new("/opt/toolchain/bin/cargo");
        command.args(["build", "--release"]);
        assert_eq!(spell(&command), "cargo build --release");
    }

    #[test]
    fn names_the_program_that_is_missing() {
        let refused = run(&mut Command::new("no-such-program-here")).unwrap_err();
        assert_eq!(refused.to_string(), "starting `no-such-program-here`");
    }
}
