//! Judges a client assertion: signature, header and every claim.
//!
//! Source: SMART App Launch 2.2, "Asymmetric Client Authentication", "Signature Verification".

use bulkhead_model::Instant;
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk},
};
use serde::Deserialize;

use super::{Client, OAuthError};

/// What an assertion is judged by.
pub(crate) struct Judge<'a> {
    pub(crate) clients: &'a [Client],
    pub(crate) token_url: &'a str,
    pub(crate) now: Instant,
    /// A second clock by which an assertion may be timely.
    pub(crate) also: Option<Instant>,
}

/// An assertion that holds.
pub(crate) struct Proof<'a> {
    pub(crate) client: &'a Client,
    pub(crate) jti: String,
    pub(crate) expires: Instant,
}

#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<String>,
    exp: Option<i64>,
    nbf: Option<i64>,
    jti: Option<String>,
}

impl<'a> Judge<'a> {
    /// Judges everything but whether the `jti` was used before.
    pub(crate) fn judge(&self, assertion: &str) -> Result<Proof<'a>, OAuthError> {
        let header = decode_header(assertion)
            .map_err(|_| OAuthError::client("the assertion is no JWT"))?;
        let algorithm = header.alg;
        if !matches!(algorithm, Algorithm::RS384 | Algorithm::ES384) {
            return Err(OAuthError::client("alg is neither RS384 nor ES384"));
        }
        if !header.typ.as_deref().is_some_and(|typ| typ.eq_ignore_ascii_case("JWT")) {
            return Err(OAuthError::client("typ is not JWT"));
        }
        let kid = header.kid.as_deref().ok_or(OAuthError::client("no kid"))?;
        let claims = claims_unverified(assertion)?;
        let id = claims.iss.as_deref().ok_or(OAuthError::client("no iss"))?;
        let client = self
            .clients
            .iter()
            .find(|client| client.id == id)
            .ok_or(OAuthError::client("iss is no registered client"))?;
        if header.jku.is_some() && header.jku != client.jwks_url {
            return Err(OAuthError::client("jku is not the registered key set URL"));
        }
        let mut keys = client
            .keys
            .keys
            .iter()
            .filter(|key| {
                key.common.key_id.as_deref() == Some(kid) && fits(key, algorithm)
            })
            .peekable();
        if keys.peek().is_none() {
            return Err(OAuthError::client("kid names no registered key for this alg"));
        }
        if !keys.any(|key| is_signed(assertion, key, algorithm)) {
            return Err(OAuthError::client("the signature does not hold"));
        }
        self.check(&claims, client)
    }

    fn check(
        &self,
        claims: &Claims,
        client: &'a Client,
    ) -> Result<Proof<'a>, OAuthError> {
        if claims.sub.as_deref() != Some(client.id.as_str()) {
            return Err(OAuthError::client("sub is not iss"));
        }
        if claims.aud.as_deref() != Some(self.token_url) {
            return Err(OAuthError::client("aud is not the token URL"));
        }
        let exp = claims.exp.ok_or(OAuthError::client("no exp"))?;
        let expires = Instant::from_unix_ms(exp.saturating_mul(1000));
        let mut clocks = [Some(self.now), self.also].into_iter().flatten();
        if !clocks.clone().any(|now| expires > now) {
            return Err(OAuthError::client("exp is over"));
        }
        if !clocks.any(|now| expires > now && expires <= now.plus(MOST_AHEAD)) {
            return Err(OAuthError::client("exp is more than five minutes ahead"));
        }
        if let Some(nbf) = claims.nbf {
            let starts = Instant::from_unix_ms(nbf.saturating_mul(1000));
            if self.now < starts && self.also.is_none_or(|also| also < starts) {
                return Err(OAuthError::client("nbf is ahead"));
            }
        }
        match claims.jti.as_deref() {
            Some(jti) if !jti.is_empty() && jti.len() <= MOST_JTI => {
                Ok(Proof { client, jti: jti.to_owned(), expires })
            }
            Some(_) => Err(OAuthError::client("jti is empty or longer than 256 letters")),
            None => Err(OAuthError::client("no jti")),
        }
    }
}

/// Reads the claims to learn whose key to try. Nothing is believed before the signature.
fn claims_unverified(assertion: &str) -> Result<Claims, OAuthError> {
    jsonwebtoken::dangerous::insecure_decode_claims(assertion)
        .map_err(|_| OAuthError::client("a claim is of the wrong kind"))
}

/// Whether a key is of the kind that an algorithm needs.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    if let AlgorithmParameters::EllipticCurve(curve) = &key.algorithm {
        return algorithm == Algorithm::ES384 && curve.curve == EllipticCurve::P384;
    }
    matches!(key.algorithm, AlgorithmParameters::RSA(_)) && algorithm == Algorithm::RS384
}

fn is_signed(assertion: &str, key: &Jwk, algorithm: Algorithm) -> bool {
    let Ok(key) = DecodingKey::from_jwk(key) else { return false };
    let mut validation = Validation::new(algorithm);
    // The claims are judged here, by this server's clock.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    decode::<Claims>(assertion, &key, &validation).is_ok()
}

const MOST_AHEAD: std::time::Duration = std::time::Duration::from_mins(5);
/// Keeps the memory of used assertions bounded.
const MOST_JTI: usize = 256;
