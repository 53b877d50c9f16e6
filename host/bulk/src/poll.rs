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
    bare_500s: u32,
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
            bare_500s: 0,
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
            200..=201 | 203..=299 => Step::Done,
            202 => {
                self.failures = 0;
                self.failing_since = None;
                self.bare_500s = 0;
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
            status => {
                let outcome = Outcome::read(&reply.body);
                if outcome.is_transient() {
                    return self.fail(reply, now, jitter);
                }
                if matches!(status, 404 | 410) {
                    return Step::Gone;
                }
                if status >= 500 && !outcome.is_fhir {
                    self.bare_500s += 1;
                    if self.bare_500s < self.limits.bare_500s {
                        return self.fail(reply, now, jitter);
                    }
                }
                Step::Failed(outcome.with_headers(reply.headers.clone()))
            }
        }
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
