//! The steps of an export: kick off, wait, download, cancel.

use std::collections::BTreeSet;

use bulkhead_model::SafeUrl;
use bulkhead_net::{Method, Request, Response, StatusCode, header};
use url::Url;

use super::{
    Cancelled, Client, Progress, Server,
    door::{FHIR_JSON, WithToken, date, get},
};
use crate::{
    download::Download,
    error::{Doing, Error},
    kickoff::{Accepted, Kickoff},
    manifest::{FileAccess, Manifest, ManifestError, OutputFile, Page, PageOrigin},
    operation_outcome::{Complaint, Outcome},
    poll::{Poll, StatusReply, Step},
    retry_after::http_date,
    settings::{KickoffMethod, Version},
};

impl Client {
    /// Starts an export.
    ///
    /// Parameters that only save work (`_elements`) are left out when the server refuses
    /// them, and [`Accepted::left_out`] says so; parameters that bound what is exported never
    /// are. The method changes once when the server answers 405 and the settings leave it
    /// open.
    ///
    /// # Errors
    ///
    /// [`Error::KickoffUnknown`] when a job may be running although no answer came; do not
    /// send again blindly. [`Error::Busy`] when an export is already running.
    pub async fn kickoff(
        &self,
        server: &Server,
        kickoff: &Kickoff,
    ) -> Result<Accepted, Error> {
        let version = self.version(server, &kickoff.level);
        let mut kickoff = kickoff.clone();
        let mut left_out = Vec::new();
        let forced_post = version == Version::V4 || !kickoff.patients.is_empty();
        let mut method = match self.settings.method {
            KickoffMethod::Post => Method::POST,
            KickoffMethod::Get if !kickoff.patients.is_empty() => {
                return Err(Error::Settings {
                    reason: "a kick-off with patients needs the method post",
                });
            }
            KickoffMethod::Auto if forced_post => Method::POST,
            KickoffMethod::Auto | KickoffMethod::Get => Method::GET,
        };
        let mut may_switch = self.settings.method == KickoffMethod::Auto;
        loop {
            let request = self.kickoff_request(server, &kickoff, version, &method);
            let error = match self.kickoff_once(request).await? {
                Ok(accepted) => return Ok(Accepted { left_out, ..accepted }),
                Err(error) => error,
            };
            let Error::Refused { status, outcome, .. } = &error else {
                return Err(error);
            };
            let complaint = outcome.complaint();
            let wrong_method =
                *status == 405 || (*status == 400 && complaint == Complaint::Method);
            if wrong_method && may_switch && !forced_post {
                may_switch = false;
                method = if method == Method::GET { Method::POST } else { Method::GET };
            } else if *status == 400
                && complaint == Complaint::UnsupportedParameter
                && outcome.text.as_deref().is_some_and(|text| text.contains("_elements"))
                && !kickoff.elements.is_empty()
            {
                kickoff.elements.clear();
                left_out.push("_elements".to_owned());
            } else {
                return Err(without_patients(&kickoff, error));
            }
        }
    }

    fn kickoff_request(
        &self,
        server: &Server,
        kickoff: &Kickoff,
        version: Version,
        method: &Method,
    ) -> Request {
        let mut url = self.base.clone();
        let segment = server.capability.segment(&kickoff.level, version);
        let path = kickoff.level.kickoff_path();
        let parent = path.strip_suffix("$export").unwrap_or_default();
        url.set_path(&format!("{}{parent}${segment}", self.base.path()));
        let post = *method == Method::POST;
        if !post {
            kickoff.write_query(&mut url, version);
        }
        let text = header::HeaderValue::from_static;
        let request = Request::new(method.clone(), url)
            .header(header::ACCEPT, text(FHIR_JSON))
            .header(PREFER, text("respond-async"))
            // Keeps servers from handing out an earlier job that looks the same.
            .header(header::CACHE_CONTROL, text("no-cache"));
        if post {
            let body = kickoff.body(version).to_string();
            request.header(header::CONTENT_TYPE, text(FHIR_JSON)).body(body)
        } else {
            request
        }
    }

    /// The outer error ends the kick-off; the inner one may be answered by another request.
    async fn kickoff_once(
        &self,
        request: Request,
    ) -> Result<Result<Accepted, Error>, Error> {
        let sent_to = request.url().clone();
        let url = SafeUrl::of(&sent_to);
        let response = match self.door.send(Doing::Kickoff, request, WithToken::Yes).await
        {
            Ok(response) => response,
            Err(Error::Network { doing: Doing::Kickoff, source })
                if source.may_have_arrived() && source.is_transient() =>
            {
                return Err(Error::KickoffUnknown { url, source });
            }
            Err(error) => return Err(error),
        };
        if !response.status.is_success() {
            return Ok(Err(self.door.refusal(Doing::Kickoff, response).await));
        }
        let location = response
            .text(&header::CONTENT_LOCATION)
            .filter(|text| !text.trim().is_empty())
            .and_then(|text| response.url.join(text.trim()).ok());
        let Some(status_url) = location else {
            let status = response.status.as_u16();
            return Err(Error::NoStatusUrl { url, status });
        };
        Ok(Ok(Accepted { status_url, date: date(&response), left_out: Vec::new() }))
    }

    /// Waits until the job is done, through all pages of its manifest.
    ///
    /// May be called again with the same URL after a crash: it keeps no state of its own.
    ///
    /// # Errors
    ///
    /// [`Error::JobGone`], [`Error::JobFailed`], [`Error::JobTimeout`],
    /// [`Error::Unreachable`], [`Error::Manifest`], or what the token endpoint said.
    pub async fn wait(
        &self,
        status_url: &Url,
        mut on_progress: impl FnMut(Progress),
    ) -> Result<Manifest, Error> {
        let mut poll = Poll::new(self.settings.poll, self.surroundings.now());
        let mut manifest = Manifest::empty();
        let mut seen = BTreeSet::from([status_url.clone()]);
        let mut url = status_url.clone();
        loop {
            let shown = SafeUrl::of(&url);
            let fault = |source| Error::Manifest { url: shown.clone(), source };
            let (step, answer) = self.poll_once(&mut poll, &url).await?;
            let now = self.surroundings.now();
            let (delay, running) = match step {
                Step::Done => (None, true),
                Step::Wait { delay, running } => (Some(delay), running),
                Step::Gone => return Err(Error::JobGone { url: shown }),
                Step::OutOfTime => {
                    return Err(Error::JobTimeout {
                        url: shown,
                        after: poll.elapsed(now),
                    });
                }
                Step::Failed(outcome) => {
                    let status = answer.map_or(0, |answer| answer.reply.status);
                    return Err(Error::JobFailed { url: shown, status, outcome });
                }
                Step::Unreachable => {
                    return Err(Error::Unreachable { url: shown, source: None });
                }
            };
            let origin = |answer: &Answer| PageOrigin {
                number: manifest.pages,
                date: answer.reply.date.unwrap_or(now),
                url: answer.url.clone(),
            };
            let page = match (&answer, delay) {
                (Some(answer), None) => {
                    Some(Page::read(&answer.reply.body, &origin(answer)).map_err(fault)?)
                }
                // A 202 may carry the files that are final already. It counts as a page once
                // it links to the next; until then only its time is noted.
                (Some(answer), Some(_)) if running => {
                    Page::read(&answer.reply.body, &origin(answer)).ok()
                }
                (Some(_) | None, _) => None,
            };
            if let Some(mut page) = page {
                page.expires = answer.as_ref().and_then(|answer| answer.expires);
                let next = page.next.take();
                if delay.is_none() || next.is_some() {
                    manifest.add(page);
                } else {
                    manifest.see_time(page.transaction_time);
                }
                if let Some(next) = next {
                    let limit = self.settings.limits.pages;
                    if manifest.pages >= limit {
                        return Err(fault(ManifestError::Pages { limit }));
                    }
                    if !seen.insert(next.clone()) {
                        return Err(fault(ManifestError::Loop));
                    }
                    url = next;
                    continue;
                }
            }
            let Some(delay) = delay else { return Ok(manifest) };
            on_progress(Progress {
                text: answer.and_then(|answer| answer.reply.progress_text()),
                running,
                elapsed: poll.elapsed(now),
                next_poll: delay,
                pages: manifest.pages,
            });
            tokio::time::sleep(delay).await;
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
            Ok(answer) => Ok((poll.step(&answer.reply, now, jitter), Some(answer))),
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

    async fn answer(&self, response: Response) -> Result<Answer, Error> {
        // Copied out before the body is awaited: a response is not shared between threads.
        let headers = response.headers.clone();
        let text = |name: &header::HeaderName| {
            headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let mut reply = StatusReply {
            status: response.status.as_u16(),
            export_status: text(&EXPORT_STATUS),
            date: date(&response),
            retry_after: text(&header::RETRY_AFTER),
            progress: text(&PROGRESS),
            body: bytes::Bytes::new(),
        };
        // A value that is no date (`0`) means "already expired".
        let expires = text(&header::EXPIRES).and_then(|text| {
            http_date(&text).or(reply.date).or(Some(self.surroundings.now()))
        });
        let url = response.url.clone();
        reply.body = if response.status.is_success() {
            self.door.document(Doing::Poll, response).await?
        } else {
            let body = response.body.collect(self.door.error_limit()).await;
            body.unwrap_or_default()
        };
        Ok(Answer { reply, expires, url })
    }

    /// Starts the download of one file; the bytes come as the stream is read.
    ///
    /// The token is sent exactly when the manifest asks for it, and only to trusted origins.
    /// A renewed token does not disturb a transfer that runs.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`], [`Error::Refused`] (see [`Error::is_expired_link`]),
    /// [`Error::MediaType`], [`Error::Encoding`], or [`Error::Network`], which for an
    /// origin that may not see the token names it.
    pub async fn download(
        &self,
        manifest: &Manifest,
        file: &OutputFile,
    ) -> Result<Download, Error> {
        let with = match manifest.access {
            FileAccess::Open => WithToken::No,
            FileAccess::Token => WithToken::Yes,
            FileAccess::Unstated => WithToken::IfTrusted,
        };
        let request = get(file.url.clone(), "application/fhir+ndjson")
            .header(header::ACCEPT_ENCODING, header::HeaderValue::from_static("gzip"));
        let mut response = self.door.send(Doing::Download, request.clone(), with).await?;
        if response.status == StatusCode::BAD_REQUEST && response.authenticated {
            // Storage that takes signed URLs refuses a second credential beside them.
            let body =
                response.body.collect(self.door.error_limit()).await.unwrap_or_default();
            if !says_two_credentials(&body) {
                return Err(Error::Refused {
                    doing: Doing::Download,
                    url: SafeUrl::of(&response.url),
                    status: 400,
                    outcome: Outcome::read(&body),
                });
            }
            response = self.door.send(Doing::Download, request, WithToken::No).await?;
        }
        match response.status {
            StatusCode::OK => Download::new(response, self.settings.limits.file.bytes()),
            _ => Err(self.door.refusal(Doing::Download, response).await),
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

/// A status reply with what only the manifest needs.
struct Answer {
    reply: StatusReply,
    expires: Option<bulkhead_model::Instant>,
    /// After redirects: what relative URLs are relative to.
    url: Url,
}

/// A server that refuses a patient is likely to name the patient.
fn without_patients(kickoff: &Kickoff, mut error: Error) -> Error {
    if let Error::Refused { outcome, .. } = &mut error
        && !kickoff.patients.is_empty()
    {
        outcome.text = None;
    }
    error
}

fn says_two_credentials(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    text.contains("Only one auth mechanism")
}

const PREFER: header::HeaderName = header::HeaderName::from_static("prefer");
const EXPORT_STATUS: header::HeaderName =
    header::HeaderName::from_static("x-export-status");
const PROGRESS: header::HeaderName = header::HeaderName::from_static("x-progress");
