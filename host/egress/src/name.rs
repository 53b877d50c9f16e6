//! Names that cannot climb.

use std::{fmt, str::FromStr};

use crate::Error;

/// The longest name, in bytes. Names are made of export, kind and numbers: far shorter.
const LONGEST: usize = 512;

/// The name of an artifact in its store: segments of `[A-Za-z0-9._=-]`, parted by `/`, none
/// starting with a dot.
///
/// So `..`, absolute paths, device names with colons, hidden files and everything that a
/// file system folds or escapes cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArtifactName(String);

impl ArtifactName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder, when there is one, and the last segment.
    pub(crate) fn split(&self) -> (Option<&str>, &str) {
        self.0
            .rsplit_once('/')
            .map_or((None, &self.0), |(folder, last)| (Some(folder), last))
    }
}

impl FromStr for ArtifactName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let is_segment = |segment: &str| {
            (1..=255).contains(&segment.len())
                && !segment.starts_with('.')
                && segment
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._=-".contains(&byte))
        };
        if text.len() <= LONGEST && text.split('/').all(is_segment) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::BadName)
        }
    }
}

impl fmt::Display for ArtifactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_climb_hide_or_escape() {
        let long = "a".repeat(256);
        let many = ["a"; 257].join("/");
        let cases = [
            ("plain", "e1/Patient/00000-00001.ndjson.gz", true),
            ("hive style", "type=Patient/p.ndjson", true),
            ("parent", "a/../b", false),
            ("absolute", "/etc/x", false),
            ("hidden", "a/.b", false),
            ("trailing slash", "a/", false),
            ("double slash", "a//b", false),
            ("drive", "C:\\x", false),
            ("device stream", "CON:", false),
            ("nul", "a\0b", false),
            ("line end", "a\nb", false),
            ("look-alike", "pаtient", false),
            ("empty", "", false),
            ("long segment", long.as_str(), false),
            ("many short segments", many.as_str(), false),
        ];
        for (name, text, expected) in cases {
            assert_eq!(text.parse::<ArtifactName>().is_ok(), expected, "case: {name}");
        }
    }
}
