//! When exports looked at the server: which of two knows more of what both brought.

use std::{cmp::Ordering, collections::HashMap, time::Duration};

use bulkhead_ledger::{
    ExportRecord, Ledger, Look,
    delivered::{Entry, fingerprint},
};
use bulkhead_model::Instant;

use super::{Holdings, decide::Setting};

/// Clocks that are told in whole seconds, cut off: closer than this is no earlier.
const CUT: Duration = Duration::from_secs(1);

impl Holdings {
    /// The export as it stands to the one that delivered an entry.
    pub(super) fn setting_against(&self, entry: Option<&Entry>) -> Setting {
        let looked = entry.and_then(|entry| self.looks.get(&entry.export).copied());
        let own = self.setting.snapshot;
        let entry_looked = match looked {
            Some(looked) if looked >= own.plus(CUT) => Ordering::Greater,
            Some(looked) if looked >= own => Ordering::Equal,
            Some(_) | None => Ordering::Less,
        };
        Setting { entry_looked, ..self.setting }
    }
}

/// When the server looked: as it says, or else not long after the kick-off. A server that never
/// tells must be followed as well when it goes back.
pub(super) fn looked_at(look: &Look) -> Instant {
    let kickoff = look.server_date.unwrap_or(look.kickoff_instant);
    look.transaction_time.unwrap_or(kickoff)
}

/// When the other exports of a stream looked, by their fingerprints.
pub(super) fn looks(
    ledger: &Ledger,
    record: &ExportRecord,
) -> Result<HashMap<u64, Instant>, bulkhead_ledger::Error> {
    let others = ledger.looks(&record.stream)?.into_iter();
    let others = others.filter(|look| look.export != record.id);
    Ok(others.map(|look| (fingerprint(look.export.as_str()), looked_at(&look))).collect())
}
