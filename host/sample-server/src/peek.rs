//! What the index must know of a line: type, id, version, time, and whose it is.
//!
//! Reads the line once for its head and, for types of the Patient compartment, once more
//! along the compartment's paths. Builds no tree.
//!
//! Source: CompartmentDefinition/patient 4.0.1, by way of [`bulkhead_model::compartment`].

use std::{borrow::Cow, collections::BTreeMap, fmt};

use bulkhead_model::{
    Instant,
    compartment::{self, Class},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// The head of a resource.
#[derive(Debug, Deserialize)]
pub(crate) struct Head {
    #[serde(rename = "resourceType")]
    pub(crate) resource_type: String,
    #[serde(default)]
    pub(crate) id: String,
    #[serde(default)]
    meta: Meta,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Meta {
    #[serde(rename = "versionId")]
    version_id: Option<String>,
    #[serde(rename = "lastUpdated")]
    last_updated: Option<String>,
}

impl Head {
    /// Reads the head of a line; a byte order mark and white space around are passed over.
    pub(crate) fn read(line: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body(line))
    }

    /// When the resource was last changed; `None` when it does not say so as FHIR demands.
    pub(crate) fn last_updated(&self) -> Option<Instant> {
        self.meta.last_updated.as_deref()?.parse().ok()
    }

    /// The version, when it is a number, as this server's own are.
    pub(crate) fn version(&self) -> Option<u32> {
        self.meta.version_id.as_deref()?.parse().ok()
    }
}

/// The JSON of a line, without a byte order mark and white space around.
pub(crate) fn body(line: &[u8]) -> &[u8] {
    line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii()
}

/// The resources that a line points at by the paths that count for its type.
pub(crate) struct References {
    tries: BTreeMap<&'static str, Trie>,
    origins: Vec<String>,
}

impl References {
    /// Takes absolute references below one of `origins` (FHIR bases) for this server's own.
    pub(crate) fn new(origins: impl IntoIterator<Item = String>) -> Self {
        let tries = compartment::linkages()
            .filter(|row| compartment::class(row.resource_type) == Class::Compartment)
            .map(|row| (row.resource_type, Trie::of(row.paths)))
            .collect();
        let origins = origins
            .into_iter()
            .map(|origin| format!("{}/", origin.trim_end_matches('/')))
            .collect();
        Self { tries, origins }
    }

    /// What `line`, a resource of `resource_type`, points at by compartment paths, as
    /// (type, id). Invalid JSON yields what was found before the error.
    pub(crate) fn of(&self, resource_type: &str, line: &[u8]) -> Vec<(String, String)> {
        let Some(trie) = self.tries.get(resource_type) else { return Vec::new() };
        let mut found = Vec::new();
        let mut deserializer = serde_json::Deserializer::from_slice(body(line));
        // The head was read before, so the line is whole; what is found is all there is.
        let _ = Walk { trie, found: &mut found }.deserialize(&mut deserializer);
        found.iter().filter_map(|reference| self.parse(reference)).collect()
    }

    /// Reads a literal reference to a resource of this server.
    pub(crate) fn parse(&self, reference: &str) -> Option<(String, String)> {
        let local = self
            .origins
            .iter()
            .find_map(|origin| reference.strip_prefix(origin.as_str()))
            .unwrap_or(reference);
        let local = local.split_once("/_history/").map_or(local, |(before, _)| before);
        let (resource_type, id) = local.split_once('/')?;
        let whole = bulkhead_model::ResourceType::is_valid(resource_type)
            && !id.is_empty()
            && !id.contains(['/', '?', '#']);
        whole.then(|| (resource_type.to_owned(), id.to_owned()))
    }
}

/// Element paths, merged by their first names.
#[derive(Default)]
struct Trie {
    ends: bool,
    below: Vec<(&'static str, Trie)>,
}

impl Trie {
    fn of(paths: &[&'static str]) -> Self {
        let mut root = Self::default();
        for path in paths {
            root.add(path);
        }
        root
    }

    fn add(&mut self, path: &'static str) {
        let (name, rest) =
            path.split_once('.').map_or((path, None), |(a, b)| (a, Some(b)));
        let at = self.below.iter().position(|(known, _)| *known == name).unwrap_or_else(
            || {
                self.below.push((name, Self::default()));
                self.below.len() - 1
            },
        );
        let Some((_, child)) = self.below.get_mut(at) else { return };
        match rest {
            Some(rest) => child.add(rest),
            None => child.ends = true,
        }
    }

    fn child(&self, name: &str) -> Option<&Self> {
        self.below.iter().find(|(known, _)| *known == name).map(|(_, child)| child)
    }
}

struct Walk<'t, 'f> {
    trie: &'t Trie,
    found: &'f mut Vec<String>,
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a FHIR element")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(name)) = map.next_key()? {
            if self.trie.ends && name == "reference" {
                map.next_value_seed(Text(self.found))?;
            } else if let Some(trie) = self.trie.child(&name) {
                map.next_value_seed(Walk { trie, found: self.found })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq
            .next_element_seed(Walk { trie: self.trie, found: self.found })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Takes a string; passes anything else over.
struct Text<'f>(&'f mut Vec<String>);

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let raw = <&serde_json::value::RawValue>::deserialize(deserializer)?;
        self.0.extend(serde_json::from_str::<String>(raw.get()).ok());
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on shall say where")]
mod tests {
    use super::*;

    #[test]
    fn finds_whose_a_resource_is() {
        let references = References::new(["http://here/fhir".to_owned()]);
        let cases: &[(&str, &str, &str, &[&str])] = &[
            (
                "subject",
                "Condition",
                r#"{"subject":{"reference":"Patient/1"}}"#,
                &["Patient/1"],
            ),
            (
                "a list below",
                "Group",
                r#"{"member":[{"entity":{"reference":"Patient/1"}},{"entity":{"reference":"Group/2"}}]}"#,
                &["Patient/1", "Group/2"],
            ),
            (
                "own base and version",
                "Condition",
                r#"{"subject":{"reference":"http://here/fhir/Patient/1/_history/3"}}"#,
                &["Patient/1"],
            ),
            (
                "foreign base",
                "Condition",
                r#"{"subject":{"reference":"http://else/fhir/Patient/1"}}"#,
                &[],
            ),
            ("contained", "Condition", r##"{"subject":{"reference":"#p"}}"##, &[]),
            (
                "not a criterion",
                "Condition",
                r#"{"recorder":{"reference":"Patient/1"}}"#,
                &[],
            ),
            (
                "not in the compartment",
                "Task",
                r#"{"for":{"reference":"Patient/1"}}"#,
                &[],
            ),
            ("odd shape", "Condition", r#"{"subject":{"reference":7}}"#, &[]),
        ];
        for (name, resource_type, line, expected) in cases {
            let found: Vec<String> = references
                .of(resource_type, line.as_bytes())
                .into_iter()
                .map(|(resource_type, id)| format!("{resource_type}/{id}"))
                .collect();
            assert_eq!(found, *expected, "case: {name}");
        }
    }

    #[test]
    fn reads_a_head_in_any_order() {
        let line = b"\xef\xbb\xbf{\"id\":\"a\",\"meta\":{\"lastUpdated\":\"2026-01-01T00:00:00Z\",\"versionId\":\"7\"},\"x\":1.10,\"resourceType\":\"Patient\"}\r\n";
        let head = Head::read(line).unwrap();
        assert_eq!((head.resource_type.as_str(), head.id.as_str()), ("Patient", "a"));
        assert_eq!(head.version(), Some(7));
        assert_eq!(head.last_updated().unwrap().to_string(), "2026-01-01T00:00:00Z");
    }
}
