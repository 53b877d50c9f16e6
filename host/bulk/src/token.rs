//! The access token: asked for, kept, renewed ahead of its end, thrown away when refused.
//!
//! Source: SMART App Launch 2.2, "Backend Services"; RFC 6749 section 5.

mod proof;
mod response;

use std::{
    sync::{Mutex as SyncMutex, PoisonError},
    time::Duration,
};

use bulkhead_model::{Instant, SafeUrl, Secret};
use bulkhead_net::{StatusCode, header};
use tokio::sync::Mutex;

use crate::{
    error::{Doing, Error},
    operation_outcome::Outcome,
    retry_after::{http_date, retry_after},
    scope::{Dialect, GrantedScope},
    smart::TokenEndpoint,
    surroundings::Surroundings,
    token::response::{Refusal, TokenResponse},
};

pub(crate) use proof::Registration;

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
    registration: Registration,
    surroundings: Surroundings,
    /// Held across the one request for a token, so that parallel requests wait for it
    /// instead of asking too. That request has a deadline.
    current: Mutex<State>,
    /// Never held across an await.
    granted: SyncMutex<Option<GrantedScope>>,
    /// How far the server's clock was ahead of ours when it last told the time, for token
    /// endpoints that do not. Never held across an await.
    seen_offset_ms: SyncMutex<Option<i64>>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    serial: u64,
    endpoint: Option<Endpoint>,
    /// How far assertions are dated ahead of our clock. A lesson that stays: a clock that is
    /// wrong once is wrong at every renewal.
    offset_ms: i64,
}

/// Where tokens are asked for, and how.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) at: TokenEndpoint,
    pub(crate) dialect: Dialect,
    /// The algorithms that the server takes, as far as it says so.
    pub(crate) algorithms: Vec<String>,
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

impl Attempt {
    fn new(dialect: Dialect, offset_ms: i64) -> Self {
        Self { dialect, offset_ms, rescoped: false, reclocked: false, repeated: false }
    }
}

impl TokenCell {
    pub(crate) fn new(registration: Registration, surroundings: Surroundings) -> Self {
        Self {
            registration,
            surroundings,
            current: Mutex::new(State::default()),
            granted: SyncMutex::new(None),
            seen_offset_ms: SyncMutex::new(None),
        }
    }

    /// Takes note of the server's time.
    pub(crate) fn see_date(&self, date: Instant) {
        let offset = date.unix_ms().saturating_sub(self.surroundings.now().unix_ms());
        *self.seen_offset_ms.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(offset);
    }

    /// The scope of the last token, when there was one.
    pub(crate) fn granted(&self) -> Option<GrantedScope> {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The operator's token endpoint.
    pub(crate) fn token_url(&self) -> Option<&TokenEndpoint> {
        self.registration.token_url.as_ref()
    }

    /// A token that is good for a while. `find` is asked for the endpoint once.
    pub(crate) async fn token<F>(
        &self,
        net: &bulkhead_net::Client,
        find: F,
    ) -> Result<Token, Error>
    where
        F: Future<Output = Result<Endpoint, Error>>,
    {
        let mut state = self.current.lock().await;
        if let Some(token) =
            state.token.as_ref().filter(|token| self.surroundings.now() < token.renew_at)
        {
            return Ok(token.clone());
        }
        let mut endpoint = match &state.endpoint {
            Some(known) => known.clone(),
            None => find.await?,
        };
        let mut attempt = Attempt::new(endpoint.dialect, state.offset_ms);
        let asked = self.ask(net, &endpoint, &mut attempt).await;
        // What was learnt about the clock holds even when this request led to nothing.
        state.offset_ms = attempt.offset_ms;
        let response = asked?;
        let now = self.surroundings.now();
        endpoint.dialect = attempt.dialect;
        state.endpoint = Some(endpoint);
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

    /// Throws the token in use away.
    pub(crate) async fn renew(&self) {
        self.current.lock().await.token = None;
    }

    async fn ask(
        &self,
        net: &bulkhead_net::Client,
        endpoint: &Endpoint,
        attempt: &mut Attempt,
    ) -> Result<TokenResponse, Error> {
        loop {
            match self.ask_once(net, endpoint, attempt).await? {
                Ok(response) => return Ok(response),
                Err(refusal) => self.learn(endpoint, attempt, refusal)?,
            }
        }
    }

    /// Changes what the refusal speaks of, or gives up.
    fn learn(
        &self,
        endpoint: &Endpoint,
        attempt: &mut Attempt,
        refusal: Refusal,
    ) -> Result<(), Error> {
        let offset_ms = refusal
            .date
            .map(|date| date.unix_ms().saturating_sub(self.surroundings.now().unix_ms()))
            .or_else(|| {
                *self.seen_offset_ms.lock().unwrap_or_else(PoisonError::into_inner)
            });
        match refusal.code.as_deref() {
            Some("invalid_scope")
                if self.registration.scope.is_none() && !attempt.rescoped =>
            {
                attempt.rescoped = true;
                attempt.dialect = attempt.dialect.other();
            }
            Some("invalid_client" | "invalid_grant")
                if !attempt.reclocked
                    && offset_ms.is_some_and(|offset| {
                        offset.abs_diff(attempt.offset_ms) > CLOCK_TOLERANCE_MS
                    }) =>
            {
                attempt.reclocked = true;
                attempt.offset_ms = offset_ms.unwrap_or_default();
                let seconds = attempt.offset_ms / 1000;
                tracing::warn!(seconds, "the server's clock is off ours, correcting");
            }
            // Some servers answer a bare 400 now and then and take the next request.
            None if !attempt.repeated && refusal.status < 500 => attempt.repeated = true,
            code => {
                let url = SafeUrl::of(&endpoint.at.url);
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
                        outcome: Box::new(refusal.outcome),
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
        endpoint: &Endpoint,
        attempt: &Attempt,
    ) -> Result<Result<TokenResponse, Refusal>, Error> {
        let now = self.surroundings.now();
        let dated =
            Instant::from_unix_ms(now.unix_ms().saturating_add(attempt.offset_ms));
        let id = self.surroundings.nonce();
        let request = self.registration.request(endpoint, attempt.dialect, dated, id)?;
        let network = |source| Error::Network { doing: Doing::Token, source };
        let response = net.send(request).await.map_err(network)?;
        let status = response.status;
        let date = response.text(&header::DATE).and_then(http_date);
        let asked = response
            .text(&header::RETRY_AFTER)
            .and_then(|text| retry_after(text, date.unwrap_or(now)));
        let body = response.body.collect(MAX_BODY).await.map_err(network)?;
        let url = SafeUrl::of(&endpoint.at.url);
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
                outcome: Box::new(Outcome::read(&body)),
            });
        }
        Ok(Err(Refusal::read(status.as_u16(), date, &body)))
    }
}

/// Renews 30 s ahead of the end, or at four fifths of a short life, whichever is later.
fn usable(lifetime: Duration) -> Duration {
    let fifth = lifetime / 5;
    lifetime.saturating_sub(fifth.min(Duration::from_secs(30)))
}

/// Tokens of a few kilobytes are known; this is far above.
const MAX_BODY: usize = 256 << 10;
/// Below this a clock is not the reason for a refusal.
const CLOCK_TOLERANCE_MS: u64 = 30_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// Items: 21.
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
}
