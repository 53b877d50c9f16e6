//! How long a file waits for what may pass, and how the pauses between its tries grow.

use std::time::Duration;

/// The first pause after a failure; each next one is twice as long.
const FIRST: Duration = Duration::from_millis(500);

/// The longest pause between two tries, unless the server asks for more.
const LONGEST: Duration = Duration::from_mins(2);

/// The pauses of one file, and what is left of its patience.
pub(super) struct Patience {
    left: Duration,
    pause: Duration,
}

impl Patience {
    /// Waits `left` in all for servers that are busy or away.
    pub(super) const fn new(left: Duration) -> Self {
        Self { left, pause: FIRST }
    }

    /// The pause before a try that counts as one.
    pub(super) fn pause(&mut self, asked: Option<Duration>) -> Duration {
        let grown = self.grow();
        asked.map_or(grown, |asked| asked.min(LONGEST))
    }

    /// The pause before a try that costs patience alone: as long as the server asks, but
    /// never shorter than the last one, so that `Retry-After: 0` is no loop. `None` when too
    /// little is left.
    pub(super) fn spend(&mut self, asked: Option<Duration>) -> Option<Duration> {
        let grown = self.grow();
        let wait = asked.map_or(grown, |asked| asked.max(grown));
        self.left = self.left.checked_sub(wait)?;
        Some(wait)
    }

    fn grow(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = pause.saturating_mul(2).min(LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items: 63, 118.
    /// Faults: F1.
    #[test]
    fn pauses_grow_whatever_the_server_asks_and_end_with_the_patience() {
        let ms = Duration::from_millis;
        // name, what is left, what is asked, the pauses
        let cases: [(&str, u64, Option<u64>, &[u64]); 5] = [
            ("nothing asked", 4_000, None, &[500, 1_000, 2_000]),
            ("at once", 4_000, Some(0), &[500, 1_000, 2_000]),
            ("a second", 4_000, Some(1_000), &[1_000, 1_000, 2_000]),
            ("longer than is left", 4_000, Some(5_000), &[]),
            ("no patience", 0, Some(0), &[]),
        ];
        for (name, left, asked, expected) in cases {
            let mut patience = Patience::new(ms(left));
            let pauses: Vec<Duration> =
                std::iter::from_fn(|| patience.spend(asked.map(ms))).collect();
            let expected: Vec<Duration> = expected.iter().copied().map(ms).collect();
            assert_eq!(pauses, expected, "case: {name}");
        }
        let mut patience = Patience::new(Duration::from_hours(1));
        let half_an_hour = Duration::from_mins(30);
        let down = std::iter::from_fn(|| patience.spend(None)).sum::<Duration>();
        assert!(down > half_an_hour, "an outage of half an hour is outlasted: {down:?}");
    }

    /// Items: 118.
    #[test]
    fn a_try_that_counts_waits_two_minutes_at_most() {
        let mut patience = Patience::new(Duration::ZERO);
        let pauses = [None, Some(Duration::from_hours(5)), Some(Duration::ZERO)]
            .map(|asked| patience.pause(asked));
        assert_eq!(pauses, [FIRST, LONGEST, Duration::ZERO]);
        let all = std::iter::repeat_with(|| patience.pause(None)).take(9);
        assert_eq!(all.last(), Some(LONGEST));
    }
}
