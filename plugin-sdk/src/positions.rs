//! A set of positions within one batch, cheap to pass.

#[cfg(target_arch = "wasm32")]
use crate::bindings::imports::bulkhead::plugin::types as wit;

/// A set of positions within one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Positions {
    /// Every record.
    All,
    /// No record.
    None,
    /// Bit i%64 of word i/64 is record i; exactly ceil(len/64) words, unused bits zero.
    Bits(Vec<u64>),
}

impl Positions {
    /// The positions at which `chosen` says true. All or none of them cost nothing to pass.
    pub fn where_true(chosen: impl IntoIterator<Item = bool>) -> Self {
        let mut words = Vec::new();
        let mut len = 0_usize;
        let mut count = 0_usize;
        for is_chosen in chosen {
            if len.is_multiple_of(64) {
                words.push(0_u64);
            }
            if let (true, Some(word)) = (is_chosen, words.last_mut()) {
                *word |= 1 << (len % 64);
                count += 1;
            }
            len += 1;
        }
        match count {
            0 => Self::None,
            _ if count == len => Self::All,
            _ => Self::Bits(words),
        }
    }

    /// Whether record `index` is among them.
    pub fn contains(&self, index: usize) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Bits(words) => {
                words.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
            }
        }
    }

    #[cfg(target_arch = "wasm32")]
    pub(crate) fn into_wit(self) -> wit::Positions {
        match self {
            Self::All => wit::Positions::All,
            Self::None => wit::Positions::None,
            Self::Bits(words) => wit::Positions::Bits(words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_cheapest_form() {
        let cases: [(&str, &[bool], Positions); 4] = [
            ("none of none", &[], Positions::None),
            ("none", &[false, false], Positions::None),
            ("all", &[true, true], Positions::All),
            ("some", &[true, false, true], Positions::Bits(vec![0b101])),
        ];
        for (name, chosen, expected) in cases {
            assert_eq!(
                Positions::where_true(chosen.iter().copied()),
                expected,
                "case: {name}"
            );
        }
    }

    #[test]
    fn has_one_word_for_every_64_records() {
        let some = Positions::where_true((0..65).map(|index| index == 64));
        assert_eq!(some, Positions::Bits(vec![0, 1]));
        assert!(some.contains(64) && !some.contains(63));
    }
}
