//! What of a file nobody asked for, and to which types its records refer.

use bulkhead_ndjson::Patients;

use super::{FileKind, Intake};
use crate::{Change, Record, Tally, Unasked, referred};

/// Resources of a block of which it is noted to which types they refer.
const LOOKED_AT: usize = 8;

impl Intake {
    /// Why nobody asked for a resource, if nobody did.
    pub(super) fn unasked(&self, name: &str, about: &Patients) -> Option<Unasked> {
        match &self.kind {
            // It is of the type that the file announces.
            FileKind::Output(Some(_)) if self.is_wanted => self.asked.stranger(about),
            FileKind::Output(Some(_)) => Some(Unasked::Type),
            FileKind::Deleted
            | FileKind::Organised
            | FileKind::Output(None)
            | FileKind::Recalled
            | FileKind::Replayed => self.asked.against(name, about),
        }
    }

    /// Notes to which of the types that were asked for a few of these refer.
    pub(super) fn note_references(&self, records: &[Record], tally: &mut Tally) {
        if !self.asked.is_of_listed_types() {
            return;
        }
        let looked_at = records.iter().filter(|record| record.change == Change::Upsert);
        for record in looked_at.take(LOOKED_AT) {
            for name in referred::types(record.source()) {
                if self.asked.covers(name) {
                    tally.of(name).referred += 1;
                }
            }
        }
    }
}
