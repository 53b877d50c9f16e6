//! Where each key's last record stands in one log: a table of hashes with 8 bytes a place.

use std::convert::Infallible;

use crate::delivered::KeyHash;

/// Where the last record of each key stands in one log.
#[derive(Default)]
pub(super) struct Slots {
    /// A power of two of them. A record stands at 8 or beyond, so 0 is a free place.
    table: Vec<(u32, u32)>,
    used: usize,
}

impl Slots {
    /// The place of the first record for which `is_it` holds, among those of one hash.
    pub(super) fn find<E>(
        &self,
        hash: KeyHash,
        mut is_it: impl FnMut(u32) -> Result<bool, E>,
    ) -> Result<Option<u32>, E> {
        for at in self.run(hash) {
            match self.table.get(at) {
                Some((_, 0)) | None => return Ok(None),
                Some((tag, start)) => {
                    if *tag == hash.tag() && is_it(*start)? {
                        return Ok(Some(*start));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Whether a record may have a key of this hash: of those that have none, one in a thousand
    /// million times as many as there are places is taken for one that has.
    pub(super) fn may_have(&self, hash: KeyHash) -> bool {
        let Ok(found) = self.find(hash, |_| Ok::<_, Infallible>(true));
        found.is_some()
    }

    /// Notes a record, in place of the one of the same key: that for which `is_same` holds.
    pub(super) fn put(
        &mut self,
        hash: KeyHash,
        start: u32,
        mut is_same: impl FnMut(u32) -> bool,
    ) {
        if (self.used + 1) * 4 > self.table.len() * 3 {
            self.grow();
        }
        for at in self.run(hash) {
            if let Some(place) = self.table.get_mut(at) {
                let is_free = place.1 == 0;
                if is_free || (place.0 == hash.tag() && is_same(place.1)) {
                    *place = (hash.tag(), start);
                    self.used += usize::from(is_free);
                    return;
                }
            }
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// How many keys there are.
    pub(super) const fn len(&self) -> usize {
        self.used
    }

    /// The places of all last records, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        self.table.iter().map(|(_, start)| *start).filter(|start| *start != 0)
    }

    fn grow(&mut self) {
        let len = (self.table.len() * 2).max(LEAST);
        let old = std::mem::replace(&mut self.table, vec![(0, 0); len]);
        for (tag, start) in old.into_iter().filter(|(_, start)| *start != 0) {
            let free = run(tag, len)
                .find(|at| self.table.get(*at).is_some_and(|(_, start)| *start == 0));
            if let Some(place) = free.and_then(|at| self.table.get_mut(at)) {
                *place = (tag, start);
            }
        }
    }

    fn run(&self, hash: KeyHash) -> impl Iterator<Item = usize> + use<> {
        run(hash.tag(), self.table.len())
    }
}

/// The places where a record may stand, in the order to look at them.
fn run(tag: u32, len: usize) -> impl Iterator<Item = usize> {
    let mask = len.wrapping_sub(1);
    (0..len).map(move |step| (tag as usize).wrapping_add(step) & mask)
}

/// Places of the smallest table.
const LEAST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_last_of_every_key_even_where_hashes_are_alike() {
        let mut slots = Slots::default();
        // Three keys a hash; a record's place tells its key.
        let key = |start: u32| start % 30_000;
        let hash = |start: u32| KeyHash::of_bytes(&(key(start) / 3).to_le_bytes());
        let put = |slots: &mut Slots, start: u32| {
            slots.put(hash(start), start, |other| key(other) == key(start));
        };
        for start in 1..30_000 {
            put(&mut slots, start);
        }
        for start in (30_001..60_000).step_by(7) {
            put(&mut slots, start);
        }
        assert_eq!(slots.len(), 29_999);
        assert_eq!(slots.iter().count(), 29_999);
        for start in 1..30_000_u32 {
            let found = slots.find(hash(start), |other| Ok::<_, ()>(key(other) == start));
            let last = if start % 7 == 1 { start + 30_000 } else { start };
            assert_eq!(found, Ok(Some(last)), "{start}");
        }
        let (known, stranger) = (hash(1), KeyHash::of_bytes(b"stranger"));
        assert!(slots.may_have(known) && !slots.may_have(stranger));
        assert_eq!(slots.find(stranger, |_| Ok::<_, ()>(true)), Ok(None));
        slots.clear();
        assert_eq!(slots.find(hash(1), |_| Ok::<_, ()>(true)), Ok(None));
    }
}
