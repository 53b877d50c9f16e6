//! Pseudo-random choices that are the same on every machine.
//!
//! Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (the
//! `SplitMix64` finaliser and increment).

/// A stream of choices.
pub(super) struct Random(u64);

impl Random {
    /// A stream of its own for each list of parts.
    pub(super) fn of(parts: &[u64]) -> Self {
        Self(mix(parts))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(INCREMENT);
        finish(self.0)
    }

    /// A number below `bound`; 0 when `bound` is 0. The bias is beyond notice for bounds
    /// this small.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    /// True once in `n` times.
    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of `choices`.
    pub(super) fn pick<T: Copy + Default>(&mut self, choices: &[T]) -> T {
        let at = usize::try_from(self.below(choices.len() as u64)).unwrap_or(0);
        choices.get(at).copied().unwrap_or_default()
    }
}

/// Folds parts into one number.
pub(super) fn mix(parts: &[u64]) -> u64 {
    parts.iter().fold(0, |folded, part| {
        finish(folded.wrapping_mul(31).wrapping_add(*part).wrapping_add(INCREMENT))
    })
}

fn finish(seed: u64) -> u64 {
    let once = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let twice = (once ^ (once >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    twice ^ (twice >> 31)
}

const INCREMENT: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_published_numbers() {
        let mut random = Random(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| random.next()).collect();
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }
}
