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
        if let Some(instant) = common(text.as_bytes()) {
            return Ok(instant);
        }
        any(text)
    }
}

/// Reads any form that FHIR allows.
fn any(text: &str) -> Result<Instant, InstantError> {
    // A `T`, seconds and a zone are mandatory in FHIR; jiff alone would accept less.
    let time = text.split_once('T').ok_or(InstantError)?.1;
    let has_seconds = time.bytes().take(8).filter(|byte| *byte == b':').count() == 2;
    let has_zone = time.ends_with('Z') || time.contains(['+', '-']);
    if !has_seconds || !has_zone {
        return Err(InstantError);
    }
    let timestamp: jiff::Timestamp = text.parse().map_err(|_| InstantError)?;
    let millis = timestamp.as_nanosecond().div_euclid(1_000_000);
    millis.try_into().map(Instant).map_err(|_| InstantError)
}

/// Reads the form that nearly all instants have, with a third of the instructions that
/// `jiff` needs: the years 1970 to 2199, no leap second, at most nine digits of a fraction,
/// an offset below a day. `None` leaves it to `jiff`, whether legal or not.
fn common(text: &[u8]) -> Option<Instant> {
    let (date, rest) = text.split_first_chunk::<19>()?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', time @ ..] = date else {
        return None;
    };
    let [h1, h2, b':', i1, i2, b':', s1, s2] = time else { return None };
    let year = two(*y1, *y2)? * 100 + two(*y3, *y4)?;
    let (month, day) = (two(*m1, *m2)?, two(*d1, *d2)?);
    let (hour, minute, second) = (two(*h1, *h2)?, two(*i1, *i2)?, two(*s1, *s2)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let (before, len) = match month {
        1 => (0, 31),
        2 => (31, if is_leap { 29 } else { 28 }),
        3 => (59, 31),
        4 => (90, 30),
        5 => (120, 31),
        6 => (151, 30),
        7 => (181, 31),
        8 => (212, 31),
        9 => (243, 30),
        10 => (273, 31),
        11 => (304, 30),
        12 => (334, 31),
        _ => return None,
    };
    let is_time = hour < 24 && minute < 60 && second < 60;
    if !(1970..2200).contains(&year) || day < 1 || day > len || !is_time {
        return None;
    }
    let (millis, zone) = fraction(rest)?;
    // Leap days up to the year before: 477 lie before 1970.
    let past = year - 1;
    let leap_days =
        past / 4 - past / 100 + past / 400 - 477 + i64::from(is_leap && month > 2);
    let days = (year - 1970) * 365 + leap_days + before + day - 1;
    let minutes = (days * 24 + hour) * 60 + minute - offset(zone)?;
    Some(Instant((minutes * 60 + second) * 1000 + millis))
}

/// The milliseconds of a fraction, if there is one, and what is left.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.', digits @ ..] = text else { return Some((0, text)) };
    let len = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&len) {
        return None;
    }
    let (digits, rest) = digits.split_at_checked(len)?;
    let padded = digits.iter().chain(b"00").take(3);
    Some((padded.fold(0, |millis, digit| millis * 10 + i64::from(digit - b'0')), rest))
}

/// An offset from UTC, in minutes.
fn offset(zone: &[u8]) -> Option<i64> {
    match zone {
        [b'Z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (two(*h1, *h2)?, two(*m1, *m2)?);
            let offset = hours * 60 + minutes;
            let is_offset = hours < 24 && minutes < 60;
            is_offset.then_some(if *sign == b'-' { -offset } else { offset })
        }
        _ => None,
    }
}

/// The number that two digits make.
fn two(tens: u8, ones: u8) -> Option<i64> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
    Some(digit(tens)? * 10 + digit(ones)?)
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

    /// Items: 141.
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

    /// What either way of reading has to say of `text`, when the fast one says anything.
    fn agrees(text: &str) {
        if let Some(instant) = common(text.as_bytes()) {
            assert_eq!(any(text), Ok(instant), "{text}");
        }
    }

    #[test]
    fn reads_every_day_of_the_common_years_as_jiff_does() {
        for year in 1970..2200 {
            for (month, day) in
                (0..14).flat_map(|month| (0..33).map(move |day| (month, day)))
            {
                let text = format!("{year}-{month:02}-{day:02}T23:59:59.9Z");
                assert_eq!(common(text.as_bytes()), any(&text).ok(), "{text}");
            }
        }
    }

    #[test]
    fn reads_the_common_form_as_jiff_does() {
        let times =
            ["00:00:00", "23:59:59", "24:00:00", "12:60:00", "12:00:60", "1:00:000"];
        let fractions =
            ["", ".", ".1", ".12", ".123", ".1239", ".123456789", ".1234567890"];
        let zones = [
            "Z",
            "z",
            "",
            "+00:00",
            "-00:00",
            "+05:30",
            "-23:59",
            "+24:00",
            "+01:60",
            "+01",
            "+0100",
            "ZZ",
            "+1:00",
            "-03:30:00",
        ];
        for date in ["1969-12-31", "1970-01-01", "2024-02-29", "2199-12-31", "2200-01-01"]
        {
            for time in times {
                for fraction in fractions {
                    for zone in zones {
                        agrees(&format!("{date}T{time}{fraction}{zone}"));
                    }
                }
            }
        }
        let plain = "2026-01-31T10:00:00.123+02:00";
        assert!(common(plain.as_bytes()).is_some());
        for at in 0..plain.len() {
            for byte in "0139:-+.TZ x/".chars() {
                let mut text = plain.to_owned();
                text.replace_range(at..=at, byte.encode_utf8(&mut [0; 4]));
                agrees(&text);
                text.truncate(at);
                agrees(&text);
            }
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
