//! How a failure is shown: what, the chain of causes once, and what to do.

use std::{fmt, io::Write, process::ExitCode};

use crate::trail::Refusal;

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
    if error.chain().any(is_closed_pipe) {
        // Whoever read our output has read enough.
        return ExitCode::SUCCESS;
    }
    let mut err = std::io::stderr().lock();
    // Nothing can be done when standard error is closed.
    let _ = write(&mut err, error);
    // Through contexts too: a failure may stand around another error or within one.
    let found = error.downcast_ref::<Failure>();
    found.map_or(ExitCode::from(1), |failure| failure.exit.into())
}

fn is_closed_pipe(cause: &(dyn std::error::Error + 'static)) -> bool {
    let io = cause.downcast_ref::<std::io::Error>();
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}

fn write(err: &mut impl Write, error: &anyhow::Error) -> std::io::Result<()> {
    writeln!(err, "error: {error}")?;
    // What the audit log is told of a refusal is in the failure's own words already.
    let causes = error.chain().skip(1).filter(|cause| !cause.is::<Refusal>());
    for cause in causes {
        writeln!(err, "  because: {cause}")?;
    }
    let failure = error.downcast_ref::<Failure>();
    if let Some(failure) = failure {
        writeln!(err, "  whose: {}", failure.blame)?;
    }
    let own = failure.and_then(|failure| failure.hint.clone());
    let libraries = error.chain().filter_map(hint_of);
    let mut hints: Vec<String> = own.into_iter().chain(libraries).collect();
    hints.dedup();
    for hint in hints {
        writeln!(err, "hint: {hint}")?;
    }
    Ok(())
}

/// What the libraries advise.
fn hint_of(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(error) = cause.downcast_ref::<bulkhead_bulk::Error>() {
        return error.hint();
    }
    if let Some(error) = cause.downcast_ref::<bulkhead_ledger::Error>() {
        return error.hint().map(ToString::to_string);
    }
    if let Some(error) = cause.downcast_ref::<bulkhead_egress::Error>() {
        return error.hint().map(ToString::to_string);
    }
    None
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    fn shown(error: &anyhow::Error) -> String {
        let mut text = Vec::new();
        write(&mut text, error).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn finds_exit_code_and_hint_wherever_the_failure_stands() {
        let failure = || Failure {
            exit: Exit::Locked,
            blame: "operator",
            what: "locked".to_owned(),
            hint: Some("wait".to_owned()),
        };
        let cases = [
            ("alone", anyhow::Error::new(failure())),
            ("around another", anyhow::anyhow!("inner").context(failure())),
            ("within another", Err::<(), _>(failure()).context("outer").unwrap_err()),
        ];
        for (name, error) in cases {
            assert_eq!(show(&error), ExitCode::from(4), "case: {name}");
            let text = shown(&error);
            assert!(text.contains("hint: wait\n"), "case: {name}: {text}");
            assert!(text.contains("  whose: operator\n"), "case: {name}: {text}");
        }
    }
}
