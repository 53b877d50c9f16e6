//! Durations, shifts of time and sizes as operators write them: `90s`, `-10m`, `64MiB`.

use std::time::Duration;

use bulkhead_model::Instant;
use serde::{Deserialize, Deserializer, de::Error as _};

/// A distance in time, ahead (positive) or back (negative), in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shift(i64);

impl Shift {
    /// No distance.
    pub const NONE: Self = Self(0);

    /// This far ahead.
    pub fn ahead(by: Duration) -> Self {
        Self(i64::try_from(by.as_millis()).unwrap_or(i64::MAX))
    }

    /// This far back.
    pub fn back(by: Duration) -> Self {
        Self(Self::ahead(by).0.saturating_neg())
    }

    /// The instant at this distance of another.
    pub fn of(self, instant: Instant) -> Instant {
        let by = Duration::from_millis(self.0.unsigned_abs());
        if self.0 < 0 { instant.minus(by) } else { instant.plus(by) }
    }
}

impl<'de> Deserialize<'de> for Shift {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (is_back, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(&text)),
        };
        let by = read(rest).ok_or_else(|| D::Error::custom(WANT_SHIFT))?;
        Ok(if is_back { Self::back(by) } else { Self::ahead(by) })
    }
}

/// Reads `"90s"`.
pub(super) fn duration<'de, D>(deserializer: D) -> Result<Duration, D::Error>
where
    D: Deserializer<'de>,
{
    let text = String::deserialize(deserializer)?;
    read(&text).ok_or_else(|| D::Error::custom(WANT_DURATION))
}

/// Reads `"90s"` where nothing may stand.
pub(super) fn some_duration<'de, D>(deserializer: D) -> Result<Option<Duration>, D::Error>
where
    D: Deserializer<'de>,
{
    duration(deserializer).map(Some)
}

/// Reads `"64MiB"` or a plain number of bytes.
pub(super) fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Raw {
        Number(u64),
        Text(String),
    }
    match Raw::deserialize(deserializer)? {
        Raw::Number(number) => Ok(number),
        Raw::Text(text) => size(&text).ok_or_else(|| D::Error::custom(WANT_SIZE)),
    }
}

fn read(text: &str) -> Option<Duration> {
    let at = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(at);
    let number: u64 = number.parse().ok()?;
    let ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(ms)?))
}

fn size(text: &str) -> Option<u64> {
    let at = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(at);
    let number: u64 = number.parse().ok()?;
    let one: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(one)
}

const WANT_DURATION: &str = "want a duration such as \"500ms\", \"90s\", \"10m\", \"6h\"";
const WANT_SHIFT: &str = "want a shift of time such as \"90s\" or \"-10m\"";
const WANT_SIZE: &str = "want bytes such as 1000 or \"64MiB\"";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_operators_write() {
        let cases = [
            ("milliseconds", "500ms", Some(500)),
            ("minutes", "10m", Some(600_000)),
            ("days", "2d", Some(172_800_000)),
            ("no unit", "10", None),
            ("no number", "m", None),
            ("another unit", "10w", None),
            ("beyond 64 bits", "99999999999999999d", None),
        ];
        for (name, text, expected) in cases {
            let expected = expected.map(Duration::from_millis);
            assert_eq!(read(text), expected, "case: {name}");
        }
        assert_eq!(size("64MiB"), Some(64 << 20));
        assert_eq!(size("64MB"), None);
        let at = Instant::from_unix_ms(10_000);
        let back = Shift::back(Duration::from_secs(4));
        assert_eq!(back.of(at), Instant::from_unix_ms(6_000));
    }
}
