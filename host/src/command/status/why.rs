//! `bulkhead status --why TYPE`: where a type's watermark comes from, what the next `_since`
//! will be, and what speaks for and against the type in its latest exports.

use std::{fmt::Write, time::Duration};

use bulkhead_ledger::{ExportRecord, Ledger, Omission, Watermark};
use bulkhead_model::{Instant, ResourceType};
use serde_json::{Value, json};

use crate::{
    export::Verdict,
    report::Report,
    watermark::{all_types, span},
};

/// Exports that are looked through for the type.
const EXPORTS: u32 = 200;

/// Exports of the type that are told of.
const TOLD: usize = 3;

/// What is known of one type of one chain.
pub(super) struct Why {
    chain: String,
    stream: String,
    name: ResourceType,
    mark: Option<(ResourceType, Watermark)>,
    overlap: Duration,
    exports: Vec<(ExportRecord, Report)>,
    omissions: Vec<Omission>,
}

/// For each chain its newest stream.
///
/// # Errors
///
/// When the ledger cannot be read.
pub(super) fn look(
    ledger: &Ledger,
    name: &ResourceType,
    overlap: Duration,
) -> anyhow::Result<Vec<Why>> {
    let mut found: Vec<Why> = Vec::new();
    for record in ledger.exports(EXPORTS)? {
        let known = found.iter().position(|why| why.chain == record.chain);
        let at = if let Some(at) = known {
            at
        } else {
            found.push(Why::of(ledger, &record, name, overlap)?);
            found.len() - 1
        };
        let Some(why) = found.get_mut(at).filter(|why| why.stream == record.stream)
        else {
            continue;
        };
        let report: Option<Report> =
            record.report.as_deref().and_then(|json| serde_json::from_str(json).ok());
        if let Some(report) = report
            && report.verdicts.contains_key(name.as_str())
            && why.exports.len() < TOLD
        {
            why.exports.push((record, report));
        }
    }
    Ok(found)
}

impl Why {
    fn of(
        ledger: &Ledger,
        record: &ExportRecord,
        name: &ResourceType,
        overlap: Duration,
    ) -> anyhow::Result<Self> {
        let mut marks = ledger.watermarks(&record.stream)?;
        // Where no type is asked for by name, one mark is of all of them.
        let mark = [name.clone(), all_types()]
            .into_iter()
            .find_map(|of| marks.remove(&of).map(|mark| (of, mark)));
        let omissions = ledger
            .omissions(&record.stream, EXPORTS)?
            .into_iter()
            .filter(|omission| omission.resource_type == *name)
            .take(TOLD)
            .collect();
        Ok(Self {
            chain: record.chain.clone(),
            stream: record.stream.clone(),
            name: name.clone(),
            mark,
            overlap,
            exports: Vec::new(),
            omissions,
        })
    }

    fn since(&self, mark: &Watermark) -> Instant {
        mark.effective.minus(self.overlap).floor_seconds()
    }

    /// For people.
    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "{} in chain `{}` ({})", self.name, self.chain, self.stream)?;
        match &self.mark {
            None => writeln!(
                out,
                "  It has no watermark: the next export asks for all of it, without `_since`."
            )?,
            Some((of, mark)) => self.write_mark(out, of, mark)?,
        }
        for omission in &self.omissions {
            writeln!(
                out,
                "  In export {}, {} accepted that it was {}: {}",
                omission.export, omission.accepted_by, omission.verdict, omission.reason
            )?;
        }
        if self.exports.is_empty() {
            writeln!(out, "  No report of the latest exports speaks of it.")?;
        }
        for (record, report) in &self.exports {
            let kind = if record.since.is_some() { "incremental" } else { "full" };
            let verdict = report.verdicts.get(self.name.as_str());
            let verdict = verdict.map_or_else(String::new, Verdict::describe);
            writeln!(out, "  Export {} ({kind}): {verdict}", record.id)?;
            if let Some(evidence) = report.evidence.get(self.name.as_str()) {
                writeln!(out, "    {}", evidence.describe())?;
            }
            if let Some(why) = report.held.get(self.name.as_str()) {
                writeln!(out, "    its watermark stayed: {why}")?;
            }
        }
        Ok(())
    }

    fn write_mark(
        &self,
        out: &mut String,
        of: &ResourceType,
        mark: &Watermark,
    ) -> std::fmt::Result {
        let whose = if *of == all_types() { " (of all types together)" } else { "" };
        writeln!(
            out,
            "  Watermark{whose}: {}, set by export {}",
            mark.effective, mark.set_by
        )?;
        let clocks = [
            ("the server's transactionTime", mark.transaction_time),
            ("the server's clock before the kick-off", mark.server_date),
            ("our clock before the kick-off", Some(mark.kickoff_instant)),
        ];
        for (name, clock) in clocks {
            let told = clock.map_or_else(|| "not told".to_owned(), |at| at.to_string());
            let is_it =
                if clock == Some(mark.effective) { "   <- the watermark" } else { "" };
            writeln!(out, "    {name:39} {told}{is_it}")?;
        }
        writeln!(
            out,
            "  Next `_since`: {}, the watermark less an overlap of {}, cut to seconds; earlier, if \
             a type that is asked for with it has an earlier watermark.",
            self.since(mark),
            span(self.overlap)
        )
    }

    /// For machines.
    pub(super) fn json(&self) -> Value {
        let mark = self.mark.as_ref().map(|(of, mark)| {
            json!({
                "of": of, "effective": mark.effective, "set-by": mark.set_by.to_string(),
                "transaction-time": mark.transaction_time, "server-date": mark.server_date,
                "kickoff-instant": mark.kickoff_instant, "next-since": self.since(mark),
            })
        });
        let exports = self.exports.iter().map(|(record, report)| {
            json!({
                "export": record.id.to_string(), "since": record.since,
                "verdict": report.verdicts.get(self.name.as_str()),
                "evidence": report.evidence.get(self.name.as_str()),
                "held": report.held.get(self.name.as_str()),
            })
        });
        json!({
            "type": self.name, "chain": self.chain, "stream": self.stream, "watermark": mark,
            "exports": exports.collect::<Vec<_>>(),
            "accepted-omissions": self.omissions.iter().map(omission).collect::<Vec<_>>(),
        })
    }
}

/// An accepted omission for machines.
pub(super) fn omission(omission: &Omission) -> Value {
    json!({
        "export": omission.export.to_string(), "type": omission.resource_type,
        "verdict": omission.verdict, "reason": omission.reason,
        "accepted-by": omission.accepted_by, "at": omission.at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items: 58, S2.
    #[test]
    fn says_which_clock_made_the_watermark_and_what_the_next_since_is() {
        let at = |text: &str| text.parse::<Instant>().unwrap();
        let mut why = Why {
            chain: "research".to_owned(),
            stream: "research@1".to_owned(),
            name: "Patient".parse().unwrap(),
            mark: None,
            overlap: Duration::from_mins(5),
            exports: Vec::new(),
            omissions: Vec::new(),
        };
        assert!(why.render().contains("It has no watermark"), "{}", why.render());
        let mark = Watermark {
            effective: at("2026-01-01T10:00:00Z"),
            set_by: "e1".parse().unwrap(),
            transaction_time: Some(at("2026-01-01T10:30:00Z")),
            server_date: Some(at("2026-01-01T10:00:00Z")),
            kickoff_instant: at("2026-01-01T10:00:01Z"),
        };
        why.mark = Some((why.name.clone(), mark));
        let text = why.render();
        let line = "the server's clock before the kick-off  2026-01-01T10:00:00Z   <- the watermark";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("Next `_since`: 2026-01-01T09:55:00Z, "), "{text}");
        assert_eq!(why.json()["watermark"]["next-since"], "2026-01-01T09:55:00Z");
    }
}
