//! Redirects, followed by hand.
//!
//! Pure: given the hop so far and an answer, where to go next and whether credentials may
//! come along. Automatic redirects are off because the credential rule needs the whole
//! chain: once the origin changed, a later hop back must not bring the token with it.
//!
//! Source: RFC 9110 section 15.4.

use bulkhead_model::SafeUrl;
use reqwest::{
    Method, StatusCode,
    header::{HeaderMap, LOCATION},
};
use url::Url;

use crate::{
    error::{Error, RedirectFault},
    origin::Origin,
};

/// One redirect that was followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Where we were.
    pub from: SafeUrl,
    /// Where we were sent.
    pub to: SafeUrl,
    /// With which status.
    pub status: StatusCode,
    /// Whether this hop changed the origin, from where on no credential is sent.
    pub crossed: bool,
}

/// Where to go next; `None` when the answer is no redirect.
///
/// # Errors
///
/// [`Error::Redirect`] when the redirect must not be followed.
pub(crate) fn next(
    method: &Method,
    from: &Url,
    hops: usize,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Option<Url>, Error> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let refuse = |reason| Err(Error::Redirect { url: SafeUrl::of(from), reason });
    if *method != Method::GET {
        return refuse(RedirectFault::Method);
    }
    if hops >= MAX_HOPS {
        return refuse(RedirectFault::TooMany);
    }
    let target = headers
        .get(LOCATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| from.join(text).ok());
    let Some(to) = target else {
        return refuse(RedirectFault::Location);
    };
    match (from.scheme(), to.scheme()) {
        ("https", "https") | ("http", "http" | "https") => Ok(Some(to)),
        ("https", "http") => refuse(RedirectFault::Downgrade),
        _ => refuse(RedirectFault::Location),
    }
}

/// Whether two URLs have different origins.
pub(crate) fn crosses(from: &Url, to: &Url) -> bool {
    Origin::of(from) != Origin::of(to)
}

/// Storage redirects take one or two hops; more is a loop.
const MAX_HOPS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(
        method: &Method,
        from: &str,
        hops: usize,
        status: u16,
        to: Option<&str>,
    ) -> Result<Option<String>, RedirectFault> {
        let mut headers = HeaderMap::new();
        if let Some(to) = to {
            headers.insert(LOCATION, to.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        match next(method, &from.parse().unwrap(), hops, status, &headers) {
            Ok(url) => Ok(url.map(String::from)),
            Err(Error::Redirect { reason, .. }) => Err(reason),
            Err(other) => panic!("{other}"),
        }
    }

    /// Items: 96, 125.
    /// Faults: F33.
    #[test]
    fn follows_few_hops_of_get_and_never_to_clear_text() {
        let get = &Method::GET;
        let a = "https://a.example/x/1";
        let ok = |url: &str| Ok(Some(url.to_owned()));
        let cases = [
            ("not a redirect", follow(get, a, 0, 200, None), Ok(None)),
            ("not modified", follow(get, a, 0, 304, None), Ok(None)),
            (
                "absolute",
                follow(get, a, 0, 307, Some("https://b.example/")),
                ok("https://b.example/"),
            ),
            (
                "relative",
                follow(get, a, 0, 302, Some("2?q")),
                ok("https://a.example/x/2?q"),
            ),
            (
                "post",
                follow(&Method::POST, a, 0, 307, Some("/")),
                Err(RedirectFault::Method),
            ),
            ("sixth hop", follow(get, a, 5, 301, Some("/")), Err(RedirectFault::TooMany)),
            ("no target", follow(get, a, 0, 301, None), Err(RedirectFault::Location)),
            (
                "downgrade",
                follow(get, a, 0, 301, Some("http://a.example/")),
                Err(RedirectFault::Downgrade),
            ),
            (
                "upgrade",
                follow(get, "http://a/", 0, 301, Some("https://a/")),
                ok("https://a/"),
            ),
            (
                "other scheme",
                follow(get, a, 0, 301, Some("file:///x")),
                Err(RedirectFault::Location),
            ),
        ];
        for (name, found, expected) in cases {
            assert_eq!(found, expected, "case: {name}");
        }
    }
}
