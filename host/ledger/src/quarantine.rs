//! Where refused lines stood: positions and codes, never content.
//!
//! The lines themselves are sealed elsewhere (`egress`); this is what reports count and a
//! replay looks up.

use bulkhead_model::ResourceType;
use rusqlite::{ErrorCode, Transaction, ffi, params};

use crate::{Error, ExportId, Ledger, column, error::Fault, ledger::journal};

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
}

impl Ledger {
    /// Adds entries; one of the same file, line and stage is replaced.
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

    /// The entries of an export, by file, line and stage.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn quarantined(&self, id: &ExportId) -> Result<Vec<QuarantineEntry>, Error> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT file, line, resource_type, stage, class, code FROM quarantine
                     WHERE export = (SELECT seq FROM export WHERE id = ?1)
                     ORDER BY file, line, stage",
                )?
                .query_map([id.as_str()], |row| {
                    Ok(QuarantineEntry {
                        file: row.get(0)?,
                        line: column::unsigned(row, 1)?,
                        resource_type: column::word_or_none(row, 2)?,
                        stage: row.get(3)?,
                        class: row.get(4)?,
                        code: row.get(5)?,
                    })
                })?
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
             (export, file, line, stage, resource_type, class, code)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
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
