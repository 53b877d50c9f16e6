//! The signed assertion that buys an access token.
//!
//! Pure: claims in, compact JWS out. `nbf` is left out, because a server whose clock lags
//! would refuse it; `iat`, which some insist on, is dated back a little for the same reason.
//!
//! Source: SMART App Launch 2.2, "Client Authentication: Asymmetric"; RFC 7515, RFC 7523.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bulkhead_model::{Instant, Secret};
use serde_json::{Value, json};

use crate::key::{KeyError, SigningKey};

/// What one assertion says. Each is good for one attempt: a retry needs a new `id`.
pub(crate) struct Assertion<'a> {
    pub(crate) client_id: &'a str,
    /// The token URL exactly as it is posted to.
    pub(crate) audience: &'a str,
    /// The time by the server's clock, as well as it is known.
    pub(crate) now: Instant,
    /// Unpredictable, used once.
    pub(crate) id: [u8; 16],
}

impl Assertion<'_> {
    pub(crate) fn sign(&self, key: &SigningKey) -> Result<Secret, KeyError> {
        let mut text = encode(&header(key));
        text.push('.');
        text.push_str(&encode(&self.claims()));
        let signature = key.sign(text.as_bytes())?;
        text.push('.');
        text.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Ok(Secret::new(text))
    }

    fn claims(&self) -> Value {
        json!({
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.audience,
            "iat": self.now.minus(BACK).unix_ms().div_euclid(1000),
            "exp": self.now.plus(LIFETIME).unix_ms().div_euclid(1000),
            "jti": URL_SAFE_NO_PAD.encode(self.id),
        })
    }
}

fn header(key: &SigningKey) -> Value {
    let mut header =
        json!({ "alg": key.algorithm().name(), "kid": key.kid(), "typ": "JWT" });
    if let (Value::Object(members), Some(jku)) = (&mut header, key.jku()) {
        members.insert("jku".into(), json!(jku));
    }
    header
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// The IG allows five minutes; one is left for clocks that run ahead of the server's.
const LIFETIME: Duration = Duration::from_mins(4);

/// More than clocks that are kept in time differ by.
const BACK: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Algorithm;

    /// Items: 16, 17.
    #[test]
    fn says_what_backend_services_asks_for() {
        let key =
            SigningKey::generate(Algorithm::Es384).unwrap().with_kid("k1".to_owned());
        let jku = SigningKey::generate(Algorithm::Es384)
            .unwrap()
            .with_kid("k2".to_owned())
            .with_jku("https://me.example/jwks".to_owned());
        let assertion = Assertion {
            client_id: "me",
            audience: "https://as.example/token",
            now: Instant::from_unix_ms(1_000_999),
            id: [0; 16],
        };
        let cases = [
            ("plain", &key, json!({"alg": "ES384", "kid": "k1", "typ": "JWT"})),
            (
                "jku",
                &jku,
                json!({"alg": "ES384", "kid": "k2", "typ": "JWT", "jku": "https://me.example/jwks"}),
            ),
        ];
        for (name, key, expected) in cases {
            let signed = assertion.sign(key).unwrap();
            let parts: Vec<Vec<u8>> = signed
                .expose_str()
                .unwrap()
                .split('.')
                .map(|part| URL_SAFE_NO_PAD.decode(part).unwrap())
                .collect();
            let read = |at: usize| serde_json::from_slice::<Value>(&parts[at]).unwrap();
            assert_eq!(read(0), expected, "case: {name}");
            let claims = json!({
                "iss": "me", "sub": "me", "aud": "https://as.example/token",
                "iat": 995, "exp": 1240, "jti": "AAAAAAAAAAAAAAAAAAAAAA",
            });
            assert_eq!(read(1), claims, "case: {name}");
            assert_eq!(parts[2].len(), 96, "case: {name}");
        }
    }
}
