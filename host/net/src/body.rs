//! A response body that cannot stall or end early unnoticed.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bulkhead_model::SafeUrl;
use bytes::{Bytes, BytesMut};
use futures::{Stream, TryStreamExt, stream};
use http_body::Body as _;
use reqwest::{
    StatusCode, Version,
    header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING},
};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Sleep, sleep, timeout},
};

use crate::error::{BoxError, Error};

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// By length, last chunk or stream end: a body cut short is an error.
    Delimited,
    /// By closing the connection: a body cut short looks complete.
    UntilClose,
}

impl Framing {
    pub(crate) fn of(status: StatusCode, version: Version, headers: &HeaderMap) -> Self {
        let delimited = version >= Version::HTTP_2
            || headers.contains_key(CONTENT_LENGTH)
            || headers.contains_key(TRANSFER_ENCODING)
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if delimited { Self::Delimited } else { Self::UntilClose }
    }
}

/// When a body is given up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    pub(crate) idle: Duration,
    pub(crate) least_per_minute: u64,
}

/// Watches that bytes keep coming. Only minutes spent waiting for them count: a reader that
/// was away is no fault of the server's.
struct Watch {
    least: u64,
    window: Duration,
    minute: Pin<Box<Sleep>>,
    came: u64,
    /// Slow minutes in a row.
    strikes: u32,
}

impl Watch {
    fn new(least: u64, window: Duration) -> Self {
        Self { least, window, minute: Box::pin(sleep(window)), came: 0, strikes: 0 }
    }

    fn begin_minute(&mut self) {
        self.minute = Box::pin(sleep(self.window));
        self.came = 0;
    }

    /// Waits for the next chunk; `None` once the body has been too slow for too long.
    async fn next<C>(&mut self, chunk: impl Future<Output = C>) -> Option<C> {
        if self.minute.is_elapsed() {
            self.begin_minute();
        }
        tokio::pin!(chunk);
        loop {
            tokio::select! {
                biased;
                chunk = &mut chunk => return Some(chunk),
                () = self.minute.as_mut() => {
                    self.strikes = if self.came < self.least { self.strikes + 1 } else { 0 };
                    if self.strikes >= STRIKES {
                        return None;
                    }
                    self.begin_minute();
                }
            }
        }
    }

    fn see(&mut self, chunk: &Bytes) {
        let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        self.came = self.came.saturating_add(length);
    }
}

/// What comes, as far as the HTTP library tells it.
struct Incoming {
    body: reqwest::Body,
    /// Whether the stream must say itself that it has ended. The library takes a stream of HTTP/2
    /// that is reset without an error code for a body that has ended.
    must_end: bool,
}

impl Incoming {
    fn new(response: reqwest::Response) -> Self {
        let must_end = response.version() >= Version::HTTP_2;
        Self { body: response.into(), must_end }
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, BoxError> {
        loop {
            let body = &mut self.body;
            match poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
                // What is no data is of no use here.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Some(Err(error)) => return Err(source(error)),
                None if self.must_end && !self.body.is_end_stream() => {
                    return Err("the stream was reset before its end".into());
                }
                None => return Ok(None),
            }
        }
    }
}

/// A body as a stream of chunks. Dropping it ends the transfer.
///
/// Yields [`Error::Body`] when the transfer broke off, [`Error::Timeout`] when it stalled,
/// [`Error::Slow`] when next to nothing came for two minutes.
pub struct Body {
    url: SafeUrl,
    chunks: Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>,
}

impl Body {
    /// `permit` counts the transfer against its origin until the body is dropped.
    pub(crate) fn new(
        response: reqwest::Response,
        url: SafeUrl,
        limits: BodyLimits,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let shown = url.clone();
        let idle = limits.idle;
        let incoming = Incoming::new(response);
        let state = (incoming, permit, Watch::new(limits.least_per_minute, MINUTE));
        let chunks =
            stream::try_unfold(state, move |(mut incoming, permit, mut watch)| {
                let url = shown.clone();
                async move {
                    match timeout(idle, watch.next(incoming.chunk())).await {
                        Err(_) => Err(Error::Timeout { url, waited: idle }),
                        Ok(None) => Err(Error::Slow {
                            url,
                            least_per_minute: limits.least_per_minute,
                        }),
                        Ok(Some(Err(source))) => Err(Error::Body { url, source }),
                        Ok(Some(Ok(None))) => Ok(None),
                        Ok(Some(Ok(Some(chunk)))) => {
                            watch.see(&chunk);
                            Ok(Some((chunk, (incoming, permit, watch))))
                        }
                    }
                }
            });
        Self { url, chunks: Box::pin(chunks) }
    }

    /// Reads the whole body into memory.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] beyond `limit` bytes, else what the stream yields.
    pub async fn collect(self, limit: usize) -> Result<Bytes, Error> {
        let url = self.url.clone();
        match self.read(limit).await? {
            (whole, Rest::None) => Ok(whole),
            (_, Rest::Left) => Err(Error::TooLarge { url, limit }),
        }
    }

    /// Reads the body as far as `limit` bytes, and says whether there was more. What is left
    /// is not waited for.
    ///
    /// # Errors
    ///
    /// What the stream yields.
    pub async fn read(mut self, limit: usize) -> Result<(Bytes, Rest), Error> {
        let mut start = BytesMut::new();
        while let Some(mut chunk) = self.chunks.try_next().await? {
            let room = limit.saturating_sub(start.len());
            if chunk.len() > room {
                chunk.truncate(room);
                start.extend_from_slice(&chunk);
                return Ok((start.freeze(), Rest::Left));
            }
            start.extend_from_slice(&chunk);
        }
        Ok((start.freeze(), Rest::None))
    }
}

/// What of a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Some of it.
    Left,
    /// Nothing.
    None,
}

impl Stream for Body {
    type Item = Result<Bytes, Error>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Self::Item>> {
        self.chunks.as_mut().poll_next(cx)
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Strips the URL, whose query may be a capability.
pub(crate) fn source(error: reqwest::Error) -> BoxError {
    error.without_url().into()
}

const MINUTE: Duration = Duration::from_mins(1);
/// One slow minute may be the end of a file, or the server thinking.
const STRIKES: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    /// How many chunks come before the watch gives up, of `most`, when one of `length` bytes
    /// comes every `wait` and its reader is `away` after each, in milliseconds.
    async fn come(length: usize, wait: u64, away: u64, most: u32) -> u32 {
        let mut watch = Watch::new(1000, Duration::from_millis(30));
        for came in 0..most {
            let chunk = async {
                if wait > 0 {
                    sleep(Duration::from_millis(wait)).await;
                }
                Bytes::from(vec![b'x'; length])
            };
            match watch.next(chunk).await {
                Some(chunk) => watch.see(&chunk),
                None => return came,
            }
            if away > 0 {
                sleep(Duration::from_millis(away)).await;
            }
        }
        most
    }

    /// Items: 118.
    /// Faults: F17.
    #[tokio::test]
    async fn a_body_that_drips_is_given_up_and_a_slow_reader_is_not() {
        assert!(come(1, 10, 0, 10_000).await < 10_000, "a byte now and then");
        assert_eq!(come(1000, 1, 0, 100).await, 100, "enough");
        assert_eq!(come(1, 0, 40, 5).await, 5, "a reader that is away");
    }
}
