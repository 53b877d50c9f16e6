//! The name of one export, as it stands in the journal, in logs and in file names.

use std::{fmt, str::FromStr, sync::Arc};

/// The id of one export: 1 to 64 of `A-Z a-z 0-9 - _`. Cheap to clone.
///
/// The app makes it; the alphabet keeps it whole in a path, a URL and a log line.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExportId(Arc<str>);

/// Text that cannot be the id of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an export id (1 to 64 letters, digits, `-` and `_`)")]
pub struct ExportIdError;

impl ExportId {
    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ExportId {
    type Err = ExportIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=64).contains(&text.len());
        let plain = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if fits && plain { Ok(Self(text.into())) } else { Err(ExportIdError) }
    }
}

impl fmt::Display for ExportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ExportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_safe_in_paths_and_logs() {
        let longest = "x".repeat(64);
        let too_long = "x".repeat(65);
        let cases = [
            ("a time and a suffix", "20260131T100000Z-a1_f", true),
            ("the longest", longest.as_str(), true),
            ("too long", too_long.as_str(), false),
            ("empty", "", false),
            ("a path", "../x", false),
            ("a line break", "a\nb", false),
        ];
        for (name, text, expected) in cases {
            assert_eq!(text.parse::<ExportId>().is_ok(), expected, "case: {name}");
        }
    }
}
