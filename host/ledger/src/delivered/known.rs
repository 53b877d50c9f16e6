//! Which keys may have an entry: a filter in memory, complete only where the ledger was empty
//! when it was opened.
//!
//! The first export of everything asks of each of millions of resources whether it is known,
//! and the answer is no. Two bytes a key answer that without a look at any table.

use crate::delivered::KeyHash;

/// Which keys may have an entry.
pub(super) enum Known {
    /// Any may: the ledger held entries when it was opened, or holds too many.
    Any,
    /// Those whose bits are set in a layer, and no others.
    These(Vec<Layer>),
}

/// A filter of one word a key, 16 bits of it for each.
pub(super) struct Layer {
    words: Vec<u64>,
    /// How many keys more it has room for.
    room: usize,
}

impl Known {
    /// None at all.
    pub(super) const fn none() -> Self {
        Self::These(Vec::new())
    }

    /// Whether none has an entry.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::These(layers) if layers.is_empty())
    }

    /// Whether a key may have an entry.
    pub(super) fn may_have(&self, hash: KeyHash) -> bool {
        match self {
            Self::Any => true,
            Self::These(layers) => layers.iter().any(|layer| {
                let (at, bits) = place(hash, layer.words.len());
                layer.words.get(at).is_some_and(|word| word & bits == bits)
            }),
        }
    }

    /// Notes a key.
    pub(super) fn add(&mut self, hash: KeyHash) {
        let Self::These(layers) = self else { return };
        if layers.last().is_none_or(|layer| layer.room == 0) {
            let room = FIRST << layers.len();
            if layers.len() == MOST {
                *self = Self::Any;
                return;
            }
            layers.push(Layer { words: vec![0; room / KEYS], room });
        }
        if let Some(layer) = layers.last_mut() {
            let (at, bits) = place(hash, layer.words.len());
            if let Some(word) = layer.words.get_mut(at) {
                *word |= bits;
            }
            layer.room -= 1;
        }
    }
}

/// The word of a key, and its bits there.
fn place(hash: KeyHash, words: usize) -> (usize, u64) {
    let hash = hash.spread();
    let bits = (0..BITS).fold(0, |bits, step| bits | 1 << (hash >> (6 * step) & 63));
    // A power of two of words; the bits above are not used for the place in it.
    ((hash >> 32) as usize & words.wrapping_sub(1), bits)
}

/// Keys of the first layer; each next one has room for twice as many.
const FIRST: usize = 1 << 16;

/// Layers at most: 8 million keys, 16 MiB.
const MOST: usize = 7;

/// Keys for which a word is meant.
const KEYS: usize = 4;

/// Bits that a key sets: with four keys a word about one stranger in a hundred passes.
const BITS: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_all_and_few_others() {
        let key = |number: u32| KeyHash::of_bytes(&number.to_le_bytes());
        let mut known = Known::none();
        assert!(known.is_none() && !known.may_have(key(1)));
        for number in 0..300_000 {
            known.add(key(number));
        }
        assert!((0..300_000).all(|number| known.may_have(key(number))));
        let strangers = (0..100_000_u32).filter(|number| known.may_have(key(!number)));
        let strangers = strangers.count();
        assert!(strangers < 8_000, "{strangers} of 100,000");
    }

    #[test]
    fn beyond_its_bounds_any_may_be_known() {
        let mut known = Known::none();
        for number in 0..(FIRST << MOST) as u64 {
            known.add(KeyHash::of_bytes(&number.to_le_bytes()));
        }
        assert!(known.may_have(KeyHash::of_bytes(b"stranger")));
    }
}
