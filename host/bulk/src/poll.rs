//! When to ask for the status again, and when to stop.
//!
//! A pure state machine: it is shown what came back and the time, and says what to do. It
//! sends nothing and sleeps nowhere.
//!
//! Source: Bulk Data IG, "Bulk Data Status Request"; RFC 9110 section 10.2.3.

use std::time::Duration;

use bulkhead_model::Instant;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    manifest::Page,
    operation_outcome::{Outcome, clean},
    retry_after::retry_after,
    safe_headers::SafeHeaders,
    settings::PollLimits,
};

/// What came back from the status endpoint. All text is server-controlled.
#[derive(Clone, Debug, Default)]
pub struct StatusReply {
    /// The HTTP status.
    pub status: u16,
    /// `X-Export-Status`, when the server tells the job's state apart from the request's.
    pub export_status: Option<String>,
    /// The response's `Date`.
    pub date: Option<Instant>,
    /// `Retry-After`.
    pub retry_after: Option<String>,
    /// `X-Progress`.
    pub progress: Option<String>,
    /// What may be shown of all headers.
    pub headers: SafeHeaders,
    /// The body: a manifest, an `OperationOutcome`, or anything.
    pub body: Bytes,
}

/// Where a server tells the state of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatusSource {
    /// `X-Export-Status`: the kick-off asked for it, and the server said that it applies.
    ExportStatus,
    /// The HTTP status. An `X-Export-Status` that comes unasked may say that the job still
    /// runs or has failed; that it is done it may not.
    #[default]
    Http,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The job is done; the body is the manifest.
    Done,
    /// The job is gone: expired, cancelled or never known (404, 410).
    Gone,
    /// The job failed, or the server will not tell.
    Failed(Outcome),
    /// The job did not end in the time allowed.
    OutOfTime,
    /// We may not ask. The job may be alive: whose turn it is, is the operator.
    Refused(Outcome),
    /// The status endpoint kept failing for too long.
    Unreachable,
    /// Ask again after this long.
    Wait {
        /// How long to wait.
        delay: Duration,
        /// Whether the server said that the job runs; a failed request says nothing.
        running: bool,
    },
}

/// How far the polling of one job has come.
#[derive(Clone, Debug)]
pub struct Poll {
    limits: PollLimits,
    status_source: StatusSource,
    started: Instant,
    backoff: Duration,
    /// The wait in use, however it came about.
    last_delay: Duration,
    failures: u32,
    failing_since: Option<Instant>,
    doubts: u32,
    doubting_since: Option<Instant>,
}

/// How soon an answer is believed that may not be about the job.
#[derive(Clone, Copy, Debug)]
enum Belief {
    /// After some in a row.
    Counted,
    /// After some in a row, and a hundredth of the time that the job has taken: what took
    /// weeks is not thrown away for a bad minute.
    Weighed,
}

impl Poll {
    /// The job was kicked off at `started`; the first request may be sent at once.
    pub fn new(limits: PollLimits, started: Instant) -> Self {
        Self {
            limits,
            status_source: StatusSource::Http,
            started,
            backoff: limits.first,
            last_delay: Duration::ZERO,
            failures: 0,
            failing_since: None,
            doubts: 0,
            doubting_since: None,
        }
    }

    /// Says where the server tells the state of the job.
    #[must_use]
    pub fn with_status(self, status_source: StatusSource) -> Self {
        Self { status_source, ..self }
    }

    /// Whether the reply lacks the `X-Export-Status` that was agreed on.
    pub(crate) fn misses_status(&self, reply: &StatusReply) -> bool {
        self.status_source == StatusSource::ExportStatus
            && reply.status < 400
            && reply.told().is_none()
    }

    /// How long ago the job was kicked off.
    pub fn elapsed(&self, now: Instant) -> Duration {
        now.since(self.started)
    }

    /// Judges a reply. `jitter` lies between 0 and 1 and lengthens a wait by up to a tenth.
    pub fn step(&mut self, reply: &StatusReply, now: Instant, jitter: f64) -> Step {
        match reply.job_status(self.status_source) {
            // A bare 200 is about the request, not about the job, once the server agreed to
            // tell them apart; a manifest speaks for itself.
            200..=201 | 203..=299
                if self.misses_status(reply) && !Page::is_manifest(&reply.body) =>
            {
                self.fail(reply, now, jitter)
            }
            // A login page, an empty answer, `{}`: of a server that restarts, or of one that
            // has forgotten the job.
            200..=201 | 203..=299 if !Page::may_be(&reply.body) => {
                self.doubt(reply, Belief::Weighed, Step::Done, now, jitter)
            }
            200..=201 | 203..=299 => {
                self.runs();
                Step::Done
            }
            202 => {
                self.runs();
                let asked = reply.asked(now);
                self.wait(asked, true, now, jitter)
            }
            // Asked too often. The job lives.
            429 => {
                let asked = reply.asked(now).unwrap_or_default();
                let doubled = self.backoff.max(self.last_delay).saturating_mul(2);
                self.backoff = doubled.min(self.limits.backoff_cap);
                self.wait(Some(asked.max(doubled)), true, now, jitter)
            }
            408 | 425 | 502..=504 => self.fail(reply, now, jitter),
            status => self.refused(status, reply, now, jitter),
        }
    }

    /// Judges a refusal. What says in FHIR's words that the job failed is believed at once;
    /// what a gateway or a firewall may have said as well is asked for again first.
    fn refused(
        &mut self,
        status: u16,
        reply: &StatusReply,
        now: Instant,
        jitter: f64,
    ) -> Step {
        let outcome = Outcome::read(&reply.body).with_headers(reply.headers.clone());
        let is_transient = outcome.is_transient();
        match status {
            // Servers send `exception` for jobs that are gone for good.
            404 | 410 if is_transient => {
                self.doubt(reply, Belief::Counted, Step::Gone, now, jitter)
            }
            404 | 410 => Step::Gone,
            401 | 403 => {
                self.doubt(reply, Belief::Counted, Step::Refused(outcome), now, jitter)
            }
            _ if is_transient && !outcome.is_mere_exception() => {
                self.fail(reply, now, jitter)
            }
            _ if is_transient || !outcome.is_fhir => {
                self.doubt(reply, Belief::Weighed, Step::Failed(outcome), now, jitter)
            }
            _ => Step::Failed(outcome),
        }
    }

    /// The job was heard of: nothing of before counts.
    fn runs(&mut self) {
        self.failures = 0;
        self.failing_since = None;
        self.doubts = 0;
        self.doubting_since = None;
    }

    /// Whether the last answer was the first of a row that is not believed yet.
    pub(crate) const fn is_first_doubt(&self) -> bool {
        self.doubts == 1
    }

    fn doubt(
        &mut self,
        reply: &StatusReply,
        belief: Belief,
        believed: Step,
        now: Instant,
        jitter: f64,
    ) -> Step {
        self.doubts += 1;
        let since = *self.doubting_since.get_or_insert(now);
        let least = match belief {
            Belief::Counted => Duration::ZERO,
            Belief::Weighed => (self.elapsed(now) / 100).min(self.limits.failure_time),
        };
        if self.doubts >= self.limits.doubts && now.since(since) >= least {
            return believed;
        }
        let asked = reply.asked(now);
        self.wait(asked, false, now, jitter)
    }

    /// Judges a request that brought no reply for a reason that may pass.
    pub fn lost(&mut self, now: Instant, jitter: f64) -> Step {
        self.fail(&StatusReply::default(), now, jitter)
    }

    fn fail(&mut self, reply: &StatusReply, now: Instant, jitter: f64) -> Step {
        self.failures += 1;
        let since = *self.failing_since.get_or_insert(now);
        if self.failures > self.limits.failures
            && now.since(since) > self.limits.failure_time
        {
            return Step::Unreachable;
        }
        let asked = reply.asked(now);
        self.wait(asked, false, now, jitter)
    }

    /// Clamps what the server asked for, or backs off by half again as long each time.
    fn wait(
        &mut self,
        asked: Option<Duration>,
        running: bool,
        now: Instant,
        jitter: f64,
    ) -> Step {
        if self.elapsed(now) >= self.limits.job_timeout {
            return Step::OutOfTime;
        }
        let delay = asked.unwrap_or_else(|| {
            let delay = self.backoff;
            let next = delay.saturating_add(delay / 2);
            self.backoff = next.min(self.limits.backoff_cap);
            delay
        });
        // Clamped before jitter is added: a wait of centuries does not multiply.
        let delay = delay.min(self.limits.ceiling).max(self.limits.floor);
        self.last_delay = delay;
        let delay = delay.mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 10.0);
        Step::Wait {
            delay: delay.min(self.limits.ceiling.max(self.limits.floor)),
            running,
        }
    }
}

impl StatusReply {
    /// The state of the job.
    ///
    /// A poll that failed on its own says nothing about the job, so there the HTTP status
    /// counts.
    fn job_status(&self, source: StatusSource) -> u16 {
        let Some(told) = self.told().filter(|_| self.status < 400) else {
            return self.status;
        };
        match source {
            StatusSource::ExportStatus => told,
            StatusSource::Http if told == 202 || told >= 400 => told,
            StatusSource::Http => self.status,
        }
    }

    /// The number that `X-Export-Status` begins with.
    fn told(&self) -> Option<u16> {
        let text = self.export_status.as_deref()?.trim();
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text.get(..end)?.parse().ok()
    }

    /// What `Retry-After` asks for, unclamped.
    fn asked(&self, now: Instant) -> Option<Duration> {
        retry_after(self.retry_after.as_deref()?, self.date.unwrap_or(now))
    }

    /// `X-Progress`, fit for a terminal.
    pub fn progress_text(&self) -> Option<String> {
        self.progress.as_deref().and_then(clean)
    }
}

#[cfg(test)]
mod tests;
