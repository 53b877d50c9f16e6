//! What an export of everything no longer has: found in the ledger of resources, and asked for by
//! id before it is believed.
//!
//! Only 404 and 410 count, and those only of a server that has been seen to know by id what it
//! has just exported: many know nothing but exports, and answer 404 to every read.
//!
//! Source: the project's checklist, §3.5 (silent deletions); FHIR R4, "read".

use std::{collections::BTreeSet, sync::Arc};

use bulkhead_bulk::Error as BulkError;
use bulkhead_ledger::delivered::ResourceKey;
use bulkhead_model::ResourceType;

use crate::export::{Export, memory::Holdings, stopped};

/// Resources asked for by id before many are taken for gone: all of them up to here, each for
/// itself, and evenly spread ones beyond, of which none may be there. If 200 of many are gone,
/// fewer than 1.5 % of all are not, at a confidence of 95 %.
const ASKED: usize = 200;

/// Resources that this export brought and that are read by id first: one may have been deleted
/// since.
const WITNESSES: usize = 3;

impl Export {
    /// Which of these the server still has, of those that are asked for; `None` when it does not
    /// say.
    pub(super) async fn still_there(
        &self,
        gone: &Unseen,
    ) -> anyhow::Result<Option<BTreeSet<ResourceKey>>> {
        if !self.tells_by_id(gone).await? {
            return Ok(None);
        }
        let mut there = BTreeSet::new();
        for key in gone.asked() {
            let path = format!("{}/{}", key.resource_type(), key.id());
            let read = tokio::select! {
                read = self.client.read(&path) => read,
                () = self.stop.requested() => return Err(stopped()),
            };
            match read {
                Ok(_) => {
                    there.insert(key.clone());
                    if !gone.is_told_by(&there) {
                        break;
                    }
                }
                Err(BulkError::Refused { status: 404 | 410, .. }) => {}
                Err(error) => {
                    // Its address names the resource, who may be a patient.
                    let whose = error.blame().as_str();
                    tracing::info!(whose, "a resource could not be asked for by id");
                    return Ok(None);
                }
            }
        }
        Ok(Some(there))
    }

    /// Whether the server answers for resources of the type at all: it knows one by id that this
    /// very export brought, or, when it brought none, it counts none.
    async fn tells_by_id(&self, gone: &Unseen) -> anyhow::Result<bool> {
        let tells = async {
            if let (true, Some(first)) = (gone.witnesses.is_empty(), gone.missing.first())
            {
                let Ok(name) = first.resource_type().parse() else { return false };
                return matches!(self.client.count(&name, None, None).await, Ok(0));
            }
            for key in &gone.witnesses {
                let path = format!("{}/{}", key.resource_type(), key.id());
                if self.client.read(&path).await.is_ok() {
                    return true;
                }
            }
            false
        };
        tokio::select! {
            tells = tells => Ok(tells),
            () = self.stop.requested() => Err(stopped()),
        }
    }
}

/// What of one type was delivered and not seen.
pub(in crate::export) struct Unseen {
    pub(in crate::export) missing: Vec<ResourceKey>,
    /// A few that this export brought.
    witnesses: Vec<ResourceKey>,
    pub(in crate::export) live: u64,
}

impl Unseen {
    /// Whether it is more than `percent` of all. A handful is no sign of a fault, whatever
    /// share it is.
    pub(in crate::export) fn is_much(&self, percent: u64) -> bool {
        let count = self.missing.len() as u64;
        count > 20 && count * 100 > self.live * percent
    }

    /// Whether it is told of each whether it is gone: all were asked for, or none of those that were
    /// is there.
    pub(in crate::export) fn is_told_by(&self, there: &BTreeSet<ResourceKey>) -> bool {
        there.is_empty() || self.missing.len() <= ASKED
    }

    /// Those to ask for by id.
    pub(in crate::export) fn asked(&self) -> impl Iterator<Item = &ResourceKey> {
        let step = self.missing.len().div_ceil(ASKED).max(1);
        self.missing.iter().step_by(step)
    }
}

/// Finds what of one type was delivered and not seen by this export of everything.
pub(in crate::export) async fn unseen(
    holdings: &Arc<Holdings>,
    name: &ResourceType,
) -> anyhow::Result<Unseen> {
    let mut found = Unseen { missing: Vec::new(), witnesses: Vec::new(), live: 0 };
    if holdings.is_first() {
        // Whatever there is came with it.
        return Ok(found);
    }
    let (name, holdings) = (name.clone(), Arc::clone(holdings));
    let read = move || -> Result<Unseen, bulkhead_ledger::Error> {
        let export = holdings.export();
        let entries = holdings.delivered().of_type(Some(&name));
        for entry in entries {
            let (key, entry) = entry?;
            if holdings.may_hold(&entry) {
                found.live += 1;
                if entry.seen != export {
                    found.missing.push(key);
                } else if found.witnesses.len() < WITNESSES {
                    found.witnesses.push(key);
                }
            }
        }
        Ok(found)
    };
    Ok(tokio::task::spawn_blocking(read).await??)
}
