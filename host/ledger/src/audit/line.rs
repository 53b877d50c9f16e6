//! One line of the audit log, and the hash that binds the next one to it.

use aws_lc_rs::digest::{SHA256, digest};
use bulkhead_model::Instant;
use serde::{Deserialize, Serialize};

use crate::Error;

/// The longest line, in bytes. A run with a hundred plugins takes a tenth.
pub const LONGEST_LINE: usize = 1 << 20;

/// What the first line names as the one before it.
pub(crate) const GENESIS: &str =
    "0000000000000000000000000000000000000000000000000000000000000000";

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditLine {
    /// From 1, without a gap.
    pub seq: u64,
    /// When it was written.
    pub time: Instant,
    /// What happened, in a word.
    pub event: String,
    /// The particulars.
    pub payload: serde_json::Value,
    /// SHA-256 of the line before, without its line end, in lower-case hexadecimal.
    pub previous: String,
}

impl AuditLine {
    /// As it stands in the file, without its line end.
    pub(crate) fn encode(&self) -> Result<String, Error> {
        let invalid = |size| Error::TooLarge {
            what: "line of the audit log",
            size,
            limit: crate::column::wide(LONGEST_LINE),
        };
        // Text keys and no maps but JSON's own: encoding does not fail.
        let text = serde_json::to_string(self).map_err(|_| invalid(0))?;
        let size = crate::column::wide(text.len());
        if text.len() < LONGEST_LINE { Ok(text) } else { Err(invalid(size)) }
    }

    /// Reads a line, without its line end.
    ///
    /// # Errors
    ///
    /// When it is no line that this program writes.
    pub fn decode(line: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(line)
    }
}

/// The end of a log: its last line's number and hash. Who knows it elsewhere can tell whether
/// the log still holds everything up to there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// The number of the last line.
    pub seq: u64,
    /// SHA-256 of that line without its line end, in lower-case hexadecimal.
    pub hash: String,
}

impl AuditHead {
    /// Of a log without a line.
    pub(crate) fn genesis() -> Self {
        Self { seq: 0, hash: GENESIS.to_owned() }
    }
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn hash(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    let digits = digest.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}
