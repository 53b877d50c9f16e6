//! A server that went back in time: restored from a backup, or answered by a replica that lags.
//!
//! Two signs: resources of an earlier version than was delivered, from a snapshot that is newer;
//! and clocks that are behind what was told before. Incremental exports do not mend what a restored
//! server lost, for nothing of it has changed since: only one of everything does.
//!
//! Source: the project's checklist, S5, §3.2.

use std::{collections::BTreeMap, time::Duration};

use bulkhead_ledger::Watermark;
use bulkhead_model::ResourceType;
use url::Url;

use crate::watermark::{Clocks, span};

/// Clocks that differ by less say nothing.
const SLACK: Duration = Duration::from_mins(5);

/// What to do about it.
const ADVICE: &str = "if it was restored from a backup, run `bulkhead resync`: what it lost is \
    taken back, and what it has is delivered again";

/// What an operator should know. `older` says how many resources are of an earlier version than
/// was delivered.
pub(super) fn remarks(
    server: &Url,
    older: u64,
    clocks: &Clocks,
    before: &BTreeMap<ResourceType, Watermark>,
) -> Vec<String> {
    let mut remarks = Vec::new();
    if older > 0 {
        remarks.push(format!(
            "{server} went back in time: {older} resources are of an earlier version than was \
             delivered: {ADVICE}"
        ));
    }
    let latest = before.values().max_by_key(|mark| mark.effective);
    let Some(latest) = latest else { return remarks };
    let behind = |then: Option<bulkhead_model::Instant>, now| {
        let (then, now) = (then?, now?);
        let by = (now < then).then(|| then.since(now))?;
        (by > SLACK).then(|| span(by))
    };
    if let Some(by) = behind(latest.server_date, clocks.server_date) {
        remarks.push(format!(
            "the clock of {server} is {by} behind what it said at export {}: set it right; {ADVICE}",
            latest.set_by
        ));
    } else if let Some(by) = behind(latest.transaction_time, clocks.transaction_time) {
        remarks.push(format!(
            "the snapshot of {server} is {by} older than the one of export {}: a replica that lags, \
             a job that it gave out again, or a server that went back in time; no watermark moves \
             until it has caught up; {ADVICE}",
            latest.set_by
        ));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use bulkhead_model::Instant;

    use super::*;

    /// Items: S5. Faults: F24, F26.
    #[test]
    fn a_server_that_went_back_is_named_by_what_it_shows_and_by_its_clocks() {
        let at = |minutes: i64| Instant::from_unix_ms(minutes * 60_000);
        let server: Url = "https://h/fhir".parse().unwrap();
        let mark = Watermark {
            effective: at(100),
            set_by: "e1".parse().unwrap(),
            transaction_time: Some(at(100)),
            server_date: Some(at(100)),
            kickoff_instant: at(100),
        };
        let before = BTreeMap::from([("Patient".parse().unwrap(), mark)]);
        // name, older, server's clock, transaction time, what is said
        let cases: [(&str, u64, i64, i64, &[&str]); 6] = [
            ("as it should be", 0, 200, 200, &[]),
            ("a little behind", 0, 97, 97, &[]),
            ("older versions", 3, 200, 200, &["went back in time: 3 resources"]),
            ("the clock", 0, 50, 50, &["the clock of https://h/fhir is 50 min behind"]),
            (
                "a lagging replica",
                0,
                200,
                90,
                &["is 10 min older than the one of export e1"],
            ),
            ("both", 1, 50, 50, &["went back in time: 1", "the clock of"]),
        ];
        for (name, older, date, time, expected) in cases {
            let clocks = Clocks {
                kickoff_instant: at(200),
                server_date: Some(at(date)),
                transaction_time: Some(at(time)),
            };
            let found = remarks(&server, older, &clocks, &before);
            assert_eq!(found.len(), expected.len(), "case: {name}: {found:?}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.contains(expected), "case: {name}: {found}");
                assert!(found.contains("bulkhead resync"), "case: {name}: {found}");
            }
        }
        assert!(
            remarks(
                &server,
                0,
                &Clocks {
                    kickoff_instant: at(1),
                    server_date: None,
                    transaction_time: None
                },
                &before
            )
            .is_empty()
        );
    }
}
