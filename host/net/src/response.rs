//! What came back.

use reqwest::{
    StatusCode,
    header::{HeaderMap, HeaderName},
};
use url::Url;

use crate::{
    body::{Body, Framing},
    redirect::Hop,
};

/// The answer to a request, its body not yet read.
#[derive(Debug)]
pub struct Response {
    /// The status of the last hop.
    pub status: StatusCode,
    /// The headers of the last hop.
    pub headers: HeaderMap,
    /// The URL that answered, after redirects. May be a capability: show it as `SafeUrl`.
    pub url: Url,
    /// The redirects followed, in order.
    pub hops: Vec<Hop>,
    /// Whether the answering hop was sent the credential.
    pub authenticated: bool,
    /// How the end of the body is told.
    pub framing: Framing,
    /// The body.
    pub body: Body,
}

impl Response {
    /// The first value of a header, when it is text.
    pub fn text(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}
