//! What is sent: a guest's own bytes, or records straight from the host's memory.
//!
//! Bodies of records are not copied here: a payload is a list of windows into the block that
//! the records came in, with what stands between them.
//!
//! Source: FHIR R4 "http: batch/transaction" (3.1.0.11); NDJSON 1.0.

use std::collections::BTreeMap;

use bulkhead_ndjson::{Bases, Peek};
use bulkhead_pipeline::{Batch, Change, Positions, Record};
use bytes::Bytes;

use super::error::HttpError;

/// How records become a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A Bundle `batch`: each entry for itself.
    FhirBatch,
    /// A Bundle `transaction`: all or nothing.
    FhirTransaction,
    /// One array of all bodies.
    JsonArray,
    /// Each body as it is, with a line end.
    Ndjson,
}

/// A body to send.
#[derive(Clone, Debug, Default)]
pub struct Payload {
    pieces: Vec<Bytes>,
    media_type: Option<&'static str>,
}

impl Payload {
    /// A guest's own bytes.
    pub fn bytes(body: Vec<u8>) -> Self {
        let pieces = if body.is_empty() { Vec::new() } else { vec![Bytes::from(body)] };
        Self { pieces, media_type: None }
    }

    /// The chosen records.
    ///
    /// In a Bundle a resource that is new or has changed is `PUT Type/id`, one that was
    /// deleted or retracted `DELETE Type/id`; of several records of one resource only the
    /// last is there, as no Bundle may hold one twice. In the other framings a deletion is
    /// its bare key.
    ///
    /// # Errors
    ///
    /// [`HttpError::Records`] for no record at all, and in a Bundle for a row of a stream
    /// or a resource without id.
    pub fn records(
        batch: &Batch,
        which: &Positions,
        framing: Framing,
    ) -> Result<Self, HttpError> {
        let indexed = batch.records().iter().enumerate();
        let chosen: Vec<&Record> = indexed
            .filter(|(at, _)| which.contains(*at))
            .map(|(_, record)| record)
            .collect();
        if chosen.is_empty() {
            return Err(HttpError::Records { what: "none is chosen" });
        }
        let (pieces, media_type) = match framing {
            Framing::FhirBatch => (bundle(&chosen, BATCH)?, "application/fhir+json"),
            Framing::FhirTransaction => {
                (bundle(&chosen, TRANSACTION)?, "application/fhir+json")
            }
            Framing::JsonArray => (
                between(
                    chosen.iter().map(|record| vec![record.body.clone()]),
                    b"[",
                    b"]",
                ),
                "application/json",
            ),
            Framing::Ndjson => {
                let end = Bytes::from_static(b"\n");
                let lines =
                    chosen.iter().flat_map(|record| [record.body.clone(), end.clone()]);
                (lines.collect(), "application/fhir+ndjson")
            }
        };
        Ok(Self { pieces, media_type: Some(media_type) })
    }

    /// Bytes of the whole.
    pub fn len(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len() as u64).sum()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// What it is, when the host has made it.
    pub(crate) const fn media_type(&self) -> Option<&'static str> {
        self.media_type
    }

    /// The whole in pieces.
    pub(crate) fn pieces(&self) -> Vec<Bytes> {
        self.pieces.clone()
    }
}

const BATCH: &[u8] = br#"{"resourceType":"Bundle","type":"batch","entry":["#;
const TRANSACTION: &[u8] = br#"{"resourceType":"Bundle","type":"transaction","entry":["#;

/// Items parted by commas between two texts.
fn between(
    items: impl Iterator<Item = Vec<Bytes>>,
    start: &'static [u8],
    end: &'static [u8],
) -> Vec<Bytes> {
    let mut pieces = vec![Bytes::from_static(start)];
    for (at, item) in items.enumerate() {
        if at > 0 {
            pieces.push(Bytes::from_static(b","));
        }
        pieces.extend(item);
    }
    pieces.push(Bytes::from_static(end));
    pieces
}

fn bundle(chosen: &[&Record], start: &'static [u8]) -> Result<Vec<Bytes>, HttpError> {
    let mut keys = Vec::with_capacity(chosen.len());
    let mut last = BTreeMap::new();
    for (at, record) in chosen.iter().enumerate() {
        let key = key(record)?;
        last.insert(key.clone(), at);
        keys.push(key);
    }
    let indexed = chosen.iter().zip(&keys).enumerate();
    let newest = indexed.filter(|(at, (_, key))| last.get(*key) == Some(at));
    let entries = newest.map(|(_, (record, key))| match record.change {
        Change::Delete | Change::Retract => vec![Bytes::from(format!(
            r#"{{"request":{{"method":"DELETE","url":"{key}"}}}}"#
        ))],
        Change::Upsert => vec![
            Bytes::from_static(br#"{"resource":"#),
            record.body.clone(),
            Bytes::from(format!(r#","request":{{"method":"PUT","url":"{key}"}}}}"#)),
        ],
    });
    Ok(between(entries, start, b"]}"))
}

/// `Type/id` of what the record is now: a transform may have given it another id. Both were
/// checked when they were read, so that they can stand in JSON and in a URL.
fn key(record: &Record) -> Result<String, HttpError> {
    if record.is_row {
        return Err(HttpError::Records { what: "a row of a stream is no resource" });
    }
    let no_id = HttpError::Records { what: "a resource without id" };
    if !record.is_changed {
        let id = record.id().ok_or(no_id)?;
        return Ok(format!("{}/{id}", record.resource_type()));
    }
    let read = Peek::new(None, Bases::default()).identify(&record.body);
    let envelope =
        read.map_err(|_| HttpError::Records { what: "what is no resource" })?;
    let at = |span: &std::ops::Range<u32>| {
        let text = record.body.get(span.start as usize..span.end as usize)?;
        std::str::from_utf8(text).ok()
    };
    match (at(&envelope.resource_type), envelope.id.as_ref().and_then(at)) {
        (Some(kind), Some(id)) => Ok(format!("{kind}/{id}")),
        (None, _) | (_, None) => Err(no_id),
    }
}

#[cfg(test)]
mod tests;
