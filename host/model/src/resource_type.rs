//! The name of a FHIR resource type.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// The name of a resource type: an upper-case letter, then letters and digits, at most 64.
///
/// Any such name is accepted, known to R4 or not: servers run R5 and their own types. What
/// is known of a type is the business of [`crate::compartment`]. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ResourceType(Arc<str>);

/// Text that cannot be the name of a resource type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a resource type (an upper-case letter, then letters and digits)")]
pub struct ResourceTypeError;

impl ResourceType {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `text` could name a resource type.
    pub fn is_valid(text: &str) -> bool {
        text.len() <= 64
            && text.as_bytes().first().is_some_and(u8::is_ascii_uppercase)
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    }
}

impl FromStr for ResourceType {
    type Err = ResourceTypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if Self::is_valid(text) { Ok(Self(text.into())) } else { Err(ResourceTypeError) }
    }
}

impl TryFrom<String> for ResourceType {
    type Error = ResourceTypeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ResourceType> for String {
    fn from(name: ResourceType) -> Self {
        name.as_str().to_owned()
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_shape_of_a_type() {
        let cases = [
            ("a type", "Patient", true),
            ("not in R4", "Subscription2", true),
            ("lower case", "patient", false),
            ("a path", "Patient/1", false),
            ("empty", "", false),
        ];
        for (name, text, expected) in cases {
            assert_eq!(text.parse::<ResourceType>().is_ok(), expected, "case: {name}");
        }
    }
}
