//! `bulkhead audit verify`: whether the log is as it was written, as far as that can be known.

use std::{
    collections::BTreeMap,
    io::{BufReader, Write},
    path::PathBuf,
    process::ExitCode,
};

use bulkhead_ledger::{
    Ledger,
    audit::{AuditHead, Break, Checked, Checker, Flaw},
};
use bulkhead_model::Instant;

use super::survey::LogState;
use crate::{
    clock,
    config::{Config, Pinning},
    failure::{Exit, Failure},
};

/// What the ledger remembers of the last time.
const SUBJECT: &str = "audit-verified";

/// Check that no line of the audit log was edited, removed, added or put elsewhere.
///
/// Every line names the hash of the one before it. The end of the log is held against what the
/// ledger knows, and against a head that you kept elsewhere, where whoever can write the state
/// folder could not reach it: only that shows a log that was written anew.
#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    /// The configuration, for its state folder.
    #[arg(long, short, value_name = "FILE", default_value = "bulkhead.toml")]
    config: PathBuf,

    /// The hash of a line that must be in the log, as a report, `status` or this command told
    /// it.
    #[arg(long, value_name = "HASH")]
    head: Option<String>,

    /// Copies to check instead, the earliest first. Needs no configuration and no ledger.
    #[arg(value_name = "LOG")]
    files: Vec<PathBuf>,
}

impl Verify {
    /// Exits 0 when the log is whole, 1 when it is not, 3 when only its last line has no end.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let mut out = std::io::stdout().lock();
        let head = self.head.as_deref().map(str::trim);
        if let Some(head) = head
            && (head.len() != 64 || !head.bytes().all(|byte| byte.is_ascii_hexdigit()))
        {
            let what = "`--head` must be 64 hexadecimal digits";
            return Err(Failure::refused(what)
                .hint("`bulkhead status` and every report of a run tell it")
                .into());
        }
        let mut wrong = Vec::new();
        let mut ledger = None;
        let checked = if self.files.is_empty() {
            let config = Config::read(&self.config, Pinning::Waived)?;
            let path = config.state.join("ledger.db");
            if path.exists() {
                let opened = Ledger::open_read_only(&path)?;
                let (checked, known) = opened.check_audit()?;
                wrong.extend(against(&checked, known.as_ref()));
                ledger = Some(path);
            }
            let log = bulkhead_ledger::audit::audit_path(&config.state.join("ledger.db"));
            if !log.exists() && wrong.is_empty() && head.is_none() {
                writeln!(out, "There is no audit log yet: nothing was ever run.")?;
                return Ok(ExitCode::SUCCESS);
            }
            check(if log.exists() { vec![log] } else { Vec::new() }, head)?
        } else {
            check(self.files, head)?
        };
        let found = found(&checked);
        if let (Some(head), None) = (head, checked.found) {
            wrong.push(format!(
                "no line has the hash {head}: the log was cut before it, edited, or written anew"
            ));
        }
        for line in found.iter().chain(&wrong) {
            writeln!(out, "- {line}")?;
        }
        let end = checked.head.as_ref();
        let end = end.map_or("no line".to_owned(), |AuditHead { seq, hash }| {
            format!("line {seq}: {hash}")
        });
        if !checked.is_whole() || !wrong.is_empty() {
            writeln!(out, "NOT WHOLE. {} lines; it ends with {end}", checked.lines)?;
            return Ok(Exit::Failed.into());
        }
        writeln!(out, "Whole. {} lines; it ends with {end}", checked.lines)?;
        match (head, checked.found) {
            (Some(_), Some(at)) => writeln!(
                out,
                "The head that you gave is line {at}: everything up to there is as it was then."
            )?,
            _ => writeln!(
                out,
                "Nothing in it speaks against it. Whether all of it was written anew shows only \
                 with `--head` and a hash that was kept elsewhere."
            )?,
        }
        if checked.is_torn() {
            return Ok(Exit::Incomplete.into());
        }
        if let Some(path) = ledger {
            // Where the ledger may only be read, it is not remembered.
            if let Err(error) = remember(path) {
                tracing::info!(%error, "that the log was verified is not remembered");
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn remember(path: PathBuf) -> Result<(), bulkhead_ledger::Error> {
    let at = BTreeMap::from([("at".to_owned(), clock::now().to_string())]);
    Ledger::open(path)?.see(SUBJECT, &at)
}

fn check(files: Vec<PathBuf>, head: Option<&str>) -> anyhow::Result<Checked> {
    let mut checker = Checker::new(head);
    for path in files {
        checker.read(BufReader::new(fs_err::File::open(path)?))?;
    }
    Ok(checker.finish())
}

/// What is known of the log of a ledger.
///
/// # Errors
///
/// When ledger or log cannot be read.
pub(super) fn state(ledger: &Ledger) -> anyhow::Result<LogState> {
    let (checked, known) = ledger.check_audit()?;
    let wrong: Vec<String> =
        found(&checked).into_iter().chain(against(&checked, known.as_ref())).collect();
    let verified = ledger.seen(SUBJECT)?.remove("at");
    let verified = verified.and_then(|text| text.parse::<Instant>().ok());
    let is_sound = checked.is_whole() && against(&checked, known.as_ref()).is_none();
    Ok(LogState {
        head: checked.head,
        lines: checked.lines,
        // A torn line is what a crash leaves; the next run says so.
        wrong: if is_sound { Vec::new() } else { wrong },
        verified,
        unknown: None,
    })
}

/// What speaks against the end of the log.
fn against(checked: &Checked, known: Option<&AuditHead>) -> Option<String> {
    match known {
        None if checked.lines > 0 => Some(
            "the ledger knows nothing of this log: it was made anew, or is another's"
                .to_owned(),
        ),
        Some(AuditHead { seq, hash }) if checked.found.is_none() => Some(format!(
            "the ledger knows line {seq} with the hash {hash}, which is not in the log: its last \
             lines were taken away or edited"
        )),
        Some(_) | None => None,
    }
}

/// The breaks in words.
fn found(checked: &Checked) -> Vec<String> {
    let mut all: Vec<String> = checked.breaks.iter().map(told).collect();
    if checked.more > 0 {
        all.push(format!("and {} more places", checked.more));
    }
    all
}

fn told(of: &Break) -> String {
    let at = of.line;
    match &of.flaw {
        Flaw::Previous => format!(
            "line {at} does not follow the line before it: line {} was edited after it was \
             written, or line {at} is not what was written then",
            at.saturating_sub(1)
        ),
        Flaw::Sequence { expected, found } if found > expected => format!(
            "line {at} is number {found}, where number {expected} should be: lines are missing \
             before it"
        ),
        Flaw::Sequence { expected, found } => format!(
            "line {at} is number {found}, where number {expected} should be: lines are doubled, \
             added or in another order"
        ),
        Flaw::Torn { bytes } => format!(
            "line {at}, the last, has no end ({bytes} bytes): a crash while it was written, or a \
             cut; the next run takes it away and says so"
        ),
        Flaw::Unreadable => format!("line {at} is no line of an audit log"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_and_its_ledger_must_know_of_each_other() {
        let head = || AuditHead { seq: 3, hash: "ab".to_owned() };
        let log = |lines, found| Checked { lines, found, ..Checked::default() };
        let cases = [
            ("neither", log(0, None), None, None),
            ("they agree", log(3, Some(3)), Some(head()), None),
            (
                "a log that the ledger knows nothing of",
                log(3, None),
                None,
                Some("made anew, or is another's"),
            ),
            ("a log that was cut", log(2, None), Some(head()), Some("knows line 3")),
            ("a log that is gone", log(0, None), Some(head()), Some("knows line 3")),
        ];
        for (name, checked, known, expected) in cases {
            let found = against(&checked, known.as_ref());
            assert_eq!(found.is_some(), expected.is_some(), "case: {name}: {found:?}");
            let words = expected.unwrap_or_default();
            assert!(found.unwrap_or_default().contains(words), "case: {name}");
        }
    }
}
