//! Bodies that were replayed, taken out of the sealed files; and files that nobody needs.
//!
//! A file that others are in is sealed anew without the replayed ones, for which the identities
//! are needed: what a replay that was killed left is done by the next one. A file in which
//! nothing is needed any more is removed by any run.

use std::{collections::BTreeSet, sync::Arc};

use bulkhead_egress::{Identities, Vault};
use bulkhead_ledger::{ExportId, Ledger, Search, Which};

use crate::{export::Export, output::Event};

impl Export {
    /// Takes replayed bodies out of the sealed files.
    pub(super) async fn tidy(
        &self,
        vault: &Arc<Vault>,
        identities: &Arc<Identities>,
    ) -> anyhow::Result<()> {
        let mut left = 0;
        for (id, segment, is_needed) in self.ledger.untidy()? {
            if is_needed && !vault.seals() {
                left += 1;
                continue;
            }
            let (ledger, vault, identities) =
                (self.ledger.clone(), Arc::clone(vault), Arc::clone(identities));
            let work = move || {
                if is_needed {
                    take_out(&ledger, &vault, &identities, &id, &segment)?;
                } else {
                    vault.retain(id.as_str(), |name| name != segment)?;
                }
                anyhow::Ok(ledger.tidied(&id, &segment)?)
            };
            tokio::task::spawn_blocking(work).await??;
        }
        if left > 0 {
            let remark = format!(
                "{left} sealed files still hold bodies that were replayed: without \
                 `quarantine.recipients` the others in them cannot be sealed anew"
            );
            self.output.event(Event::Remark(remark));
        }
        Ok(())
    }
}

/// Seals a file anew with what is still needed of it.
fn take_out(
    ledger: &Ledger,
    vault: &Vault,
    identities: &Identities,
    id: &ExportId,
    segment: &str,
) -> anyhow::Result<()> {
    let search = Search { export: Some(id), which: Which::Sealed, ..Search::default() };
    let mut needed = BTreeSet::new();
    let mut after = None;
    loop {
        let page = ledger.search_quarantine(&search, after.as_ref(), 1_000)?;
        let Some(last) = page.last() else { break };
        after = Some(last.place.clone());
        let own = page
            .into_iter()
            .filter(|found| found.entry.segment.as_deref() == Some(segment));
        needed.extend(
            own.map(|found| (found.entry.line, found.entry.stage, found.entry.part)),
        );
    }
    let mut sealed = vault.unseal(id.as_str(), segment, identities)?;
    // As much as was refused between two checkpoints, or what a lane holds at most.
    let mut bodies = Vec::new();
    while let Some((label, body)) = sealed.next_record()? {
        if needed.contains(&(label.line, label.stage.clone(), label.part)) {
            bodies.push((label, body));
        }
    }
    Ok(vault.reseal(id.as_str(), segment, &bodies)?)
}

/// Removes sealed files that no entry needs, of every export that has ended or is forgotten.
pub(crate) fn sweep(ledger: &Ledger, vault: &Vault) -> anyhow::Result<u64> {
    let mut removed = 0;
    for export in vault.exports()? {
        // Not one of ours, so nobody's business here.
        let Ok(id) = export.parse::<ExportId>() else { continue };
        if ledger.is_under_way(&id)? {
            continue;
        }
        let needed = ledger.segments(&id, None)?;
        removed += vault.retain(&export, |name| needed.contains(name))?;
    }
    Ok(removed)
}
