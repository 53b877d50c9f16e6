//! The audit log: one JSON object a line, each with the hash of the line before it.
//!
//! The file is `audit.ndjson` beside the database, which keeps the number and the hash of the
//! last line: a log that was cut at its end does not fit its ledger any more. What an event
//! says is the app's; here lines are numbered, bound, synced, and looked at again.
//!
//! Whoever can write the folder can write a chain anew, ledger and all. What binds them is the
//! head, once it is known elsewhere.
//!
//! Crashes: a line is on the disk before the database knows of it. A line more than it knows is
//! therefore fine when it follows; a line without an end is taken away, and a line says so.
//! Writers of several processes take turns by the database's own lock.

mod check;
mod line;

use std::{
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use bulkhead_model::Instant;
use fs_err::File;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Value, json};

pub use self::{
    check::{Break, Checked, Checker, Flaw},
    line::{AuditHead, AuditLine, LONGEST_LINE},
};
use crate::{Error, Ledger, column, error::Fault, place};

/// A line without an end was found and taken away.
pub const REPAIRED: &str = "log-repaired";
/// The log does not end as the ledger knows it.
pub const BROKEN: &str = "log-broken";
/// There is a log, and a ledger that knows nothing of it.
pub const ADOPTED: &str = "log-adopted";

impl Ledger {
    /// Where the audit log lies.
    pub fn audit_path(&self) -> PathBuf {
        audit_path(self.path())
    }

    /// Writes one line of the audit log; it is on the disk when this returns.
    ///
    /// A log that does not end as it should gets a line that says so before it, and the chain
    /// goes on from what the ledger knows: the break stays to be seen.
    ///
    /// # Errors
    ///
    /// [`Error::Audit`] when the file cannot be written, [`Error::TooLarge`] for a line of a
    /// megabyte, or a failure of the database.
    pub fn audit(
        &self,
        event: &str,
        payload: &Value,
        now: Instant,
    ) -> Result<AuditHead, Error> {
        let path = self.audit_path();
        self.write(|tx| {
            let known = head(tx)?;
            let failed = |source| Error::Audit { path: path.clone(), source };
            let mut end = End::of(&path, known.as_ref()).map_err(failed)?;
            let mut text = String::from(if end.is_unended { "\n" } else { "" });
            let mut head = end.base.clone();
            let own = end.remarks.iter().map(|(event, payload)| (*event, payload));
            for (event, payload) in own.chain([(event, payload)]) {
                let line = AuditLine {
                    seq: head.seq.saturating_add(1),
                    time: now,
                    event: event.to_owned(),
                    payload: payload.clone(),
                    previous: head.hash,
                };
                let line_text = line.encode()?;
                head =
                    AuditHead { seq: line.seq, hash: line::hash(line_text.as_bytes()) };
                text.push_str(&line_text);
                text.push('\n');
            }
            if end.torn > 0 {
                // Only what has no end: every whole line stays as it is.
                end.file.set_len(end.whole).map_err(failed)?;
            }
            end.file.seek(SeekFrom::End(0)).map_err(failed)?;
            end.file.write_all(text.as_bytes()).map_err(failed)?;
            end.file.sync_all().map_err(failed)?;
            if end.whole == 0 {
                place::sync_parent(&path).map_err(failed)?;
            }
            tx.prepare_cached(
                "INSERT OR REPLACE INTO audit_head (one, seq, hash) VALUES (1, ?1, ?2)",
            )?
            .execute(params![column::signed("audit line", head.seq)?, head.hash])?;
            Ok(head)
        })
    }

    /// The last line that is known to be written, or `None` before the first.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn audit_head(&self) -> Result<Option<AuditHead>, Error> {
        self.read(head)
    }

    /// Checks the audit log against itself and gives what the ledger knows of its end, both of
    /// one moment. A log that is not there is one without lines.
    ///
    /// # Errors
    ///
    /// [`Error::Audit`] when the file cannot be read, or a failure of the database.
    pub fn check_audit(&self) -> Result<(Checked, Option<AuditHead>), Error> {
        let path = self.audit_path();
        // The head first: what is written meanwhile makes the log longer, never shorter.
        let known = self.audit_head()?;
        let wanted = known.as_ref().map(|known| known.hash.as_str());
        let checked =
            check(&path, wanted).map_err(|source| Error::Audit { path, source })?;
        Ok((checked, known))
    }
}

/// The audit log beside the database at `database`.
pub fn audit_path(database: &Path) -> PathBuf {
    database.with_file_name("audit.ndjson")
}

fn head(connection: &Connection) -> Result<Option<AuditHead>, Fault> {
    Ok(connection
        .prepare_cached("SELECT seq, hash FROM audit_head")?
        .query_row([], |row| {
            Ok(AuditHead { seq: column::unsigned(row, 0)?, hash: row.get(1)? })
        })
        .optional()?)
}

fn check(path: &Path, wanted: Option<&str>) -> io::Result<Checked> {
    let mut checker = Checker::new(wanted);
    match File::open(path) {
        Ok(file) => checker.read(BufReader::new(file))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(checker.finish())
}

/// How a log ends, and what the next line follows.
struct End {
    file: std::fs::File,
    /// Length up to the end of the last whole line.
    whole: u64,
    /// Bytes beyond.
    torn: u64,
    /// What is there is far too long for a line, and has no end.
    is_unended: bool,
    /// What the next line follows.
    base: AuditHead,
    /// What is to be said first.
    remarks: Vec<(&'static str, Value)>,
}

impl End {
    fn of(path: &Path, known: Option<&AuditHead>) -> io::Result<Self> {
        let mut file = place::open_private(path)?;
        let tail = Tail::read(&mut file)?;
        let mut remarks = Vec::new();
        if tail.torn > 0 {
            let torn = json!({ "bytes": tail.torn, "sha256": tail.torn_hash });
            remarks.push((REPAIRED, torn));
        }
        let found = tail.last.clone();
        let base = match (known, &found) {
            (None, None) if tail.whole == 0 => AuditHead::genesis(),
            (None, Some(found)) => {
                remarks.push((ADOPTED, json!({ "found": found })));
                found.clone()
            }
            (Some(known), Some(found)) if known == found => found.clone(),
            (Some(known), Some(found))
                if found.seq > known.seq && follows(path, known)? =>
            {
                found.clone()
            }
            (known, found) => {
                remarks.push((BROKEN, json!({ "known": known, "found": found })));
                known.cloned().unwrap_or_else(AuditHead::genesis)
            }
        };
        let Tail { whole, torn, is_unended, .. } = tail;
        Ok(Self { file, whole, torn, is_unended, base, remarks })
    }
}

/// Whether the log holds the line that the ledger knows, and is whole beyond it.
fn follows(path: &Path, known: &AuditHead) -> io::Result<bool> {
    let checked = check(path, Some(&known.hash))?;
    let is_beyond = |line: u64| line > known.seq;
    let is_sound = checked.more == 0
        && !checked
            .breaks
            .iter()
            .any(|of| is_beyond(of.line) && !matches!(of.flaw, Flaw::Torn { .. }));
    Ok(is_sound && checked.found == Some(known.seq))
}

/// The last bytes of a log.
struct Tail {
    whole: u64,
    torn: u64,
    is_unended: bool,
    torn_hash: String,
    /// The last whole line, when it can be read.
    last: Option<AuditHead>,
}

impl Tail {
    fn read(file: &mut std::fs::File) -> io::Result<Self> {
        let size = file.metadata()?.len();
        // A torn line and a whole one before it.
        let window = size.min(2 * column::wide(LONGEST_LINE));
        file.seek(SeekFrom::Start(size - window))?;
        let mut bytes = Vec::new();
        (&mut *file).take(window).read_to_end(&mut bytes)?;
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
            // One line at most, and it has no end; of more, nothing is taken away.
            let torn = if window == size { size } else { 0 };
            let (whole, torn_hash) = (size - torn, line::hash(&bytes));
            return Ok(Self {
                whole,
                torn,
                is_unended: whole > 0,
                torn_hash,
                last: None,
            });
        };
        let (lines, torn) = bytes.split_at(end);
        let torn = torn.get(1..).unwrap_or_default();
        let start = lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line = lines.get(start..).unwrap_or_default();
        let last = AuditLine::decode(line).ok();
        let size_of_torn = column::wide(torn.len());
        Ok(Self {
            whole: size - size_of_torn,
            torn: size_of_torn,
            is_unended: false,
            torn_hash: line::hash(torn),
            last: last.map(|told| AuditHead { seq: told.seq, hash: line::hash(line) }),
        })
    }
}
