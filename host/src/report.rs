//! What an export came to, for people and for machines.

mod drift;
mod lines;
mod quarantine;

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use bulkhead_ledger::{Watermark, audit::AuditHead};
use bulkhead_model::{ByteSize, Instant, ResourceType};
use bulkhead_pipeline::{Counts, Tally};
use serde::{Deserialize, Serialize};

pub(crate) use self::quarantine::{Replayed, count, kept};
use crate::{
    export::{Acceptance, Drift, OutcomeCounts, TypeEvidence, Verdict},
    watermark::span,
};

/// What an export came to. Kept in the ledger; counts and names, never patient data.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Report {
    pub(crate) export: String,
    pub(crate) chain: String,
    pub(crate) request: String,
    pub(crate) level: String,
    pub(crate) since: Option<Instant>,
    pub(crate) transaction_time: Option<Instant>,
    /// What an operator should know of the clocks.
    pub(crate) remarks: Vec<String>,
    /// What the manifest had that it should not have.
    pub(crate) warnings: Vec<String>,
    /// What the server said of its own export.
    pub(crate) outcomes: OutcomeCounts,
    /// Files of the manifest.
    pub(crate) files: u64,
    /// What became of every record.
    pub(crate) tally: Tally,
    /// Whether each type is complete.
    pub(crate) verdicts: BTreeMap<String, Verdict>,
    /// What speaks for and against each.
    #[serde(default)]
    pub(crate) evidence: BTreeMap<String, TypeEvidence>,
    /// Types that move although something is missing, because somebody accepted it.
    #[serde(default)]
    pub(crate) accepted: BTreeMap<String, Acceptance>,
    /// What was held against the ledger of resources, by type.
    #[serde(default)]
    pub(crate) drift: BTreeMap<String, Drift>,
    /// Files that could not be had.
    #[serde(default)]
    pub(crate) failed_files: u64,
    /// The watermark that complete types get.
    pub(crate) effective: Option<Instant>,
    /// Types whose watermark stayed although they are complete, and why.
    pub(crate) held: BTreeMap<String, String>,
    /// What plugins counted, by stage.
    pub(crate) metrics: BTreeMap<String, BTreeMap<String, u64>>,
    /// Where output lies, by store.
    pub(crate) stores: BTreeMap<String, String>,
    /// What became of the bodies of refused records, by a word of the ledger.
    #[serde(default)]
    pub(crate) kept: BTreeMap<String, u64>,
    /// When records out of quarantine were sent through the chain: how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replay: Option<Replayed>,
    /// Where the audit log ended when the run had ended. Not known in the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) audit: Option<AuditHead>,
    pub(crate) started_at: Instant,
    pub(crate) finished_at: Instant,
}

impl Report {
    /// Notes which watermarks move, from where.
    pub(crate) fn note_moves(
        &mut self,
        before: &BTreeMap<ResourceType, Watermark>,
        marks: &[(ResourceType, Watermark)],
    ) {
        let back = marks.iter().filter(|(name, mark)| {
            before.get(name).is_some_and(|old| old.effective > mark.effective)
        });
        for (name, _) in back {
            self.held
                .insert(name.to_string(), "an earlier export reached further".to_owned());
        }
    }

    /// Whether everything that was asked for came, as far as can be known, or its omission
    /// was accepted.
    pub(crate) fn is_complete(&self) -> bool {
        self.verdicts
            .iter()
            .all(|(name, verdict)| verdict.is_fine() || self.accepted.contains_key(name))
    }

    /// Whether some file could not be had.
    pub(crate) const fn has_failed_files(&self) -> bool {
        self.failed_files > 0
    }

    fn moves(&self, name: &str, verdict: &Verdict) -> bool {
        verdict.moves_the_watermark() || self.accepted.contains_key(name)
    }

    /// For people: a table, and what to know beside it.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = self.write(&mut text);
        text
    }

    /// For people: what speaks for and against every type, one a line.
    pub(crate) fn render_evidence(&self) -> String {
        let mut text = String::new();
        for (name, verdict) in &self.verdicts {
            let evidence = self.evidence.get(name).map(TypeEvidence::describe);
            // Writing to a String does not fail.
            let _ = writeln!(
                text,
                "  {}: {}\n    {}",
                shown(name),
                verdict.describe(),
                evidence.as_deref().unwrap_or("nothing was noted")
            );
        }
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        if let Some(replay) = &self.replay {
            replay.write_head(out, self)?;
        } else {
            let kind = if self.since.is_some() { "incremental" } else { "full" };
            writeln!(
                out,
                "Export {} of chain `{}`: {kind}, {} level",
                self.export, self.chain, self.level
            )?;
            writeln!(out, "  asked     {}", self.request)?;
        }
        let snapshot =
            self.transaction_time.map_or("not told".to_owned(), |at| at.to_string());
        let took = self.finished_at.since(self.started_at);
        let total = self.tally.total();
        writeln!(
            out,
            "  snapshot  {snapshot}   {} files   {} delivered   {}{}",
            self.files,
            ByteSize::from_bytes(total.delivered_bytes),
            if took < Duration::from_secs(1) {
                "under a second".to_owned()
            } else {
                span(took)
            },
            rate(total.read, took),
        )?;
        writeln!(out)?;
        self.write_table(out, &total)?;
        writeln!(out)?;
        if self.tally.balances() {
            writeln!(
                out,
                "The sums agree: {} read{} = {} delivered + {} dropped{}{} + {} quarantined.",
                total.read,
                plus(total.added, "added"),
                total.delivered,
                total.dropped_in_all(),
                plus(total.consumed_in_all(), "turned into rows"),
                plus(total.not_asked_in_all(), "not asked for"),
                total.quarantined_in_all()
            )?;
        } else {
            writeln!(
                out,
                "THE SUMS DO NOT AGREE: this is a fault of bulkhead; please report it."
            )?;
        }
        self.write_details(out)
    }

    fn write_table(&self, out: &mut String, total: &Counts) -> std::fmt::Result {
        let names: Vec<&str> = self.tally.iter().map(|(name, _)| name).collect();
        let width = names.iter().map(|name| name.len()).max().unwrap_or(0).max(14);
        writeln!(
            out,
            "  {:width$} {:>10} {:>10} {:>10} {:>10} {:>10} {:>11}",
            "", "read", "dropped", "changed", "delivered", "deleted", "quarantined"
        )?;
        let row = |out: &mut String, name: &str, counts: &Counts| {
            writeln!(
                out,
                "  {name:width$} {:>10} {:>10} {:>10} {:>10} {:>10} {:>11}",
                counts.read,
                counts.dropped_in_all(),
                counts.changed,
                counts.delivered,
                counts.delivered_deletions,
                counts.quarantined_in_all()
            )
        };
        for (name, counts) in self.tally.iter() {
            if lines::are_all(counts) {
                continue;
            }
            row(out, if name.is_empty() { "(no type)" } else { name }, counts)?;
        }
        row(out, "in all", total)?;
        writeln!(out, "  (`changed` and `deleted` are among `delivered`)")?;
        if total.not_asked_in_all() > 0 {
            let counts =
                self.tally.iter().map(|(name, of)| (name, of.not_asked_in_all()));
            for (name, count) in counts.filter(|(_, count)| *count > 0) {
                let name = if name.is_empty() { "(no type)" } else { name };
                writeln!(out, "  {name:width$} {count:>10} not asked for")?;
            }
        }
        Ok(())
    }

    fn write_details(&self, out: &mut String) -> std::fmt::Result {
        for (name, verdict) in &self.verdicts {
            if verdict.moves_the_watermark() {
                continue;
            }
            writeln!(out, "! {}: {}", shown(name), verdict.describe())?;
            if let Some(evidence) = self.evidence.get(name) {
                writeln!(out, "    {}", evidence.describe())?;
            }
            if let Some(Acceptance { reason, by }) = self.accepted.get(name) {
                writeln!(out, "    accepted by {by}: {reason}")?;
            }
        }
        let total = self.tally.total();
        for (stage, codes) in &total.quarantined {
            for (code, count) in codes {
                writeln!(out, "! {count} in quarantine by `{stage}`: {code}")?;
            }
        }
        self.write_kept(out)?;
        lines::write(out, &total)?;
        for (issue, count) in &self.outcomes.issues {
            writeln!(out, "! the server reports: {issue} ({count})")?;
        }
        if self.outcomes.unread > 0 {
            writeln!(
                out,
                "! {} of the server's own reports could not be read",
                self.outcomes.unread
            )?;
        }
        for remark in self.remarks.iter().chain(&self.warnings) {
            writeln!(out, "! {remark}")?;
        }
        self.write_drift(out)?;
        for (name, why) in &self.held {
            writeln!(out, "! the watermark of {name} stays: {why}")?;
        }
        for (stage, counters) in &self.metrics {
            for (name, count) in counters {
                writeln!(out, "  {stage} counted {count} {name}")?;
            }
        }
        let moved = self
            .verdicts
            .iter()
            .filter(|(name, verdict)| self.moves(name, verdict))
            .count();
        if let Some(effective) = self.effective {
            let all = self.verdicts.len();
            if moved == 0 && all > 0 {
                writeln!(out, "No watermark of {all} types moved to {effective}.")?;
            } else {
                writeln!(out, "Watermark of {moved} of {all} types: {effective}.")?;
            }
        }
        for (name, path) in &self.stores {
            writeln!(out, "Output in store `{name}`: {path}")?;
        }
        if let Some(AuditHead { seq, hash }) = &self.audit {
            writeln!(out, "Audit log ends at line {seq}: {hash}")?;
        }
        Ok(())
    }
}

/// A type as it is shown; all of them together have a verdict too.
fn shown(name: &str) -> &str {
    if name == "Resource" { "all types together" } else { name }
}

fn plus(count: u64, what: &str) -> String {
    if count == 0 { String::new() } else { format!(" + {count} {what}") }
}

fn rate(resources: u64, took: Duration) -> String {
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    if ms < 1_000 || resources == 0 {
        return String::new();
    }
    format!("   {} resources a second", resources * 1_000 / ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(tally: Tally, verdicts: BTreeMap<String, Verdict>) -> Report {
        Report {
            export: "20260101T000000Z".into(),
            chain: "research".into(),
            request: "https://ehr.example/fhir/$export".into(),
            level: "system".into(),
            since: None,
            transaction_time: None,
            remarks: vec![],
            warnings: vec![],
            outcomes: OutcomeCounts::default(),
            files: 1,
            tally,
            verdicts,
            evidence: BTreeMap::new(),
            accepted: BTreeMap::new(),
            drift: BTreeMap::new(),
            failed_files: 0,
            effective: None,
            held: BTreeMap::new(),
            metrics: BTreeMap::new(),
            stores: BTreeMap::new(),
            kept: BTreeMap::new(),
            replay: None,
            audit: None,
            started_at: Instant::from_unix_ms(0),
            finished_at: Instant::from_unix_ms(2_000),
        }
    }

    #[test]
    fn says_whether_the_sums_agree_and_survives_json() {
        let mut tally = Tally::default();
        tally.of("Patient").read = 3;
        tally.of("Patient").delivered = 1;
        tally.drop("Patient", "cohort", 2);
        let verdicts: BTreeMap<String, Verdict> =
            [("Patient".to_owned(), Verdict::Complete)].into();
        let good = report(tally.clone(), verdicts.clone());
        assert!(good.render().contains(
            "The sums agree: 3 read = 1 delivered + 2 dropped + 0 quarantined."
        ));
        assert!(good.is_complete());
        tally.of("Patient").read = 4;
        let bad = report(tally, verdicts);
        assert!(bad.render().contains("THE SUMS DO NOT AGREE"));
        let json = serde_json::to_string(&good).unwrap();
        let again: Report = serde_json::from_str(&json).unwrap();
        assert_eq!(again.render(), good.render());
    }

    #[test]
    fn what_is_missing_is_told_with_its_evidence_and_with_who_accepted_it() {
        let verdicts = BTreeMap::from([
            ("Device".to_owned(), Verdict::Unconfirmed),
            ("Patient".to_owned(), Verdict::NotGranted),
        ]);
        let mut report = report(Tally::default(), verdicts);
        report.effective = Some(Instant::from_unix_ms(0));
        report.evidence.insert("Patient".to_owned(), TypeEvidence::default());
        assert!(!report.is_complete());
        let text = report.render();
        assert!(text.contains(
            "! Patient: incomplete: the granted scope does not cover it\n    not asked for by name; "
        ));
        assert!(text.contains("No watermark of 2 types moved"));
        let evidence = report.render_evidence();
        assert!(evidence.contains("  Device: none came, "), "{evidence}");
        assert!(evidence.contains("    nothing was noted\n"), "{evidence}");

        let acceptance = Acceptance { reason: "agreed".to_owned(), by: "me".to_owned() };
        report.accepted.insert("Patient".to_owned(), acceptance);
        assert!(report.is_complete(), "what is unknown is no failure");
        let text = report.render();
        assert!(text.contains("    accepted by me: agreed\n"), "{text}");
        assert!(text.contains("Watermark of 1 of 2 types"), "{text}");
        // Reports of versions that knew no evidence are read as well.
        let mut old = serde_json::to_value(&report).unwrap();
        old.as_object_mut()
            .unwrap()
            .retain(|key, _| key != "evidence" && key != "accepted");
        let old: Report = serde_json::from_value(old).unwrap();
        assert!(old.evidence.is_empty() && old.accepted.is_empty());
    }
}
