//! The one way requests leave: with the token, without it, renewing it when refused.

use std::collections::BTreeSet;

use bulkhead_model::{Instant, SafeUrl, Secret};
use bulkhead_net::{Credential, Method, Origin, Request, Response, StatusCode, header};
use bytes::Bytes;
use url::Url;

use crate::{
    error::{Doing, Error},
    operation_outcome::Outcome,
    retry_after::{http_date, retry_after},
    safe_headers::SafeHeaders,
    scope::GrantedScope,
    settings::{Auth, Bearer, Settings},
    surroundings::Surroundings,
    token::{Token, TokenCell},
};

use super::{address::Addresses, discover};

pub(super) struct Door {
    net: bulkhead_net::Client,
    base: Url,
    addresses: Addresses,
    auth: Keyring,
    /// Where the token may go, and nowhere else.
    origins: BTreeSet<Origin>,
    surroundings: Surroundings,
    /// The header that names the client to the FHIR server, and the name.
    client_id: Option<(header::HeaderName, header::HeaderValue)>,
    document: usize,
    error_body: usize,
}

enum Keyring {
    /// Others renew it.
    Given(Bearer),
    None,
    /// We buy it.
    Services(Box<TokenCell>),
}

/// Whether a request takes the token along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WithToken {
    /// When the origin may see it, else not.
    IfTrusted,
    /// Never.
    No,
    /// Always: an origin that may not see it is an error.
    Yes,
}

impl Door {
    pub(super) fn new(
        settings: &Settings,
        net: bulkhead_net::Client,
        surroundings: Surroundings,
    ) -> Self {
        let auth = match &settings.auth {
            Auth::BackendServices(services) => Keyring::Services(Box::new(
                TokenCell::new(services.into(), surroundings.clone()),
            )),
            Auth::Bearer(bearer) => Keyring::Given(bearer.clone()),
            Auth::ClientSecret(secret) => Keyring::Services(Box::new(TokenCell::new(
                secret.into(),
                surroundings.clone(),
            ))),
            Auth::None => Keyring::None,
        };
        let mut base = settings.base.clone();
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Self {
            net,
            base,
            addresses: Addresses::new(settings),
            auth,
            origins: settings.token_origins(),
            surroundings,
            client_id: client_id(settings),
            document: settings.limits.document.as_usize(),
            error_body: settings.limits.error_body.as_usize(),
        }
    }

    pub(super) fn granted_scope(&self) -> Option<GrantedScope> {
        match &self.auth {
            Keyring::Services(cell) => cell.granted(),
            Keyring::Given(_) | Keyring::None => None,
        }
    }

    /// Whether requests can be authenticated at all.
    pub(super) fn has_token(&self) -> bool {
        match self.auth {
            Keyring::Given(_) | Keyring::Services(_) => true,
            Keyring::None => false,
        }
    }

    /// Makes downloads from the origin of `url` wait: it asked for fewer requests.
    pub(super) fn hush(&self, url: &Url, wait: std::time::Duration) {
        self.net.hush(url, wait);
    }

    /// Sends a request without the token, as the search for the token endpoint must.
    pub(super) async fn send_open(
        &self,
        doing: Doing,
        request: Request,
    ) -> Result<Response, Error> {
        let request = self.readdressed(request);
        // Boxed: the client's state machine is large, and every caller's would hold it.
        let sent = Box::pin(self.net.send(self.introduced(request))).await;
        let response = sent.map_err(|source| Error::Network { doing, source })?;
        self.see_date(&response);
        Ok(response)
    }

    /// Names the client to the FHIR server, and to nobody else.
    fn introduced(&self, request: Request) -> Request {
        match &self.client_id {
            Some((name, value))
                if Origin::of(request.url()) == Origin::of(&self.base) =>
            {
                request.header(name.clone(), value.clone())
            }
            Some(_) | None => request,
        }
    }

    /// Takes note of the server's time; another origin's clock proves nothing.
    fn see_date(&self, response: &Response) {
        if let Keyring::Services(cell) = &self.auth
            && Origin::of(&response.url) == Origin::of(&self.base)
            && let Some(date) = date(response)
        {
            cell.see_date(date);
        }
    }

    /// Sends a request. A refused token is replaced once; any other status is an answer.
    pub(super) async fn send(
        &self,
        doing: Doing,
        request: Request,
        with: WithToken,
    ) -> Result<Response, Error> {
        let network = |source| Error::Network { doing, source };
        let request = self.readdressed(request);
        let wanted = match with {
            WithToken::Yes => true,
            WithToken::No => false,
            WithToken::IfTrusted => Origin::of(request.url())
                .is_some_and(|origin| self.origins.contains(&origin)),
        };
        if !wanted || !self.has_token() {
            return self.send_open(doing, request).await;
        }
        self.trusts(request.url()).map_err(network)?;
        for last in [false, true] {
            let (bearer, token) = self.bearer().await?;
            let refused = bearer.clone();
            let credential = Credential { bearer, origins: self.origins.clone() };
            let request = self.introduced(request.clone()).credential(credential);
            let response = Box::pin(self.net.send(request)).await.map_err(network)?;
            self.see_date(&response);
            if response.status != StatusCode::UNAUTHORIZED || !response.authenticated {
                return Ok(response);
            }
            if last || !self.has_another(&refused, token).await? {
                break;
            }
        }
        Err(Error::Unauthorized { doing, url: SafeUrl::of(request.url()) })
    }

    /// Whether there is or can be another token than the one that was refused.
    async fn has_another(
        &self,
        refused: &Secret,
        token: Option<Token>,
    ) -> Result<bool, Error> {
        match (&self.auth, token) {
            (Keyring::Services(cell), Some(token)) => {
                cell.forget(&token).await;
                Ok(true)
            }
            (Keyring::Given(bearer), _) => {
                let read = bearer.read().map_err(|source| Error::Bearer { source })?;
                Ok(read.expose() != refused.expose())
            }
            (Keyring::None | Keyring::Services(_), _) => Ok(false),
        }
    }

    /// The address by which to reach what the server calls `url`.
    pub(super) fn mended(&self, url: &Url) -> Url {
        self.addresses.mended(url)
    }

    fn readdressed(&self, request: Request) -> Request {
        let url = self.mended(request.url());
        request.at(url)
    }

    /// Refuses before a token is asked for in vain.
    fn trusts(&self, url: &Url) -> Result<(), bulkhead_net::Error> {
        match Origin::of(url) {
            Some(origin) if !self.origins.contains(&origin) => {
                Err(bulkhead_net::Error::Credential { origin })
            }
            Some(_) => Ok(()),
            None => Err(bulkhead_net::Error::Scheme { url: SafeUrl::of(url) }),
        }
    }

    async fn bearer(&self) -> Result<(Secret, Option<Token>), Error> {
        match &self.auth {
            Keyring::Given(bearer) => {
                let read = bearer.read().map_err(|source| Error::Bearer { source })?;
                Ok((read, None))
            }
            Keyring::Services(cell) => {
                let find = discover::token_endpoint(self, cell.token_url());
                let token = cell.token(&self.net, find).await?;
                Ok((token.bearer.clone(), Some(token)))
            }
            // `send` asks only when there is one.
            Keyring::None => {
                Err(Error::NoTokenEndpoint { base: SafeUrl::of(&self.base) })
            }
        }
    }

    /// Throws the token in use away: the next request asks for a fresh one.
    pub(super) async fn renew(&self) {
        match &self.auth {
            Keyring::Services(cell) => cell.renew().await,
            Keyring::Given(_) | Keyring::None => {}
        }
    }

    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// Reads a whole document.
    pub(super) async fn document(
        &self,
        doing: Doing,
        response: Response,
    ) -> Result<Bytes, Error> {
        let network = |source| Error::Network { doing, source };
        response.body.collect(self.document).await.map_err(network)
    }

    /// Turns an answer that is no success into an error.
    pub(super) async fn refusal(&self, doing: Doing, response: Response) -> Error {
        let url = SafeUrl::of(&response.url);
        let status = response.status.as_u16();
        let retry_after = self.asked_wait(&response);
        let headers = SafeHeaders::of(&response.headers);
        // What cannot be read is no reason to hide the status.
        let body = response.body.collect(self.error_body).await.unwrap_or_default();
        let outcome = Box::new(Outcome::read(&body).with_headers(headers));
        match status {
            408 | 425 | 429 | 502..=504 => {
                Error::Busy { doing, url, status, retry_after, outcome }
            }
            // 501 will be no other later.
            500 | 505.. if !outcome.is_fhir => {
                Error::Busy { doing, url, status, retry_after, outcome }
            }
            _ => Error::Refused { doing, url, status, outcome },
        }
    }

    /// How long the server asks us to wait, unclamped.
    pub(super) fn asked_wait(&self, response: &Response) -> Option<std::time::Duration> {
        let text = response.text(&header::RETRY_AFTER)?;
        retry_after(text, date(response).unwrap_or_else(|| self.surroundings.now()))
    }

    /// How much of an error body is read.
    pub(super) fn error_limit(&self) -> usize {
        self.error_body
    }
}

fn client_id(settings: &Settings) -> Option<(header::HeaderName, header::HeaderValue)> {
    let name = settings.client_id_header.clone()?;
    let client_id = match &settings.auth {
        Auth::BackendServices(services) => &services.client_id,
        Auth::ClientSecret(secret) => &secret.client_id,
        Auth::Bearer(_) | Auth::None => return None,
    };
    Some((name, header::HeaderValue::from_str(client_id).ok()?))
}

/// The response's `Date`.
pub(super) fn date(response: &Response) -> Option<Instant> {
    response.text(&header::DATE).and_then(http_date)
}

/// A GET request for FHIR JSON, or JSON.
pub(super) fn get(url: Url, accept: &'static str) -> Request {
    Request::new(Method::GET, url)
        .header(header::ACCEPT, header::HeaderValue::from_static(accept))
}

pub(super) const FHIR_JSON: &str = "application/fhir+json";
