//! Bounded runs of a body over damaged seeds: the same inputs every time.

/// Where all randomness begins. Another number is another set of inputs.
const SEED: u64 = 0x5eed_b01c_4ead_0001;

/// Inputs a body is given: a second or two.
const RUNS: u32 = 20_000;

/// No input grows longer.
const LONGEST: usize = 4_096;

/// What damage often needs.
const PIECES: [&[u8]; 20] = [
    b"\n",
    b"\r\n",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"\\ud800",
    b"\\u0000",
    b"null",
    b"-0",
    b"1e999",
    b"9999999999999999999999",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\x1f\x8b",
];

/// Gives `body` every seed as it is, and then damaged ones.
///
/// # Panics
///
/// When the body does; the message holds the input.
pub(crate) fn bounded(body: fn(&[u8]), seeds: &[&[u8]]) {
    bounded_to(body, seeds, RUNS, LONGEST);
}

/// The same with so many inputs, none longer than `longest`, for bodies that take their time
/// or need long seeds.
///
/// # Panics
///
/// When the body does; the message holds the input.
pub(crate) fn bounded_to(body: fn(&[u8]), seeds: &[&[u8]], runs: u32, longest: usize) {
    let mut dice = Dice(SEED);
    for run in 0..runs {
        let input = if let Some(seed) = seeds.get(run as usize) {
            seed.to_vec()
        } else {
            let mut input = damaged(&mut dice, seeds);
            input.truncate(longest);
            input
        };
        let ended = std::panic::catch_unwind(|| body(&input));
        assert!(
            ended.is_ok(),
            "run {run} of seed {SEED:#x} fails on b\"{}\"",
            input.escape_ascii()
        );
    }
}

fn damaged(dice: &mut Dice, seeds: &[&[u8]]) -> Vec<u8> {
    let mut input = dice.one_of(seeds).unwrap_or_default().to_vec();
    for _ in 0..=dice.below(4) {
        let from = dice.below(input.len() + 1);
        let to = (from + dice.below(24)).min(input.len());
        let with = match dice.below(5) {
            0 => Vec::new(),
            1 => vec![u8::try_from(dice.below(256)).unwrap_or_default()],
            2 => dice.one_of(&PIECES).unwrap_or_default().to_vec(),
            3 => input.get(from..to).unwrap_or_default().repeat(2),
            _ => {
                let other = dice.one_of(seeds).unwrap_or_default();
                let start = dice.below(other.len() + 1);
                let end = (start + dice.below(64)).min(other.len());
                other.get(start..end).unwrap_or_default().to_vec()
            }
        };
        input.splice(from..to, with);
    }
    input
}

/// Xorshift64: short, and good enough to break things.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let bound = u64::try_from(bound.max(1)).unwrap_or(1);
        usize::try_from((self.0 >> 11) % bound).unwrap_or_default()
    }

    fn one_of<'a>(&mut self, all: &[&'a [u8]]) -> Option<&'a [u8]> {
        all.get(self.below(all.len())).copied()
    }
}
