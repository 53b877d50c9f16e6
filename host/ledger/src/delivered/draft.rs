//! Entries that are to be written together, as the bytes that a log will hold.

use crate::delivered::{
    EntryRef, KeyHash, ResourceKey, ResourceKeyError, entry, key, log,
};

/// Entries that are to be written together: all of them or none. Of several with one key the
/// last counts. Made without the ledger, so that no one waits meanwhile.
#[derive(Debug)]
pub struct Draft {
    /// Room for a frame's head, then records: see [`log`].
    bytes: Vec<u8>,
    /// Of each record the hash of its key and where it stands.
    places: Vec<(KeyHash, usize)>,
}

impl Default for Draft {
    fn default() -> Self {
        Self { bytes: vec![0; log::HEAD], places: Vec::new() }
    }
}

impl Draft {
    /// Adds an entry under a type and an id.
    ///
    /// # Errors
    ///
    /// [`ResourceKeyError`] when they are none; nothing is added then.
    pub fn add(
        &mut self,
        resource_type: &str,
        id: &str,
        entry: &EntryRef<'_>,
    ) -> Result<(), ResourceKeyError> {
        key::check(resource_type, id)?;
        let start = self.bytes.len();
        let record = log::begin(&mut self.bytes);
        key::write(resource_type, id, &mut self.bytes);
        self.complete(start, record, entry);
        Ok(())
    }

    /// The same under a key.
    pub fn add_key(&mut self, key: &ResourceKey, entry: &EntryRef<'_>) {
        let start = self.bytes.len();
        let record = log::begin(&mut self.bytes);
        self.bytes.extend_from_slice(key.as_bytes());
        self.complete(start, record, entry);
    }

    /// Takes what there is under a key away: a record without a value, which no entry is.
    pub(super) fn forget_key(&mut self, key: &ResourceKey) {
        let start = self.bytes.len();
        let record = log::begin(&mut self.bytes);
        self.bytes.extend_from_slice(key.as_bytes());
        let key_end = self.bytes.len();
        self.note(start, record, key_end);
    }

    fn complete(&mut self, start: usize, record: usize, entry: &EntryRef<'_>) {
        let key_end = self.bytes.len();
        entry::encode(entry, &mut self.bytes);
        self.note(start, record, key_end);
    }

    fn note(&mut self, start: usize, record: usize, key_end: usize) {
        log::end(&mut self.bytes, start, key_end);
        let hash = KeyHash::of_bytes(self.bytes.get(record..key_end).unwrap_or_default());
        self.places.push((hash, start));
    }

    /// How many entries it has.
    pub const fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether it has none.
    pub const fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Bytes of the frame.
    pub(super) const fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// The frame of a log, and of each of its records the hash of the key and where in the
    /// frame it stands.
    pub(super) fn into_frame(mut self) -> (Vec<u8>, Vec<(KeyHash, usize)>) {
        log::seal(&mut self.bytes);
        (self.bytes, self.places)
    }
}
