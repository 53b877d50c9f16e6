//! `projection`: fields that were declared and granted, column by column.

use std::fmt;

use bulkhead_pipeline::{Batch, Record};
use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use wasmtime::{Result, component::Resource};

use crate::{
    bindings::wit::projection::{self, ProjectionError, TextColumn},
    context::Context,
};

impl projection::Host for Context {
    fn text(
        &mut self,
        of: Resource<Batch>,
        field: String,
    ) -> Result<Result<TextColumn, ProjectionError>> {
        if !self.manifest.fields.contains(&field) {
            self.uses.refuse("projection");
            return Ok(Err(ProjectionError::NotDeclared));
        }
        if !self.grants.fields.contains(&field) {
            self.uses.refuse("projection");
            return Ok(Err(ProjectionError::NotGranted));
        }
        let found = column(self.table.get(&of)?, &field)?;
        self.uses.count("projection", &field, found.data.len());
        Ok(Ok(found))
    }
}

/// The values of `field` in every record.
fn column(batch: &Batch, field: &str) -> Result<TextColumn> {
    let path: Vec<&str> = match field {
        "versionId" => vec!["meta", "versionId"],
        path => path.split('.').collect(),
    };
    let mut column = Column::default();
    let mut rows = Vec::with_capacity(batch.len() + 1);
    rows.push(0);
    for record in batch.records() {
        match known_id(record).filter(|_| field == "id") {
            Some(id) => column.push(id)?,
            // Every body was read as JSON when it came in or when a transform made it.
            None => column.take(serde_json::from_slice(&record.body)?, &path)?,
        }
        rows.push(u32::try_from(column.ends.len())?);
    }
    Ok(TextColumn { data: column.data, ends: column.ends, rows })
}

/// The id, where it was seen when the line came in.
fn known_id(record: &Record) -> Option<&[u8]> {
    let span = record.envelope.id.as_ref().filter(|_| !record.is_changed)?;
    record.body.get(span.start as usize..span.end as usize)
}

#[derive(Default)]
struct Column {
    data: Vec<u8>,
    ends: Vec<u32>,
}

impl Column {
    fn push(&mut self, value: &[u8]) -> Result<()> {
        self.data.extend_from_slice(value);
        self.ends.push(u32::try_from(self.data.len())?);
        Ok(())
    }

    /// Takes the values at `path` below `json`, through arrays. Depth: the scanner let at
    /// most 127 levels in, and `serde_json` reads 128.
    fn take(&mut self, json: &RawValue, path: &[&str]) -> Result<()> {
        let text = json.get();
        match (text.as_bytes().first(), path.split_first()) {
            (Some(b'['), _) => {
                for item in serde_json::from_str::<Vec<&RawValue>>(text)? {
                    self.take(item, path)?;
                }
                Ok(())
            }
            (Some(b'{'), Some((name, rest))) => {
                let mut found = Vec::new();
                serde_json::Deserializer::from_str(text)
                    .deserialize_map(Members { name, found: &mut found })?;
                found.into_iter().try_for_each(|member| self.take(member, rest))
            }
            (Some(b'"'), None) => match text.get(1..text.len().saturating_sub(1)) {
                Some(plain) if !plain.contains('\\') => self.push(plain.as_bytes()),
                _ => self.push(serde_json::from_str::<String>(text)?.as_bytes()),
            },
            // Digit for digit: in FHIR `1.10` is not `1.1`.
            (Some(first), None) if !matches!(first, b'{' | b'n') => {
                self.push(text.as_bytes())
            }
            _ => Ok(()),
        }
    }
}

/// The members of an object that have one name.
struct Members<'f, 'de> {
    name: &'f str,
    found: &'f mut Vec<&'de RawValue>,
}

impl<'de> Visitor<'de> for Members<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(is_it) = map.next_key_seed(Is(self.name))? {
            if is_it {
                self.found.push(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// Whether a key is this one. Compares without a copy.
struct Is<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_ndjson::{Bases, Framer, FramerLimits};
    use bulkhead_pipeline::{FileKind, Intake, Tally};

    use super::*;

    #[test]
    fn finds_values_through_arrays_and_says_null_by_absence() {
        let cases: [(&str, &str, &str, &[&str]); 9] = [
            (
                "arrays",
                "code.coding.code",
                r#""code":{"coding":[{"code":"x"},{"code":"y"}]}"#,
                &["x", "y"],
            ),
            ("absent", "code.coding.code", r#""code":{"text":"none"}"#, &[]),
            ("null", "status", r#""status":null"#, &[]),
            ("an object is no value", "code", r#""code":{"text":"none"}"#, &[]),
            ("a value is no object", "code.text", r#""code":"none""#, &[]),
            ("escapes", "note", r#""note":"a\n\u00e4""#, &["a\nä"]),
            (
                "digits stay",
                "value",
                r#""value":[1.10,-0.0,1e+9]"#,
                &["1.10", "-0.0", "1e+9"],
            ),
            ("the id, as it was seen", "id", r#""x":1"#, &["a"]),
            (
                "flags, nested arrays",
                "x.y",
                r#""x":[[{"y":true}],{"y":false}]"#,
                &["true", "false"],
            ),
        ];
        for (name, field, members, expected) in cases {
            let found = column(&batch(members), field).unwrap();
            let mut at = 0;
            let values = found.ends.iter().map(|end| {
                let start = std::mem::replace(&mut at, *end as usize);
                std::str::from_utf8(&found.data[start..*end as usize]).unwrap()
            });
            assert_eq!(values.collect::<Vec<_>>(), expected, "case: {name}");
            let ends = u32::try_from(expected.len()).unwrap();
            assert_eq!(found.rows, [0, ends], "case: {name}");
        }
    }

    #[test]
    fn follows_as_deep_as_lines_may_be() {
        let deep = format!(r#""x":{}"y"{}"#, "[".repeat(126), "]".repeat(126));
        let found = column(&batch(&deep), "x").unwrap();
        assert_eq!(found.data, b"y");
    }

    fn batch(members: &str) -> Batch {
        let line = format!(r#"{{"resourceType":"Observation","id":"a",{members}}}"#);
        let mut framer = Framer::new(FramerLimits::default());
        framer.push(line.as_bytes());
        let block = framer.finish().0.unwrap();
        let mut intake = Intake::new(0, FileKind::Output(None), Bases::default());
        intake.take(&block, &mut Tally::default()).unwrap().batch.unwrap()
    }
}
