//! What every client of this crate has in common: how it is set up, and what its failures
//! are called.

use std::time::Duration;

use bulkhead_model::{SafeUrl, Secret};
use reqwest::redirect::Policy;
use tokio::time::timeout;
use url::Url;

use crate::{
    body::source,
    error::{BoxError, Error},
    origin::Origin,
    resolver::ForbiddenAddress,
};

/// A client without redirects, retries, proxies and decoding of bodies.
pub(crate) fn builder(
    connect_timeout: Duration,
    identity: Option<&Secret>,
) -> Result<reqwest::ClientBuilder, reqwest::Error> {
    // Bodies are never decoded: none of reqwest's decoders is compiled in.
    let builder = reqwest::Client::builder()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .tls_version_min(reqwest::tls::Version::TLS_1_2)
        .connect_timeout(connect_timeout);
    Ok(match identity {
        Some(identity) => {
            builder.identity(reqwest::Identity::from_pem(identity.expose())?)
        }
        None => builder,
    })
}

/// The certificates of PEM texts.
pub(crate) fn certificates(
    roots: &[Vec<u8>],
) -> Result<Vec<reqwest::Certificate>, reqwest::Error> {
    let mut found = Vec::new();
    for pem in roots {
        found.extend(reqwest::Certificate::from_pem_bundle(pem)?);
    }
    Ok(found)
}

/// Why a client could not be set up.
pub(crate) fn setup(error: reqwest::Error) -> Error {
    Error::Setup { source: error.into() }
}

/// Sends a request and waits for the head of its answer, at most `waited`. `url` is what
/// errors show.
pub(crate) async fn send(
    request: reqwest::RequestBuilder,
    url: &Url,
    origin: Origin,
    waited: Duration,
) -> Result<reqwest::Response, Error> {
    let shown = SafeUrl::of(url);
    match timeout(waited, request.send()).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error))
            if has_cause(&error, <dyn std::error::Error>::is::<ForbiddenAddress>) =>
        {
            Err(Error::Address { url: shown, origin })
        }
        // hyper's error has no public type for this, only its text; a test holds it fast.
        Ok(Err(error))
            if has_cause(&error, |cause| {
                cause.to_string() == "message head is too large"
            }) =>
        {
            Err(Error::Head { url: shown })
        }
        Ok(Err(error)) if error.is_connect() => {
            Err(Error::Connect { url: shown, source: source(error) })
        }
        Ok(Err(error)) => Err(Error::Send { url: shown, source: source(error) }),
        Err(_) => Err(Error::Timeout { url: shown, waited }),
    }
}

/// A `Bearer` credential as a header, which is shown to nobody.
pub(crate) fn bearer(token: &[u8]) -> Result<reqwest::header::HeaderValue, Error> {
    // Wiped when this returns; the header has a copy of its own, which is not.
    let text = Secret::new([b"Bearer ", token].concat());
    let mut value = reqwest::header::HeaderValue::from_bytes(text.expose())
        .map_err(|error| Error::Setup { source: BoxError::from(error) })?;
    value.set_sensitive(true);
    Ok(value)
}

fn has_cause(
    error: &reqwest::Error,
    is_it: impl Fn(&(dyn std::error::Error + 'static)) -> bool,
) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if is_it(error) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attacks: 41.
    #[test]
    fn a_bearer_header_is_shown_to_nobody() {
        let value = bearer(b"t0ken").unwrap();
        assert_eq!(value.as_bytes(), b"Bearer t0ken");
        assert_eq!(format!("{value:?}"), "Sensitive");
        assert!(bearer(b"t0ken\r\nx: y").is_err());
    }
}
