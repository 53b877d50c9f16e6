//! A body that is picked up where it broke off.
//!
//! Only where the server can prove that it is still the same file: by a strong `ETag`, which
//! it gets back in `If-Range`, and by a 206 that begins at the very byte that is missing. In
//! every other case the break is an error, and the file begins anew.
//!
//! Source: RFC 9110 sections 13.1.5, 14.2 and 15.3.7.

use bulkhead_net::{Body, Error, Response, StatusCode, header};
use bytes::Bytes;
use futures::{Stream, StreamExt, future::BoxFuture, stream};

/// Asks for the rest of a file from a byte on; `None` when it cannot be had.
pub(crate) type AskRest =
    Box<dyn Fn(u64) -> BoxFuture<'static, Option<Response>> + Send + Sync>;

/// What a file must still be for its rest to be its rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    etag: String,
    encoding: Option<String>,
    total: Option<u64>,
}

impl Identity {
    /// The identity of a whole answer; `None` without a strong `ETag`.
    pub(crate) fn of(response: &Response) -> Option<Self> {
        Some(Self {
            etag: strong_etag(response)?,
            encoding: response.text(&header::CONTENT_ENCODING).map(str::to_owned),
            total: response
                .text(&header::CONTENT_LENGTH)
                .and_then(|text| text.parse().ok()),
        })
    }

    pub(crate) fn etag(&self) -> &str {
        &self.etag
    }

    /// Whether `response` is this file from byte `at` on.
    pub(crate) fn is_rest(&self, response: &Response, at: u64) -> bool {
        let range = response.text(&header::CONTENT_RANGE).and_then(range);
        let same_etag = strong_etag(response).is_none_or(|etag| etag == self.etag);
        let encoding = response.text(&header::CONTENT_ENCODING);
        response.status == StatusCode::PARTIAL_CONTENT
            && same_etag
            && encoding == self.encoding.as_deref()
            && range.is_some_and(|(start, total)| {
                // A total of `*` is allowed; one that differs is another file.
                start == at && total.is_none_or(|t| self.total.is_none_or(|own| own == t))
            })
    }
}

/// The `ETag`, unless it is a weak one.
pub(crate) fn strong_etag(response: &Response) -> Option<String> {
    response.text(&header::ETAG).filter(|etag| !etag.starts_with("W/")).map(str::to_owned)
}

/// Start and total of `bytes 5-9/10`.
fn range(text: &str) -> Option<(u64, Option<u64>)> {
    let (span, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let start = span.split_once('-')?.0.trim().parse().ok()?;
    let total = match total.trim() {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    Some((start, total))
}

struct Source {
    /// `None` while the rest is asked for: a body holds one of its origin's slots.
    body: Option<Body>,
    ask_rest: Option<AskRest>,
    came: u64,
    /// How much had come at the last break.
    broke_at: u64,
    breaks: u32,
}

/// The bytes of `body`, and of its rest when it breaks off.
pub(crate) fn persistent(
    body: Body,
    ask_rest: Option<AskRest>,
) -> impl Stream<Item = Result<Bytes, Error>> + Send {
    let source = Source { body: Some(body), ask_rest, came: 0, broke_at: 0, breaks: 0 };
    stream::try_unfold(source, |mut source| async move {
        Ok(source.next().await?.map(|chunk| (chunk, source)))
    })
}

impl Source {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let Some(body) = &mut self.body else { return Ok(None) };
            let error = match body.next().await {
                None => return Ok(None),
                Some(Ok(chunk)) => {
                    let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
                    self.came = self.came.saturating_add(length);
                    return Ok(Some(chunk));
                }
                Some(Err(error)) => error,
            };
            self.body = None;
            // Each rest must bring something, or the next break is the last.
            let gained = self.came > self.broke_at;
            let Some(ask) = self
                .ask_rest
                .as_ref()
                .filter(|_| gained && self.breaks < MOST_BREAKS && error.is_transient())
            else {
                return Err(error);
            };
            self.breaks += 1;
            self.broke_at = self.came;
            let Some(rest) = ask(self.came).await else { return Err(error) };
            tracing::debug!(at = self.came, "a transfer broke off and goes on");
            self.body = Some(rest.body);
        }
    }
}

/// More breaks than this within one file are a matter for the caller, who knows how to
/// pause.
const MOST_BREAKS: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// Items: 116.
    #[test]
    fn reads_where_a_rest_begins() {
        let cases = [
            ("usual", "bytes 5-9/10", Some((5, Some(10)))),
            ("total unknown", "bytes 5-9/*", Some((5, None))),
            ("unsatisfied", "bytes */10", None),
            ("other unit", "lines 5-9/10", None),
            ("garbage", "bytes x-9/10", None),
            ("empty", "", None),
        ];
        for (name, text, expected) in cases {
            assert_eq!(range(text), expected, "case: {name}");
        }
    }
}
