//! Keyed hashes by slot: asked for while records are planned, made in one host call a batch.
//!
//! The key never enters the sandbox; this holds values and their hashes only, bounded, and
//! only as long as the instance lives.
//!
//! Source: RFC 2104 with SHA-256, cut to the first 128 bits.

use std::collections::HashMap;

use bulkhead_plugin::{PluginError, keyed_hash};

/// A value whose hash is there once [`Hashes::settle`] has been called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(u32);

/// Values and their hashes.
#[derive(Debug)]
pub(crate) struct Hashes {
    key: String,
    is_granted: bool,
    slots: HashMap<Vec<u8>, Slot>,
    settled: Vec<[u8; 16]>,
    pending: Vec<Vec<u8>>,
    scratch: Vec<u8>,
}

impl Hashes {
    /// Hashes under the key that the operator granted as `key`.
    pub(crate) fn new(key: String) -> Self {
        Self {
            key,
            is_granted: false,
            slots: HashMap::new(),
            settled: Vec::new(),
            pending: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// The slot of a value, which is the parts one after the other.
    pub(crate) fn slot(&mut self, parts: &[&str]) -> Slot {
        self.scratch.clear();
        for part in parts {
            self.scratch.extend_from_slice(part.as_bytes());
        }
        if let Some(slot) = self.slots.get(&self.scratch) {
            return *slot;
        }
        let position = self.settled.len() + self.pending.len();
        // A batch is bounded by the host and the rest by `LIMIT`: far below 2^32.
        let slot = Slot(u32::try_from(position).unwrap_or(u32::MAX));
        self.slots.insert(self.scratch.clone(), slot);
        self.pending.push(self.scratch.clone());
        slot
    }

    /// Forgets all when there are many. Call it where no slot is held: between batches.
    pub(crate) fn make_room(&mut self) {
        if self.settled.len() > LIMIT {
            self.forget();
        }
    }

    /// Has the host hash what is new. Asks even when nothing is, the first time, so that a
    /// missing grant shows at once.
    ///
    /// # Errors
    ///
    /// Fatal when the key is not granted or the host broke the contract.
    pub(crate) fn settle(&mut self) -> Result<(), PluginError> {
        if self.is_granted && self.pending.is_empty() {
            return Ok(());
        }
        let Some(hashes) = keyed_hash::hmac(&self.key, &self.pending) else {
            self.forget();
            let message = format!("key `{}` is not granted", self.key);
            return Err(PluginError::fatal("key-not-granted", message));
        };
        let wanted = self.settled.len() + self.pending.len();
        let firsts = hashes.iter().filter_map(|hash| hash.first_chunk::<16>());
        self.settled.extend(firsts);
        if self.settled.len() != wanted || hashes.len() != self.pending.len() {
            self.forget();
            return Err(PluginError::fatal(
                "hash-contract",
                "keyed-hash broke its contract",
            ));
        }
        self.pending.clear();
        self.is_granted = true;
        Ok(())
    }

    /// The hash in a slot, as a number. `None` before it is settled.
    pub(crate) fn number(&self, slot: Slot) -> Option<u128> {
        self.settled.get(slot.0 as usize).map(|hash| u128::from_be_bytes(*hash))
    }

    fn forget(&mut self) {
        self.slots.clear();
        self.settled.clear();
        self.pending.clear();
    }
}

/// How many values are remembered from batch to batch: about 10 MB of ids.
const LIMIT: usize = 65_536;
