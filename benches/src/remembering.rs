//! A lane's memory over the ledger of resources, as simple as can be: what is there with the
//! same bytes is unchanged. The program's own asks more and costs little more.

use bulkhead_ledger::delivered::{
    Delivered, Entry, Patients, ResourceKey, State, fingerprint,
};
use bulkhead_pipeline::{
    Advance, Batch, Change, Digests, Memory, MemoryError, Recall, Record,
};
use futures::{FutureExt as _, future::BoxFuture};

/// Asks a ledger.
pub struct Remembering(pub Delivered);

impl Remembering {
    fn answer(&self, batch: &Batch, digests: &Digests) -> anyhow::Result<Vec<Recall>> {
        let key = |record: &Record| {
            ResourceKey::new(record.resource_type(), record.id().unwrap_or_default())
        };
        let keys = batch.records().iter().map(key).collect::<Result<Vec<_>, _>>()?;
        let known = self.0.get_many(&keys)?;
        let answer = |(record, known): (&Record, Option<Entry>)| match known {
            None => Recall::Pass { delivered_before: false },
            Some(known) if known.raw == digests.raw(record) => Recall::Skip("unchanged"),
            Some(_) => Recall::Pass { delivered_before: true },
        };
        Ok(batch.records().iter().zip(known).map(answer).collect())
    }
}

impl Memory for Remembering {
    fn recall<'a>(
        &'a mut self,
        batch: &'a Batch,
        digests: &'a Digests,
    ) -> BoxFuture<'a, Result<Vec<Recall>, MemoryError>> {
        let answer =
            self.answer(batch, digests).map_err(|error| MemoryError::Read(error.into()));
        std::future::ready(answer).boxed()
    }
}

/// Writes down what an advance says was handled.
///
/// # Errors
///
/// When the disk fails.
pub fn remember(delivered: &Delivered, advance: &Advance) -> anyhow::Result<()> {
    let export = fingerprint("bench");
    let entries = advance.handled.iter().map(|one| {
        let patients = &one.envelope.patients;
        let entry = Entry {
            state: match one.change {
                Change::Delete => State::Deleted,
                Change::Retract => State::Retracted,
                Change::Upsert => State::Live,
            },
            epoch: 1,
            export,
            file: 0,
            line: one.seq,
            seen: 0,
            last_updated: one.envelope.last_updated,
            raw: one.raw,
            content: one.content,
            patients: Patients {
                primary: patients.primary.to_vec(),
                linked: patients.linked.to_vec(),
                mentioned: patients.mentioned.to_vec(),
                primary_unresolved: patients.primary_unresolved,
                unresolved: patients.unresolved,
            },
        };
        Ok((ResourceKey::new(&one.kind, &one.id)?, entry))
    });
    Ok(delivered.commit(&entries.collect::<anyhow::Result<Vec<_>>>()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{data::File, lanes::travel_with};

    #[tokio::test]
    async fn what_travelled_once_does_not_again() {
        let directory = tempfile::tempdir().unwrap();
        let delivered = Delivered::open(directory.path()).unwrap();
        let file = File {
            resource_type: "Patient".parse().unwrap(),
            bytes: "{\"resourceType\":\"Patient\",\"id\":\"1\"}\n".into(),
        };
        for expected in [1, 0] {
            let memory: Box<dyn Memory> = Box::new(Remembering(delivered.clone()));
            let heard = |advance: &Advance| remember(&delivered, advance);
            let tally =
                travel_with(&file, Vec::new(), Some(memory), heard).await.unwrap();
            assert_eq!(tally.total().delivered, expected);
        }
    }
}
