//! Doors for the fuzz targets (`fuzz/`) and their bounded runs: parsers that nobody else needs
//! from outside, without a server and without a clock.

use std::time::Duration;

use bulkhead_model::Instant;
use bytes::Bytes;
use futures::{FutureExt, TryStreamExt, stream};
use url::Url;

use crate::{
    GunzipError, Manifest,
    gunzip::unpack,
    manifest::{Page, PageOrigin},
    retry_after as waits,
};

/// The moment of every answer: 2026-11-22T10:00:00Z.
const DATE_MS: i64 = 1_795_341_600_000;

/// The manifest of those pages that are pages.
pub fn manifest(pages: &[&[u8]]) -> Manifest {
    let mut manifest = Manifest::empty();
    let Ok(url) = Url::parse("https://ehr.example/fhir/job/1?sig=s") else {
        return manifest;
    };
    for (page, number) in pages.iter().zip(0..) {
        let date = Instant::from_unix_ms(DATE_MS);
        let origin = PageOrigin { url: url.clone(), number, date };
        if let Ok(page) = Page::read(page, &origin) {
            manifest.add(page);
        }
    }
    manifest
}

/// The wait that a header asks for.
pub fn retry_after(text: &str) -> Option<Duration> {
    waits::retry_after(text, Instant::from_unix_ms(DATE_MS))
}

/// A body that comes in chunks of so many bytes, unpacked.
///
/// # Errors
///
/// When it is gzip and damaged.
pub fn gunzip(body: &[u8], chunk: usize) -> Result<Vec<u8>, GunzipError> {
    let chunks: Vec<_> = body
        .chunks(chunk.max(1))
        .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
        .collect();
    let whole = unpack(stream::iter(chunks)).try_fold(
        Vec::new(),
        |mut whole, bytes| async move {
            whole.extend_from_slice(&bytes);
            Ok(whole)
        },
    );
    // All chunks are here: nothing is waited for.
    whole.now_or_never().unwrap_or(Err(GunzipError::Truncated))
}
