//! Where refused lines stood: positions and codes, never content.
//!
//! The lines themselves are sealed elsewhere (`egress`); this is what reports count, what says
//! in which sealed file a body lies, and what a replay looks up. What looks for entries is in
//! `search`, what sends them through a chain again in `replay`.

mod replay;
mod search;

use std::{fmt, str::FromStr};

use bulkhead_model::ResourceType;
use rusqlite::{ErrorCode, Row, Transaction, ffi, params};

use crate::{
    Error, ExportId, Ledger, column, error::Fault, ledger::journal, phase::UnknownWord,
};

pub use replay::Planned;
pub use search::{Found, Place, Purged, Search, Which};

/// One refused line: where it stood, which stage refused it, and why in a word.
///
/// `class` and `code` may be guest-controlled: each is kept as at most 64 characters of
/// `A-Z a-z 0-9 - _ . : /`, any other replaced by `_`, so that no free text gets in here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineEntry {
    /// Index of the file.
    pub file: u32,
    /// Number of the line.
    pub line: u64,
    /// The type of the resource, when it could be told.
    pub resource_type: Option<ResourceType>,
    /// Name of the stage, as configured; at most 256 bytes.
    pub stage: String,
    /// What kind of refusal.
    pub class: String,
    /// The stage's code for it.
    pub code: String,
    /// Which of the records of the line that the stage refused, from 0.
    pub part: u32,
    /// What became of its body.
    pub kept: Kept,
    /// The sealed file that holds the body.
    pub segment: Option<String>,
    /// Of a body that a stage has changed: by which stages and settings, in the app's words.
    pub made_by: Option<String>,
}

/// What became of the body of a refused record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kept {
    /// It came out of quarantine, was refused again, and stays sealed where it was.
    Again,
    /// It could not be sealed.
    Failed,
    /// There was no room for it.
    Full,
    /// Nobody is there to seal for.
    Off,
    /// It went through the chain again, and was not refused.
    Replayed,
    /// It may not be kept: no filter had let it pass, or it is but a key.
    Rule,
    /// It is sealed.
    Sealed,
}

impl Kept {
    const ALL: [Self; 7] = [
        Self::Again,
        Self::Failed,
        Self::Full,
        Self::Off,
        Self::Replayed,
        Self::Rule,
        Self::Sealed,
    ];

    /// The word for it, in the database and in print.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Again => "again",
            Self::Failed => "failed",
            Self::Full => "full",
            Self::Off => "off",
            Self::Replayed => "replayed",
            Self::Rule => "rule",
            Self::Sealed => "sealed",
        }
    }
}

impl FromStr for Kept {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kept| kept.as_str() == text).ok_or(UnknownWord)
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Ledger {
    /// Adds entries; one of the same file, line, stage and part is replaced.
    ///
    /// # Errors
    ///
    /// [`Error::Phase`] unless the export's files are under way, [`Error::UnknownFile`],
    /// [`Error::TooLarge`], [`Error::UnknownExport`], or a failure of the database.
    pub fn quarantine(
        &self,
        id: &ExportId,
        entries: &[QuarantineEntry],
    ) -> Result<(), Error> {
        self.write(|tx| {
            let seq = journal::under_way(tx, id, "quarantine a line of")?;
            put(tx, id, seq, entries)
        })
    }

    /// The entries of an export, by file, line, stage and part.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn quarantined(&self, id: &ExportId) -> Result<Vec<QuarantineEntry>, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM quarantine
                     WHERE export = (SELECT seq FROM export WHERE id = ?1)
                     ORDER BY file, line, stage, part"
                ))?
                .query_map([id.as_str()], |row| entry(row, 0))?
                .collect::<Result<_, _>>()?)
        })
    }
}

/// Adds or replaces `entries` in the caller's transaction.
pub(crate) fn put(
    tx: &Transaction<'_>,
    id: &ExportId,
    seq: i64,
    entries: &[QuarantineEntry],
) -> Result<(), Fault> {
    let mut insert = tx.prepare_cached(
        "INSERT OR REPLACE INTO quarantine
             (export, file, line, stage, resource_type, class, code, part, kept, segment,
              made_by)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    for entry in entries {
        column::bounded("stage name", entry.stage.len(), STAGE_LIMIT)?;
        let line = column::signed("line number", entry.line)?;
        insert
            .execute(params![
                seq,
                entry.file,
                line,
                entry.stage,
                entry.resource_type.as_ref().map(ResourceType::as_str),
                token(&entry.class),
                token(&entry.code),
                entry.part,
                entry.kept.as_str(),
                entry.segment,
                entry.made_by,
            ])
            .map_err(|error| match error.sqlite_error() {
                Some(ffi::Error {
                    code: ErrorCode::ConstraintViolation,
                    extended_code: ffi::SQLITE_CONSTRAINT_FOREIGNKEY,
                }) => Error::UnknownFile { id: id.clone(), file: entry.file }.into(),
                Some(_) | None => Fault::from(error),
            })?;
    }
    Ok(())
}

/// The columns that [`entry`] reads, in its order.
const COLUMNS: &str =
    "file, line, resource_type, stage, class, code, part, kept, segment, made_by";

/// One entry, from [`COLUMNS`] that begin at column `at`.
fn entry(row: &Row<'_>, at: usize) -> rusqlite::Result<QuarantineEntry> {
    Ok(QuarantineEntry {
        file: row.get(at)?,
        line: column::unsigned(row, at + 1)?,
        resource_type: column::word_or_none(row, at + 2)?,
        stage: row.get(at + 3)?,
        class: row.get(at + 4)?,
        code: row.get(at + 5)?,
        part: row.get(at + 6)?,
        kept: column::word(row, at + 7)?,
        segment: row.get(at + 8)?,
        made_by: row.get(at + 9)?,
    })
}

/// Guest-controlled text as a bounded word.
fn token(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
    text.chars().take(TOKEN_LIMIT).map(|c| if plain(c) { c } else { '_' }).collect()
}

/// Longest class or code, in characters: a word, not a message.
const TOKEN_LIMIT: usize = 64;

/// Longest name of a stage, in bytes. Operators write it; this only bounds the row.
const STAGE_LIMIT: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_text_becomes_a_bounded_word() {
        let long = "x".repeat(100);
        let cases = [
            ("a code", "fhir:no-patient.v1/a_b", "fhir:no-patient.v1/a_b".to_owned()),
            ("free text", "Jane Roe\n1970", "Jane_Roe_1970".to_owned()),
            ("not ascii", "é", "_".to_owned()),
            ("too long", &long, "x".repeat(64)),
        ];
        for (name, text, expected) in cases {
            assert_eq!(token(text), expected, "case: {name}");
        }
    }
}
