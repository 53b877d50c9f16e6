//! A job under way: asked for until it is done, read again, cancelled.

use std::collections::BTreeSet;

use bulkhead_model::{Instant, SafeUrl};
use bulkhead_net::{Method, Request, StatusCode, header};
use url::Url;

use super::{
    Cancelled, Client, Progress,
    answer::Answer,
    door::{FHIR_JSON, WithToken, get},
};
use crate::{
    error::{Doing, Error},
    manifest::{Manifest, ManifestError, Warning},
    poll::{Poll, StatusReply, StatusSource, Step},
};

/// A job that a server took on, as far as asking for it goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Job {
    /// Where to ask how it goes. May be a capability: show it as `SafeUrl`.
    pub status_url: Url,
    /// When it was kicked off, so that the time allowed does not start anew with each
    /// process. `None` counts from the first request.
    pub started: Option<Instant>,
    /// Where its state is told.
    pub status_source: StatusSource,
}

impl Job {
    /// A job of which nothing but its URL is known.
    pub fn at(status_url: Url) -> Self {
        Self { status_url, started: None, status_source: StatusSource::Http }
    }
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job")
            .field("status_url", &SafeUrl::of(&self.status_url))
            .field("started", &self.started)
            .field("status_source", &self.status_source)
            .finish()
    }
}

/// What one request for the status led to.
enum Turn {
    Done,
    Page(Url),
    Wait { delay: std::time::Duration, running: bool, answer: Option<StatusReply> },
}

impl Client {
    /// Waits for the job at `status_url`, of which nothing else is known; see
    /// [`Client::wait_for`].
    ///
    /// # Errors
    ///
    /// As [`Client::wait_for`].
    pub async fn wait(
        &self,
        status_url: &Url,
        on_progress: impl FnMut(Progress),
    ) -> Result<Manifest, Error> {
        self.wait_for(&Job::at(status_url.clone()), on_progress).await
    }

    /// Waits until the job is done, through all pages of its manifest.
    ///
    /// May be called again with the same job after a crash: it keeps no state of its own.
    /// When a later page cannot be had for good, the pages before it are given, with
    /// [`Warning::PagesIncomplete`].
    ///
    /// # Errors
    ///
    /// [`Error::JobGone`], [`Error::JobFailed`], [`Error::JobTimeout`],
    /// [`Error::Unreachable`], [`Error::Manifest`], or what the token endpoint said.
    pub async fn wait_for(
        &self,
        job: &Job,
        mut on_progress: impl FnMut(Progress),
    ) -> Result<Manifest, Error> {
        let started = job.started.unwrap_or_else(|| self.surroundings.now());
        let mut poll =
            Poll::new(self.settings.poll, started).with_status(job.status_source);
        let mut manifest = Manifest::empty();
        let mut seen = BTreeSet::from([job.status_url.clone()]);
        let mut url = job.status_url.clone();
        loop {
            match self.turn(&mut poll, &mut manifest, &mut seen, &url).await {
                Ok(Turn::Done) => return Ok(manifest),
                Ok(Turn::Page(next)) => url = next,
                Ok(Turn::Wait { delay, running, answer }) => {
                    on_progress(Progress {
                        text: answer.as_ref().and_then(StatusReply::progress_text),
                        running,
                        elapsed: poll.elapsed(self.surroundings.now()),
                        next_poll: delay,
                        pages: manifest.pages,
                        headers: answer
                            .as_ref()
                            .map(|reply| reply.headers.clone())
                            .unwrap_or_default(),
                        status: answer.map(|reply| reply.status),
                    });
                    tokio::time::sleep(delay).await;
                }
                Err(error) if manifest.pages > 0 && spoils_one_page(&error) => {
                    let (page, reason) = (manifest.pages, error.to_string());
                    manifest.warn(Warning::PagesIncomplete { page, reason });
                    return Ok(manifest);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn turn(
        &self,
        poll: &mut Poll,
        manifest: &mut Manifest,
        seen: &mut BTreeSet<Url>,
        url: &Url,
    ) -> Result<Turn, Error> {
        let shown = SafeUrl::of(url);
        let fault = |source| Error::Manifest { url: shown.clone(), source };
        let (step, answer) = self.poll_once(poll, url).await?;
        let now = self.surroundings.now();
        let (delay, running) = match step {
            Step::Done => (None, true),
            Step::Wait { delay, running } => (Some(delay), running),
            Step::Gone => return Err(Error::JobGone { url: shown }),
            Step::OutOfTime => {
                return Err(Error::JobTimeout { url: shown, after: poll.elapsed(now) });
            }
            Step::Failed(outcome) => {
                let status = answer.map_or(0, |answer| answer.reply.status);
                let outcome = Box::new(outcome);
                return Err(Error::JobFailed { url: shown, status, outcome });
            }
            Step::Refused(outcome) => {
                let status = answer.map_or(0, |answer| answer.reply.status);
                let outcome = Box::new(outcome);
                return Err(Error::Refused {
                    doing: Doing::Poll,
                    url: shown,
                    status,
                    outcome,
                });
            }
            Step::Unreachable => {
                return Err(Error::Unreachable { url: shown, source: None });
            }
        };
        let page = match (&answer, delay) {
            (Some(answer), None) => {
                if poll.misses_status(&answer.reply) {
                    manifest.warn(Warning::ExportStatusMissing);
                }
                Some(answer.page(manifest.pages, now).map_err(fault)?)
            }
            // A 202 may carry the files that are final already. It counts as a page once
            // it links to the next; until then only its time is noted.
            (Some(answer), Some(_)) if running => answer.page(manifest.pages, now).ok(),
            (Some(_) | None, _) => None,
        };
        if let Some(mut page) = page {
            let next = page.next.take();
            if delay.is_none() || next.is_some() {
                manifest.add(page);
            } else {
                manifest.see_time(page.transaction_time);
            }
            if let Some(next) = next {
                self.follow(manifest, seen, &next).map_err(fault)?;
                return Ok(Turn::Page(next));
            }
        }
        let Some(delay) = delay else { return Ok(Turn::Done) };
        let answer = answer.map(|answer| answer.reply);
        Ok(Turn::Wait { delay, running, answer })
    }

    /// Whether the link to another page may be followed.
    fn follow(
        &self,
        manifest: &Manifest,
        seen: &mut BTreeSet<Url>,
        next: &Url,
    ) -> Result<(), ManifestError> {
        let limit = self.settings.limits.pages;
        if manifest.pages >= limit {
            return Err(ManifestError::Pages { limit });
        }
        if seen.insert(next.clone()) { Ok(()) } else { Err(ManifestError::Loop) }
    }

    /// Reads the manifest of a finished job again, for fresh links: one request a page, and
    /// no waiting.
    ///
    /// Whether a file is still the same file is [`Manifest::renewed`]'s to say.
    ///
    /// # Errors
    ///
    /// [`Error::JobGone`]; [`Error::Busy`] when the job is not done or the server is busy,
    /// with how long it asks us to wait; else what the server or the network did.
    pub async fn manifest_again(&self, status_url: &Url) -> Result<Manifest, Error> {
        let mut manifest = Manifest::empty();
        let mut seen = BTreeSet::from([status_url.clone()]);
        let mut url = status_url.clone();
        loop {
            let shown = SafeUrl::of(&url);
            let fault = |source| Error::Manifest { url: shown.clone(), source };
            let request = get(url.clone(), "application/json");
            let response = self.door.send(Doing::Poll, request, WithToken::Yes).await?;
            match response.status {
                StatusCode::NOT_FOUND | StatusCode::GONE => {
                    return Err(Error::JobGone { url: shown });
                }
                status if !status.is_success() => {
                    return Err(self.door.refusal(Doing::Poll, response).await);
                }
                _ => {}
            }
            let retry_after = self.door.asked_wait(&response);
            let answer = self.answer(response).await?;
            let status = answer.reply.status;
            let page = match answer.page(manifest.pages, self.surroundings.now()) {
                Ok(page) if status != 202 || page.next.is_some() => page,
                Err(source) if status != 202 => return Err(fault(source)),
                Ok(_) | Err(_) => {
                    return Err(Error::Busy {
                        doing: Doing::Poll,
                        url: shown,
                        status,
                        retry_after,
                        outcome: Box::default(),
                    });
                }
            };
            let next = page.next.clone();
            manifest.add(page);
            let Some(next) = next else { return Ok(manifest) };
            self.follow(&manifest, &mut seen, &next).map_err(fault)?;
            url = next;
        }
    }

    /// One request for the status. Failures that may pass are steps, not errors.
    async fn poll_once(
        &self,
        poll: &mut Poll,
        url: &Url,
    ) -> Result<(Step, Option<Answer>), Error> {
        let request = get(url.clone(), "application/json");
        let read = async {
            let response = self.door.send(Doing::Poll, request, WithToken::Yes).await?;
            self.answer(response).await
        };
        let answer = read.await;
        let now = self.surroundings.now();
        let jitter = self.surroundings.fraction();
        match answer {
            Ok(answer) => {
                let step = poll.step(&answer.reply, now, jitter);
                // Some servers say 403 of a token that has run out.
                if answer.reply.status == 403 && poll.is_first_doubt() {
                    self.door.renew().await;
                }
                Ok((step, Some(answer)))
            }
            Err(error) if error.is_transient() => match (poll.lost(now, jitter), error) {
                (Step::Unreachable, Error::Network { source, .. }) => {
                    Err(Error::Unreachable {
                        url: SafeUrl::of(url),
                        source: Some(source),
                    })
                }
                (Step::Wait { delay, running }, error) => {
                    let asked = error.retry_after().unwrap_or_default();
                    let delay = delay.max(asked.min(self.settings.poll.ceiling));
                    Ok((Step::Wait { delay, running }, None))
                }
                (step, _) => Ok((step, None)),
            },
            Err(error) => Err(error),
        }
    }

    /// Cancels a running job, or tells the server that its files may go.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], [`Error::Busy`] or [`Error::Network`]; after a complete export
    /// they are no more than warnings.
    pub async fn cancel(&self, status_url: &Url) -> Result<Cancelled, Error> {
        let request = Request::new(Method::DELETE, status_url.clone())
            .header(header::ACCEPT, header::HeaderValue::from_static(FHIR_JSON));
        let response = self.door.send(Doing::Cancel, request, WithToken::Yes).await?;
        match response.status {
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(Cancelled::AlreadyGone),
            status if status.is_success() => Ok(Cancelled::Accepted),
            _ => Err(self.door.refusal(Doing::Cancel, response).await),
        }
    }
}

/// Whether an error is about one page of a manifest, so that the pages before it stand.
/// Pages that lead in a circle speak against all of them.
fn spoils_one_page(error: &Error) -> bool {
    match error {
        Error::JobFailed { .. }
        | Error::JobGone { .. }
        | Error::JobTimeout { .. }
        | Error::Unreachable { .. }
        | Error::Network { doing: Doing::Poll, .. }
        | Error::Refused { doing: Doing::Poll, .. }
        | Error::Unauthorized { doing: Doing::Poll, .. } => true,
        Error::Manifest { source, .. } => {
            !matches!(source, ManifestError::Loop | ManifestError::Pages { .. })
        }
        Error::Bearer { .. }
        | Error::Busy { .. }
        | Error::Corrupt { .. }
        | Error::Encoding { .. }
        | Error::Inflated { .. }
        | Error::Json { .. }
        | Error::Key { .. }
        | Error::KickoffUnknown { .. }
        | Error::Locked { .. }
        | Error::MediaType { .. }
        | Error::Mismatch { .. }
        | Error::Network { .. }
        | Error::NoStatusUrl { .. }
        | Error::NoTokenEndpoint { .. }
        | Error::Path { .. }
        | Error::Refused { .. }
        | Error::Settings { .. }
        | Error::TokenRefused { .. }
        | Error::TooLarge { .. }
        | Error::Unauthorized { .. } => false,
    }
}
