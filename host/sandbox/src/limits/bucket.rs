//! A rate with a burst. Time is an argument.

use bulkhead_model::Instant;

/// Fills with `rate` a second up to `burst`; full at first.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: u64,
    /// In thousandths, so that milliseconds fill it evenly.
    burst: u64,
    level: u64,
    latest: Option<Instant>,
}

/// One, in thousandths.
const ONE: u64 = 1_000;

impl Bucket {
    pub(super) fn new(rate: u32, burst: u32) -> Self {
        let burst = u64::from(burst) * ONE;
        Self { rate: rate.into(), burst, level: burst, latest: None }
    }

    /// Takes one, if there is one. A clock that falls fills nothing.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let latest = self.latest.unwrap_or(now);
        let ms = now.unix_ms().saturating_sub(latest.unix_ms());
        let filled = u64::try_from(ms).unwrap_or(0).saturating_mul(self.rate);
        self.level = self.level.saturating_add(filled).min(self.burst);
        self.latest = Some(latest.max(now));
        match self.level.checked_sub(ONE) {
            Some(left) => {
                self.level = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_a_burst_then_a_rate() {
        let mut bucket = Bucket::new(2, 3);
        // name, time in ms, how many of ten are given
        let cases = [
            ("a burst", 10_000, 3),
            ("nothing more at once", 10_000, 0),
            ("not yet", 10_499, 0),
            ("one after half a second", 10_500, 1),
            ("a clock set back", 1_000, 0),
            ("no second time for the same second", 10_500, 0),
            ("no more than a burst after an hour", 3_610_000, 3),
        ];
        for (name, ms, expected) in cases {
            let now = Instant::from_unix_ms(ms);
            let given = (0..10).filter(|_| bucket.take(now)).count();
            assert_eq!(given, expected, "case: {name}");
        }
    }

    #[test]
    fn nothing_is_given_where_nothing_may_be() {
        let mut bucket = Bucket::new(0, 0);
        assert!(!bucket.take(Instant::from_unix_ms(0)));
    }
}
