//! From when to ask next, and why.
//!
//! Going earlier never loses data: it costs duplicates, which sinks absorb. Going later loses
//! silently and for ever. So the mark is the earliest of independent estimates: the server's
//! own transaction time, which some servers set at the end of the job, and the server's clock
//! right before the kick-off, which a replica may lag behind. Our own clock counts only when
//! the server did not tell the time.
//!
//! Source: Bulk Data IG, "Response - Complete Status" (`transactionTime`) and "Query
//! Parameters" (`_since`).

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use bulkhead_ledger::Watermark;
use bulkhead_model::{Instant, ResourceType};

/// A snapshot older than this before the kick-off is worth a word.
const STALE: Duration = Duration::from_mins(1);

/// The clocks of one export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clocks {
    /// Ours, right before the kick-off.
    pub(crate) kickoff_instant: Instant,
    /// The server's, right before the kick-off.
    pub(crate) server_date: Option<Instant>,
    /// The earliest transaction time that the server gave.
    pub(crate) transaction_time: Option<Instant>,
}

impl Clocks {
    /// Everything that the server held at this instant was in the export.
    pub(crate) fn effective(&self, skew: Duration) -> Instant {
        let before_kickoff = self.server_date.unwrap_or(self.kickoff_instant.minus(skew));
        self.transaction_time.map_or(before_kickoff, |time| time.min(before_kickoff))
    }

    /// What an operator should know of these clocks.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        match (self.server_date, self.transaction_time) {
            (None, _) => remarks.push(
                "the server did not tell the time: our own clock was used, with a margin".to_owned(),
            ),
            (Some(date), Some(time)) if time < date.minus(STALE) => remarks.push(format!(
                "the server's snapshot was {} older than the kick-off: a replica, or a job that it used again",
                span(date.since(time))
            )),
            (Some(_), Some(_)) => {}
            (Some(_), None) => remarks.push(
                "the server gave no usable transactionTime: its clock before the kick-off was used".to_owned(),
            ),
        }
        remarks
    }
}

/// What one kick-off will ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Empty for all types.
    pub(crate) types: Vec<ResourceType>,
    /// `None` for everything.
    pub(crate) since: Option<Instant>,
    /// Only these patients, by id; empty for all.
    pub(crate) patients: Vec<String>,
    /// Why, in words.
    pub(crate) why: String,
}

/// The type under which the watermark of an export of all types is kept.
pub(crate) fn all_types() -> ResourceType {
    #[expect(clippy::expect_used, reason = "a constant that is a type name")]
    "Resource".parse().expect("a type")
}

/// Plans the kick-offs of one run: types that were never complete are asked for whole, the
/// others from their earliest watermark.
pub(crate) fn plan(
    types: &[ResourceType],
    marks: &BTreeMap<ResourceType, Watermark>,
    overlap: Duration,
    is_full: bool,
) -> Vec<Plan> {
    if is_full {
        let why = "a full export was asked for".to_owned();
        return vec![Plan {
            types: types.to_vec(),
            since: None,
            patients: Vec::new(),
            why,
        }];
    }
    let all = [all_types()];
    let asked = if types.is_empty() { &all[..] } else { types };
    let (known, unknown): (Vec<&ResourceType>, Vec<&ResourceType>) =
        asked.iter().partition(|name| marks.contains_key(*name));
    let sent = |chosen: Vec<&ResourceType>| {
        if types.is_empty() { Vec::new() } else { chosen.into_iter().cloned().collect() }
    };
    let mut plans = Vec::new();
    if !unknown.is_empty() {
        let why = "no complete export of these types is in the ledger".to_owned();
        plans.push(Plan { types: sent(unknown), since: None, patients: Vec::new(), why });
    }
    let earliest = known
        .iter()
        .filter_map(|name| Some((marks.get(*name)?, *name)))
        .min_by_key(|(mark, _)| mark.effective);
    if let Some((mark, name)) = earliest {
        let since = mark.effective.minus(overlap).floor_seconds();
        let why = why(mark, name, overlap, since, types.is_empty());
        plans.push(Plan {
            types: sent(known),
            since: Some(since),
            patients: Vec::new(),
            why,
        });
    }
    plans
}

fn why(
    mark: &Watermark,
    name: &ResourceType,
    overlap: Duration,
    since: Instant,
    is_all: bool,
) -> String {
    let mut why = format!("{since} is the watermark {}", mark.effective);
    if !is_all {
        let _ = write!(why, " (the earliest, of {name})");
    }
    let _ = write!(
        why,
        " less an overlap of {}; set by export {}",
        span(overlap),
        mark.set_by
    );
    let time = mark.transaction_time.map_or("none".to_owned(), |time| time.to_string());
    let date = mark.server_date.map_or("unknown".to_owned(), |date| date.to_string());
    let _ = write!(why, " from transactionTime {time} and the server's clock {date}");
    why
}

/// A length of time for people.
pub(crate) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    /// Items: 41, 75, 132, S2.
    /// Faults: F8, F26.
    #[test]
    fn takes_the_earliest_clock_that_may_count() {
        let skew = Duration::from_mins(5);
        let (early, late) = ("2026-01-01T10:00:00Z", "2026-01-01T11:00:00Z");
        // name, our clock, server date, transaction time, expected
        let cases = [
            ("conformant", late, Some(late), Some(late), late),
            (
                "our clock runs ahead",
                "2026-01-01T23:00:00Z",
                Some(early),
                Some(early),
                early,
            ),
            (
                "our clock runs behind",
                "2026-01-01T01:00:00Z",
                Some(late),
                Some(late),
                late,
            ),
            ("a replica's snapshot", late, Some(late), Some(early), early),
            ("transaction time at job end", early, Some(early), Some(late), early),
            ("no transaction time", late, Some(early), None, early),
            ("no date", late, None, Some("2026-01-01T10:58:00Z"), "2026-01-01T10:55:00Z"),
            ("no clock but ours", late, None, None, "2026-01-01T10:55:00Z"),
        ];
        for (name, ours, date, time, expected) in cases {
            let clocks = Clocks {
                kickoff_instant: at(ours),
                server_date: date.map(at),
                transaction_time: time.map(at),
            };
            assert_eq!(clocks.effective(skew), at(expected), "case: {name}");
        }
    }

    /// Items: 131, 133, S2.
    #[test]
    fn asks_for_new_types_whole_and_for_the_rest_from_the_earliest_mark() {
        let mark = |text: &str| Watermark {
            effective: at(text),
            set_by: "e1".parse().unwrap(),
            transaction_time: None,
            server_date: None,
            kickoff_instant: at(text),
        };
        let kind = |text: &str| text.parse::<ResourceType>().unwrap();
        let marks: BTreeMap<ResourceType, Watermark> = [
            (kind("Patient"), mark("2026-01-02T00:00:00.500Z")),
            (kind("Condition"), mark("2026-01-01T00:00:00.500Z")),
        ]
        .into();
        let overlap = Duration::from_mins(5);
        let types = [kind("Patient"), kind("Condition"), kind("Observation")];
        let plans = plan(&types, &marks, overlap, false);
        let shown: Vec<(String, Option<Instant>)> =
            plans.iter().map(|plan| (format!("{:?}", plan.types), plan.since)).collect();
        assert_eq!(
            shown,
            [
                ("[Observation]".to_owned(), None),
                ("[Patient, Condition]".to_owned(), Some(at("2025-12-31T23:55:00Z"))),
            ]
        );
        assert_eq!(plan(&types, &marks, overlap, true).len(), 1);
        assert_eq!(plan(&[], &BTreeMap::new(), overlap, false)[0].since, None);
    }
}
