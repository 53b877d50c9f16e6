//! What became of every record:
//! `read + added = delivered + dropped + consumed + quarantined + not asked for`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{RejectClass, Unasked};

/// Counts of one kind of record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Counts {
    /// Records that came in: resources, and deletions by the server.
    pub read: u64,
    /// Of those, deletions, and retractions that the host asked for.
    pub read_deletions: u64,
    /// Further resources that transforms made of one, and rows that were refused.
    pub added: u64,
    /// Given to the sink, which took them in charge.
    pub delivered: u64,
    /// Of those, deletions and retractions.
    pub delivered_deletions: u64,
    /// Of those, retractions.
    pub retracted: u64,
    /// Records that became retractions because a stage would not let a resource pass that the
    /// destination holds, by stage. What became of them is counted with the others.
    pub retracted_by: BTreeMap<String, u64>,
    /// Of those delivered, with a body that some stage changed, retractions aside.
    pub changed: u64,
    /// Ended by a filter or a transform, by stage.
    pub dropped: BTreeMap<String, u64>,
    /// Turned into rows of streams alone, by stage.
    pub consumed: BTreeMap<String, u64>,
    /// Sent to quarantine, by stage and code.
    pub quarantined: BTreeMap<String, BTreeMap<String, u64>>,
    /// Of those, for other reasons than the operator's rule.
    pub faulty: u64,
    /// Rows of this stream that were delivered, when the kind is one.
    pub rows: u64,
    /// Bytes delivered, before compression, line ends included.
    pub delivered_bytes: u64,
    /// Resources that nobody asked for, by the parameter that the server passed over. They ended
    /// before any stage saw them.
    pub not_asked: BTreeMap<String, u64>,
    /// Of those read, resources that have not changed since `_since`.
    pub before_since: u64,
    /// How often other resources refer to this type, of those that were looked at for it.
    pub referred: u64,
    /// Lines that head the blocks of organised files. They are no records: passed over, and
    /// counted nowhere else.
    pub heads: u64,
    /// Lines on which nothing stood. No records: passed over, and counted nowhere else.
    pub empty_lines: u64,
    /// Lines that ended with `\r\n`.
    pub crlf_lines: u64,
}

impl Counts {
    /// All records dropped.
    pub fn dropped_in_all(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// All records turned into rows.
    pub fn consumed_in_all(&self) -> u64 {
        self.consumed.values().sum()
    }

    /// All records in quarantine.
    pub fn quarantined_in_all(&self) -> u64 {
        self.quarantined.values().flat_map(BTreeMap::values).sum()
    }

    /// All resources that nobody asked for.
    pub fn not_asked_in_all(&self) -> u64 {
        self.not_asked.values().sum()
    }

    /// Whether every record that came in is accounted for.
    pub fn balances(&self) -> bool {
        self.read + self.added
            == self.delivered
                + self.dropped_in_all()
                + self.consumed_in_all()
                + self.quarantined_in_all()
                + self.not_asked_in_all()
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.read_deletions += other.read_deletions;
        self.added += other.added;
        self.delivered += other.delivered;
        self.delivered_deletions += other.delivered_deletions;
        self.retracted += other.retracted;
        for (stage, count) in &other.retracted_by {
            bump(&mut self.retracted_by, stage, *count);
        }
        self.changed += other.changed;
        for (stage, count) in &other.dropped {
            bump(&mut self.dropped, stage, *count);
        }
        for (stage, count) in &other.consumed {
            bump(&mut self.consumed, stage, *count);
        }
        for (stage, codes) in &other.quarantined {
            let own = self.quarantined.entry(stage.clone()).or_default();
            for (code, count) in codes {
                bump(own, code, *count);
            }
        }
        self.faulty += other.faulty;
        self.rows += other.rows;
        self.delivered_bytes += other.delivered_bytes;
        for (parameter, count) in &other.not_asked {
            bump(&mut self.not_asked, parameter, *count);
        }
        self.before_since += other.before_since;
        self.referred += other.referred;
        self.heads += other.heads;
        self.empty_lines += other.empty_lines;
        self.crlf_lines += other.crlf_lines;
    }
}

/// Counts by kind, for a file or for an export.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tally(BTreeMap<String, Counts>);

impl Tally {
    /// The counts of `kind`, made when there are none.
    pub fn of(&mut self, kind: &str) -> &mut Counts {
        self.0.entry(kind.to_owned()).or_default()
    }

    /// Counts one record in quarantine.
    pub fn quarantine(
        &mut self,
        kind: &str,
        stage: &str,
        class: RejectClass,
        code: &str,
    ) {
        let counts = self.of(kind);
        bump(counts.quarantined.entry(stage.to_owned()).or_default(), code, 1);
        counts.faulty += u64::from(class != RejectClass::Policy);
    }

    /// Counts `count` records dropped by `stage`.
    pub fn drop(&mut self, kind: &str, stage: &str, count: u64) {
        bump(&mut self.of(kind).dropped, stage, count);
    }

    /// Counts one resource that came in and that nobody asked for.
    pub(crate) fn not_asked(&mut self, kind: &str, why: Unasked) {
        let counts = self.of(kind);
        counts.read += 1;
        bump(&mut counts.not_asked, why.parameter(), 1);
    }

    /// Counts one record that became a retraction instead of ending at `stage`.
    pub fn retract(&mut self, kind: &str, stage: &str) {
        bump(&mut self.of(kind).retracted_by, stage, 1);
    }

    /// Counts one record that `stage` turned into rows.
    pub fn consume(&mut self, kind: &str, stage: &str) {
        bump(&mut self.of(kind).consumed, stage, 1);
    }

    /// Every kind with its counts, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Counts)> {
        self.0.iter().map(|(kind, counts)| (kind.as_str(), counts))
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: &Self) {
        for (kind, counts) in other.iter() {
            self.of(kind).add(counts);
        }
    }

    /// The sum over all kinds.
    pub fn total(&self) -> Counts {
        let mut total = Counts::default();
        for (_, counts) in self.iter() {
            total.add(counts);
        }
        total
    }

    /// Whether every record of every kind is accounted for.
    pub fn balances(&self) -> bool {
        self.0.values().all(Counts::balances)
    }
}

fn bump(counts: &mut BTreeMap<String, u64>, key: &str, by: u64) {
    if let Some(count) = counts.get_mut(key) {
        *count += by;
    } else if by > 0 {
        counts.insert(key.to_owned(), by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balances_when_every_record_went_somewhere() {
        let mut tally = Tally::default();
        tally.of("Patient").read = 4;
        tally.of("Patient").delivered = 1;
        tally.drop("Patient", "cohort", 2);
        assert!(!tally.balances());
        tally.quarantine("Patient", "read", RejectClass::Malformed, "not-json");
        assert!(tally.balances());
        tally.of("Task").read = 1;
        tally.not_asked("Task", Unasked::Type);
        assert!(!tally.balances());
        tally.of("Task").read = 1;
        assert!(tally.balances());
        assert_eq!(tally.total().not_asked_in_all(), 1);
        assert_eq!(tally.total().faulty, 1);
    }

    #[test]
    fn survives_json_and_adds_up() {
        let mut tally = Tally::default();
        tally.of("Patient").read = 1;
        tally.quarantine("Patient", "read", RejectClass::Policy, "no-patient");
        let json = serde_json::to_string(&tally).unwrap();
        let mut again: Tally = serde_json::from_str(&json).unwrap();
        assert_eq!(again, tally);
        again.add(&tally);
        assert_eq!(again.total().quarantined_in_all(), 2);
        assert!(again.balances());
    }
}
