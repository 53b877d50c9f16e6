//! Puts version and time into a resource, leaving every other byte as it was written.

use std::fmt;

use bulkhead_model::Instant;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::value::{RawValue, to_raw_value};

/// Returns `json` with `meta.versionId` and `meta.lastUpdated` set, members in their order,
/// values as written; `None` when `json` or its `meta` is no object.
pub(crate) fn restamp(json: &str, version: u32, at: Instant) -> Option<String> {
    let mut resource: Members = serde_json::from_str(json).ok()?;
    let mut meta: Members = match resource.value("meta") {
        Some(raw) => serde_json::from_str(raw.get()).ok()?,
        None => Members(Vec::new()),
    };
    meta.set("versionId", to_raw_value(&version.to_string()).ok()?);
    meta.set("lastUpdated", to_raw_value(&at.to_string()).ok()?);
    resource.set("meta", to_raw_value(&meta).ok()?);
    serde_json::to_string(&resource).ok()
}

/// The members of an object in their order, values as written.
struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    fn value(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref())
    }

    fn set(&mut self, name: &str, value: Box<RawValue>) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_and_leaves_the_rest_as_written() {
        let at = Instant::from_unix_ms(0);
        let cases = [
            (
                "meta is added",
                r#"{"resourceType":"Observation","id":"a","value":1.10}"#,
                Some(
                    r#"{"resourceType":"Observation","id":"a","value":1.10,"meta":{"versionId":"2","lastUpdated":"1970-01-01T00:00:00Z"}}"#,
                ),
            ),
            (
                "meta is kept",
                r#"{"meta":{"profile":["p"],"versionId":"1"},"id":"a"}"#,
                Some(
                    r#"{"meta":{"profile":["p"],"versionId":"2","lastUpdated":"1970-01-01T00:00:00Z"},"id":"a"}"#,
                ),
            ),
            ("no object", "[]", None),
            ("meta is no object", r#"{"meta":1}"#, None),
        ];
        for (name, json, expected) in cases {
            assert_eq!(restamp(json, 2, at).as_deref(), expected, "case: {name}");
        }
    }
}
