//! How the server behaves where a conformant server may choose: the seam every handler asks.
//!
//! Handlers decide nothing of this themselves. Choices that no conformant server has are
//! the scenario's.
//!
//! Source: Bulk Data IG, "Bulk Data Status Request" and "Output File Request".

use std::{
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use bulkhead_model::Instant;
use serde::Deserialize;

/// When a job is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// This long after the kick-off, by the virtual clock.
    After(Duration),
    /// After this many polls were answered with "in progress".
    AfterPolls(u32),
}

/// When files are sent gzip-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gzip {
    /// Always, asked for or not.
    Always,
    /// When the request's `Accept-Encoding` allows.
    Auto,
    /// Never.
    Never,
}

/// By which clock the `exp` of a client assertion is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AssertionClock {
    /// By the server's virtual clock alone, as a real server would.
    Virtual,
    /// An assertion that is timely by either the virtual or the real clock passes, so that
    /// clients which know no clock but their own can rehearse against another day.
    VirtualOrReal,
}

/// What a conformant server may choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// When a job is done. Default: the second poll finds it done.
    pub ready: Ready,
    /// `Retry-After` of a poll that finds the job unfinished. Default: 1 s.
    pub retry_after: Duration,
    /// The most resources a file may hold. Default: 10,000.
    pub resources_per_file: NonZeroU64,
    /// The most deletions one `deleted` Bundle may hold. Default: 10, so that clients meet
    /// Bundles of several entries.
    pub deletions_per_bundle: NonZeroU32,
    /// When files are sent gzip-encoded. Default: when the request allows.
    pub gzip: Gzip,
    /// How long an access token lives. Default: 300 s, the most the IG advises.
    pub token_lifetime: Duration,
    /// How long after its kick-off a job and its files stay. Default: 24 h.
    pub job_lifetime: Duration,
    /// By which clock client assertions are judged. Default: either.
    pub assertion_clock: AssertionClock,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            ready: Ready::AfterPolls(1),
            retry_after: Duration::from_secs(1),
            resources_per_file: NonZeroU64::MIN.saturating_add(9_999),
            deletions_per_bundle: NonZeroU32::MIN.saturating_add(9),
            gzip: Gzip::Auto,
            token_lifetime: Duration::from_mins(5),
            job_lifetime: Duration::from_hours(24),
            assertion_clock: AssertionClock::VirtualOrReal,
        }
    }
}

/// What a poll finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Done,
    Running { percent: u32 },
}

impl Behaviour {
    /// What poll number `polls` (0 is the first) of a job kicked off at `kicked_off` finds.
    pub(crate) fn progress(
        &self,
        polls: u32,
        kicked_off: Instant,
        now: Instant,
    ) -> Progress {
        let (done, of) = match self.ready {
            Ready::After(duration) => {
                (now.since(kicked_off).as_millis(), duration.as_millis())
            }
            Ready::AfterPolls(wanted) => (u128::from(polls), u128::from(wanted)),
        };
        if done >= of {
            return Progress::Done;
        }
        Progress::Running { percent: u32::try_from(done * 100 / of).unwrap_or(99) }
    }

    /// Whether a file goes out gzip-encoded to a client that sent `accept_encoding`.
    pub(crate) fn encodes(&self, accept_encoding: Option<&str>) -> bool {
        match self.gzip {
            Gzip::Always => true,
            Gzip::Auto => accept_encoding.is_some_and(accepts_gzip),
            Gzip::Never => false,
        }
    }
}

/// Whether an `Accept-Encoding` value allows gzip (RFC 9110, section 12.5.3).
fn accepts_gzip(value: &str) -> bool {
    let mut any = false;
    for choice in value.split(',') {
        let mut parts = choice.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let refused = parts
            .filter_map(|part| part.strip_prefix("q="))
            .any(|weight| weight.trim_matches(['0', '.']).is_empty());
        if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
            return !refused;
        }
        any |= name == "*" && !refused;
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_accept_encoding() {
        let cases = [
            ("plain", "gzip", true),
            ("among others", "br, GZIP;q=0.5", true),
            ("refused", "gzip;q=0, *", false),
            ("refused with digits", "gzip; q=0.000", false),
            ("any", "*", true),
            ("identity", "identity", false),
            ("empty", "", false),
        ];
        for (name, value, expected) in cases {
            assert_eq!(accepts_gzip(value), expected, "case: {name}");
        }
    }

    #[test]
    fn a_job_is_done_when_the_operator_said() {
        let at = |seconds: i64| Instant::from_unix_ms(seconds * 1000);
        let cases = [
            ("at once", Ready::AfterPolls(0), 0, 0, Progress::Done),
            (
                "first of two",
                Ready::AfterPolls(2),
                1,
                0,
                Progress::Running { percent: 50 },
            ),
            (
                "by time",
                Ready::After(Duration::from_secs(10)),
                9,
                5,
                Progress::Running { percent: 50 },
            ),
            (
                "time is over",
                Ready::After(Duration::from_secs(10)),
                0,
                10,
                Progress::Done,
            ),
        ];
        for (name, ready, polls, now, expected) in cases {
            let behaviour = Behaviour { ready, ..Behaviour::default() };
            assert_eq!(
                behaviour.progress(polls, at(0), at(now)),
                expected,
                "case: {name}"
            );
        }
    }
}
