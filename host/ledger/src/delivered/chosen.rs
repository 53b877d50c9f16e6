//! Some entries of many: those that are forgotten, and a few that are looked at again.

use std::sync::Arc;

use bulkhead_model::ResourceType;
use fjall::{PersistMode, Readable as _};

use super::{Delivered, Entries, ResourceKey, key};
use crate::Error;

impl Delivered {
    /// Forgets these resources. Durable on return.
    ///
    /// # Errors
    ///
    /// A failure of the database. After one it takes no more: open it anew.
    pub fn forget(&self, keys: &[ResourceKey]) -> Result<(), Error> {
        let mut batch =
            fjall::OwnedWriteBatch::with_capacity(self.database.clone(), keys.len())
                .durability(Some(PersistMode::SyncAll));
        for key in keys {
            batch.remove(&self.resources, key.as_bytes());
        }
        batch.commit().map_err(|source| self.fault(source))
    }

    /// The entries of one type whose ids are not before `id`, by key, as they stand now. Reads as
    /// it goes.
    pub fn from(&self, resource_type: &ResourceType, id: &str) -> Entries {
        let begin = key::prefix(resource_type);
        // Above any key of the type, and below those of others.
        let end = format!("{resource_type}\u{1}");
        let range = format!("{begin}{id}")..end;
        let found = self.database.snapshot().range(&self.resources, range);
        Entries::new(found, Arc::clone(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Entry, Patients, State};
    use super::*;

    fn entry() -> Entry {
        Entry {
            state: State::Live,
            epoch: 1,
            export: 1,
            file: 0,
            line: 1,
            seen: 0,
            last_updated: None,
            raw: 1,
            content: 1,
            patients: Patients::default(),
        }
    }

    /// Items: S7.
    #[test]
    fn some_of_a_type_are_found_from_an_id_on_and_others_are_forgotten()
    -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let delivered = Delivered::open(&folder.path().join("d"))?;
        let key = |kind: &str, id: &str| ResourceKey::new(kind, id);
        let keys =
            [key("Task", "a")?, key("Task", "b")?, key("Task", "c")?, key("Taskx", "a")?];
        let all: Vec<_> = keys.iter().map(|key| (key.clone(), entry())).collect();
        delivered.commit(&all)?;
        let ids = |from: &str| -> Result<Vec<String>, Box<dyn std::error::Error>> {
            let found = delivered.from(&"Task".parse()?, from);
            found.map(|next| Ok(next?.0.id().to_owned())).collect()
        };
        assert_eq!(ids("")?, ["a", "b", "c"]);
        assert_eq!(ids("aa")?, ["b", "c"]);
        assert_eq!(ids("d")?, [""; 0]);
        delivered.forget(&keys[1..2])?;
        assert_eq!(ids("")?, ["a", "c"]);
        Ok(())
    }
}
