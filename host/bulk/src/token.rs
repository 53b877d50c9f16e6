//! The access token: asked for, kept, renewed ahead of its end, thrown away when refused.
//!
//! Source: SMART App Launch 2.2, "Backend Services"; RFC 6749 section 5.

mod response;

use std::{
    sync::{Mutex as SyncMutex, PoisonError},
    time::Duration,
};

use bulkhead_model::{Instant, SafeUrl, Secret};
use bulkhead_net::{Method, Request, StatusCode, header};
use tokio::sync::Mutex;

use crate::{
    assertion::Assertion,
    error::{Doing, Error},
    operation_outcome::Outcome,
    retry_after::{http_date, retry_after},
    scope::{Dialect, GrantedScope},
    settings::BackendServices,
    smart::TokenEndpoint,
    surroundings::Surroundings,
    token::response::{Refusal, TokenResponse},
};

/// A token and what is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) bearer: Secret,
    renew_at: Instant,
    /// Tells this token from the one that followed it.
    serial: u64,
}

/// Keeps the one token that all requests share.
#[derive(Debug)]
pub(crate) struct TokenCell {
    services: BackendServices,
    surroundings: Surroundings,
    /// Held across the one request for a token, so that parallel requests wait for it
    /// instead of asking too. That request has a deadline.
    current: Mutex<State>,
    /// Never held across an await.
    granted: SyncMutex<Option<GrantedScope>>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    serial: u64,
    endpoint: Option<(TokenEndpoint, Dialect)>,
}

/// What was learnt from refusals within one request for a token. Each lesson is applied
/// once.
struct Attempt {
    dialect: Dialect,
    offset_ms: i64,
    rescoped: bool,
    reclocked: bool,
    repeated: bool,
}

impl TokenCell {
    pub(crate) fn new(services: BackendServices, surroundings: Surroundings) -> Self {
        Self {
            services,
            surroundings,
            current: Mutex::new(State::default()),
            granted: SyncMutex::new(None),
        }
    }

    /// The scope of the last token, when there was one.
    pub(crate) fn granted(&self) -> Option<GrantedScope> {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The operator's token endpoint.
    pub(crate) fn token_url(&self) -> Option<&url::Url> {
        self.services.token_url.as_ref()
    }

    /// A token that is good for a while. `find` is asked for the endpoint once.
    pub(crate) async fn token<F>(
        &self,
        net: &bulkhead_net::Client,
        find: F,
    ) -> Result<Token, Error>
    where
        F: Future<Output = Result<(TokenEndpoint, Dialect), Error>>,
    {
        let mut state = self.current.lock().await;
        if let Some(token) =
            state.token.as_ref().filter(|token| self.surroundings.now() < token.renew_at)
        {
            return Ok(token.clone());
        }
        let (endpoint, dialect) = match &state.endpoint {
            Some(known) => known.clone(),
            None => find.await?,
        };
        let (response, dialect) = self.ask(net, &endpoint, dialect).await?;
        let now = self.surroundings.now();
        state.endpoint = Some((endpoint, dialect));
        state.serial += 1;
        let token = Token {
            bearer: response.bearer,
            renew_at: now.plus(usable(response.lifetime)),
            serial: state.serial,
        };
        *self.granted.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(response.scope);
        state.token = Some(token.clone());
        Ok(token)
    }

    /// Throws `refused` away, unless another request already did.
    pub(crate) async fn forget(&self, refused: &Token) {
        let mut state = self.current.lock().await;
        if state.token.as_ref().is_some_and(|token| token.serial == refused.serial) {
            state.token = None;
        }
    }

    async fn ask(
        &self,
        net: &bulkhead_net::Client,
        endpoint: &TokenEndpoint,
        dialect: Dialect,
    ) -> Result<(TokenResponse, Dialect), Error> {
        let mut attempt = Attempt {
            dialect,
            offset_ms: 0,
            rescoped: false,
            reclocked: false,
            repeated: false,
        };
        loop {
            match self.ask_once(net, endpoint, &attempt).await? {
                Ok(response) => return Ok((response, attempt.dialect)),
                Err(refusal) => self.learn(endpoint, &mut attempt, refusal)?,
            }
        }
    }

    /// Changes what the refusal speaks of, or gives up.
    fn learn(
        &self,
        endpoint: &TokenEndpoint,
        attempt: &mut Attempt,
        refusal: Refusal,
    ) -> Result<(), Error> {
        let offset_ms = refusal
            .date
            .map(|date| date.unix_ms().saturating_sub(self.surroundings.now().unix_ms()));
        match refusal.code.as_deref() {
            Some("invalid_scope")
                if self.services.scope.is_none() && !attempt.rescoped =>
            {
                attempt.rescoped = true;
                attempt.dialect = attempt.dialect.other();
            }
            Some("invalid_client" | "invalid_grant")
                if !attempt.reclocked
                    && offset_ms
                        .is_some_and(|offset| offset.abs() > CLOCK_TOLERANCE_MS) =>
            {
                attempt.reclocked = true;
                attempt.offset_ms = offset_ms.unwrap_or_default();
                let seconds = attempt.offset_ms / 1000;
                tracing::warn!(seconds, "the server's clock is off ours, correcting");
            }
            // Some servers answer a bare 400 now and then and take the next request.
            None if !attempt.repeated && refusal.status < 500 => attempt.repeated = true,
            code => {
                let url = SafeUrl::of(&endpoint.url);
                return Err(match code {
                    Some(code) => Error::TokenRefused {
                        url,
                        code: code.to_owned(),
                        clock_offset: offset_ms.map(|offset| offset / 1000),
                    },
                    None => Error::Refused {
                        doing: Doing::Token,
                        url,
                        status: refusal.status,
                        outcome: refusal.outcome,
                    },
                });
            }
        }
        Ok(())
    }

    /// One request; each has an assertion of its own, because servers refuse replays.
    async fn ask_once(
        &self,
        net: &bulkhead_net::Client,
        endpoint: &TokenEndpoint,
        attempt: &Attempt,
    ) -> Result<Result<TokenResponse, Refusal>, Error> {
        let now = self.surroundings.now();
        let assertion = Assertion {
            client_id: &self.services.client_id,
            audience: &endpoint.audience,
            now: Instant::from_unix_ms(now.unix_ms().saturating_add(attempt.offset_ms)),
            id: self.surroundings.nonce(),
        };
        let assertion =
            assertion.sign(&self.services.key).map_err(|source| Error::Key { source })?;
        let network = |source| Error::Network { doing: Doing::Token, source };
        let form = form(&assertion, self.scope(attempt.dialect));
        let request = Request::new(Method::POST, endpoint.url.clone())
            .header(header::ACCEPT, header::HeaderValue::from_static("application/json"))
            .header(
                header::CONTENT_TYPE,
                header::HeaderValue::from_static("application/x-www-form-urlencoded"),
            )
            .body(form);
        let response = net.send(request).await.map_err(network)?;
        let status = response.status;
        let date = response.text(&header::DATE).and_then(http_date);
        let asked = response
            .text(&header::RETRY_AFTER)
            .and_then(|text| retry_after(text, date.unwrap_or(now)));
        let body = response.body.collect(MAX_BODY).await.map_err(network)?;
        let url = SafeUrl::of(&endpoint.url);
        if status.is_success() {
            return TokenResponse::read(&body).map(Ok).map_err(|source| Error::Json {
                doing: Doing::Token,
                url,
                source,
            });
        }
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            return Err(Error::Busy {
                doing: Doing::Token,
                url,
                status: status.as_u16(),
                retry_after: asked,
                outcome: Outcome::read(&body),
            });
        }
        Ok(Err(Refusal::read(status.as_u16(), date, &body)))
    }

    fn scope(&self, dialect: Dialect) -> Option<&str> {
        match self.services.scope.as_deref() {
            None => Some(dialect.everything()),
            Some("") => None,
            Some(scope) => Some(scope),
        }
    }
}

fn form(assertion: &Secret, scope: Option<&str>) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if let Some(scope) = scope {
        form.append_pair("scope", scope);
    }
    form.append_pair("client_assertion_type", ASSERTION_TYPE);
    form.append_pair("client_assertion", assertion.expose_str().unwrap_or_default());
    form.finish()
}

/// Renews 30 s ahead of the end, or at four fifths of a short life, whichever is later.
fn usable(lifetime: Duration) -> Duration {
    let fifth = lifetime / 5;
    lifetime.saturating_sub(fifth.min(Duration::from_secs(30)))
}

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Tokens of a few kilobytes are known; this is far above.
const MAX_BODY: usize = 256 << 10;
/// Below this a clock is not the reason for a refusal.
const CLOCK_TOLERANCE_MS: i64 = 30_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renews_ahead_of_the_end() {
        let cases = [
            ("usual", 300, 270),
            ("hour", 3600, 3570),
            ("short", 20, 16),
            ("none", 0, 0),
        ];
        for (name, lifetime, expected) in cases {
            let found = usable(Duration::from_secs(lifetime));
            assert_eq!(found, Duration::from_secs(expected), "case: {name}");
        }
    }

    #[test]
    fn sends_no_scope_when_there_is_none() {
        let secret = Secret::new("a.b.c");
        assert!(form(&secret, Some("system/*.rs")).contains("&scope=system%2F*.rs&"));
        assert!(!form(&secret, None).contains("scope="));
    }
}
