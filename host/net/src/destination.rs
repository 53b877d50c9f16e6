//! The way to one place that the operator named, for data that leaves.
//!
//! Narrower than [`crate::Client`]: one origin and nothing else, HTTP/1.1 alone, no redirect
//! is followed, every address is checked at every dial, and every answer ends: in time, in
//! headers, in bytes. A pool of its own, so that no connection that was dialled by other
//! rules is ever used.
//!
//! Source: RFC 9110, RFC 9112; RFC 7617 (`Basic`), RFC 6750 (`Bearer`).

use std::{num::NonZeroUsize, time::Duration};

use bulkhead_model::{SafeUrl, Secret};
use bytes::{Bytes, BytesMut};
use futures::stream;
use reqwest::{
    Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue},
};
use tokio::time::timeout;

use crate::{
    body::{Body, BodyLimits, Rest},
    dial::{self, setup},
    error::{BoxError, Error},
    pace::Pace,
    place::Place,
    resolver::{GuardedResolver, Lookup},
};

/// How a [`Destination`] is spoken to.
#[derive(Clone, Debug)]
pub struct DestinationConfig {
    /// Requests at once; others wait for their turn.
    pub concurrency: NonZeroUsize,
    /// Gives up on a TCP and TLS handshake after this long.
    pub connect_timeout: Duration,
    /// Gives up on an answer that sends nothing for this long.
    pub idle_timeout: Duration,
    /// Further root certificates, PEM.
    pub roots: Vec<Vec<u8>>,
    /// Client certificate and key for mutual TLS, PEM.
    pub identity: Option<Secret>,
    /// Where the name is looked up.
    pub lookup: Lookup,
}

impl Default for DestinationConfig {
    fn default() -> Self {
        Self {
            concurrency: NonZeroUsize::MIN.saturating_add(7),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            roots: Vec::new(),
            identity: None,
            lookup: Lookup::system(),
        }
    }
}

/// As whom a request is sent. Never leaves for another place than the one that it was given
/// for: a [`Destination`] has only one.
#[derive(Clone, Debug)]
pub enum Authorization {
    /// RFC 7617.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// RFC 6750.
    Bearer(Secret),
}

/// One request.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Path and query as they are sent, absolute. May hold what is in a guest's mind: it is
    /// in no error.
    pub target: String,
    /// Headers beside those of HTTP itself.
    pub headers: HeaderMap,
    /// As whom.
    pub authorization: Option<Authorization>,
    /// The body in pieces, which are not copied as a whole.
    pub body: Vec<Bytes>,
    /// From the wait for a turn to the last byte of the answer.
    pub within: Duration,
    /// How much of the answer's body is read.
    pub response_bytes: usize,
}

/// What came back. A redirect is an answer like any other.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers: at most [`MOST_HEADERS`] and [`MOST_HEADER_BYTES`].
    pub headers: HeaderMap,
    /// The body as it came, not decoded.
    pub body: Bytes,
    /// Whether there was more of it.
    pub rest: Rest,
}

/// The way to one place.
#[derive(Debug)]
pub struct Destination {
    place: Place,
    client: reqwest::Client,
    pace: Pace,
    body: BodyLimits,
}

impl Destination {
    /// Sets the way up. Nothing is dialled.
    ///
    /// # Errors
    ///
    /// [`Error::Setup`] when a certificate or the TLS set-up is refused.
    pub fn new(place: Place, config: DestinationConfig) -> Result<Self, Error> {
        let DestinationConfig { concurrency, connect_timeout, idle_timeout, .. } = config;
        let resolver =
            GuardedResolver { reach: place.reach().clone(), lookup: config.lookup };
        let roots = dial::certificates(&config.roots).map_err(setup)?;
        let builder = dial::builder(connect_timeout, config.identity.as_ref());
        let builder = builder
            .map_err(setup)?
            .user_agent(concat!("bulkhead/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            .http1_max_headers(MOST_HEADERS)
            .pool_max_idle_per_host(concurrency.get())
            .dns_resolver(resolver);
        let builder =
            if roots.is_empty() { builder } else { builder.tls_certs_merge(roots) };
        Ok(Self {
            client: builder.build().map_err(setup)?,
            pace: Pace::new(concurrency.get(), Duration::ZERO),
            // The whole exchange has an end, so that slowness needs no other.
            body: BodyLimits { idle: idle_timeout, least_per_minute: 0 },
            place,
        })
    }

    /// Where it leads.
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// Sends one request and reads its answer. Nothing is sent twice.
    ///
    /// # Errors
    ///
    /// [`Error`]: the address is not allowed, there was no connection, no answer in time, or
    /// one that is no HTTP. Whatever status comes is an answer.
    pub async fn send(&self, call: Call) -> Result<Answer, Error> {
        let waited = call.within;
        match timeout(waited, self.exchange(call)).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::Timeout { url: SafeUrl::of(self.place.url()), waited }),
        }
    }

    async fn exchange(&self, call: Call) -> Result<Answer, Error> {
        let Call { method, target, headers, authorization, body, within, response_bytes } =
            call;
        let shown = self.place.url();
        let Some(url) = self.place.at(&target) else {
            let url = SafeUrl::of(shown);
            let source = BoxError::from("the path is none");
            return Err(Error::Send { url, source });
        };
        let has_body = !body.is_empty() || method_has_body(&method);
        let mut request = self.client.request(method, url).headers(headers);
        request = match authorization {
            None => request,
            Some(Authorization::Basic { user, password }) => {
                request.basic_auth(user, password.expose_str())
            }
            Some(Authorization::Bearer(token)) => {
                request.header(AUTHORIZATION, dial::bearer(token.expose())?)
            }
        };
        if has_body {
            // Known beforehand, so that no server has to cope with chunks.
            let length: usize = body.iter().map(Bytes::len).sum();
            request = request.header(CONTENT_LENGTH, length);
            let pieces = Joined(body.into_iter()).map(Ok::<_, std::convert::Infallible>);
            request = request.body(reqwest::Body::wrap_stream(stream::iter(pieces)));
        }
        let permit = self.pace.enter().await;
        let origin = self.place.origin().clone();
        let response = dial::send(request, shown, origin, within).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let of = |(name, value): (&HeaderName, &HeaderValue)| {
            name.as_str().len() + value.len()
        };
        if headers.iter().map(of).sum::<usize>() > MOST_HEADER_BYTES {
            return Err(Error::Head { url: SafeUrl::of(shown) });
        }
        let body = Body::new(response, SafeUrl::of(shown), self.body, permit);
        let (body, rest) = body.read(response_bytes).await?;
        Ok(Answer { status, headers, body, rest })
    }
}

/// Whether an empty body is said to be one.
fn method_has_body(method: &Method) -> bool {
    matches!(*method, Method::PATCH | Method::POST | Method::PUT)
}

/// Headers of one answer; servers send about ten.
pub const MOST_HEADERS: usize = 64;

/// Bytes of their names and values.
pub const MOST_HEADER_BYTES: usize = 32 << 10;

/// Small pieces joined, so that a body of many records is not as many writes.
struct Joined(std::vec::IntoIter<Bytes>);

/// About what goes to a socket at once.
const JOINED: usize = 64 << 10;

impl Iterator for Joined {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let first = self.0.next()?;
        if first.len() >= JOINED {
            return Some(first);
        }
        let mut joined = BytesMut::from(first);
        let room = |joined: &BytesMut| JOINED.saturating_sub(joined.len());
        while let Some(next) = self.0.as_slice().first()
            && next.len() <= room(&joined)
        {
            joined.extend_from_slice(next);
            self.0.next();
        }
        Some(joined.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_joined_in_order_and_large_ones_left_alone() {
        let piece = |byte: u8, len: usize| Bytes::from(vec![byte; len]);
        let cases = [
            ("none", vec![], vec![]),
            ("small ones", vec![piece(1, 3), piece(2, 4)], vec![7]),
            (
                "a large one between",
                vec![piece(1, 3), piece(2, JOINED), piece(3, 4), piece(4, 5)],
                vec![3, JOINED, 9],
            ),
            (
                "up to the brim",
                vec![piece(1, JOINED - 1), piece(2, 1), piece(3, 1)],
                vec![JOINED, 1],
            ),
        ];
        for (name, pieces, expected) in cases {
            let whole: Vec<u8> = pieces.iter().flatten().copied().collect();
            let joined: Vec<Bytes> = Joined(pieces.into_iter()).collect();
            let lens: Vec<usize> = joined.iter().map(Bytes::len).collect();
            assert_eq!(lens, expected, "case: {name}");
            assert_eq!(joined.concat(), whole, "case: {name}");
        }
    }
}
