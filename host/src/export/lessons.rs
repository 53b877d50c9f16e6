//! What an export taught: how far the ledger of resources and the server disagree, and how much
//! earlier the next one has to ask.

use std::collections::BTreeMap;

use bulkhead_ledger::ExportRecord;
use bulkhead_model::Instant;

use super::{
    Export,
    memory::{Drift, longest_late},
};
use crate::watermark::span;

impl Export {
    /// What was held against the ledger of resources, over all files.
    pub(super) fn drift_of(
        &self,
        record: &ExportRecord,
    ) -> anyhow::Result<BTreeMap<String, Drift>> {
        let mut all: BTreeMap<String, Drift> = BTreeMap::new();
        for (_, counts) in self.ledger.drifts(&record.id)? {
            let found: BTreeMap<String, Drift> = serde_json::from_str(&counts)?;
            for (name, of_type) in found {
                all.entry(name).or_default().add(&of_type);
            }
        }
        Ok(all)
    }

    /// Learns from what was visible late: the next exports ask from so much earlier. Says so,
    /// and what became of resources that changed while the export ran.
    pub(super) fn learn(
        &self,
        record: &ExportRecord,
        drift: &BTreeMap<String, Drift>,
        now: Instant,
    ) -> anyhow::Result<Vec<String>> {
        let mut remarks = Vec::new();
        let after: u64 = drift.values().map(|of| of.after_snapshot).sum();
        if after > 0 {
            remarks.push(format!(
                "{after} resources changed after the snapshot: the next export asks for them again"
            ));
        }
        let Some(late) = longest_late(drift) else { return Ok(remarks) };
        let wanted = late.saturating_mul(2);
        let late = span(late);
        if wanted > self.config.sync.overlap {
            let reason = format!("resources became visible {late} late");
            if self.ledger.raise_overlap(&record.stream, wanted, &reason, now)? {
                remarks.push(format!(
                    "{reason}, which only the overlap caught: from now on it is {}",
                    span(wanted)
                ));
            }
        } else {
            remarks.push(format!(
                "resources became visible {late} late; the overlap caught them"
            ));
        }
        Ok(remarks)
    }
}
