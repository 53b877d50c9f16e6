//! Names that cannot climb.

use std::{fmt, str::FromStr};

use crate::Error;

/// The longest name, in bytes. Names are made of export, kind and numbers: far shorter.
const LONGEST: usize = 512;

/// The name of an artifact in its store: segments of `[A-Za-z0-9._=-]`, parted by `/`, none
/// starting with a dot.
///
/// No segment ends with a dot, which some systems drop, or is called like a device of theirs
/// (`CON`, `nul.txt`). So `..`, absolute paths, devices, hidden files and what a file system
/// escapes cannot be written; of names that differ by case alone, a store takes one.
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
                && !segment.ends_with('.')
                && !is_device(segment)
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

/// Whether Windows, and what serves its clients, takes a segment for a device, whatever its
/// case and ending.
fn is_device(segment: &str) -> bool {
    let stem = segment.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let is_port = |name: &str| {
        stem.strip_prefix(name).is_some_and(|number| {
            number.len() == 1 && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    ["AUX", "CON", "NUL", "PRN"].contains(&stem.as_str())
        || is_port("COM")
        || is_port("LPT")
}

impl fmt::Display for ArtifactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attacks: 38.
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
            ("a device", "a/CON", false),
            ("a device in small letters, with an ending", "nul.ndjson.gz", false),
            ("a port, as a folder", "Com7/x", false),
            ("no device", "CONSENT/com10/null.LPT", true),
            ("a dot at the end", "a./b", false),
            ("a dot at the very end", "a.ndjson.", false),
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
