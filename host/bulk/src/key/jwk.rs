//! Private JSON Web Keys.
//!
//! Source: RFC 7517; RFC 7518 sections 6.2.2 and 6.3.2.

use aws_lc_rs::{
    rsa::{KeyPairComponents, PublicKeyComponents},
    signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{KeyError, Pair};

pub(super) struct Found {
    pub(super) pair: Pair,
    pub(super) kid: Option<String>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    crv: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<Zeroizing<String>>,
    p: Option<Zeroizing<String>>,
    q: Option<Zeroizing<String>>,
    dp: Option<Zeroizing<String>>,
    dq: Option<Zeroizing<String>>,
    qi: Option<Zeroizing<String>>,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Jwk>,
}

/// Reads one key, or every usable private one of a set; there is at least one. Of several
/// faults the last key's is told.
pub(super) fn read(text: &str) -> Result<Vec<Found>, KeyError> {
    let keys = match serde_json::from_str::<Set>(text) {
        Ok(set) => set.keys,
        Err(_) => vec![serde_json::from_str::<Jwk>(text).map_err(|_| KeyError::Format)?],
    };
    let mut fault = KeyError::Format;
    let mut usable = Vec::new();
    for key in keys.into_iter().filter(|key| key.purpose.as_deref() != Some("enc")) {
        match pair(&key) {
            Ok(pair) => usable.push(Found { pair, kid: key.kid }),
            Err(error) => fault = error,
        }
    }
    if usable.is_empty() { Err(fault) } else { Ok(usable) }
}

fn pair(key: &Jwk) -> Result<Pair, KeyError> {
    let d = secret(key.d.as_ref()).ok_or(KeyError::Public)?;
    match (key.kty.as_str(), key.crv.as_deref()) {
        ("EC", Some("P-384")) => {
            let mut point = vec![0x04];
            point.extend(public(key.x.as_ref())?);
            point.extend(public(key.y.as_ref())?);
            EcdsaKeyPair::from_private_key_and_public_key(
                &ECDSA_P384_SHA384_FIXED_SIGNING,
                &d,
                &point,
            )
            .map(Pair::Ec)
            .map_err(|_| KeyError::Rejected)
        }
        ("RSA", _) => {
            let part = |text| secret(text).ok_or(KeyError::Unsupported);
            let components = KeyPairComponents {
                public_key: PublicKeyComponents {
                    n: unpadded(public(key.n.as_ref())?),
                    e: unpadded(public(key.e.as_ref())?),
                },
                d,
                p: part(key.p.as_ref())?,
                q: part(key.q.as_ref())?,
                dP: part(key.dp.as_ref())?,
                dQ: part(key.dq.as_ref())?,
                qInv: part(key.qi.as_ref())?,
            };
            RsaKeyPair::from_components(&components)
                .map(Pair::Rsa)
                .map_err(|_| KeyError::Rejected)
        }
        _ => Err(KeyError::Unsupported),
    }
}

fn public(text: Option<&String>) -> Result<Vec<u8>, KeyError> {
    let text = text.ok_or(KeyError::Format)?;
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| KeyError::Format)
}

fn secret(text: Option<&Zeroizing<String>>) -> Option<Zeroizing<Vec<u8>>> {
    let text = text?;
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok().map(Zeroizing::new)
}

/// Some tools write a sign byte before `n`; the library takes none.
fn unpadded(mut bytes: Vec<u8>) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.drain(..zeros);
    bytes
}
