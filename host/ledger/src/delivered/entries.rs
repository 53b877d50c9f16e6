//! Entries read one after the other.

use std::{cmp::Ordering, iter::Peekable, path::Path, sync::Arc, vec};

use crate::{
    Error,
    delivered::{Entry, ResourceKey, entry, fault, recent::Pair},
};

/// Entries by key, as they stood when [`Delivered::of_type`](super::Delivered::of_type) was
/// called. Holds one block of a few entries at a time, and what was not sorted yet.
pub struct Entries {
    sorted: Option<fjall::Iter>,
    /// The next of those.
    ahead: Option<(fjall::UserKey, fjall::UserValue)>,
    /// By key; these overrule.
    recent: Peekable<vec::IntoIter<Pair>>,
    failure: Option<Error>,
    path: Arc<Path>,
}

impl Entries {
    pub(super) fn new(sorted: fjall::Iter, recent: Vec<Pair>, path: Arc<Path>) -> Self {
        let recent = recent.into_iter().peekable();
        Self { sorted: Some(sorted), ahead: None, recent, failure: None, path }
    }

    /// Of a ledger that cannot be read: one error, and the end.
    pub(super) fn failed(failure: Error, path: Arc<Path>) -> Self {
        let recent = Vec::new().into_iter().peekable();
        Self { sorted: None, ahead: None, recent, failure: Some(failure), path }
    }

    /// How many are left.
    pub(super) fn count_keys(mut self) -> Result<u64, Error> {
        let mut count = 0;
        while self.next_pair()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    fn next_pair(&mut self) -> Result<Option<Next>, Error> {
        loop {
            match self.next_record()? {
                // Taken away.
                Some(Next::Recent((_, value))) if value.is_empty() => {}
                next => return Ok(next),
            }
        }
    }

    fn next_record(&mut self) -> Result<Option<Next>, Error> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if self.ahead.is_none()
            && let Some(next) = self.sorted.as_mut().and_then(fjall::Iter::next)
        {
            let next = next.into_inner().map_err(|source| fault(&self.path, source))?;
            self.ahead = Some(next);
        }
        let first = match (&self.ahead, self.recent.peek()) {
            (Some((sorted, _)), Some((recent, _))) => sorted[..].cmp(&recent[..]),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return Ok(None),
        };
        Ok(match first {
            Ordering::Less => self.ahead.take().map(Next::Sorted),
            Ordering::Equal => {
                self.ahead = None;
                self.recent.next().map(Next::Recent)
            }
            Ordering::Greater => self.recent.next().map(Next::Recent),
        })
    }

    fn read(&self, key: &[u8], value: &[u8]) -> Result<(ResourceKey, Entry), Error> {
        let key = ResourceKey::of_bytes(key)
            .map_err(|_| Error::DeliveredDamaged { path: self.path.to_path_buf() })?;
        Ok((key, entry::decode(value, &self.path)?))
    }
}

/// A key and its value.
enum Next {
    Recent(Pair),
    Sorted((fjall::UserKey, fjall::UserValue)),
}

impl Iterator for Entries {
    type Item = Result<(ResourceKey, Entry), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.next_pair() {
            Ok(Some(Next::Recent((key, value)))) => Some(self.read(&key, &value)),
            Ok(Some(Next::Sorted((key, value)))) => Some(self.read(&key, &value)),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

impl std::fmt::Debug for Entries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entries").field("path", &self.path).finish_non_exhaustive()
    }
}
