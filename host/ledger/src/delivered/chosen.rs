//! Some entries of many: those that are forgotten, and a few that are looked at again.

use std::sync::Arc;

use bulkhead_model::ResourceType;
use fjall::Readable as _;

use super::{Delivered, Draft, Durable, Entries, ResourceKey, key};
use crate::Error;

impl Delivered {
    /// Forgets these resources. Durable on return.
    ///
    /// # Errors
    ///
    /// A failure of the database. After one it takes no more: open it anew.
    pub fn forget(&self, keys: &[ResourceKey]) -> Result<(), Error> {
        let mut draft = Draft::default();
        for key in keys {
            draft.forget_key(key);
        }
        self.put(draft, Durable::Now)
    }

    /// The entries of one type whose ids are not before `id`, by key, as they stand now. Reads as
    /// it goes.
    pub fn from(&self, resource_type: &ResourceType, id: &str) -> Entries {
        let begin = key::prefix(resource_type);
        // Above any key of the type, and below those of others.
        let end = format!("{resource_type}\u{1}");
        let first = format!("{begin}{id}");
        let stood = self.recent.in_order(begin.as_bytes(), || self.database.snapshot());
        let path = Arc::clone(&self.path);
        match stood {
            Ok((now, mut recent)) => {
                recent.retain(|(key, _)| **key >= *first.as_bytes());
                let sorted = now.range(&self.resources, first..end);
                Entries::new(sorted, recent, path)
            }
            Err(source) => Entries::failed(self.fault(source), path),
        }
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
