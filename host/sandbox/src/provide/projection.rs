//! `projection`: fields that were declared and granted, column by column.

mod walk;

use bulkhead_pipeline::{Batch, Record};
use wasmtime::{Error, Result, component::Resource};

use self::walk::Walk;
use crate::{
    bindings::wit::projection::{self, ProjectionError, TextColumn},
    context::Context,
    limits::Work,
};

/// Bytes walked before neighbours get their turn: about a millisecond. A record is walked
/// in one piece.
const STRETCH: usize = 1 << 20;

impl projection::Host for Context {
    async fn text(
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
        let batch = self.table.get(&of)?.clone();
        let mut work = self.work();
        let found = column(&batch, &field, &mut work).await?;
        self.worked(&work);
        self.uses.count("projection", &field, found.data.len());
        Ok(Ok(found))
    }
}

/// The values of `field` in every record.
async fn column(batch: &Batch, field: &str, work: &mut Work) -> Result<TextColumn> {
    let path: Vec<&str> = match field {
        "versionId" => vec!["meta", "versionId"],
        path => path.split('.').collect(),
    };
    let mut column = Column::default();
    let mut rows = Vec::with_capacity(batch.len() + 1);
    rows.push(0);
    let mut stretch = 0;
    for record in batch.records() {
        if let Some(id) = known_id(record).filter(|_| field == "id") {
            column.push(id)?;
        } else {
            // Every body was read as JSON when it came in or when a transform made it.
            let json = std::str::from_utf8(&record.body)?;
            let mut walk = Walk::of(json);
            walk.values(&path, &mut |value| column.push(value.as_bytes()))
                .map_err(Error::from)?;
            stretch += json.len();
        }
        rows.push(u32::try_from(column.ends.len())?);
        if stretch >= STRETCH {
            stretch = 0;
            work.rest().await;
        }
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
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bulkhead_ndjson::{Bases, Framer, FramerLimits};
    use bulkhead_pipeline::{FileKind, Intake, Tally};

    use super::*;
    use crate::{Grants, Limits, Manifest};

    #[tokio::test]
    async fn finds_values_through_arrays_and_says_null_by_absence() {
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
            let found = project(&batch(members), field).await;
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

    /// Name, declared, granted, what the guest is told.
    type Case = (
        &'static str,
        &'static [&'static str],
        &'static [&'static str],
        Option<ProjectionError>,
    );

    /// Whatever was loaded: each call looks at both keys for itself.
    #[tokio::test]
    async fn a_field_is_read_only_when_it_is_declared_and_granted() {
        let fields = |has: &[&str]| has.iter().map(|name| (*name).to_owned()).collect();
        let (none, not_declared, not_granted) =
            (None, Some(ProjectionError::NotDeclared), Some(ProjectionError::NotGranted));
        let cases: [Case; 5] = [
            ("both", &["id", "code"], &["code"], none),
            ("declared alone", &["code"], &[], not_granted),
            ("granted alone", &[], &["code"], not_declared),
            ("neither", &["id"], &["id"], not_declared),
            ("a beginning of it is granted", &["code"], &["cod"], not_granted),
        ];
        for (name, declared, granted, expected) in cases {
            let mut context = Context::of_nobody(&Limits::default());
            let manifest = Manifest { fields: fields(declared), ..Manifest::of_nobody() };
            context.manifest = Arc::new(manifest);
            context.grants =
                Arc::new(Grants { fields: fields(granted), ..Grants::default() });
            let lent = context.lend(&batch(r#""code":"x""#)).unwrap();
            let found = projection::Host::text(&mut context, lent, "code".to_owned());
            let found = found.await.unwrap();
            assert_eq!(found.as_ref().err(), expected.as_ref(), "case: {name}");
            assert!(found.map_or(true, |found| found.data == b"x"), "case: {name}");
        }
    }

    #[tokio::test]
    async fn follows_as_deep_as_lines_may_be() {
        let deep = format!(r#""x":{}"y"{}"#, "[".repeat(126), "]".repeat(126));
        let found = project(&batch(&deep), "x").await;
        assert_eq!(found.data, b"y");
    }

    #[test]
    fn a_line_is_walked_once_however_deep_it_is() {
        // A field far inside, at every level of which there is as much beside it.
        let beside = format!("[{}]", "1,".repeat(2_000) + "1");
        let deep =
            (0..120).fold("\"y\"".to_owned(), |inner, _| format!("[{beside},{inner}]"));
        let json = format!(r#"{{"x":{deep}}}"#);
        let mut walk = Walk::of(&json);
        walk.values(&["x"], &mut |_| Ok(())).unwrap();
        assert_eq!(walk.steps(), json.len(), "every byte once");
    }

    async fn project(batch: &Batch, field: &str) -> TextColumn {
        let mut work = Work::begin(&crate::engine::Ticks::default());
        column(batch, field, &mut work).await.unwrap()
    }

    fn batch(members: &str) -> Batch {
        let line = format!(r#"{{"resourceType":"Observation","id":"a",{members}}}"#);
        let mut framer = Framer::new(FramerLimits::default());
        framer.push(line.into());
        let block = framer.finish().0.unwrap();
        let mut intake = Intake::new(0, FileKind::Output(None), Bases::default());
        intake.take(&block, &mut Tally::default()).unwrap().batch.unwrap()
    }
}
