//! The tables, and how an older file becomes a current one.
//!
//! `user_version` counts the steps of [`MIGRATIONS`] that a file has been through;
//! `application_id` tells a ledger from any other database. A step, once released, is never
//! edited: a change is a further step.

use rusqlite::{Connection, TransactionBehavior};

use crate::error::{Error, Fault};

/// Schema version this program reads and writes.
pub(crate) const KNOWN: i32 = {
    // Two digits at most, by hand: the cast cannot lose.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "few steps"
    )]
    let known = MIGRATIONS.len() as i32;
    known
};

/// `BLKH`: what `file` and we recognise a ledger by.
const APPLICATION_ID: i32 = 0x424C_4B48;

/// What kind of file a connection found.
pub(crate) enum Found {
    /// A ledger that needs nothing.
    Current,
    /// Not ours.
    Foreign,
    /// A ledger of a later program.
    Newer(i32),
    /// A ledger of an earlier program, or an empty file (0).
    Older(i32),
}

/// Looks at the marks of the file behind `connection`.
pub(crate) fn inspect(connection: &Connection) -> Result<Found, Fault> {
    let application: i32 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i32 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let empty: bool = connection.query_row(
        "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)",
        [],
        |row| row.get(0),
    )?;
    Ok(match (application, version) {
        (0, 0) if empty => Found::Older(0),
        (APPLICATION_ID, KNOWN) => Found::Current,
        (APPLICATION_ID, version) if version > KNOWN => Found::Newer(version),
        (APPLICATION_ID, version) if version >= 0 => Found::Older(version),
        _ => Found::Foreign,
    })
}

/// Takes the file through the steps it has not seen, all of them or none.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), Fault> {
    // A step may make a table anew; to drop the old one must not take with it what refers to
    // it. Cannot be changed within a transaction.
    connection.pragma_update(None, "foreign_keys", "OFF")?;
    let migrated = take_steps(connection);
    connection.pragma_update(None, "foreign_keys", "ON")?;
    migrated
}

fn take_steps(connection: &mut Connection) -> Result<(), Fault> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Looked at again under the write lock: another process may have been quicker.
    let Found::Older(version) = inspect(&tx)? else {
        return Ok(());
    };
    let seen = usize::try_from(version).unwrap_or(0);
    for step in MIGRATIONS.iter().skip(seen) {
        tx.execute_batch(step)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", KNOWN)?;
    tx.commit()?;
    Ok(())
}

/// The error for a file that cannot be used as it was found, or `None` when it can.
pub(crate) fn refusal(found: &Found, path: &std::path::Path) -> Option<Error> {
    let path = path.to_owned();
    match *found {
        Found::Current => None,
        Found::Foreign => Some(Error::NotALedger { path }),
        Found::Newer(found) => Some(Error::NewerSchema { path, found, known: KNOWN }),
        Found::Older(found) => Some(Error::OlderSchema { path, found, known: KNOWN }),
    }
}

const MIGRATIONS: &[&str] = &[
    include_str!("schema/0001_ledger.sql"),
    include_str!("schema/0002_evidence.sql"),
    include_str!("schema/0003_delivered.sql"),
    include_str!("schema/0004_recalled.sql"),
    include_str!("schema/0005_audit.sql"),
    include_str!("schema/0006_sealed.sql"),
    include_str!("schema/0007_cohort_pieces.sql"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_had_a_row_each_are_kept_in_the_order_of_their_keys()
    -> Result<(), Box<dyn std::error::Error>> {
        let mut connection = Connection::open_in_memory()?;
        for step in MIGRATIONS.iter().take(6) {
            connection.execute_batch(step)?;
        }
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.pragma_update(None, "user_version", 6)?;
        connection.execute_batch(
            "INSERT INTO cohort_snapshot (seq, stream, cohort) VALUES (1, 's', 'a'), (2, 's', 'b');
             INSERT INTO cohort_member (snapshot, key) VALUES
                 (1, x'00000000000000000000000000000002'),
                 (1, x'00000000000000000000000000000001'),
                 (2, x'00000000000000000000000000000003');",
        )?;
        migrate(&mut connection).map_err(|fault| fault.at(std::path::Path::new("x")))?;
        let pieces = connection
            .prepare(
                "SELECT snapshot, hex(keys) FROM cohort_piece ORDER BY snapshot, piece",
            )?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<Vec<(i64, String)>, _>>()?;
        let expected = [(1, 1), (1, 2), (2, 3)]
            .map(|(snapshot, key)| (snapshot, format!("{key:032X}")));
        assert_eq!(pieces, expected);
        Ok(())
    }

    #[test]
    fn a_ledger_of_the_first_step_becomes_a_current_one_and_keeps_what_it_holds()
    -> Result<(), Box<dyn std::error::Error>> {
        let mut connection = Connection::open_in_memory()?;
        connection.execute_batch(include_str!("schema/0001_ledger.sql"))?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.pragma_update(None, "user_version", 1)?;
        connection.execute_batch(
            "INSERT INTO export (id, stream, chain, request, fingerprint, kickoff_instant,
                 phase, status_url, finished_at)
             VALUES ('e1', 's', 'c', '{}', 'f', 1, 'completed', 'https://h/1', 5);
             INSERT INTO file (export, file, array, state) VALUES (1, 0, 'output', 'open');
             INSERT INTO quarantine (export, file, line, stage, class, code)
                 VALUES (1, 0, 7, 's', 'other', 'x');",
        )?;
        migrate(&mut connection).map_err(|fault| fault.at(std::path::Path::new("x")))?;
        let found =
            inspect(&connection).map_err(|fault| fault.at(std::path::Path::new("x")))?;
        assert!(matches!(found, Found::Current));
        let kept: (String, Option<i64>, i64) = connection.query_row(
            "SELECT e.id, e.released_at, f.unproven FROM export e JOIN file f ON f.export = e.seq",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        assert_eq!(kept, ("e1".to_owned(), Some(5), 0));
        let refused: (i64, u32, String) = connection.query_row(
            "SELECT line, part, kept FROM quarantine",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        assert_eq!(refused, (7, 0, "off".to_owned()));
        // What refers to a table that was made anew still does.
        connection.execute("DELETE FROM export", [])?;
        let left: i64 =
            connection
                .query_row("SELECT count(*) FROM quarantine", [], |row| row.get(0))?;
        assert_eq!(left, 0);
        Ok(())
    }
}
