//! `projection`: fields that were declared and granted, column by column.

use std::fmt;

use bulkhead_pipeline::Batch;
use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
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
            return Ok(Err(ProjectionError::NotDeclared));
        }
        if !self.grants.fields.contains(&field) {
            return Ok(Err(ProjectionError::NotGranted));
        }
        column(self.table.get(&of)?, &field).map(Ok)
    }
}

/// The values of `field` in every record.
fn column(batch: &Batch, field: &str) -> Result<TextColumn> {
    let path: Vec<&str> = match field {
        "versionId" => vec!["meta", "versionId"],
        path => path.split('.').collect(),
    };
    let mut column = Column { data: Vec::new(), ends: Vec::new() };
    let mut rows = vec![0];
    for record in batch.records() {
        let mut json = serde_json::Deserializer::from_slice(&record.body);
        // Every body was read as JSON when it came in or when a transform made it.
        Values { path: &path, column: &mut column }.deserialize(&mut json)?;
        rows.push(u32::try_from(column.ends.len())?);
    }
    let ends = column.ends.into_iter().map(u32::try_from).collect::<Result<_, _>>()?;
    Ok(TextColumn { data: column.data, ends, rows })
}

struct Column {
    data: Vec<u8>,
    ends: Vec<usize>,
}

impl Column {
    fn push(&mut self, value: impl fmt::Display) {
        self.data.extend_from_slice(value.to_string().as_bytes());
        self.ends.push(self.data.len());
    }
}

/// Walks to the values at a path and past everything else.
struct Values<'a, 'c> {
    path: &'a [&'a str],
    column: &'c mut Column,
}

impl<'de> DeserializeSeed<'de> for Values<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl Values<'_, '_> {
    fn scalar(self, value: impl fmt::Display) {
        if self.path.is_empty() {
            self.column.push(value);
        }
    }
}

impl<'de> Visitor<'de> for Values<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.scalar(text);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.scalar(value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.scalar(value);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.scalar(value);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.scalar(value);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { path, column } = self;
        while items.next_element_seed(Values { path, column })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { path, column } = self;
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match path.split_first() {
                Some((name, rest)) if key == *name => {
                    map.next_value_seed(Values { path: rest, column })?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_ndjson::{Bases, Framer, FramerLimits};
    use bulkhead_pipeline::{FileKind, Intake, Tally};

    use super::*;

    #[test]
    fn finds_values_through_arrays_and_says_null_by_absence() {
        let lines = concat!(
            r#"{"resourceType":"Observation","id":"a","code":{"coding":[{"code":"x"},{"code":"y"}]}}"#,
            "\n",
            r#"{"resourceType":"Observation","id":"b","code":{"text":"none"}}"#,
            "\n",
            r#"{"resourceType":"Observation","id":"c","code":{"coding":{"code":7}}}"#,
        );
        let mut framer = Framer::new(FramerLimits::default());
        framer.push(lines.as_bytes());
        let block = framer.finish().0.unwrap();
        let mut intake = Intake::new(0, FileKind::Output(None), Bases::default());
        let batch = intake.take(&block, &mut Tally::default()).unwrap().batch.unwrap();
        let found = column(&batch, "code.coding.code").unwrap();
        assert_eq!(found.data, b"xy7");
        assert_eq!(found.ends, [1, 2, 3]);
        assert_eq!(found.rows, [0, 2, 2, 3]);
    }
}
