//! Columns ⇄ values: how instants, words and unsigned numbers stand in the database.
//!
//! Instants are Unix milliseconds; words are text that a `FromStr` reads back. A value that
//! cannot be read back was not written by this program, and surfaces as a damaged ledger.

use std::{error::Error as StdError, str::FromStr};

use bulkhead_model::Instant;
use rusqlite::{Row, types::Type};

use crate::Error;

/// Reads a word.
pub(crate) fn word<T>(row: &Row<'_>, at: usize) -> rusqlite::Result<T>
where
    T: FromStr<Err: StdError + Send + Sync + 'static>,
{
    read(&row.get::<_, String>(at)?, at)
}

/// Reads a word that may be missing.
pub(crate) fn word_or_none<T>(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<T>>
where
    T: FromStr<Err: StdError + Send + Sync + 'static>,
{
    row.get::<_, Option<String>>(at)?.map(|text| read(&text, at)).transpose()
}

/// Reads an instant.
pub(crate) fn instant(row: &Row<'_>, at: usize) -> rusqlite::Result<Instant> {
    row.get(at).map(Instant::from_unix_ms)
}

/// Reads an instant that may be missing.
pub(crate) fn instant_or_none(
    row: &Row<'_>,
    at: usize,
) -> rusqlite::Result<Option<Instant>> {
    Ok(row.get::<_, Option<i64>>(at)?.map(Instant::from_unix_ms))
}

/// Reads a number that is never negative.
pub(crate) fn unsigned(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(at)?;
    u64::try_from(number)
        .map_err(|_| rusqlite::Error::IntegralValueOutOfRange(at, number))
}

/// Reads a number that is never negative and may be missing.
pub(crate) fn unsigned_or_none(
    row: &Row<'_>,
    at: usize,
) -> rusqlite::Result<Option<u64>> {
    match row.get::<_, Option<i64>>(at)? {
        Some(_) => unsigned(row, at).map(Some),
        None => Ok(None),
    }
}

/// Writes an instant that may be missing.
pub(crate) fn ms(instant: Option<Instant>) -> Option<i64> {
    instant.map(Instant::unix_ms)
}

/// Writes a number. `SQLite` ends at 2⁶³ − 1, beyond any file that can be served.
pub(crate) fn signed(what: &'static str, number: u64) -> Result<i64, Error> {
    i64::try_from(number).map_err(|_| Error::TooLarge {
        what,
        size: number,
        limit: i64::MAX.unsigned_abs(),
    })
}

/// Refuses what is longer than `limit` bytes.
pub(crate) fn bounded(
    what: &'static str,
    size: usize,
    limit: usize,
) -> Result<(), Error> {
    if size <= limit {
        Ok(())
    } else {
        Err(Error::TooLarge { what, size: wide(size), limit: wide(limit) })
    }
}

/// A size in memory as a number; no machine has more than 2⁶⁴ bytes.
pub(crate) fn wide(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

fn read<T>(text: &str, at: usize) -> rusqlite::Result<T>
where
    T: FromStr<Err: StdError + Send + Sync + 'static>,
{
    text.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(error))
    })
}
