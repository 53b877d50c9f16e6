//! One request, and to whom its credential may go.

use std::collections::BTreeSet;

use bulkhead_model::Secret;
use bytes::Bytes;
use reqwest::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use url::Url;

use crate::origin::Origin;

/// A bearer token and the only origins that may see it.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The token.
    pub bearer: Secret,
    /// Where it may go. Sending it elsewhere is an error, not an omission.
    pub origins: BTreeSet<Origin>,
}

/// A request to send with [`crate::Client::send`].
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
    pub(crate) credential: Option<Credential>,
    pub(crate) patience: Patience,
}

/// Whether a request heeds what its origin told others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Goes at once. Its caller knows when to ask.
    None,
    /// Waits while the origin wants no more requests.
    Heeds,
}

impl Request {
    /// A request without body, credential or further headers.
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: None,
            credential: None,
            patience: Patience::None,
        }
    }

    /// A GET request.
    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    /// Adds a header; of several with one name all are sent.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Sends `body`.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Authenticates with `credential`.
    #[must_use]
    pub fn credential(mut self, credential: Credential) -> Self {
        self.credential = Some(credential);
        self
    }

    /// Waits before it is sent while its origin is hushed, see [`crate::Client::hush`].
    #[must_use]
    pub fn patient(mut self) -> Self {
        self.patience = Patience::Heeds;
        self
    }

    /// The same at another address.
    #[must_use]
    pub fn at(self, url: Url) -> Self {
        Self { url, ..self }
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.url
    }
}
