//! What guests see of time and chance where both are the operator's: in a deterministic chain,
//! and in whatever of WASI was not granted.
//!
//! Time stands still at the export's own moment. Chance is a function of a seed, the plugin's
//! digest, its stage and the call at hand: the same records handed over again bring the same
//! bytes, in this run and in the next. Limits still know the real time: they may end a call,
//! never change what it answers.

use aws_lc_rs::hmac;

/// A deterministic chain's seed. It is no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Determinism {
    seed: String,
}

impl Determinism {
    /// With this seed: another one gives other randomness.
    pub fn new(seed: impl Into<String>) -> Self {
        Self { seed: seed.into() }
    }
}

/// The call at hand, by which chance differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// A batch, whole or in part.
    Batch(u64),
    /// A sink's call on a file.
    File(u32, &'static str),
    /// Starting and configuring.
    Start,
}

/// Bytes that look like chance.
#[derive(Debug)]
pub(crate) struct Chance {
    key: hmac::Key,
    moment: Moment,
    blocks: u64,
    /// What is left of the latest block.
    rest: Vec<u8>,
}

impl Chance {
    /// Of one plugin as one stage. Without a seed it is of the plugin alone.
    pub(crate) fn new(of: Option<&Determinism>, sha256: &str, stage: &str) -> Self {
        let seed = of.map_or("", |of| of.seed.as_str());
        let seed = hmac::Key::new(hmac::HMAC_SHA256, seed.as_bytes());
        let mut own = hmac::Context::with_key(&seed);
        // Digests are of one length: what is hashed cannot be split in another way.
        for part in ["bulkhead chance 1\n", sha256, "\n", stage] {
            own.update(part.as_bytes());
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, own.sign().as_ref());
        Self { key, moment: Moment::Start, blocks: 0, rest: Vec::new() }
    }

    /// Begins a call: what it draws depends on nothing that was drawn before.
    pub(crate) fn begin(&mut self, moment: Moment) {
        self.moment = moment;
        self.blocks = 0;
        self.rest.clear();
    }

    /// Fills `bytes`.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if self.rest.is_empty() {
                self.rest = self.block();
            }
            *byte = self.rest.pop().unwrap_or_default();
        }
    }

    fn block(&mut self) -> Vec<u8> {
        let mut block = hmac::Context::with_key(&self.key);
        match self.moment {
            Moment::Batch(id) => {
                block.update(b"batch");
                block.update(&id.to_be_bytes());
            }
            Moment::File(file, call) => {
                block.update(b"file ");
                block.update(&file.to_be_bytes());
                block.update(call.as_bytes());
            }
            Moment::Start => block.update(b"start"),
        }
        block.update(&self.blocks.to_be_bytes());
        self.blocks = self.blocks.wrapping_add(1);
        block.sign().as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_of_seed_plugin_stage_and_moment_alone() {
        let draw = |seed: &str, sha256: &str, stage: &str, moment: Moment| {
            let mut chance = Chance::new(Some(&Determinism::new(seed)), sha256, stage);
            chance.fill(&mut [0; 7]);
            chance.begin(moment);
            let mut bytes = [0; 40];
            let (one, two) = bytes.split_at_mut(5);
            chance.fill(one);
            chance.fill(two);
            bytes
        };
        let batch = Moment::Batch(1);
        let drawn = draw("s", "aa", "x", batch);
        assert_eq!(drawn, draw("s", "aa", "x", batch), "the same again");
        let others = [
            ("another seed", draw("t", "aa", "x", batch)),
            ("another plugin", draw("s", "ab", "x", batch)),
            ("another stage", draw("s", "aa", "y", batch)),
            ("another batch", draw("s", "aa", "x", Moment::Batch(2))),
            ("another call", draw("s", "aa", "x", Moment::Start)),
            ("a file", draw("s", "aa", "x", Moment::File(1, "open"))),
        ];
        for (at, (name, other)) in others.iter().enumerate() {
            assert_ne!(drawn, *other, "case: {name}");
            assert!(others[..at].iter().all(|(_, known)| known != other), "case: {name}");
        }
        assert_ne!(drawn[..20], drawn[20..], "it does not repeat itself");
    }
}
