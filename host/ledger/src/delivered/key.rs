//! Which resource an entry is of: type and id, as the key of a table.

use std::fmt;

use bulkhead_model::ResourceType;
use xxhash_rust::xxh3::xxh3_128;

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
        check(resource_type, id)?;
        Ok(Self([resource_type, BETWEEN, id].concat().into()))
    }

    /// Its hash.
    pub fn hash(&self) -> KeyHash {
        KeyHash::of_bytes(self.as_bytes())
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

/// Stands for a key, in memory alone: its 128-bit XXH3. Among tens of millions no two are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(u128);

impl KeyHash {
    /// Of a type and an id, as [`ResourceKey::new`] takes them.
    ///
    /// # Errors
    ///
    /// [`ResourceKeyError`] when either is none.
    pub fn new(resource_type: &str, id: &str) -> Result<Self, ResourceKeyError> {
        check(resource_type, id)?;
        let mut bytes = [0; SHORT];
        let len = resource_type.len() + BETWEEN.len() + id.len();
        let Some(place) = bytes.get_mut(..len) else {
            let mut bytes = Vec::with_capacity(len);
            write(resource_type, id, &mut bytes);
            return Ok(Self::of_bytes(&bytes));
        };
        let (of_type, rest) = place.split_at_mut(resource_type.len());
        of_type.copy_from_slice(resource_type.as_bytes());
        let (between, of_id) = rest.split_at_mut(BETWEEN.len());
        between.copy_from_slice(BETWEEN.as_bytes());
        of_id.copy_from_slice(id.as_bytes());
        Ok(Self::of_bytes(place))
    }

    /// Of a key as it stands in the table.
    pub(super) fn of_bytes(key: &[u8]) -> Self {
        Self(xxh3_128(key))
    }

    /// 64 bits of it.
    #[expect(clippy::cast_possible_truncation, reason = "the other bits are not wanted")]
    pub const fn spread(self) -> u64 {
        self.0 as u64
    }

    /// 32 other bits.
    pub(super) const fn tag(self) -> u32 {
        (self.0 >> 96) as u32
    }
}

/// Whether a type and an id make a key.
pub(super) fn check(resource_type: &str, id: &str) -> Result<(), ResourceKeyError> {
    let is_key = is_id(id) && ResourceType::is_valid(resource_type);
    if is_key { Ok(()) } else { Err(ResourceKeyError) }
}

/// Writes a key behind what is in `out`.
pub(super) fn write(resource_type: &str, id: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(resource_type.as_bytes());
    out.extend_from_slice(BETWEEN.as_bytes());
    out.extend_from_slice(id.as_bytes());
}

/// What all keys of a type begin with, and no other's.
pub(super) fn prefix(resource_type: &ResourceType) -> String {
    format!("{resource_type}{BETWEEN}")
}

/// Whether `text` can be an id here.
fn is_id(text: &str) -> bool {
    let (eights, rest) = text.as_bytes().as_chunks::<8>();
    let has_control = eights.iter().any(|eight| has_control(*eight))
        || rest.iter().any(u8::is_ascii_control);
    !has_control && (1..=MOST_ID).contains(&text.len())
}

/// Whether one of eight bytes is a control character: all are looked at in one step.
const fn has_control(bytes: [u8; 8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let bytes = u64::from_ne_bytes(bytes);
    // The highest bit of each byte tells: whether it is below a blank, and whether it is DEL.
    let below = bytes.wrapping_sub(ONES * 0x20) & !bytes;
    let turned = bytes ^ (ONES * 0x7f);
    let del = turned.wrapping_sub(ONES) & !turned;
    (below | del) & (ONES * 0x80) != 0
}

/// Below any character of a type or id, so that keys sort by type first.
const BETWEEN: &str = "\0";

/// Keys up to here are hashed without memory of their own.
const SHORT: usize = 192;

/// The reader of lines lets ids of 256 bytes in; this is beyond any.
const MOST_ID: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_character_is_found_wherever_it_stands() {
        for byte in 0..=0x7f_u8 {
            for at in 0..20 {
                let mut id = [b'x'; 20];
                id[at] = byte;
                let id = std::str::from_utf8(&id).unwrap();
                assert_eq!(is_id(id), !byte.is_ascii_control(), "{byte} at {at}");
            }
        }
        assert!(is_id("éééééééé\u{80}\u{9f}ü"));
    }

    #[test]
    fn keys_have_a_type_and_an_id() {
        let long = "x".repeat(1025);
        let cases = [
            ("a key", "Patient", "a-1.b", true),
            ("a long id", "Patient", &long[..300], true),
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
                assert_eq!(KeyHash::new(kind, id), Ok(key.hash()), "case: {name}");
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
