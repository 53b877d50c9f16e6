//! What the extension of an output item says about its file: a checksum, a length, or that
//! its bytes need more than the manifest gives.
//!
//! Before version 4 an extension is an object, since then an array of FHIR extensions; both
//! are read. No edition names a member, so they are told by how their names end:
//!
//! - a checksum: `sha256`, `sha384`, `sha512`, `checksum`, `digest`;
//! - a length in bytes: `length`, `size`;
//! - a lock, that is an authorization or decryption of the item's own: whatever holds
//!   `authoriz`, `authent`, `crypt`, `cipher` or `keymap`.
//!
//! Seen: `https://dpc.cms.gov/checksum` (`sha256:…`) and `https://dpc.cms.gov/file_length`,
//! in both forms; `encryptedKey` in early deployments of the same family.
//!
//! Source: Bulk Data IG 1.0 to 4.0, "Response - Output Manifest", `extension`.

use std::collections::BTreeSet;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use serde_json::Value;

use crate::operation_outcome::clean;

/// What an item claims about the bytes of its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) checksum: Option<Checksum>,
    pub(crate) length: Option<u64>,
}

/// A checksum; its length tells the algorithm: SHA-256, SHA-384 or SHA-512.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checksum(pub(crate) Vec<u8>);

/// The name of an extension without which the file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lock(pub(crate) String);

impl Claims {
    /// Reads an extension of either form. Names in `ignored` are passed over.
    pub(crate) fn read(
        extension: Option<&Value>,
        ignored: &BTreeSet<String>,
    ) -> Result<Self, Lock> {
        let mut claims = Self::default();
        let mut members = Vec::new();
        if let Some(extension) = extension {
            flatten(extension, DEPTH, &mut members);
        }
        for (name, value) in members {
            if ignored.contains(name) {
                continue;
            }
            let end = name.rsplit(['/', '#']).next().unwrap_or_default();
            let end = end.to_ascii_lowercase();
            if LOCKS.iter().any(|lock| end.contains(lock)) {
                return Err(Lock(clean(name).unwrap_or_default()));
            }
            let Some(value) = value else { continue };
            if CHECKSUMS.iter().any(|known| end.ends_with(known)) {
                claims.checksum = value.as_str().and_then(checksum).or(claims.checksum);
            } else if LENGTHS.iter().any(|known| end.ends_with(known)) {
                claims.length = super::page::number(value).or(claims.length);
            }
        }
        Ok(claims)
    }
}

/// The members of both forms as name and value, nested ones too.
fn flatten<'a>(
    extension: &'a Value,
    depth: u32,
    members: &mut Vec<(&'a str, Option<&'a Value>)>,
) {
    if depth == 0 {
        return;
    }
    match extension {
        Value::Object(object) => {
            for (name, value) in object {
                members.push((name, Some(value)));
                if value.is_object() {
                    flatten(value, depth - 1, members);
                }
            }
        }
        Value::Array(items) => {
            for item in items.iter().filter_map(Value::as_object) {
                let name = item.get("url").and_then(Value::as_str).unwrap_or_default();
                let value = item.iter().find(|(key, _)| key.starts_with("value"));
                members.push((name, value.map(|(_, value)| value)));
                if let Some(nested) = item.get("extension") {
                    flatten(nested, depth - 1, members);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `sha256:HEX`, `sha-256=BASE64`, or the digits alone. Other algorithms give nothing.
fn checksum(text: &str) -> Option<Checksum> {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    let named = ALGORITHMS.iter().find(|(name, _)| lower.starts_with(name));
    let (digits, wanted) = match named {
        Some((name, length)) => (text.get(name.len()..)?, Some(*length)),
        None => (text, None),
    };
    let digits = digits.trim_matches([':', '=', ' ']);
    let bytes = hex(digits)
        .or_else(|| STANDARD_NO_PAD.decode(digits).ok())
        .or_else(|| URL_SAFE_NO_PAD.decode(digits).ok())?;
    let fits = match wanted {
        Some(length) => bytes.len() == length,
        None => matches!(bytes.len(), 32 | 48 | 64),
    };
    fits.then_some(Checksum(bytes))
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let is_hex = digits.len().is_multiple_of(2)
        && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if !is_hex {
        return None;
    }
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
        .collect()
}

/// Extensions hold extensions; deeper than this nobody has been seen to go.
const DEPTH: u32 = 4;
const ALGORITHMS: [(&str, usize); 6] = [
    ("sha-256", 32),
    ("sha-384", 48),
    ("sha-512", 64),
    ("sha256", 32),
    ("sha384", 48),
    ("sha512", 64),
];
const CHECKSUMS: [&str; 5] = ["sha256", "sha384", "sha512", "checksum", "digest"];
const LENGTHS: [&str; 2] = ["length", "size"];
const LOCKS: [&str; 5] = ["authoriz", "authent", "crypt", "cipher", "keymap"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HEX: &str = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    const BASE64: &str = "LCa0a2j/xo/5m0U8HTBBNBNCLXBkg7+g+YpeiGJm564=";

    fn read(extension: &Value) -> Result<Claims, Lock> {
        let ignored = BTreeSet::from(["https://x/ignored-encryption".to_owned()]);
        Claims::read(Some(extension), &ignored)
    }

    /// Items: 91.
    #[test]
    fn reads_checksums_and_lengths_in_both_forms() {
        let checksum = || Some(Checksum(hex(HEX).unwrap()));
        let cases = [
            ("nothing", json!({}), None, None),
            ("not an extension", json!("x"), None, None),
            (
                "an object",
                json!({"https://dpc.cms.gov/checksum": format!("sha256:{HEX}"),
                    "https://dpc.cms.gov/file_length": 3}),
                checksum(),
                Some(3),
            ),
            (
                "an array",
                json!([{"url": "https://dpc.cms.gov/checksum",
                        "valueString": format!("sha256:{HEX}")},
                    {"url": "https://dpc.cms.gov/file_length", "valueDecimal": 3}]),
                checksum(),
                Some(3),
            ),
            (
                "nested",
                json!([{"url": "x", "extension": [
                    {"url": "sha256", "valueString": HEX.to_uppercase()},
                    {"url": "size", "valueInteger64": "3"}]}]),
                checksum(),
                Some(3),
            ),
            ("base 64", json!({"digest": format!("SHA-256={BASE64}")}), checksum(), None),
            (
                "as in HTTP",
                json!({"digest": format!("sha-256=:{BASE64}:")}),
                checksum(),
                None,
            ),
            (
                "another algorithm",
                json!({"checksum": "md5:d41d8cd98f00b204"}),
                None,
                None,
            ),
            ("too short", json!({"checksum": "sha256:2c26"}), None, None),
            ("another member", json!({"x": HEX, "y": 3}), None, None),
        ];
        for (name, extension, checksum, length) in cases {
            assert_eq!(read(&extension), Ok(Claims { checksum, length }), "case: {name}");
        }
    }

    /// Items: 91.
    #[test]
    fn a_lock_is_told_by_its_name_wherever_it_stands() {
        let cases = [
            (
                "an object",
                json!({"https://x/decryption": {"key": "k"}}),
                Some("https://x/decryption"),
            ),
            (
                "an array",
                json!([{"url": "https://x/item-authorization", "valueUrl": "https://as"}]),
                Some("https://x/item-authorization"),
            ),
            (
                "nested",
                json!([{"url": "x", "extension": [{"url": "encryptedKey"}]}]),
                Some("encryptedKey"),
            ),
            ("in an object", json!({"x": {"cipherSuite": 1}}), Some("cipherSuite")),
            ("in a host name", json!({"https://crypto.example/note": 1}), None),
            ("ignored", json!({"https://x/ignored-encryption": 1}), None),
            ("a note", json!({"comment": "decryption"}), None),
        ];
        for (name, extension, expected) in cases {
            let found = read(&extension).err().map(|lock| lock.0);
            assert_eq!(found.as_deref(), expected, "case: {name}");
        }
    }
}
