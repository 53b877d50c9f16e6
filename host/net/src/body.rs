//! A response body that cannot stall or end early unnoticed.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bulkhead_model::SafeUrl;
use bytes::{Bytes, BytesMut};
use futures::{Stream, TryStreamExt, stream};
use reqwest::{
    StatusCode, Version,
    header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING},
};
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

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

/// A body as a stream of chunks. Dropping it ends the transfer.
///
/// Yields [`Error::Body`] when the transfer broke off, [`Error::Timeout`] when it stalled.
pub struct Body {
    url: SafeUrl,
    chunks: Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>,
}

impl Body {
    /// `permit` counts the transfer against its origin until the body is dropped.
    pub(crate) fn new(
        response: reqwest::Response,
        url: SafeUrl,
        idle: Duration,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let shown = url.clone();
        let state = (response, permit);
        let chunks = stream::try_unfold(state, move |(mut response, permit)| {
            let url = shown.clone();
            async move {
                match timeout(idle, response.chunk()).await {
                    Err(_) => Err(Error::Timeout { url, waited: idle }),
                    Ok(Err(error)) => Err(Error::Body { url, source: source(error) }),
                    Ok(Ok(None)) => Ok(None),
                    Ok(Ok(Some(chunk))) => Ok(Some((chunk, (response, permit)))),
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
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, Error> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.chunks.try_next().await? {
            if whole.len().saturating_add(chunk.len()) > limit {
                return Err(Error::TooLarge { url: self.url, limit });
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }
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
