//! What the plugins of a chain called, written down with the export: after every file, and
//! once more at the end of the run, however it ends.

use bulkhead_ledger::{ExportId, PluginUse};
use bulkhead_sandbox::BATCHES;

use super::super::Export;
use crate::clock;

impl Export {
    /// Adds what was called since the last time to what the export called.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be written.
    pub(in crate::export) fn note_uses(&self, id: &ExportId) -> anyhow::Result<()> {
        let mut uses = Vec::new();
        for plugin in self.loaded.stages.iter().chain([&self.loaded.sink]) {
            let row = |interface: &str| PluginUse {
                stage: plugin.stage().to_owned(),
                digest: plugin.sha256().to_owned(),
                interface: interface.to_owned(),
                ..PluginUse::default()
            };
            // It was there, also when nothing came to it.
            uses.push(row(BATCHES));
            uses.extend(plugin.uses().take().into_iter().map(|of| PluginUse {
                name: of.name,
                calls: of.calls,
                bytes: of.bytes,
                refused: of.refused,
                ..row(of.interface)
            }));
        }
        Ok(self.ledger.note_uses(id, &uses, clock::now())?)
    }

    /// The exports that a run worked on, given those that it completed; what was called and
    /// not yet written down is written with the last of them.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read or written.
    pub(crate) fn touched(
        &self,
        completed: &[ExportId],
    ) -> anyhow::Result<Vec<ExportId>> {
        let mut all = completed.to_vec();
        all.extend(self.ledger.unfinished(&self.stream())?.map(|record| record.id));
        if all.is_empty() {
            // It ended without an export of its own, or with one that failed.
            let latest = self.ledger.exports(RECENT)?.into_iter();
            let mut own = latest.filter(|record| record.chain == self.chain.name);
            all.extend(own.next().map(|record| record.id));
        }
        if let Some(last) = all.last() {
            self.note_uses(last)?;
        }
        Ok(all)
    }
}

/// Exports that are looked at to find the chain's latest.
const RECENT: u32 = 50;
