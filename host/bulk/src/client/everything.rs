//! `$everything`: all that a server holds of one patient, page by page, as lines.
//!
//! Each entry's resource becomes one line, byte for byte but for line ends, which JSON has only
//! between its tokens. What the server says of its answer among the entries is no resource.
//! Links are followed to origins alone that may see the token, within the limits on pages and
//! bytes. No error names the patient.
//!
//! Source: FHIR R4, "Operation $everything on Patient"; Bundle paging by `link`.

use std::{collections::BTreeSet, sync::Arc};

use bulkhead_model::{ResourceType, SafeUrl};
use bulkhead_net::Origin;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use super::{
    Client,
    door::{FHIR_JSON, WithToken, get},
};
use crate::{
    error::{Doing, Error},
    manifest::ManifestError,
    operation_outcome::Outcome,
};

/// Patients of whom it is asked whether the server knows the operation. One whom it does not
/// know says nothing of it.
const ASKED: usize = 3;

impl Client {
    /// Asks whether the server answers `$everything`, with the first of `patients` that it knows.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], [`Error::Unauthorized`] or [`Error::Json`] when it does not;
    /// [`Error::Busy`] or [`Error::Network`] when that cannot be told.
    pub async fn answers_everything(&self, patients: &[String]) -> Result<(), Error> {
        for patient in patients.iter().take(ASKED) {
            let mut url = self.of_patient(patient)?;
            url.query_pairs_mut().append_pair("_count", "1");
            let page = self.page(&url).await;
            match page
                .and_then(|body| lines(&body, &url).map_err(|error| self.hide(error)))
            {
                Err(error) if is_missing(&error) => {
                    if self.knows(patient).await? {
                        return Err(error);
                    }
                }
                answer => return answer.map(drop),
            }
        }
        Ok(())
    }

    /// Streams all that the server holds of a patient, of these types where it lets itself be
    /// asked so; none stands for all. A patient whom it does not know has nothing.
    pub fn everything(
        self: &Arc<Self>,
        patient: &str,
        types: &[ResourceType],
    ) -> BoxStream<'static, Result<Bytes, Error>> {
        let begin = Walk {
            client: Arc::clone(self),
            patient: patient.to_owned(),
            types: types.iter().map(ToString::to_string).collect(),
            next: Next::First,
            seen: BTreeSet::new(),
            bytes: 0,
        };
        stream::try_unfold(begin, |mut walk| async move {
            let page = walk.step().await.map_err(|error| walk.client.hide(error))?;
            Ok::<_, Error>(page.map(|page| (page, walk)))
        })
        .try_filter(|page| std::future::ready(!page.is_empty()))
        .boxed()
    }

    /// Where all of a patient is.
    fn of_patient(&self, patient: &str) -> Result<Url, Error> {
        // A path that climbs would lead to all of everybody.
        let is_id = !patient.is_empty()
            && !patient.trim_matches('.').is_empty()
            && patient.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        if !is_id {
            return Err(Error::Path { path: HIDDEN.to_owned() });
        }
        let url = self.base.join(&format!("Patient/{patient}/$everything"));
        url.map_err(|_| Error::Path { path: HIDDEN.to_owned() })
    }

    /// Whether the server knows the patient at all.
    async fn knows(&self, patient: &str) -> Result<bool, Error> {
        match self.read(&format!("Patient/{patient}")).await {
            Ok(_) => Ok(true),
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(self.hide(error)),
        }
    }

    async fn page(&self, url: &Url) -> Result<Bytes, Error> {
        let read = async {
            let request = get(url.clone(), FHIR_JSON);
            let response = self.door.send(Doing::Read, request, WithToken::Yes).await?;
            if !response.status.is_success() {
                return Err(self.door.refusal(Doing::Read, response).await);
            }
            self.door.document(Doing::Read, response).await
        };
        read.await.map_err(|error| self.hide(error))
    }

    /// An error that names no patient.
    fn hide(&self, error: Error) -> Error {
        let shown = self
            .base
            .join(HIDDEN)
            .as_ref()
            .map_or_else(|_| SafeUrl::of(&self.base), SafeUrl::of);
        match error {
            Error::Busy { doing, status, retry_after, mut outcome, .. } => {
                outcome.text = None;
                Error::Busy { doing, url: shown, status, retry_after, outcome }
            }
            Error::Refused { doing, status, mut outcome, .. } => {
                outcome.text = None;
                Error::Refused { doing, url: shown, status, outcome }
            }
            Error::Unauthorized { doing, .. } => {
                Error::Unauthorized { doing, url: shown }
            }
            Error::Json { doing, source, .. } => {
                Error::Json { doing, url: shown, source }
            }
            Error::Manifest { source, .. } => Error::Manifest { url: shown, source },
            Error::TooLarge { limit, .. } => Error::TooLarge { url: shown, limit },
            Error::Network { doing, source } => {
                Error::Network { doing, source: source.showing(&shown) }
            }
            other @ (Error::Bearer { .. }
            | Error::Corrupt { .. }
            | Error::Encoding { .. }
            | Error::Inflated { .. }
            | Error::JobFailed { .. }
            | Error::JobGone { .. }
            | Error::JobTimeout { .. }
            | Error::Key { .. }
            | Error::KickoffUnknown { .. }
            | Error::Locked { .. }
            | Error::MediaType { .. }
            | Error::Mismatch { .. }
            | Error::NoStatusUrl { .. }
            | Error::NoTokenEndpoint { .. }
            | Error::Path { .. }
            | Error::Settings { .. }
            | Error::TokenRefused { .. }
            | Error::Unreachable { .. }) => other,
        }
    }
}

/// What is asked for next.
enum Next {
    First,
    Page(Url),
    Nothing,
}

/// How far the pages of a patient have come.
struct Walk {
    client: Arc<Client>,
    patient: String,
    types: Vec<String>,
    next: Next,
    seen: BTreeSet<Url>,
    bytes: u64,
}

impl Walk {
    /// The lines of the next page; `None` at the end.
    async fn step(&mut self) -> Result<Option<Bytes>, Error> {
        let (url, body) = match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Nothing => return Ok(None),
            Next::First => match self.first().await? {
                Some(first) => first,
                None => return Ok(None),
            },
            Next::Page(url) => {
                let body = self.client.page(&url).await?;
                (url, body)
            }
        };
        let limits = &self.client.settings.limits;
        self.bytes = self.bytes.saturating_add(body.len() as u64);
        if self.bytes > limits.file.bytes() {
            let limit = limits.file.bytes();
            return Err(Error::TooLarge { url: SafeUrl::of(&url), limit });
        }
        self.seen.insert(url.clone());
        let (page, next) = lines(&body, &url)?;
        if let Some(next) = next {
            self.follow(&url, &next)?;
            self.next = Next::Page(next);
        }
        Ok(Some(page))
    }

    /// The first page, without what the server does not take; `None` when it does not know the
    /// patient.
    async fn first(&mut self) -> Result<Option<(Url, Bytes)>, Error> {
        let bare = self.client.of_patient(&self.patient)?;
        let mut url = bare.clone();
        if !self.types.is_empty() {
            url.query_pairs_mut().append_pair("_type", &self.types.join(","));
        }
        let mut answer = self.client.page(&url).await;
        if let Err(Error::Refused { status: 400 | 422 | 501, .. }) = &answer
            && url != bare
        {
            url = bare;
            answer = self.client.page(&url).await;
        }
        match answer {
            Err(error) if is_missing(&error) => {
                if self.client.knows(&self.patient).await? {
                    Err(error)
                } else {
                    Ok(None)
                }
            }
            answer => Ok(Some((url, answer?))),
        }
    }

    /// Whether the link to another page may be followed.
    fn follow(&self, url: &Url, next: &Url) -> Result<(), Error> {
        let fault = |source| Error::Manifest { url: SafeUrl::of(url), source };
        let next = self.client.door.mended(next);
        let origin = Origin::of(&next).ok_or_else(|| fault(ManifestError::NextUrl))?;
        if !self.client.settings.token_origins().contains(&origin) {
            return Err(fault(ManifestError::Elsewhere { origin }));
        }
        let limit = self.client.settings.limits.pages;
        if u32::try_from(self.seen.len()).is_ok_and(|pages| pages >= limit) {
            return Err(fault(ManifestError::Pages { limit }));
        }
        if self.seen.contains(&next) { Err(fault(ManifestError::Loop)) } else { Ok(()) }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawBundle<'a> {
    resource_type: String,
    #[serde(borrow, default)]
    entry: Vec<RawEntry<'a>>,
    #[serde(default)]
    link: Vec<RawLink>,
}

#[derive(Deserialize)]
struct RawEntry<'a> {
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawLink {
    #[serde(default)]
    relation: String,
    #[serde(default)]
    url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    #[serde(default)]
    resource_type: String,
}

/// The resources of a Bundle, one a line, and where the next page is.
fn lines(body: &[u8], url: &Url) -> Result<(Bytes, Option<Url>), Error> {
    let shown = || SafeUrl::of(url);
    let json = |source| Error::Json { doing: Doing::Read, url: shown(), source };
    let bundle: RawBundle<'_> = serde_json::from_slice(body).map_err(json)?;
    if bundle.resource_type != "Bundle" {
        let none = <serde_json::Error as serde::de::Error>::custom("not a Bundle");
        return Err(json(none));
    }
    let mut text = BytesMut::with_capacity(body.len());
    for entry in &bundle.entry {
        // An entry without a resource is one that is missing: a line that nothing reads as one.
        let resource = entry.resource.map_or("null", RawValue::get);
        let head = serde_json::from_str::<Head>(resource);
        if head.is_ok_and(|head| head.resource_type == "OperationOutcome") {
            let outcome = Outcome::read(resource.as_bytes());
            if outcome.is_grave() {
                let (doing, status) = (Doing::Read, 200);
                let outcome = Box::new(outcome);
                return Err(Error::Refused { doing, url: shown(), status, outcome });
            }
            continue;
        }
        let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
        text.extend(resource.bytes().map(|byte| if is_end(&byte) { b' ' } else { byte }));
        text.extend_from_slice(b"\n");
    }
    let next = bundle.link.iter().find(|link| link.relation == "next");
    let next = next.map(|link| url.join(&link.url)).transpose();
    let next = next
        .map_err(|_| Error::Manifest { url: shown(), source: ManifestError::NextUrl })?;
    Ok((text.freeze(), next))
}

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Refused { status: 404 | 410, .. })
}

/// What is shown in the stead of an address that names a patient.
const HIDDEN: &str = "Patient/-/$everything";

#[cfg(test)]
mod tests {
    use super::*;

    /// Items: 137.
    #[test]
    fn entries_become_lines_byte_for_byte_and_outcomes_do_not() {
        let url: Url = "https://h/fhir/Patient/1/$everything".parse().unwrap();
        let body = "{\"resourceType\":\"Bundle\",\"link\":[{\"relation\":\"self\",\"url\":\"x\"},\
            {\"relation\":\"next\",\"url\":\"/fhir?page=2\"}],\"entry\":[\
            {\"resource\":{\"resourceType\":\"Patient\",\r\n \"id\":\"1\"}},\
            {\"search\":{\"mode\":\"outcome\"},\"resource\":{\"resourceType\":\"OperationOutcome\",\
             \"issue\":[{\"severity\":\"information\",\"code\":\"informational\"}]}},\
            {\"fullUrl\":\"u\"},\
            {\"resource\":{\"resourceType\":\"Observation\",\"valueQuantity\":{\"value\":1.50}}}]}";
        let (text, next) = lines(body.as_bytes(), &url).unwrap();
        let expected = "{\"resourceType\":\"Patient\",   \"id\":\"1\"}\nnull\n\
            {\"resourceType\":\"Observation\",\"valueQuantity\":{\"value\":1.50}}\n";
        assert_eq!(std::str::from_utf8(&text).unwrap(), expected);
        assert_eq!(next.unwrap().as_str(), "https://h/fhir?page=2");
    }

    #[test]
    fn what_is_no_whole_bundle_is_an_error() {
        let url: Url = "https://h/fhir/Patient/1/$everything".parse().unwrap();
        let grave = r#"{"resourceType":"Bundle","entry":[{"resource":{
            "resourceType":"OperationOutcome","issue":[{"severity":"error","code":"timeout"}]}}]}"#;
        let cases = [
            ("a page", "<html></html>"),
            ("a resource", r#"{"resourceType":"Patient"}"#),
            ("cut", r#"{"resourceType":"Bundle","entry":[{"#),
            ("a grave outcome", grave),
            (
                "no link",
                r#"{"resourceType":"Bundle","link":[{"relation":"next","url":"http://"}]}"#,
            ),
        ];
        for (name, body) in cases {
            assert!(lines(body.as_bytes(), &url).is_err(), "case: {name}");
        }
        let empty = lines(br#"{"resourceType":"Bundle"}"#, &url).unwrap();
        assert!(empty.0.is_empty() && empty.1.is_none());
    }
}
