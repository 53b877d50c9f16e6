//! How a failure is shown: what, the chain of causes once, and what to do.

use std::{fmt, io::Write, process::ExitCode};

/// How a run ends when it does not end well. Documented in `bulkhead --help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Something failed; running again goes on.
    Failed,
    /// The configuration or a plugin is not acceptable.
    Refused,
    /// Delivered, but not complete.
    Incomplete,
    /// Another run holds the lock.
    Locked,
    /// Stopped by a signal.
    Stopped,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Failed => 1,
            Exit::Refused => 2,
            Exit::Incomplete => 3,
            Exit::Locked => 4,
            Exit::Stopped => 5,
        })
    }
}

/// A failure with its exit code, whose fault it is and what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How the process ends.
    pub(crate) exit: Exit,
    /// `server`, `plugin`, `operator`, `host` or `network`.
    pub(crate) blame: &'static str,
    /// What happened.
    pub(crate) what: String,
    /// What to do.
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// Of an operator's input: nothing was done.
    pub(crate) fn refused(what: impl Into<String>) -> Self {
        Self { exit: Exit::Refused, blame: "operator", what: what.into(), hint: None }
    }

    /// The same with what to do.
    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Failure {}

/// Prints a failure on standard error and gives its exit code.
pub(crate) fn show(error: &anyhow::Error) -> ExitCode {
    let mut err = std::io::stderr().lock();
    // Nothing can be done when standard error is closed.
    let _ = write(&mut err, error);
    let found = error.chain().find_map(|cause| cause.downcast_ref::<Failure>());
    found.map_or(ExitCode::from(1), |failure| failure.exit.into())
}

fn write(err: &mut impl Write, error: &anyhow::Error) -> std::io::Result<()> {
    writeln!(err, "error: {error}")?;
    for cause in error.chain().skip(1) {
        writeln!(err, "  because: {cause}")?;
    }
    for cause in error.chain() {
        let (blame, hint) = match cause.downcast_ref::<Failure>() {
            Some(failure) => (Some(failure.blame), failure.hint.clone()),
            None => (None, hint_of(cause)),
        };
        if let Some(blame) = blame {
            writeln!(err, "  whose: {blame}")?;
        }
        if let Some(hint) = hint {
            writeln!(err, "hint: {hint}")?;
        }
    }
    Ok(())
}

/// What the libraries advise.
fn hint_of(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(error) = cause.downcast_ref::<bulkhead_bulk::Error>() {
        return error.hint().map(|hint| hint.to_string());
    }
    if let Some(error) = cause.downcast_ref::<bulkhead_ledger::Error>() {
        return error.hint().map(ToString::to_string);
    }
    if let Some(error) = cause.downcast_ref::<bulkhead_egress::Error>() {
        return error.hint().map(ToString::to_string);
    }
    None
}
