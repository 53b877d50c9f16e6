//! The key that signs assertions.
//!
//! Reads a JWK, a JWK set or PEM (PKCS#8, PKCS#1, SEC 1), signs with RS384 or ES384, and
//! gives the public set for registration. Key generation and ECDSA nonces draw on the
//! cryptographic library's own generator, not on the program's: a test must not be able to
//! make them predictable.
//!
//! Source: SMART App Launch 2.2, "Client Authentication: Asymmetric"; RFC 7517, 7518, 7638.

mod jwk;
mod pem;

use std::fmt;

use aws_lc_rs::{
    digest,
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA384,
        RsaKeyPair,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bulkhead_model::Secret;
use serde_json::{Value, json};

/// How an assertion is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
}

impl Algorithm {
    /// The JOSE name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Es384 => "ES384",
            Self::Rs384 => "RS384",
        }
    }
}

/// A private key, its id, and where its public half is published.
pub struct SigningKey {
    pair: Pair,
    kid: String,
    jku: Option<String>,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

/// Why a key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is neither a JWK, a JWK set nor PEM.
    #[error(
        "reading the key: neither a JWK, a JWK set nor an unencrypted PEM private key"
    )]
    Format,
    /// The system could not make a key.
    #[error("generating a key")]
    Generate,
    /// The key is a public one.
    #[error("reading the key: it holds no private part")]
    Public,
    /// The cryptographic library refuses the key.
    #[error("reading the key: damaged, inconsistent or too short")]
    Rejected,
    /// Two keys of one set have one id.
    #[error("two different keys have the same id")]
    SameId,
    /// The signature could not be made.
    #[error("signing with the key")]
    Sign,
    /// Neither RSA nor EC on P-384.
    #[error(
        "reading the key: want RSA (2048 to 8192 bits, with p, q, dp, dq, qi) or EC P-384"
    )]
    Unsupported,
}

impl SigningKey {
    /// Reads a JWK, the first usable private key of a JWK set, or PEM.
    ///
    /// A key without `kid` gets its thumbprint as id.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when there is no usable private key in `text`.
    pub fn parse(text: &Secret) -> Result<Self, KeyError> {
        Self::parse_all(text)?.into_iter().next().ok_or(KeyError::Format)
    }

    /// Reads all usable private keys of a JWK set, or the one key of a JWK or PEM.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when there is none.
    pub fn parse_all(text: &Secret) -> Result<Vec<Self>, KeyError> {
        let text = text.expose_str().ok_or(KeyError::Format)?.trim();
        if text.starts_with('{') {
            let found = jwk::read(text)?.into_iter();
            return Ok(found.map(|found| Self::new(found.pair, found.kid)).collect());
        }
        Ok(vec![Self::new(pem::read(text)?, None)])
    }

    /// Makes a fresh key; RSA keys have 3072 bits, which match SHA-384's use in RS384.
    ///
    /// # Errors
    ///
    /// [`KeyError::Generate`] when the system refuses.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let pair = match algorithm {
            Algorithm::Es384 => {
                EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).map(Pair::Ec)
            }
            Algorithm::Rs384 => RsaKeyPair::generate(KeySize::Rsa3072).map(Pair::Rsa),
        };
        Ok(Self::new(pair.map_err(|_| KeyError::Generate)?, None))
    }

    fn new(pair: Pair, kid: Option<String>) -> Self {
        let kid = kid.unwrap_or_else(|| thumbprint(&pair));
        Self { pair, kid, jku: None }
    }

    /// Names the key `kid`, as it was registered.
    #[must_use]
    pub fn with_kid(self, kid: String) -> Self {
        Self { kid, ..self }
    }

    /// Names the JWK set URL in assertions; it must be exactly the registered one.
    #[must_use]
    pub fn with_jku(self, jku: String) -> Self {
        Self { jku: Some(jku), ..self }
    }

    /// How this key signs.
    pub fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Ec(_) => Algorithm::Es384,
            Pair::Rsa(_) => Algorithm::Rs384,
        }
    }

    /// The id of the key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The URL of the published set, when assertions shall name it.
    pub fn jku(&self) -> Option<&str> {
        self.jku.as_deref()
    }

    /// The public JWK set to register; holds no private member.
    pub fn public_jwks(&self) -> Value {
        json!({ "keys": [self.public_jwk()] })
    }

    /// The public JWK set of several keys, as it is registered while they are rotated.
    ///
    /// # Errors
    ///
    /// [`KeyError::SameId`] when two different keys have one id, by which no server could
    /// tell them apart. One key twice counts once.
    pub fn public_set(keys: &[Self]) -> Result<Value, KeyError> {
        let mut set: Vec<Value> = Vec::new();
        for key in keys {
            let jwk = key.public_jwk();
            match set.iter().find(|known| known.get("kid") == jwk.get("kid")) {
                None => set.push(jwk),
                Some(known) if *known == jwk => {}
                Some(_) => return Err(KeyError::SameId),
            }
        }
        Ok(json!({ "keys": set }))
    }

    fn public_jwk(&self) -> Value {
        let mut key = public_members(&self.pair);
        if let Value::Object(members) = &mut key {
            members.insert("kid".into(), json!(self.kid));
            members.insert("alg".into(), json!(self.algorithm().name()));
            members.insert("use".into(), json!("sig"));
            members.insert("key_ops".into(), json!(["verify"]));
        }
        key
    }

    /// The private key as PKCS#8 PEM, to be stored where only the program reads it.
    ///
    /// # Errors
    ///
    /// [`KeyError::Rejected`] when the library cannot encode it.
    pub fn to_pem(&self) -> Result<Secret, KeyError> {
        match &self.pair {
            Pair::Ec(pair) => {
                let der = pair.to_pkcs8v1().map_err(|_| KeyError::Rejected)?;
                Ok(pem::write(der.as_ref()))
            }
            Pair::Rsa(pair) => {
                let der = AsDer::<Pkcs8V1Der<'static>>::as_der(pair);
                Ok(pem::write(der.map_err(|_| KeyError::Rejected)?.as_ref()))
            }
        }
    }

    /// Signs `message`; ES384 signatures are the two numbers, as JOSE wants them.
    ///
    /// # Errors
    ///
    /// [`KeyError::Sign`] when the library refuses.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ec(pair) => {
                let signature =
                    pair.sign(&random, message).map_err(|_| KeyError::Sign)?;
                Ok(signature.as_ref().to_vec())
            }
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA384, &random, message, &mut signature)
                    .map_err(|_| KeyError::Sign)?;
                Ok(signature)
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm())
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// The members that RFC 7638 hashes; `serde_json` keeps them in lexical order.
fn public_members(pair: &Pair) -> Value {
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    match pair {
        Pair::Ec(pair) => {
            // Uncompressed point: 0x04, then x and y of 48 bytes each.
            let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
            let (x, y) = point.split_at(point.len() / 2);
            json!({ "crv": "P-384", "kty": "EC", "x": text(x), "y": text(y) })
        }
        Pair::Rsa(pair) => {
            let public = pair.public_key();
            let e = public.exponent().big_endian_without_leading_zero();
            let n = public.modulus().big_endian_without_leading_zero();
            json!({ "e": text(e), "kty": "RSA", "n": text(n) })
        }
    }
}

fn thumbprint(pair: &Pair) -> String {
    let members = public_members(pair).to_string();
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, members.as_bytes()))
}

#[cfg(test)]
mod tests;
