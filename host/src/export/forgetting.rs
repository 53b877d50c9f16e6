//! What the ledger of resources need not remember any more: that something was deleted, long ago.
//!
//! Such an entry keeps an older version from coming back by a replica that lags, or by a job that
//! the server gives out again. After `sync.keep-deleted` neither is likely, and what comes then is
//! taken for new.

use bulkhead_ledger::delivered::{Delivered, State};
use bulkhead_model::Instant;

use super::Export;
use crate::clock;

/// Entries forgotten with one write.
const CHUNK: usize = 10_000;

impl Export {
    /// Forgets what was deleted long ago. Reads every entry: after exports of everything alone,
    /// which do so too; not after the first, which does not.
    pub(super) async fn forget_deleted(&self) -> anyhow::Result<()> {
        let Some(delivered) = self.delivered.clone() else { return Ok(()) };
        let before = clock::now().minus(self.config.sync.keep_deleted);
        let forgotten =
            tokio::task::spawn_blocking(move || forget(&delivered, before)).await??;
        if forgotten > 0 {
            tracing::info!(forgotten, "deleted resources are remembered no longer");
        }
        Ok(())
    }
}

/// Forgets what was deleted before an instant, and says how many.
fn forget(delivered: &Delivered, before: Instant) -> Result<u64, bulkhead_ledger::Error> {
    let mut forgotten = 0;
    let mut keys = Vec::new();
    for entry in delivered.of_type(None) {
        let (key, entry) = entry?;
        // Of a deletion it is the snapshot that told it.
        let is_old = entry.last_updated.is_some_and(|at| at < before);
        if entry.state == State::Deleted && is_old {
            keys.push(key);
        }
        if keys.len() == CHUNK {
            forgotten += keys.len() as u64;
            delivered.forget(&keys)?;
            keys.clear();
        }
    }
    forgotten += keys.len() as u64;
    delivered.forget(&keys)?;
    Ok(forgotten)
}

#[cfg(test)]
mod tests {
    use bulkhead_ledger::delivered::{Entry, Patients, ResourceKey};

    use super::*;

    #[test]
    fn only_what_was_deleted_long_ago_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let delivered = Delivered::open(&folder.path().join("d")).unwrap();
        let at = |ms| Some(Instant::from_unix_ms(ms));
        let cases = [
            ("old", State::Deleted, at(1), false),
            ("new", State::Deleted, at(9), true),
            ("live", State::Live, at(1), true),
            ("left", State::Retracted, at(1), true),
            ("when", State::Deleted, None, true),
        ];
        let entry = |state, last_updated| Entry {
            state,
            epoch: 1,
            export: 1,
            file: 0,
            line: 1,
            seen: 0,
            last_updated,
            raw: 1,
            content: 1,
            patients: Patients::default(),
        };
        let key = |id| ResourceKey::new("Task", id).unwrap();
        let all = cases.map(|(id, state, at, _)| (key(id), entry(state, at)));
        delivered.commit(&all).unwrap();
        assert_eq!(forget(&delivered, Instant::from_unix_ms(5)).unwrap(), 1);
        for (id, _, _, is_kept) in cases {
            let found = delivered.get_many(&[key(id)]).unwrap();
            assert_eq!(found[0].is_some(), is_kept, "case: {id}");
        }
    }
}
