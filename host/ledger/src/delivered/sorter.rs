//! The thread that sorts logs into the engine.
//!
//! Each sorting is one bulk load: sorted tables are written whole and appear at once, without
//! the engine's own log and without its tables in memory.

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
};

use fjall::Keyspace;

use crate::delivered::{log, logs::Waiting, recent::Recent};

/// Ends the thread when it is dropped, after the sorting that it is at.
pub(super) struct Sorter {
    recent: Arc<Recent>,
    thread: Option<JoinHandle<()>>,
}

impl Sorter {
    /// Starts it.
    pub(super) fn start(recent: &Arc<Recent>, table: Keyspace) -> std::io::Result<Self> {
        let own = Arc::clone(recent);
        let thread =
            thread::Builder::new().name("entries".to_owned()).spawn(move || {
                while let Some(logs) = own.next_to_sort() {
                    let done = sort(&logs, &table);
                    own.sorted(&logs, done);
                }
            })?;
        Ok(Self { recent: Arc::clone(recent), thread: Some(thread) })
    }
}

impl Drop for Sorter {
    fn drop(&mut self) {
        self.recent.close();
        if let Some(thread) = self.thread.take() {
            // It does not panic; if it did, its logs are still there.
            let _ = thread.join();
        }
    }
}

/// Sorts logs, oldest first, into the table: durable on return, all or nothing.
fn sort(logs: &[Arc<Waiting>], table: &Keyspace) -> Result<(), fjall::Error> {
    let read = logs.iter().map(|log| log.read_all());
    let logs = read.collect::<std::io::Result<Vec<_>>>()?;
    let starts = logs.iter().map(|log| log::Records::new(log).map(move |at| (log, at)));
    let mut records: Vec<(&[u8], &[u8])> =
        starts.flatten().filter_map(|(log, at)| log::record_at(log, at)).collect();
    // Of one key's records the last stays last.
    records.sort_by_key(|(key, _)| *key);
    let mut ingestion = table.start_ingestion()?;
    for of_key in records.chunk_by(|(one, _), (other, _)| one == other) {
        match of_key.last() {
            Some((key, [])) => ingestion.write_tombstone(*key)?,
            Some((key, value)) => ingestion.write(*key, *value)?,
            None => {}
        }
    }
    ingestion.finish()
}

/// Takes every key out of the table: durable on return, all or nothing.
pub(super) fn empty(
    table: &Keyspace,
    keys: impl Iterator<Item = Result<fjall::UserKey, fjall::Error>>,
) -> Result<(), fjall::Error> {
    let mut keys = keys.peekable();
    if keys.peek().is_none() {
        return Ok(());
    }
    let mut ingestion = table.start_ingestion()?;
    for key in keys {
        ingestion.write_tombstone(key?)?;
    }
    ingestion.finish()
}
