//! One file on its way in.
//!
//! Judges the headers of a file and yields its decoded bytes. Cutting lines is `ndjson`'s.
//!
//! Source: Bulk Data IG, "Output File Request".

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bulkhead_model::SafeUrl;
use bulkhead_net::{Framing, Hop, Response, header};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};

use crate::{
    error::{Doing, Error},
    gunzip::{GunzipError, unpack},
    operation_outcome::clean,
};

/// A file as a stream of decoded bytes. Pull-driven; dropping it ends the transfer.
///
/// When the stream ends without an error, the transfer was complete as far as its framing
/// can tell, and compressed data was whole.
pub struct Download {
    /// Whether a cut would have been noticed; if not, only a count can prove completeness.
    pub framing: Framing,
    /// The strong `ETag`, when there is one.
    pub etag: Option<String>,
    /// The redirects followed.
    pub hops: Vec<Hop>,
    /// Whether the access token was sent to where the bytes come from.
    pub authenticated: bool,
    /// Whether the media type is one of NDJSON's; missing or generic ones are let pass.
    pub is_labelled_ndjson: bool,
    wire: Arc<AtomicU64>,
    bytes: Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>,
}

impl Download {
    /// Judges the answer to a file request whose status is a success.
    pub(crate) fn new(response: Response, limit: u64) -> Result<Self, Error> {
        let url = SafeUrl::of(&response.url);
        let is_labelled_ndjson =
            media_type(&url, response.text(&header::CONTENT_TYPE).unwrap_or_default())?;
        encoding(&url, response.text(&header::CONTENT_ENCODING).unwrap_or_default())?;
        let etag = response
            .text(&header::ETAG)
            .filter(|etag| !etag.starts_with("W/"))
            .map(str::to_owned);
        let Response { framing, hops, authenticated, body, .. } = response;
        let wire = Arc::new(AtomicU64::new(0));
        let tally = Arc::clone(&wire);
        let counted = body
            .inspect_ok(move |chunk| {
                tally.fetch_add(as_u64(chunk.len()), Ordering::Relaxed);
            })
            .map_err(Fault::Net);
        let bytes = bound(unpack(counted), limit).map_err(move |fault| fault.at(&url));
        let bytes = Box::pin(bytes);
        Ok(Self { framing, etag, hops, authenticated, is_labelled_ndjson, wire, bytes })
    }

    /// Counts the bytes received, before decompression, while the stream is read.
    pub fn wire_bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.wire)
    }
}

impl Stream for Download {
    type Item = Result<Bytes, Error>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Self::Item>> {
        self.bytes.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("framing", &self.framing)
            .field("hops", &self.hops)
            .finish_non_exhaustive()
    }
}

/// What goes wrong within a body, before it is told which file it was.
#[derive(Debug)]
enum Fault {
    Gunzip(GunzipError),
    Net(bulkhead_net::Error),
    TooLarge(u64),
}

impl From<GunzipError> for Fault {
    fn from(error: GunzipError) -> Self {
        Self::Gunzip(error)
    }
}

impl Fault {
    fn at(self, url: &SafeUrl) -> Error {
        match self {
            Self::Gunzip(source) => Error::Corrupt { url: url.clone(), source },
            Self::Net(source) => Error::Network { doing: Doing::Download, source },
            Self::TooLarge(limit) => Error::TooLarge { url: url.clone(), limit },
        }
    }
}

/// Fails once more than `limit` bytes came out.
fn bound(
    bytes: impl Stream<Item = Result<Bytes, Fault>> + Send,
    limit: u64,
) -> impl Stream<Item = Result<Bytes, Fault>> + Send {
    let mut left = limit;
    bytes.map(move |item| {
        let chunk = item?;
        left = left.checked_sub(as_u64(chunk.len())).ok_or(Fault::TooLarge(limit))?;
        Ok(chunk)
    })
}

/// Whether it is NDJSON by its label. Login pages and storage errors are refused.
fn media_type(url: &SafeUrl, text: &str) -> Result<bool, Error> {
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/fhir+ndjson" | "application/ndjson" | "application/x-ndjson" => {
            Ok(true)
        }
        markup if markup.contains("html") || markup.contains("xml") => {
            Err(Error::MediaType {
                url: url.clone(),
                media_type: clean(&essence).unwrap_or_default(),
            })
        }
        _ => Ok(false),
    }
}

/// Only gzip is asked for; whether a body is gzip is told from its bytes.
fn encoding(url: &SafeUrl, text: &str) -> Result<(), Error> {
    let known = text
        .split(',')
        .map(|coding| coding.trim().to_ascii_lowercase())
        .all(|coding| matches!(coding.as_str(), "" | "gzip" | "x-gzip" | "identity"));
    if known {
        Ok(())
    } else {
        Err(Error::Encoding {
            url: url.clone(),
            encoding: clean(text).unwrap_or_default(),
        })
    }
}

fn as_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_markup_and_lets_generic_labels_pass() {
        let url = SafeUrl::parse("https://h/f");
        let cases = [
            ("fhir", "application/fhir+ndjson; fhirVersion=4.0", Some(true)),
            ("plain", "application/ndjson", Some(true)),
            ("generic", "application/octet-stream", Some(false)),
            ("json", "application/fhir+json", Some(false)),
            ("missing", "", Some(false)),
            ("html", "text/html; charset=utf-8", None),
            ("xml", "application/xml", None),
            ("xhtml", "application/xhtml+xml", None),
        ];
        for (name, text, expected) in cases {
            assert_eq!(media_type(&url, text).ok(), expected, "case: {name}");
        }
    }

    #[test]
    fn refuses_encodings_that_were_not_offered() {
        let url = SafeUrl::parse("https://h/f");
        let cases = [
            ("none", "", true),
            ("gzip", "GZIP", true),
            ("brotli", "br", false),
            ("both", "gzip, br", false),
        ];
        for (name, text, expected) in cases {
            assert_eq!(encoding(&url, text).is_ok(), expected, "case: {name}");
        }
    }

    #[tokio::test]
    async fn stops_at_the_limit() {
        let chunks = ["ab", "cd", "e"].map(|text| Ok(Bytes::from(text)));
        let found: Vec<_> = bound(futures::stream::iter(chunks), 4).collect().await;
        assert!(matches!(found.as_slice(), [Ok(_), Ok(_), Err(Fault::TooLarge(4))]));
    }
}
