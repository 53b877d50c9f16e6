//! A list of steps, run one after the other, with progress, durations and a summary.
//!
//! The first step that fails ends the run: what comes later rests on what came before.

use std::{
    fmt::Display,
    io::Write as _,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Result;

/// What a step says when it is through.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It holds; the text says what was found.
    Done(String),
    /// It could not be asked here; the text says why.
    Skipped(String),
}

type Run = Box<dyn FnOnce() -> Result<Outcome>>;

/// One step of a task.
pub(crate) struct Step {
    name: &'static str,
    about: &'static str,
    repeat: String,
    run: Run,
}

impl Step {
    /// `repeat` is the command that runs this step and no other.
    pub(crate) fn new(
        name: &'static str,
        about: &'static str,
        repeat: String,
        run: impl FnOnce() -> Result<Outcome> + 'static,
    ) -> Self {
        Self { name, about, repeat, run: Box::new(run) }
    }
}

/// Runs `steps` in order and sums up. Success only when no step failed.
pub(crate) fn run(task: &str, steps: Vec<Step>) -> ExitCode {
    match perform(task, steps, &mut |line| say(line)) {
        None => ExitCode::SUCCESS,
        Some(repeat) => {
            complain(format_args!("repeat just the failed step with: {repeat}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs `steps`, tells of them line by line, and returns the command that repeats the one
/// that failed.
fn perform(task: &str, steps: Vec<Step>, tell: &mut dyn FnMut(String)) -> Option<String> {
    let count = steps.len();
    let begun = now();
    if count > 1 {
        let names: Vec<&str> = steps.iter().map(|step| step.name).collect();
        tell(format!("cargo xtask {task}: {count} steps: {}", names.join(", ")));
    }
    let mut rows = Vec::with_capacity(count);
    let mut failed = None;
    for (index, Step { name, about, repeat, run }) in steps.into_iter().enumerate() {
        if failed.is_some() {
            rows.push(format!("  not run  {name}"));
            continue;
        }
        tell(format!("[{}/{count}] {name}: {about} …", index + 1));
        let step_begun = now();
        let outcome = run();
        let took = spell(step_begun.elapsed());
        match outcome {
            Ok(Outcome::Done(found)) => {
                tell(format!("      ok in {took}: {found}"));
                rows.push(format!("  ok       {name:<14} {took}"));
            }
            Ok(Outcome::Skipped(reason)) => {
                tell(format!("      skipped: {reason}"));
                rows.push(format!("  skipped  {name:<14} {reason}"));
            }
            Err(error) => {
                tell(format!("      FAILED in {took}: {error:#}"));
                rows.push(format!("  FAILED   {name:<14} {took}"));
                failed = Some(repeat);
            }
        }
    }
    if count > 1 {
        tell(format!("\ncargo xtask {task}: {} in all", spell(begun.elapsed())));
        rows.into_iter().for_each(tell);
    }
    failed
}

/// Writes one line to standard output. A reader that went away is no error of ours.
pub(crate) fn say(line: impl Display) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Writes one line to standard error.
pub(crate) fn complain(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "durations of steps; no product code runs here"
)]
fn now() -> Instant {
    Instant::now()
}

fn spell(took: Duration) -> String {
    let seconds = took.as_secs();
    if seconds < 60 {
        format!("{:.1} s", took.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use super::*;

    #[test]
    fn spells_durations_as_people_do() {
        let cases = [
            (300, "0.3 s"),
            (59_940, "59.9 s"),
            (60_000, "1 min 00 s"),
            (605_000, "10 min 05 s"),
        ];
        for (ms, expected) in cases {
            assert_eq!(spell(Duration::from_millis(ms)), expected, "case: {ms} ms");
        }
    }

    #[test]
    fn stops_at_the_first_failure() {
        let cases = [
            ("all hold", "ok ok", "ok ok", None),
            ("a skip is no failure", "skip ok", "skip ok", None),
            ("nothing after it", "ok fail ok", "ok fail", Some("do fail")),
        ];
        for (name, wanted, expected, repeat) in cases {
            let ran = Rc::new(RefCell::new(Vec::new()));
            let steps = wanted.split(' ').map(|kind| step(kind, &ran)).collect();
            let failed = perform("x", steps, &mut |_| {});
            assert_eq!(failed.as_deref(), repeat, "case: {name}");
            assert_eq!(ran.borrow().join(" "), expected, "case: {name}");
        }
    }

    #[test]
    fn tells_what_it_will_do_and_what_it_did() {
        let ran = Rc::default();
        let steps = ["ok", "fail", "skip"].map(|kind| step(kind, &ran)).into();
        let mut told = Vec::new();
        perform("x", steps, &mut |line| told.extend(line.lines().map(str::to_owned)));
        let openings = [
            "cargo xtask x: 3 steps: ok, fail, skip",
            "[1/3] ok: tests …",
            "      ok in ",
            "[2/3] fail: tests …",
            "      FAILED in ",
            "",
            "cargo xtask x: ",
            "  ok       ok ",
            "  FAILED   fail ",
            "  not run  skip",
        ];
        assert_eq!(told.len(), openings.len());
        for (line, opening) in told.iter().zip(openings) {
            assert!(line.starts_with(opening), "line: {line}");
        }
    }

    fn step(kind: &'static str, ran: &Rc<RefCell<Vec<&'static str>>>) -> Step {
        let ran = Rc::clone(ran);
        Step::new(kind, "tests", format!("do {kind}"), move || {
            ran.borrow_mut().push(kind);
            match kind {
                "ok" => Ok(Outcome::Done(String::new())),
                "skip" => Ok(Outcome::Skipped(String::new())),
                _ => anyhow::bail!("on purpose"),
            }
        })
    }
}
