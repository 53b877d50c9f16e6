//! Records out of quarantine, on their way through the chain again.
//!
//! A body that no stage had changed is read as any line, so that whose it is, is found out
//! anew. Of one that was changed the label tells: neither the patients nor the id that the
//! server knows can be found in it any more.

use std::sync::Arc;

use bulkhead_ndjson::{Malformed, Peek};
use bytes::Bytes;

use crate::{Change, Label, Record, Reject, RejectClass};

/// A record out of quarantine.
pub(crate) struct Replayed {
    pub(crate) kind: String,
    /// Its kind is not set yet.
    pub(crate) record: Record,
}

/// Reads one line as [`Label::replayed`] writes it.
pub(crate) fn read(seq: u64, line: &Bytes, peek: &Peek) -> Result<Replayed, Reject> {
    let damaged = || Reject::new(RejectClass::Malformed, "not-a-replay");
    let tab = memchr::memchr(b'\t', line).ok_or_else(damaged)?;
    let label = line.get(..tab).and_then(Label::parse).ok_or_else(damaged)?;
    let body = line.slice(tab + 1..);
    let (envelope, original) = if let Some(source) = &label.source {
        let (key, envelope) = source.restore().ok_or_else(damaged)?;
        (envelope, Some(key))
    } else {
        let malformed =
            |reason: Malformed| Reject::new(RejectClass::Malformed, reason.code());
        (peek.read(&body).map_err(malformed)?, None)
    };
    let record = Record {
        seq,
        kind: 0,
        change: Change::Upsert,
        body,
        envelope: Arc::new(envelope),
        is_row: label.row,
        is_changed: original.is_some(),
        delivered_before: false,
        original,
    };
    Ok(Replayed { kind: label.kind, record })
}
