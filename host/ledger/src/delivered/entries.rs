//! Entries read one after the other.

use std::{path::Path, sync::Arc};

use crate::{
    Error,
    delivered::{Entry, ResourceKey, entry, fault},
};

/// Entries by key, as they stood when [`Delivered::of_type`](super::Delivered::of_type) was
/// called. Holds one block of a few entries at a time.
pub struct Entries {
    found: fjall::Iter,
    path: Arc<Path>,
}

impl Entries {
    pub(super) const fn new(found: fjall::Iter, path: Arc<Path>) -> Self {
        Self { found, path }
    }

    /// How many are left.
    pub(super) fn count_keys(self) -> Result<u64, Error> {
        let Self { found, path } = self;
        found.into_iter().try_fold(0, |count, next| {
            next.key().map(|_| count + 1).map_err(|source| fault(&path, source))
        })
    }

    fn read(&self, next: fjall::Guard) -> Result<(ResourceKey, Entry), Error> {
        let (key, value) =
            next.into_inner().map_err(|source| fault(&self.path, source))?;
        let key = ResourceKey::of_bytes(&key)
            .map_err(|_| Error::DeliveredDamaged { path: self.path.to_path_buf() })?;
        Ok((key, entry::decode(&value, &self.path)?))
    }
}

impl Iterator for Entries {
    type Item = Result<(ResourceKey, Entry), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.found.next()?;
        Some(self.read(next))
    }
}

impl std::fmt::Debug for Entries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entries").field("path", &self.path).finish_non_exhaustive()
    }
}
