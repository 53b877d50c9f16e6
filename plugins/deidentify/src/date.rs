//! FHIR dates: their shapes, and the calendar that shifting needs.
//!
//! Proleptic Gregorian, years 1 to 9999, days counted from 1970-01-01. No clock.
//!
//! Source: FHIR R4 Datatypes (date, dateTime, instant); the day count is the usual
//! era-of-400-years arithmetic.

/// What a string looks like as a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape<'t> {
    /// `YYYY-MM-DD`, and what follows: nothing, or `T…` with time and zone.
    Day {
        /// Days from 1970-01-01.
        days: i32,
        /// Time of day and zone as written, from the `T` on; empty for a date.
        tail: &'t str,
    },
    /// Written like a date, but no day of the calendar.
    Impossible,
    /// `YYYY-MM`.
    Month {
        /// 1 to 9999.
        year: i32,
        /// 1 to 12.
        month: i32,
    },
    /// `YYYY`.
    Year {
        /// 1 to 9999.
        year: i32,
    },
}

/// What `text` looks like, or `None` when it does not look like a date.
pub(crate) fn read(text: &str) -> Option<Shape<'_>> {
    let bytes = text.as_bytes();
    let year = number(bytes.first_chunk::<4>()?)?;
    if bytes.len() == 4 {
        return if year == 0 { None } else { Some(Shape::Year { year }) };
    }
    if bytes.get(4) != Some(&b'-') {
        return None;
    }
    let month = number(bytes.get(5..)?.first_chunk::<2>()?)?;
    if bytes.len() == 7 {
        // `1234-56` is no month: a code.
        let is_month = (1..=12).contains(&month) && year > 0;
        return is_month.then_some(Shape::Month { year, month });
    }
    if bytes.get(7) != Some(&b'-') {
        return None;
    }
    let day = number(bytes.get(8..)?.first_chunk::<2>()?)?;
    let tail = text.get(10..)?;
    let is_time =
        |byte: u8| matches!(byte, b'0'..=b'9' | b':' | b'.' | b'+' | b'-' | b'Z' | b'z');
    let is_tail = match tail.as_bytes() {
        [] => true,
        [b'T' | b't' | b' ', time @ ..] => time.iter().all(|byte| is_time(*byte)),
        _ => false,
    };
    if !is_tail {
        return None;
    }
    let is_real =
        year > 0 && (1..=12).contains(&month) && (1..=length(year, month)).contains(&day);
    Some(if is_real {
        Shape::Day { days: to_days(Civil { year, month, day }), tail }
    } else {
        Shape::Impossible
    })
}

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i32,
    pub(crate) month: i32,
    pub(crate) day: i32,
}

/// Days from 1970-01-01 to `day`.
pub(crate) fn to_days(day: Civil) -> i32 {
    // The year begins in March, so that the leap day ends it.
    let year = if day.month <= 2 { day.year - 1 } else { day.year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((day.month + 9) % 12) + 2) / 5 + day.day - 1;
    let day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The day that lies `days` after 1970-01-01.
pub(crate) fn from_days(days: i32) -> Civil {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524
        - day_of_era / 146_096)
        / 365;
    let day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = (shifted_month + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i32::from(month <= 2);
    Civil { year, month, day }
}

/// Whether every day within `margin` of `days` has a four-digit year.
pub(crate) fn is_shiftable(days: i32, margin: i32) -> bool {
    (FIRST_DAY + margin..=LAST_DAY - margin).contains(&days)
}

/// Whole years from the earliest `birth` can mean up to the day `at`.
pub(crate) fn age(birth: Shape<'_>, at: i32) -> Option<i32> {
    let birth = match birth {
        Shape::Day { days, .. } => from_days(days),
        Shape::Impossible => return None,
        Shape::Month { year, month } => Civil { year, month, day: 1 },
        Shape::Year { year } => Civil { year, month: 1, day: 1 },
    };
    let at = from_days(at);
    let is_before_birthday = (at.month, at.day) < (birth.month, birth.day);
    Some(at.year - birth.year - i32::from(is_before_birthday))
}

/// The last day that a shape can mean.
pub(crate) fn latest(shape: Shape<'_>) -> Option<i32> {
    match shape {
        Shape::Day { days, .. } => Some(days),
        Shape::Impossible => None,
        Shape::Month { year, month } => {
            Some(to_days(Civil { year, month, day: length(year, month) }))
        }
        Shape::Year { year } => Some(to_days(Civil { year, month: 12, day: 31 })),
    }
}

fn length(year: i32, month: i32) -> i32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn number(digits: &[u8]) -> Option<i32> {
    digits.iter().try_fold(0, |sum, digit| {
        digit.is_ascii_digit().then(|| sum * 10 + i32::from(digit - b'0'))
    })
}

/// 0001-01-01.
const FIRST_DAY: i32 = -719_162;
/// 9999-12-31.
const LAST_DAY: i32 = 2_932_896;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_dates_from_other_text() {
        let day = |days, tail| Some(Shape::Day { days, tail });
        let cases = [
            ("epoch", "1970-01-01", day(0, "")),
            ("instant", "1970-01-02T10:00:00.5+01:00", day(1, "T10:00:00.5+01:00")),
            ("blank instead of T", "1969-12-31 10:00", day(-1, " 10:00")),
            ("leap day", "2000-02-29", day(11_016, "")),
            ("no leap day", "1900-02-29", Some(Shape::Impossible)),
            ("no month", "2020-13-01", Some(Shape::Impossible)),
            ("year zero", "0000-01-01", Some(Shape::Impossible)),
            ("month", "2020-02", Some(Shape::Month { year: 2020, month: 2 })),
            ("code like a month", "8480-60", None),
            ("loinc code", "8480-6", None),
            ("year", "2020", Some(Shape::Year { year: 2020 })),
            ("sentence", "2020-02-03 seen in clinic", None),
            ("time", "10:00:00", None),
            ("short", "20", None),
            ("not ascii", "2020-0é-01", None),
            ("not ascii behind", "2020-01-01é", None),
        ];
        for (name, text, expected) in cases {
            assert_eq!(read(text), expected, "case: {name}");
        }
    }

    #[test]
    fn counts_whole_years() {
        let at = to_days(Civil { year: 2026, month: 3, day: 1 });
        let cases = [
            ("birthday today", "1936-03-01", 90),
            ("birthday tomorrow", "1936-03-02", 89),
            ("leap day", "1936-02-29", 90),
            ("month", "1936-03", 90),
            ("year", "1936", 90),
            ("not yet born", "2027-01-01", -1),
        ];
        for (name, birth, expected) in cases {
            assert_eq!(
                read(birth).and_then(|shape| age(shape, at)),
                Some(expected),
                "case: {name}"
            );
        }
    }

    #[test]
    fn knows_the_bounds_of_four_digit_years() {
        assert_eq!(from_days(FIRST_DAY), Civil { year: 1, month: 1, day: 1 });
        assert_eq!(from_days(LAST_DAY), Civil { year: 9999, month: 12, day: 31 });
        assert!(is_shiftable(FIRST_DAY + 50, 50));
        assert!(!is_shiftable(FIRST_DAY + 49, 50));
        assert!(!is_shiftable(LAST_DAY, 50));
    }

    #[test]
    fn counts_every_day_of_ten_thousand_years_once() {
        let mut days = FIRST_DAY;
        for year in 1..=9999 {
            for month in 1..=12 {
                for day in 1..=length(year, month) {
                    let date = Civil { year, month, day };
                    assert_eq!((to_days(date), from_days(days)), (days, date));
                    days += 1;
                }
            }
        }
        assert_eq!(days, LAST_DAY + 1);
    }

    proptest::proptest! {
        #[test]
        fn a_shift_keeps_intervals(from in FIRST_DAY + 400..LAST_DAY - 400, gap in 0..400, by in -400..400) {
            let (early, late) = (from_days(from + by), from_days(from - gap + by));
            proptest::prop_assert_eq!(to_days(early) - to_days(late), gap);
        }

        #[test]
        fn reads_what_it_would_write(days in FIRST_DAY..=LAST_DAY) {
            let day = from_days(days);
            let text = format!("{:04}-{:02}-{:02}", day.year, day.month, day.day);
            proptest::prop_assert_eq!(read(&text), Some(Shape::Day { days, tail: "" }));
        }
    }
}
