//! Plain FHIR reads, searches and counts below the base, for cohorts and for proofs of
//! completeness.
//!
//! Source: FHIR R4, HTTP API, "read", "search", and Bundle paging by `link`.

use std::collections::BTreeSet;

use bulkhead_model::{Instant, ResourceType, SafeUrl};
use bytes::Bytes;
use futures::{Stream, stream};
use serde_json::Value;
use url::Url;

use super::{
    Client,
    door::{FHIR_JSON, WithToken, get},
};
use crate::{
    error::{Doing, Error},
    manifest::ManifestError,
};

impl Client {
    /// Reads a resource by its path below the base (`Group/7`).
    ///
    /// # Errors
    ///
    /// [`Error::Path`] when the path leads elsewhere, else what the server or the network
    /// did; documents beyond the limit are [`Error::Network`].
    pub async fn read(&self, path: &str) -> Result<Value, Error> {
        self.fetch(self.below(path)?).await
    }

    /// Reads a resource by its path below the base, as it came.
    ///
    /// # Errors
    ///
    /// As [`Client::read`]; whether it is JSON is not looked at.
    pub async fn read_bytes(&self, path: &str) -> Result<Bytes, Error> {
        let request = get(self.below(path)?, FHIR_JSON);
        let response = self.door.send(Doing::Read, request, WithToken::Yes).await?;
        if !response.status.is_success() {
            return Err(self.door.refusal(Doing::Read, response).await);
        }
        self.door.document(Doing::Read, response).await
    }

    /// Searches (`Group?identifier=x`) and yields one bundle a page, following `next`.
    pub fn search(
        &self,
        path: &str,
    ) -> impl Stream<Item = Result<Value, Error>> + Send + '_ {
        let start = self.below(path);
        let state = (Some(start), BTreeSet::new());
        stream::try_unfold(state, move |(next, mut seen)| async move {
            let Some(next) = next else { return Ok(None) };
            let url = next?;
            let pages = u32::try_from(seen.len()).unwrap_or(u32::MAX);
            let fault = |source| Error::Manifest { url: SafeUrl::of(&url), source };
            if pages >= self.settings.limits.pages {
                let limit = self.settings.limits.pages;
                return Err(fault(ManifestError::Pages { limit }));
            }
            if !seen.insert(url.clone()) {
                return Err(fault(ManifestError::Loop));
            }
            let bundle = self.fetch(url.clone()).await?;
            let next = next_link(&bundle, &url)
                .map_err(|()| Error::Manifest {
                    url: SafeUrl::of(&url),
                    source: ManifestError::NextUrl,
                })?
                .map(Ok);
            Ok(Some((bundle, (next, seen))))
        })
    }

    /// Counts the resources of a type that a search with the same token finds, of those
    /// changed after `after` and up to `until`.
    ///
    /// Servers may estimate, and may search in another scope than they export.
    ///
    /// Source: FHIR R4, "Search", `_summary=count` and `_lastUpdated`.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], [`Error::Busy`], [`Error::Unauthorized`] or [`Error::Network`];
    /// [`Error::Json`] when the answer has no `total`.
    pub async fn count(
        &self,
        resource_type: &ResourceType,
        after: Option<Instant>,
        until: Option<Instant>,
    ) -> Result<u64, Error> {
        let mut url = self.below(resource_type.as_str())?;
        let mut query = url.query_pairs_mut();
        query.append_pair("_summary", "count");
        for (prefix, bound) in [("gt", after), ("le", until)] {
            if let Some(bound) = bound {
                query.append_pair("_lastUpdated", &format!("{prefix}{bound}"));
            }
        }
        drop(query);
        let shown = SafeUrl::of(&url);
        let bundle = self.fetch(url).await?;
        bundle.get("total").and_then(Value::as_u64).ok_or_else(|| Error::Json {
            doing: Doing::Read,
            url: shown,
            source: <serde_json::Error as serde::de::Error>::custom(
                "a count without `total`",
            ),
        })
    }

    async fn fetch(&self, url: Url) -> Result<Value, Error> {
        let shown = SafeUrl::of(&url);
        let request = get(url, FHIR_JSON);
        let response = self.door.send(Doing::Read, request, WithToken::Yes).await?;
        if !response.status.is_success() {
            return Err(self.door.refusal(Doing::Read, response).await);
        }
        let body = self.door.document(Doing::Read, response).await?;
        serde_json::from_slice(&body).map_err(|source| Error::Json {
            doing: Doing::Read,
            url: shown,
            source,
        })
    }

    fn below(&self, path: &str) -> Result<Url, Error> {
        let refuse = || Error::Path { path: path.to_owned() };
        let url = self.base.join(path).map_err(|_| refuse())?;
        let inside = url.origin() == self.base.origin()
            && url.path().starts_with(self.base.path())
            && url.username().is_empty()
            && url.password().is_none();
        if inside { Ok(url) } else { Err(refuse()) }
    }
}

/// The URL of the next page, relative ones resolved.
fn next_link(bundle: &Value, url: &Url) -> Result<Option<Url>, ()> {
    let links = bundle.get("link").and_then(Value::as_array).into_iter().flatten();
    let next = links
        .filter(|link| link.get("relation").and_then(Value::as_str) == Some("next"))
        .find_map(|link| link.get("url").and_then(Value::as_str));
    next.map(|text| url.join(text).map_err(|_| ())).transpose()
}
