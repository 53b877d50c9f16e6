//! Signatures of plugins: minisign's format, detached, checked without a network.
//!
//! [`Package::verify`](crate::Package::verify) checks one over the bytes that the package
//! holds, which are the bytes that are hashed and compiled. Only prehashed signatures count
//! (`ED`, what minisign makes unless told otherwise): one format has one meaning. Of the
//! trusted comment, which is signed too, one word is read: `expires:2027-01-31` or
//! `expires=2027-01-31`, the last day (UTC) on which the signature counts.
//!
//! Everything in a signature file is its sender's to choose until it is verified.
//!
//! Source: <https://jedisct1.github.io/minisign/>, "Signature format", "Public key format".

use std::{fmt, io, io::Read as _, path::Path, time::Duration};

use bulkhead_model::Instant;
use minisign_verify::{Error as Refused, PublicKey, Signature as Minisig};

use crate::convert::is_plain;

/// The largest signature file, in bytes: ten times a usual one.
const LARGEST: u64 = 4_096;

/// Characters of a trusted comment that are shown.
const LONGEST_COMMENT: usize = 200;

/// The number that tells keys apart. It proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(u64);

impl fmt::Display for KeyId {
    /// As minisign writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}

impl KeyId {
    /// The id in the base64 of a public key or of a signature: both begin with two bytes of
    /// algorithm, then the id. Those ten bytes are the first fourteen letters.
    fn in_base64(text: &str) -> Option<Self> {
        let mut bits = 0_u128;
        for letter in text.bytes().take(14) {
            let value = match letter {
                b'A'..=b'Z' => letter - b'A',
                b'a'..=b'z' => letter - b'a' + 26,
                b'0'..=b'9' => letter - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u128::from(value);
        }
        // Fourteen letters are 84 bits, of which the ten bytes are the first 80.
        let [_, _, _, _, _, _, _, _, id @ ..] = (bits >> 4).to_be_bytes();
        Some(Self(u64::from_le_bytes(id)))
    }
}

/// A public key that the operator trusts, under the operator's name for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    name: String,
    id: KeyId,
    key: PublicKey,
}

impl TrustedKey {
    /// Reads a public key: one line of base64, as minisign prints it, or the content of a
    /// `.pub` file.
    ///
    /// # Errors
    ///
    /// [`SignatureError::NotAKey`].
    pub fn parse(name: &str, text: &str) -> Result<Self, SignatureError> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut line = lines.next().unwrap_or_default();
        if line.starts_with("untrusted comment:") {
            line = lines.next().unwrap_or_default();
        }
        let key = PublicKey::from_base64(line).ok();
        let parts = (key, KeyId::in_base64(line), lines.next());
        let (Some(key), Some(id), None) = parts else {
            return Err(SignatureError::NotAKey);
        };
        Ok(Self { name: name.to_owned(), id, key })
    }

    /// The operator's name for it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number.
    pub const fn id(&self) -> KeyId {
        self.id
    }
}

/// The last day on which a signature counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// `2027-01-31`, checked.
    text: String,
    /// When it is over.
    end: Instant,
}

impl Day {
    /// Reads `YYYY-MM-DD`; `None` when there is no such day.
    pub fn parse(text: &str) -> Option<Self> {
        let is_date = text.len() == 10 && text.is_ascii() && !text.contains('T');
        let start: Instant = format!("{text}T00:00:00Z").parse().ok()?;
        let end = start.plus(Duration::from_hours(24));
        is_date.then(|| Self { text: text.to_owned(), end })
    }

    /// Whether it is over at `now`.
    pub fn is_over(&self, now: Instant) -> bool {
        now >= self.end
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A detached signature, read and not verified.
#[derive(Clone)]
pub struct Signature {
    minisig: Minisig,
    id: KeyId,
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature(by {}, not verified)", self.id)
    }
}

impl Signature {
    /// Reads a signature file.
    ///
    /// # Errors
    ///
    /// [`SignatureError::Missing`], [`SignatureError::Unreadable`], and as
    /// [`Signature::parse`].
    pub fn read(path: &Path) -> Result<Self, SignatureError> {
        let refuse = |source: io::Error| {
            if source.kind() == io::ErrorKind::NotFound {
                SignatureError::Missing
            } else {
                SignatureError::Unreadable { source }
            }
        };
        let mut bytes = Vec::new();
        let file = fs_err::File::open(path).map_err(refuse)?;
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(refuse)?;
        Self::parse(&bytes)
    }

    /// Reads a signature.
    ///
    /// # Errors
    ///
    /// [`SignatureError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SignatureError> {
        if bytes.len() as u64 > LARGEST {
            return Err(SignatureError::Malformed("it is longer than 4 KiB"));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|_| SignatureError::Malformed("it is not text"))?;
        let minisig = Minisig::decode(text).map_err(|_| {
            SignatureError::Malformed("it has not the four lines of a signature")
        })?;
        let id = text.lines().nth(1).and_then(KeyId::in_base64);
        let id = id.ok_or(SignatureError::Malformed("it names no key"))?;
        Ok(Self { minisig, id })
    }

    /// The key that it says it is by.
    pub const fn key_id(&self) -> KeyId {
        self.id
    }

    /// Who of `trusted` signed `bytes`, in a signature that counts at `now`.
    pub(crate) fn over(
        &self,
        bytes: &[u8],
        trusted: &[TrustedKey],
        now: Instant,
    ) -> Result<Signer, SignatureError> {
        let named: Vec<&TrustedKey> =
            trusted.iter().filter(|key| key.id == self.id).collect();
        let Some(first) = named.first() else {
            let trusted = trusted.iter().map(|key| (key.name.clone(), key.id)).collect();
            return Err(SignatureError::UnknownKey { signed: self.id, trusted });
        };
        let mut failed =
            SignatureError::OtherBytes { name: first.name.clone(), key: self.id };
        for key in named {
            match key.key.verify(bytes, &self.minisig, false) {
                Ok(()) => return self.signer(key, now),
                Err(Refused::UnexpectedAlgorithm) => failed = SignatureError::Legacy,
                Err(_) => {}
            }
        }
        Err(failed)
    }

    /// The signer, once verified.
    fn signer(&self, key: &TrustedKey, now: Instant) -> Result<Signer, SignatureError> {
        let comment = self.minisig.trusted_comment();
        let expires = expiry(comment)?;
        if let Some(until) = expires.clone().filter(|until| until.is_over(now)) {
            let (name, key) = (key.name.clone(), key.id);
            return Err(SignatureError::Expired { name, key, until });
        }
        let comment = comment.chars().map(|char| if is_plain(char) { char } else { ' ' });
        let comment = comment.take(LONGEST_COMMENT).collect();
        Ok(Signer { name: key.name.clone(), key: key.id, expires, comment })
    }
}

/// The day of expiry in a trusted comment. What looks like one and cannot be read makes the
/// signature worthless: its maker meant it to end.
fn expiry(comment: &str) -> Result<Option<Day>, SignatureError> {
    let mut found = None;
    for word in comment.split_whitespace() {
        let Some((name, date)) = word.split_once([':', '=']) else { continue };
        if !name.eq_ignore_ascii_case("expires") {
            continue;
        }
        let day = Day::parse(date).ok_or(SignatureError::Malformed(
            "its day of expiry is not of the form `expires:2027-01-31`",
        ))?;
        if found.replace(day).is_some() {
            return Err(SignatureError::Malformed("it has two days of expiry"));
        }
    }
    Ok(found)
}

/// Who signed a plugin: verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The operator's name for the key.
    pub name: String,
    /// The key's number.
    pub key: KeyId,
    /// The last day on which the signature counts.
    pub expires: Option<Day>,
    /// The trusted comment, signed too. Freed of control characters and cut: it may go to a
    /// terminal.
    pub comment: String,
}

/// Why a plugin does not count as signed.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// Its day is over.
    #[error("key {key} (`{name}`) signed it, but only until {until}")]
    Expired {
        /// The operator's name for the key.
        name: String,
        /// The key's number.
        key: KeyId,
        /// The last day.
        until: Day,
    },
    /// Not prehashed.
    #[error(
        "the signature is of minisign's old kind, which is not accepted: sign again with \
         `bulkhead plugin sign` or a current minisign, without `-l`"
    )]
    Legacy,
    /// It is no signature.
    #[error("the signature file is no minisign signature: {0}")]
    Malformed(&'static str),
    /// There is no such file.
    #[error("there is no signature file")]
    Missing,
    /// A trusted key is none.
    #[error(
        "that is no minisign public key: give the line that begins with `RW`, or the `.pub` file"
    )]
    NotAKey,
    /// The plugin, or the trusted comment, is not what was signed.
    #[error(
        "key {key} (`{name}`) did not sign these bytes: the plugin or its signature was \
         changed, or they do not belong together"
    )]
    OtherBytes {
        /// The operator's name for the key.
        name: String,
        /// The key's number.
        key: KeyId,
    },
    /// None of the trusted keys.
    #[error("it is signed by key {signed}, and trusted are only {}", listed(trusted))]
    UnknownKey {
        /// Who says to have signed.
        signed: KeyId,
        /// Who may.
        trusted: Vec<(String, KeyId)>,
    },
    /// The file cannot be read.
    #[error("the signature file cannot be read")]
    Unreadable {
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

fn listed(trusted: &[(String, KeyId)]) -> String {
    let each = trusted.iter().map(|(name, id)| format!("{id} (`{name}`)"));
    each.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
