//! Reads `Retry-After`.
//!
//! Three forms occur: seconds, an HTTP date in one of three spellings, and (from rate
//! limiters that get it wrong) the epoch in seconds or milliseconds. Dates count from the
//! response's own `Date`, so a wrong clock here does no harm. Server-controlled: callers
//! clamp.
//!
//! Source: RFC 9110 section 10.2.3; Bulk Data IG, "Bulk Data Status Request".

use std::time::Duration;

use bulkhead_model::Instant;

/// How long a server asks us to wait, unclamped; `None` when the text says nothing usable.
///
/// `date` is the response's `Date`, or the local time when it has none.
pub(crate) fn retry_after(text: &str, date: Instant) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a u64 holds: as long as can be.
        let number = text.parse().unwrap_or(u64::MAX);
        return Some(match number {
            0..EPOCH_SECONDS => Duration::from_secs(number),
            EPOCH_SECONDS..EPOCH_MILLIS => {
                instant_ms(number.saturating_mul(1000)).since(date)
            }
            EPOCH_MILLIS.. => instant_ms(number).since(date),
        });
    }
    http_date(text).map(|until| until.since(date))
}

/// Reads an HTTP date in any of its three spellings.
pub(crate) fn http_date(text: &str) -> Option<Instant> {
    let time = httpdate::parse_http_date(text.trim()).ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Instant::from_unix_ms(i64::try_from(since.as_millis()).ok()?))
}

fn instant_ms(ms: u64) -> Instant {
    Instant::from_unix_ms(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// No server means to wait 31 years: from here on a number is a time of day (2001 on).
const EPOCH_SECONDS: u64 = 1_000_000_000;
/// In seconds this would be the year 5138.
const EPOCH_MILLIS: u64 = 100_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// Items: 63.
    /// Faults: F1.
    #[test]
    fn reads_every_form_relative_to_the_response() {
        let date: Instant = "2026-11-22T10:00:00Z".parse().unwrap();
        let epoch = date.unix_ms() / 1000;
        let cases = [
            ("seconds", "120".to_owned(), Some(120)),
            ("zero", "0".to_owned(), Some(0)),
            ("spaces", " 7 ".to_owned(), Some(7)),
            ("huge", "18000".to_owned(), Some(18_000)),
            ("imf date", "Sun, 22 Nov 2026 10:02:00 GMT".to_owned(), Some(120)),
            ("rfc 850 date", "Sunday, 22-Nov-26 10:02:00 GMT".to_owned(), Some(120)),
            ("asctime date", "Sun Nov 22 10:02:00 2026".to_owned(), Some(120)),
            ("past date", "Sun, 22 Nov 2026 09:00:00 GMT".to_owned(), Some(0)),
            ("epoch seconds", (epoch + 300).to_string(), Some(300)),
            ("epoch milliseconds", format!("{}000", epoch + 300), Some(300)),
            ("past epoch", (epoch - 5).to_string(), Some(0)),
            ("negative", "-5".to_owned(), None),
            ("fraction", "1.5".to_owned(), None),
            ("garbage", "soon".to_owned(), None),
            ("empty", String::new(), None),
        ];
        for (name, text, expected) in cases {
            let expected = expected.map(Duration::from_secs);
            assert_eq!(retry_after(&text, date), expected, "case: {name}");
        }
    }

    /// Items: 63.
    /// Faults: F1.
    #[test]
    fn a_number_beyond_all_measure_is_still_a_wait() {
        let wait = retry_after("99999999999999999999999", Instant::from_unix_ms(0));
        assert!(wait > Some(Duration::from_hours(24)));
    }
}
