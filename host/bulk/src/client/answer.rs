//! An answer of the status endpoint: read as far as it matters, and as a page of a manifest.

use bulkhead_model::Instant;
use bulkhead_net::{Response, header};
use url::Url;

use super::{Client, door::date};
use crate::{
    error::{Doing, Error},
    manifest::{ManifestError, Page, PageOrigin, Warning},
    operation_outcome::clean,
    poll::StatusReply,
    retry_after::http_date,
    safe_headers::SafeHeaders,
};

/// A status reply with what only the manifest needs.
pub(super) struct Answer {
    pub(super) reply: StatusReply,
    expires: Option<Instant>,
    content_type: Option<String>,
    /// After redirects: what relative URLs are relative to.
    url: Url,
}

impl Answer {
    pub(super) fn page(&self, number: u32, now: Instant) -> Result<Page, ManifestError> {
        let origin = PageOrigin {
            number,
            date: self.reply.date.unwrap_or(now),
            url: self.url.clone(),
        };
        let mut page = Page::read(&self.reply.body, &origin)?;
        page.expires = self.expires;
        let stated = self.content_type.as_deref().unwrap_or("application/json");
        let essence = stated.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            let stated = clean(essence).unwrap_or_default();
            page.warnings.push(Warning::ContentType(stated));
        }
        Ok(page)
    }
}

impl Client {
    /// Reads what came back, as far as it matters.
    pub(super) async fn answer(&self, response: Response) -> Result<Answer, Error> {
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
            headers: SafeHeaders::of(&headers),
            body: bytes::Bytes::new(),
        };
        // A value that is no date (`0`) means "already expired".
        let expires = text(&header::EXPIRES).and_then(|text| {
            http_date(&text).or(reply.date).or(Some(self.surroundings.now()))
        });
        let expires = expires.or_else(|| {
            let lifetime = self.settings.file_lifetime?;
            Some(reply.date.unwrap_or_else(|| self.surroundings.now()).plus(lifetime))
        });
        let url = response.url.clone();
        reply.body = if response.status.is_success() {
            self.door.document(Doing::Poll, response).await?
        } else {
            let body = response.body.collect(self.door.error_limit()).await;
            body.unwrap_or_default()
        };
        Ok(Answer { reply, expires, content_type: text(&header::CONTENT_TYPE), url })
    }
}

const EXPORT_STATUS: header::HeaderName =
    header::HeaderName::from_static("x-export-status");
const PROGRESS: header::HeaderName = header::HeaderName::from_static("x-progress");
