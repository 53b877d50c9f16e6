//! Who has left: what the filters say of resources of which only the key and the patients are
//! known.

use std::sync::Arc;

use anyhow::Context as _;
use bulkhead_ledger::delivered::{Entry, ResourceKey};
use bulkhead_model::{PatientKey, PatientSet};
use bulkhead_ndjson::{Envelope, Patients};
use bulkhead_pipeline::{
    Batch, Change, Kinds, Record, RejectClass, Stage, Verdict as Judgement,
};
use bytes::Bytes;

/// Whether each would pass the filters today. `first` is the number of the first one: batches
/// that are not the same must not look the same.
pub(super) async fn judged(
    filters: &mut [Box<dyn Stage>],
    chunk: &[(ResourceKey, Entry)],
    first: u64,
) -> anyhow::Result<Vec<bool>> {
    let mut kinds = Kinds::default();
    let mut records = Vec::with_capacity(chunk.len());
    for ((key, entry), line) in chunk.iter().zip(first..) {
        let Some(kind) = kinds.intern(key.resource_type()) else {
            anyhow::bail!("the ledger of resources holds too many types");
        };
        records.push(shown(line, kind, key, entry)?);
    }
    let batch = Batch::new(0, kinds, records, Bytes::new());
    let mut stays = vec![true; chunk.len()];
    for filter in filters {
        let verdicts = filter.judge(&batch).await.with_context(|| {
            format!("asking `{}` who has left the cohort", filter.name())
        })?;
        for (stays, verdict) in stays.iter_mut().zip(verdicts) {
            let is_out = match verdict {
                Judgement::Drop => true,
                Judgement::Reject(reject) => reject.class == RejectClass::Policy,
                Judgement::Keep | Judgement::Replace(_) | Judgement::Emit(_) => false,
            };
            *stays = *stays && !is_out;
        }
    }
    Ok(stays)
}

/// A record as a filter may know it: whose it is, and of what type.
fn shown(
    line: u64,
    kind: u16,
    key: &ResourceKey,
    entry: &Entry,
) -> anyhow::Result<Record> {
    let head = r#"{"resourceType":""#.len();
    let type_end = head + key.resource_type().len();
    let id = type_end + r#"","id":""#.len();
    let at = |start: usize, end: usize| -> anyhow::Result<_> {
        Ok(u32::try_from(start)?..u32::try_from(end)?)
    };
    let body =
        format!(r#"{{"resourceType":"{}","id":"{}"}}"#, key.resource_type(), key.id());
    let of = &entry.patients;
    let envelope = Envelope {
        resource_type: at(head, type_end)?,
        id: Some(at(id, id + key.id().len())?),
        last_updated: entry.last_updated,
        patients: Patients {
            primary: of.primary.as_slice().into(),
            linked: of.linked.as_slice().into(),
            mentioned: of.mentioned.as_slice().into(),
            primary_unresolved: of.primary_unresolved,
            unresolved: of.unresolved,
        },
    };
    Ok(Record {
        seq: line,
        kind,
        change: Change::Upsert,
        body: Bytes::from(body),
        envelope: Arc::new(envelope),
        is_row: false,
        is_changed: false,
        delivered_before: true,
        original: None,
    })
}

/// Whether a resource is about nobody, or about someone in one of the cohorts. For filters that
/// cannot be asked without the body.
pub(super) fn is_of_someone(entry: &Entry, cohorts: &[&PatientSet]) -> bool {
    let about = about(entry);
    about.is_empty()
        || cohorts.is_empty()
        || about
            .iter()
            .any(|patient| cohorts.iter().any(|cohort| cohort.contains(*patient)))
}

/// Who a resource is about.
pub(super) fn about(entry: &Entry) -> &[PatientKey] {
    let of = &entry.patients;
    if of.primary.is_empty() { &of.linked } else { &of.primary }
}
