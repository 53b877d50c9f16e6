//! Which resource an entry is of: type and id, as the key of a table.

use std::fmt;

use bulkhead_model::ResourceType;

/// Type and id of one resource. Sorts by type, then by id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceKey(Box<str>);

/// A type or an id that no resource has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a resource's type and id")]
pub struct ResourceKeyError;

impl ResourceKey {
    /// Of a type and an id, at most 1,024 bytes, neither with a control character.
    ///
    /// # Errors
    ///
    /// [`ResourceKeyError`] when either is none.
    pub fn new(resource_type: &str, id: &str) -> Result<Self, ResourceKeyError> {
        if !is_id(id) || !ResourceType::is_valid(resource_type) {
            return Err(ResourceKeyError);
        }
        Ok(Self([resource_type, BETWEEN, id].concat().into()))
    }

    /// The type.
    pub fn resource_type(&self) -> &str {
        self.parts().0
    }

    /// The id.
    pub fn id(&self) -> &str {
        self.parts().1
    }

    /// As it stands in the table.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Reads what [`ResourceKey::as_bytes`] gave.
    pub(super) fn of_bytes(bytes: &[u8]) -> Result<Self, ResourceKeyError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ResourceKeyError)?;
        let (resource_type, id) = text.split_once(BETWEEN).ok_or(ResourceKeyError)?;
        Self::new(resource_type, id)
    }

    fn parts(&self) -> (&str, &str) {
        self.0.split_once(BETWEEN).unwrap_or_default()
    }
}

impl fmt::Debug for ResourceKey {
    /// The type alone: an id may be a patient's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/…", self.resource_type())
    }
}

/// What all keys of a type begin with, and no other's.
pub(super) fn prefix(resource_type: &ResourceType) -> String {
    format!("{resource_type}{BETWEEN}")
}

/// Whether `text` can be an id here.
fn is_id(text: &str) -> bool {
    // Without an early end many bytes are looked at in one step.
    let has_control = text.bytes().fold(false, |has, byte| has | byte.is_ascii_control());
    !has_control && (1..=MOST_ID).contains(&text.len())
}

/// Below any character of a type or id, so that keys sort by type first.
const BETWEEN: &str = "\0";

/// The reader of lines lets ids of 256 bytes in; this is beyond any.
const MOST_ID: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_a_type_and_an_id() {
        let long = "x".repeat(1025);
        let cases = [
            ("a key", "Patient", "a-1.b", true),
            ("any characters", "Patient", "ü/1 x", true),
            ("no id", "Patient", "", false),
            ("too long", "Patient", long.as_str(), false),
            ("a control character", "Patient", "a\0b", false),
            ("no type", "", "1", false),
            ("a bad type", "patient", "1", false),
        ];
        for (name, kind, id, is_key) in cases {
            let key = ResourceKey::new(kind, id);
            assert_eq!(key.is_ok(), is_key, "case: {name}");
            if let Ok(key) = key {
                assert_eq!((key.resource_type(), key.id()), (kind, id), "case: {name}");
                assert_eq!(
                    ResourceKey::of_bytes(key.as_bytes()),
                    Ok(key),
                    "case: {name}"
                );
            }
        }
        assert_eq!(ResourceKey::of_bytes(b"Patient"), Err(ResourceKeyError));
        assert_eq!(
            format!("{:?}", ResourceKey::new("Patient", "1").unwrap()),
            "Patient/…"
        );
    }
}
