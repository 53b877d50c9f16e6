//! A point in time as FHIR and HTTP speak of it, in milliseconds since 1970 (UTC).

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// A point in time with millisecond resolution.
///
/// Compares as an instant, never as text: `…T10:00:00+02:00` equals `…T08:00:00Z`.
///
/// Source: FHIR R4 `instant` (at least seconds, zone mandatory, leap second legal).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub struct Instant(i64);

/// Text that is not a FHIR instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a FHIR instant (want `2026-01-31T10:00:00Z` or with an offset)")]
pub struct InstantError;

impl Instant {
    /// From Unix milliseconds.
    pub const fn from_unix_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Unix milliseconds.
    pub const fn unix_ms(self) -> i64 {
        self.0
    }

    /// This instant with the fraction of its second cut off.
    #[must_use]
    pub const fn floor_seconds(self) -> Self {
        Self(self.0.div_euclid(1000) * 1000)
    }

    /// Later by `by`.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(millis(by)))
    }

    /// Earlier by `by`.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(millis(by)))
    }

    /// How long after `earlier` this is; zero when it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(
            u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0),
        )
    }

    /// As `20260131T100000Z`, for names of files and exports.
    pub fn compact(self) -> String {
        self.to_string()
            .chars()
            .filter(|c| *c != '-' && *c != ':')
            .take(15)
            .chain(['Z'])
            .collect()
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl FromStr for Instant {
    type Err = InstantError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A `T`, seconds and a zone are mandatory in FHIR; jiff alone would accept less.
        let time = text.split_once('T').ok_or(InstantError)?.1;
        let has_seconds = time.bytes().take(8).filter(|byte| *byte == b':').count() == 2;
        let has_zone = time.ends_with('Z') || time.contains(['+', '-']);
        if !has_seconds || !has_zone {
            return Err(InstantError);
        }
        let timestamp: jiff::Timestamp = text.parse().map_err(|_| InstantError)?;
        Ok(Self(
            timestamp
                .as_nanosecond()
                .div_euclid(1_000_000)
                .try_into()
                .map_err(|_| InstantError)?,
        ))
    }
}

impl fmt::Display for Instant {
    /// In UTC: whole seconds when there is no fraction, else three digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(timestamp) = jiff::Timestamp::from_millisecond(self.0) else {
            return write!(f, "{} ms", self.0);
        };
        if self.0.rem_euclid(1000) == 0 {
            write!(f, "{timestamp:.0}")
        } else {
            write!(f, "{timestamp:.3}")
        }
    }
}

impl From<Instant> for String {
    fn from(instant: Instant) -> Self {
        instant.to_string()
    }
}

impl TryFrom<String> for Instant {
    type Error = InstantError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_fhir_allows_and_nothing_less() {
        let cases = [
            ("utc", "2026-01-31T10:00:00Z", Some("2026-01-31T10:00:00Z")),
            ("offset", "2026-01-31T10:00:00+02:00", Some("2026-01-31T08:00:00Z")),
            (
                "nanoseconds are floored",
                "2026-01-31T10:00:00.1239Z",
                Some("2026-01-31T10:00:00.123Z"),
            ),
            ("leap second", "2016-12-31T23:59:60Z", Some("2016-12-31T23:59:59Z")),
            ("no zone", "2026-01-31T10:00:00", None),
            ("no seconds", "2026-01-31T10:00Z", None),
            ("date", "2026-01-31", None),
            ("nothing", "", None),
        ];
        for (name, text, expected) in cases {
            let read = text.parse::<Instant>().ok().map(|instant| instant.to_string());
            assert_eq!(read.as_deref(), expected, "case: {name}");
        }
    }

    #[test]
    fn floors_before_1970_too() {
        assert_eq!(Instant::from_unix_ms(-1).floor_seconds().unix_ms(), -1000);
    }

    #[test]
    fn compact_form_names_files() {
        assert_eq!(Instant::from_unix_ms(0).compact(), "19700101T000000Z");
    }
}
