//! One file of an export, asked for with or without the token.

use std::sync::Arc;

use bulkhead_model::SafeUrl;
use bulkhead_net::{Request, Response, StatusCode, header};
use futures::FutureExt;

use super::{
    Client,
    door::{Door, WithToken, get},
};
use crate::{
    download::{AskRest, Download, Identity},
    error::{Doing, Error},
    manifest::{Claims, FileAccess, Manifest, OutputFile},
    operation_outcome::Outcome,
};

impl Client {
    /// Starts the download of one file; the bytes come as the stream is read.
    ///
    /// The token is sent exactly when the manifest asks for it, and only to trusted origins.
    /// A renewed token does not disturb a transfer that runs.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`], [`Error::Busy`], [`Error::Refused`] (see [`Error::is_expired_link`]),
    /// [`Error::MediaType`], [`Error::Encoding`], or [`Error::Network`], which for an
    /// origin that may not see the token names it.
    pub async fn download(
        &self,
        manifest: &Manifest,
        file: &OutputFile,
    ) -> Result<Download, Error> {
        let with = match manifest.access {
            FileAccess::Open => WithToken::No,
            FileAccess::Token => WithToken::Yes,
            FileAccess::Unstated => WithToken::IfTrusted,
        };
        let ignored = &self.settings.ignored_extensions;
        let claims = Claims::read(file.extension.as_ref(), ignored).map_err(|lock| {
            Error::Locked { url: SafeUrl::of(&file.url), extension: lock.0 }
        })?;
        let request = get(file.url.clone(), "application/fhir+ndjson")
            .header(header::ACCEPT_ENCODING, header::HeaderValue::from_static("gzip"))
            .patient();
        let (response, with) = self.whole_file(request.clone(), with).await?;
        let ask_rest = Identity::of(&response)
            .map(|identity| ask_rest(Arc::clone(&self.door), identity, request, with));
        Download::new(response, claims, ask_rest, &self.settings.limits)
    }

    /// The answer to a request for a whole file, and how it was authenticated.
    async fn whole_file(
        &self,
        request: Request,
        mut with: WithToken,
    ) -> Result<(Response, WithToken), Error> {
        let mut response = self.door.send(Doing::Download, request.clone(), with).await?;
        if response.status == StatusCode::BAD_REQUEST && response.authenticated {
            // Storage that takes signed URLs refuses a second credential beside them.
            let body =
                response.body.collect(self.door.error_limit()).await.unwrap_or_default();
            if !says_two_credentials(&body) {
                return Err(Error::Refused {
                    doing: Doing::Download,
                    url: SafeUrl::of(&response.url),
                    status: 400,
                    outcome: Box::new(Outcome::read(&body)),
                });
            }
            with = WithToken::No;
            response = self.door.send(Doing::Download, request, with).await?;
        }
        if response.status == StatusCode::OK {
            return Ok((response, with));
        }
        let origin = response.url.clone();
        let error = self.door.refusal(Doing::Download, response).await;
        if let Some(wait) = error.retry_after() {
            self.door.hush(&origin, wait);
        }
        Err(error)
    }
}

/// How the rest of a file is asked for.
fn ask_rest(
    door: Arc<Door>,
    identity: Identity,
    request: Request,
    with: WithToken,
) -> AskRest {
    Box::new(move |at| {
        let (door, identity) = (Arc::clone(&door), identity.clone());
        let range = header::HeaderValue::from_str(&format!("bytes={at}-"));
        let etag = header::HeaderValue::from_str(identity.etag());
        let request = request.clone();
        async move {
            let request = request
                .header(header::RANGE, range.ok()?)
                .header(header::IF_RANGE, etag.ok()?);
            let response = door.send(Doing::Download, request, with).await.ok()?;
            identity.is_rest(&response, at).then_some(response)
        }
        .boxed()
    })
}

fn says_two_credentials(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    text.contains("Only one auth mechanism")
}
