//! One file of an export, asked for with or without the token.

use bulkhead_model::SafeUrl;
use bulkhead_net::{StatusCode, header};

use super::{
    Client,
    door::{WithToken, get},
};
use crate::{
    download::Download,
    error::{Doing, Error},
    manifest::{FileAccess, Manifest, OutputFile},
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
    /// [`Error::Busy`], [`Error::Refused`] (see [`Error::is_expired_link`]),
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
        let request = get(file.url.clone(), "application/fhir+ndjson")
            .header(header::ACCEPT_ENCODING, header::HeaderValue::from_static("gzip"));
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
                    outcome: Outcome::read(&body),
                });
            }
            response = self.door.send(Doing::Download, request, WithToken::No).await?;
        }
        match response.status {
            StatusCode::OK => Download::new(response, self.settings.limits.file.bytes()),
            _ => Err(self.door.refusal(Doing::Download, response).await),
        }
    }
}

fn says_two_credentials(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    text.contains("Only one auth mechanism")
}
