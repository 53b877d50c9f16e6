//! Access tokens by client credentials: asked for, kept until shortly before their end, asked
//! for anew once when they are refused. Where the new one is refused too, it is not the token
//! that is wrong: for a minute no other is asked for.
//!
//! Source: RFC 6749 sections 2.3.1 (`client_secret_basic`), 4.4, 5.

use std::time::Duration;

use bulkhead_model::{Instant, Secret};
use bulkhead_net::{
    self as net, Authorization, Call, Destination, Method,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::Mutex;
use url::form_urlencoded;

use super::{
    credential::{ClientCredentials, Now},
    error::HttpError,
    quota::Quota,
};

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenFault {
    /// The token endpoint could not be spoken to.
    #[error("asking the token endpoint")]
    Asking {
        /// Why.
        #[source]
        source: net::Error,
    },
    /// What it answered is no token.
    #[error("the token endpoint's answer is not a bearer token")]
    Answer,
    /// It gave none.
    #[error("the token endpoint refused with status {status}{}", code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default())]
    Refused {
        /// The status.
        status: u16,
        /// Its code, one of RFC 6749 section 5.2.
        code: Option<&'static str>,
    },
}

impl TokenFault {
    /// Whether asking again may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Asking { source } => source.is_transient() && !source.is_tls(),
            Self::Answer => false,
            Self::Refused { status, .. } => *status == 429 || *status >= 500,
        }
    }
}

/// Keeps the one token that all requests to a destination share.
pub(crate) struct Tokens {
    endpoint: Destination,
    client: ClientCredentials,
    within: Duration,
    now: Now,
    /// Held across the one request for a token, so that parallel requests wait for it
    /// instead of asking too. That request has a deadline.
    current: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    serial: u64,
}

struct Token {
    bearer: Secret,
    renew_at: Instant,
    /// When it was asked for because the one before was refused.
    replaced_at: Option<Instant>,
}

impl Tokens {
    pub(crate) fn new(
        endpoint: Destination,
        client: ClientCredentials,
        within: Duration,
        now: Now,
    ) -> Self {
        Self { endpoint, client, within, now, current: Mutex::default() }
    }

    /// A token and its number.
    pub(crate) async fn token(&self, quota: &Quota) -> Result<(Secret, u64), HttpError> {
        let mut state = self.current.lock().await;
        if let Some(token) =
            state.token.as_ref().filter(|token| (self.now)() < token.renew_at)
        {
            return Ok((token.bearer.clone(), state.serial));
        }
        self.fresh(&mut state, None, quota).await
    }

    /// Another token than that of the number `refused`; `None` when it is too early for one.
    pub(crate) async fn another(
        &self,
        refused: u64,
        quota: &Quota,
    ) -> Result<Option<(Secret, u64)>, HttpError> {
        let mut state = self.current.lock().await;
        // Another request may have renewed it meanwhile.
        if refused != state.serial
            && let Some(token) = &state.token
        {
            return Ok(Some((token.bearer.clone(), state.serial)));
        }
        let now = (self.now)();
        let replaced_at = state.token.as_ref().and_then(|token| token.replaced_at);
        if replaced_at.is_some_and(|then| now.since(then) < HOLD) {
            return Ok(None);
        }
        self.fresh(&mut state, Some(now), quota).await.map(Some)
    }

    async fn fresh(
        &self,
        state: &mut State,
        replaced_at: Option<Instant>,
        quota: &Quota,
    ) -> Result<(Secret, u64), HttpError> {
        state.token = None;
        quota.spend(0).map_err(|spent| HttpError::Spent { spent })?;
        let answer = self.ask().await.map_err(|source| HttpError::Token { source })?;
        state.serial += 1;
        let bearer = answer.bearer;
        let renew_at = (self.now)().plus(usable(answer.lifetime));
        state.token = Some(Token { bearer: bearer.clone(), renew_at, replaced_at });
        Ok((bearer, state.serial))
    }

    async fn ask(&self) -> Result<TokenAnswer, TokenFault> {
        let ClientCredentials { endpoint, client_id, client_secret, scope } =
            &self.client;
        let encoded =
            |bytes: &[u8]| form_urlencoded::byte_serialize(bytes).collect::<String>();
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let call = Call {
            method: Method::POST,
            target: endpoint.url().path().to_owned(),
            headers,
            authorization: Some(Authorization::Basic {
                user: encoded(client_id.as_bytes()),
                password: Secret::new(encoded(client_secret.expose())),
            }),
            body: vec![Bytes::from(form(scope.as_deref()))],
            within: self.within,
            response_bytes: LARGEST_ANSWER,
        };
        let answer = self.endpoint.send(call).await;
        let answer = answer.map_err(|source| TokenFault::Asking { source })?;
        if answer.status.is_success() {
            return TokenAnswer::read(&answer.body).ok_or(TokenFault::Answer);
        }
        Err(TokenFault::Refused {
            status: answer.status.as_u16(),
            code: refusal(&answer.body),
        })
    }
}

fn form(scope: Option<&str>) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if let Some(scope) = scope {
        form.append_pair("scope", scope);
    }
    form.finish()
}

/// How long a token that replaced a refused one is not replaced for being refused.
const HOLD: Duration = Duration::from_mins(1);

/// A JSON with a long token in it.
const LARGEST_ANSWER: usize = 256 << 10;

/// How long a token is used: not to its very end, which clocks may see differently, and at
/// least for half of it.
fn usable(lifetime: Duration) -> Duration {
    lifetime.saturating_sub(Duration::from_secs(30)).max(lifetime / 2)
}

struct TokenAnswer {
    bearer: Secret,
    lifetime: Duration,
}

#[derive(Deserialize)]
struct RawToken {
    access_token: String,
    token_type: String,
    expires_in: Option<f64>,
}

#[derive(Deserialize)]
struct RawRefusal {
    error: String,
}

impl TokenAnswer {
    fn read(body: &[u8]) -> Option<Self> {
        let raw: RawToken = serde_json::from_slice(body).ok()?;
        let bearer = Secret::new(raw.access_token);
        // What cannot stand in a header is no token.
        let is_text = bearer.expose().iter().all(u8::is_ascii_graphic);
        let is_bearer = raw.token_type.eq_ignore_ascii_case("bearer");
        if !is_bearer || !is_text || bearer.expose().is_empty() {
            return None;
        }
        // Server-controlled: a day at most; five minutes where nothing is said.
        let seconds =
            raw.expires_in.filter(|seconds| seconds.is_finite()).unwrap_or(300.0);
        let lifetime = Duration::from_secs_f64(seconds.clamp(0.0, 86_400.0));
        Some(Self { bearer, lifetime })
    }
}

/// The code of a refusal, when it is one of those that there are.
fn refusal(body: &[u8]) -> Option<&'static str> {
    let raw: RawRefusal = serde_json::from_slice(body).ok()?;
    REFUSALS.into_iter().find(|code| *code == raw.error)
}

/// Source: RFC 6749 section 5.2.
const REFUSALS: [&str; 6] = [
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "unauthorized_client",
    "unsupported_grant_type",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_bearer_tokens_and_nothing_else() {
        let cases = [
            (
                "usual",
                r#"{"access_token":"t","token_type":"Bearer","expires_in":60}"#,
                Some(60),
            ),
            ("no lifetime", r#"{"access_token":"t","token_type":"bearer"}"#, Some(300)),
            (
                "over",
                r#"{"access_token":"t","token_type":"bearer","expires_in":-1}"#,
                Some(0),
            ),
            (
                "absurd",
                r#"{"access_token":"t","token_type":"bearer","expires_in":1e99}"#,
                Some(86_400),
            ),
            ("another type", r#"{"access_token":"t","token_type":"mac"}"#, None),
            ("no token", r#"{"access_token":"","token_type":"bearer"}"#, None),
            ("two lines", r#"{"access_token":"t\r\nx","token_type":"bearer"}"#, None),
            ("no JSON", "t", None),
        ];
        for (name, body, expected) in cases {
            let found = TokenAnswer::read(body.as_bytes());
            let found = found.map(|answer| answer.lifetime.as_secs());
            assert_eq!(found, expected, "case: {name}");
        }
    }

    #[test]
    fn a_token_is_not_used_to_its_very_end() {
        let cases = [(300, 270), (40, 20), (0, 0)];
        for (lifetime, expected) in cases {
            let found = usable(Duration::from_secs(lifetime));
            assert_eq!(found, Duration::from_secs(expected), "case: {lifetime}");
        }
    }

    #[test]
    fn only_codes_that_there_are_are_shown() {
        let cases = [
            ("known", r#"{"error":"invalid_client"}"#, Some("invalid_client")),
            ("made up", r#"{"error":"Jane Roe"}"#, None),
            ("no JSON", "<html>", None),
        ];
        for (name, body, expected) in cases {
            assert_eq!(refusal(body.as_bytes()), expected, "case: {name}");
        }
    }
}
