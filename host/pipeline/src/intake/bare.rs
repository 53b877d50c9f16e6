//! Resources of which only the key is known.

use std::sync::Arc;

use bulkhead_model::PatientKey;
use bulkhead_ndjson::{Envelope, PatientList, Patients};
use bytes::Bytes;

use crate::{Change, Record, deletion::Key};

/// A resource of which only the key is known: the key as body, and of a Patient who it was.
pub(super) fn bare(seq: u64, kind: u16, key: &Key, change: Change) -> Record {
    let name = key.resource_type.as_str();
    let own = (name == "Patient").then(|| PatientKey::of(&key.id));
    let own: PatientList = own.into_iter().collect();
    let patients = Patients { primary: own.clone(), linked: own, ..Patients::default() };
    // Type and id are plain text: nothing in them needs an escape.
    let (before, between) = (r#"{"resourceType":""#, r#"","id":""#);
    let body = format!(r#"{before}{name}{between}{}"}}"#, key.id);
    // A type has at most 64 bytes, an id 256.
    let len = |text: &str| u32::try_from(text.len()).unwrap_or_default();
    let resource_type = len(before)..len(before) + len(name);
    let id = resource_type.end + len(between);
    let id = Some(id..id + len(&key.id));
    let envelope = Envelope { resource_type, id, patients, ..Envelope::default() };
    Record {
        seq,
        kind,
        change,
        body: Bytes::from(body),
        envelope: Arc::new(envelope),
        is_row: false,
        is_changed: false,
        delivered_before: false,
        original: None,
    }
}
