//! One file on its way in.
//!
//! Judges the headers of a file and yields its decoded bytes, and keeps what proves that they
//! are all there. Cutting lines is `ndjson`'s.
//!
//! Source: Bulk Data IG, "Output File Request".

mod proof;
mod resume;

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, atomic::AtomicU64},
    task::{Context, Poll},
};

use bulkhead_model::SafeUrl;
use bulkhead_net::{Framing, Hop, Response, header};
use bytes::Bytes;
use futures::{Stream, TryStreamExt, stream};

use crate::{
    error::{Doing, Error},
    gunzip::{GunzipError, unpack},
    manifest::Claims,
    operation_outcome::clean,
    settings::Limits,
};

use proof::{Broken, Proof};
pub(crate) use resume::{AskRest, Identity};

/// A file as a stream of decoded bytes. Pull-driven; dropping it ends the transfer.
///
/// When the stream ends without an error, the transfer was complete as far as its framing
/// can tell, compressed data was whole, and checksum and length are those that the manifest
/// states. A transfer that breaks off goes on where it was, when the server can prove that
/// the file is still the same.
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
    proof: Arc<Proof>,
    bytes: Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>,
}

impl Download {
    /// Judges the answer to a file request whose status is a success.
    pub(crate) fn new(
        response: Response,
        claims: Claims,
        ask_rest: Option<AskRest>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let url = SafeUrl::of(&response.url);
        let is_labelled_ndjson =
            media_type(&url, response.text(&header::CONTENT_TYPE).unwrap_or_default())?;
        encoding(&url, response.text(&header::CONTENT_ENCODING).unwrap_or_default())?;
        let etag = resume::strong_etag(&response);
        let Response { framing, hops, authenticated, body, .. } = response;
        let proof = Arc::new(Proof::of(claims));
        let wire = Arc::clone(&proof);
        let wire = resume::persistent(body, ask_rest)
            .inspect_ok(move |chunk| wire.see_wire(chunk))
            .map_err(Fault::Net);
        let bound = Bound { file: limits.file.bytes(), inflation: limits.inflation };
        let bytes = prove(unpack(wire), Arc::clone(&proof), bound);
        let bytes = Box::pin(bytes.map_err(move |fault| fault.at(&url)));
        Ok(Self { framing, etag, hops, authenticated, is_labelled_ndjson, proof, bytes })
    }

    /// Whether nothing can be missing from the end, once the stream has ended without an
    /// error: by its framing, its compression, or what the manifest states of it. If not,
    /// only a count can tell.
    pub fn is_proven_whole(&self) -> bool {
        match self.framing {
            Framing::Delimited => true,
            Framing::UntilClose => self.proof.has_end(),
        }
    }

    /// Counts the bytes received, before decompression, while the stream is read.
    pub fn wire_bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.proof.wire_bytes)
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
    Broken(Broken),
    Gunzip(GunzipError),
    Inflated(u32),
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
            Self::Broken(claim) => {
                Error::Mismatch { url: url.clone(), claim: claim.as_str() }
            }
            Self::Inflated(ratio) => Error::Inflated { url: url.clone(), ratio },
            Self::Gunzip(source) => Error::Corrupt { url: url.clone(), source },
            Self::Net(source) => Error::Network { doing: Doing::Download, source },
            Self::TooLarge(limit) => Error::TooLarge { url: url.clone(), limit },
        }
    }
}

/// How much may come out.
#[derive(Clone, Copy)]
struct Bound {
    file: u64,
    inflation: u32,
}

impl Bound {
    fn check(self, wire: u64, lines: u64) -> Result<(), Fault> {
        if lines > self.file {
            return Err(Fault::TooLarge(self.file));
        }
        let allowed = wire.saturating_mul(u64::from(self.inflation));
        if lines > FREE && lines > allowed {
            return Err(Fault::Inflated(self.inflation));
        }
        Ok(())
    }
}

/// Fails once too much came out, and at the end when it is not what was claimed.
fn prove(
    bytes: impl Stream<Item = Result<Bytes, Fault>> + Send + 'static,
    proof: Arc<Proof>,
    bound: Bound,
) -> impl Stream<Item = Result<Bytes, Fault>> + Send {
    let state = (Box::pin(bytes), proof);
    stream::try_unfold(state, move |(mut bytes, proof)| async move {
        let Some(chunk) = bytes.try_next().await? else {
            proof.check().map_err(Fault::Broken)?;
            return Ok(None);
        };
        proof.see_lines(&chunk);
        let (wire, lines) = proof.sizes();
        bound.check(wire, lines)?;
        Ok(Some((chunk, (bytes, proof))))
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

/// Only gzip is asked for; whether a body is gzip is told from its bytes. A word that is no
/// coding that we know of may be none: storage labels files `aws-chunked` that were put there so.
fn encoding(url: &SafeUrl, text: &str) -> Result<(), Error> {
    for coding in text.split(',').map(|coding| coding.trim().to_ascii_lowercase()) {
        let encoding = || clean(text).unwrap_or_default();
        match coding.as_str() {
            "" | "gzip" | "x-gzip" | "identity" => {}
            "br" | "compress" | "dcb" | "dcz" | "deflate" | "x-compress" | "zstd" => {
                return Err(Error::Encoding { url: url.clone(), encoding: encoding() });
            }
            _ => {
                let encoding = encoding();
                tracing::warn!(%url, %encoding, "a file is labelled with a coding that is not known; it is read as it is");
            }
        }
    }
    Ok(())
}

/// A small file may be as empty of meaning as it likes.
const FREE: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// Items: 102.
    /// Faults: F21.
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

    /// Items: 117.
    #[test]
    fn stops_at_the_limit_and_at_what_no_text_shrinks_to() {
        let bound = Bound { file: 1 << 30, inflation: 100 };
        let cases = [
            ("nothing", 0, 0, true),
            ("plain", 5 << 20, 5 << 20, true),
            ("packed well", 1 << 20, 100 << 20, true),
            ("packed too well", 1 << 20, (100 << 20) + 1, false),
            ("small", 10, 1 << 20, true),
            ("too large", 1 << 30, (1 << 30) + 1, false),
        ];
        for (name, wire, lines, expected) in cases {
            assert_eq!(bound.check(wire, lines).is_ok(), expected, "case: {name}");
        }
    }
}
