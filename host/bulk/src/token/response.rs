//! Reads what a token endpoint answers.

use std::time::Duration;

use bulkhead_model::{Instant, Secret};
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{
    operation_outcome::{Outcome, clean},
    scope::GrantedScope,
};

/// A token as it was issued.
#[derive(Debug)]
pub(super) struct TokenResponse {
    pub(super) bearer: Secret,
    pub(super) lifetime: Duration,
    pub(super) scope: GrantedScope,
}

/// Why none was issued.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// The OAuth error code, when the body has one; cleaned.
    pub(super) code: Option<String>,
    pub(super) date: Option<Instant>,
    pub(super) outcome: Outcome,
}

#[derive(Deserialize)]
struct RawToken {
    access_token: Zeroizing<String>,
    token_type: Option<String>,
    expires_in: Option<Value>,
    scope: Option<String>,
}

#[derive(Deserialize)]
struct RawRefusal {
    error: String,
}

impl TokenResponse {
    pub(super) fn read(body: &[u8]) -> Result<Self, serde_json::Error> {
        let raw: RawToken = serde_json::from_slice(body)?;
        if let Some(stated) = &raw.token_type {
            let begins =
                stated.get(..6).is_some_and(|b| b.eq_ignore_ascii_case("bearer"));
            if !begins {
                return Err(serde::de::Error::custom("token_type is not `bearer`"));
            }
            if stated.len() > 6 {
                // Apigee writes `BearerToken`.
                let stated = clean(stated).unwrap_or_default();
                tracing::warn!(%stated, "token_type is not `bearer`; taken as it");
            }
        }
        Ok(Self {
            bearer: Secret::new(raw.access_token.as_bytes()),
            lifetime: lifetime(raw.expires_in.as_ref()),
            scope: raw.scope.map_or(GrantedScope::Unstated, GrantedScope::Stated),
        })
    }
}

impl Refusal {
    pub(super) fn read(status: u16, date: Option<Instant>, body: &[u8]) -> Self {
        let code = serde_json::from_slice::<RawRefusal>(body).ok();
        Self {
            status,
            code: code.and_then(|raw| clean(&raw.error)),
            date,
            outcome: Outcome::read(body),
        }
    }
}

/// Seconds as a number or as text; absent or unreadable counts as the usual five minutes.
fn lifetime(value: Option<&Value>) -> Duration {
    let seconds = value.and_then(|value| match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    });
    // `NaN` and `inf` parse as numbers; a duration of either would panic.
    match seconds.filter(|seconds: &f64| seconds.is_finite()) {
        // Server-controlled: a day at most, negative is over at once.
        Some(seconds) => Duration::from_secs_f64(seconds.clamp(0.0, 86_400.0)),
        None => Duration::from_mins(5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items: 20.
    /// Faults: F9.
    #[test]
    fn reads_tokens_as_servers_issue_them() {
        let cases = [
            (
                "number",
                r#"{"access_token":"t","token_type":"bearer","expires_in":60,"scope":"s"}"#,
                Some(60),
            ),
            (
                "text",
                r#"{"access_token":"t","token_type":"Bearer","expires_in":"60"}"#,
                Some(60),
            ),
            ("absent", r#"{"access_token":"t"}"#, Some(300)),
            ("negative", r#"{"access_token":"t","expires_in":-1}"#, Some(0)),
            ("absurd", r#"{"access_token":"t","expires_in":1e99}"#, Some(86_400)),
            ("no number", r#"{"access_token":"t","expires_in":"NaN"}"#, Some(300)),
            ("infinite", r#"{"access_token":"t","expires_in":"inf"}"#, Some(300)),
            ("list", r#"{"access_token":"t","expires_in":[1]}"#, Some(300)),
            (
                "a word of its own",
                r#"{"access_token":"t","token_type":"BearerToken","expires_in":60}"#,
                Some(60),
            ),
            ("other type", r#"{"access_token":"t","token_type":"mac"}"#, None),
            ("no token", r#"{"token_type":"bearer"}"#, None),
        ];
        for (name, body, expected) in cases {
            let found = TokenResponse::read(body.as_bytes()).ok();
            let found = found.map(|token| token.lifetime.as_secs());
            assert_eq!(found, expected, "case: {name}");
        }
    }

    /// Items: 20, 26.
    /// Faults: F10.
    #[test]
    fn tells_a_grant_of_nothing_from_silence() {
        let scope = |body: &str| TokenResponse::read(body.as_bytes()).unwrap().scope;
        let silent = scope(r#"{"access_token":"t"}"#);
        let nothing = scope(r#"{"access_token":"t","scope":""}"#);
        assert_eq!(silent, GrantedScope::Unstated);
        assert_eq!(nothing, GrantedScope::Stated(String::new()));
    }
}
