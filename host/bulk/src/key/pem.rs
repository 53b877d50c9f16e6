//! Private keys in PEM.
//!
//! Source: RFC 7468; RFC 5958 (PKCS#8), RFC 8017 (PKCS#1), RFC 5915 (SEC 1).

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, RsaKeyPair};
use base64::{Engine, engine::general_purpose::STANDARD};
use bulkhead_model::Secret;
use zeroize::Zeroizing;

use super::{KeyError, Pair};

/// Reads the first private key.
pub(super) fn read(text: &str) -> Result<Pair, KeyError> {
    for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] {
        if let Some(der) = block(text, label) {
            return pair(label, &der?);
        }
    }
    if block(text, "PUBLIC KEY").is_some() {
        return Err(KeyError::Public);
    }
    Err(KeyError::Format)
}

/// Writes PKCS#8.
pub(super) fn write(der: &[u8]) -> Secret {
    let body = Zeroizing::new(STANDARD.encode(der));
    let mut text = Zeroizing::new(String::from("-----BEGIN PRIVATE KEY-----\n"));
    for (at, letter) in body.chars().enumerate() {
        // RFC 7468: 64 characters a line.
        if at > 0 && at % 64 == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text.push_str("\n-----END PRIVATE KEY-----\n");
    Secret::new(text.as_bytes())
}

fn pair(label: &str, der: &[u8]) -> Result<Pair, KeyError> {
    let rsa = |key: Result<RsaKeyPair, _>| key.map(Pair::Rsa).ok();
    let curve = &ECDSA_P384_SHA384_FIXED_SIGNING;
    let ec = |key: Result<EcdsaKeyPair, _>| key.map(Pair::Ec).ok();
    match label {
        "RSA PRIVATE KEY" => rsa(RsaKeyPair::from_der(der)).ok_or(KeyError::Rejected),
        "EC PRIVATE KEY" => ec(EcdsaKeyPair::from_private_key_der(curve, der))
            .ok_or(KeyError::Unsupported),
        _ => ec(EcdsaKeyPair::from_pkcs8(curve, der))
            .or_else(|| rsa(RsaKeyPair::from_pkcs8(der)))
            .ok_or(KeyError::Unsupported),
    }
}

fn block(text: &str, label: &str) -> Option<Result<Zeroizing<Vec<u8>>, KeyError>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let body: Zeroizing<String> =
        Zeroizing::new(body.chars().filter(|letter| !letter.is_whitespace()).collect());
    Some(
        STANDARD
            .decode(body.as_bytes())
            .map(Zeroizing::new)
            .map_err(|_| KeyError::Format),
    )
}
