//! What belongs together: streams, ids, kick-offs as URLs, watermarks that may move.

use std::{collections::BTreeMap, num::NonZeroUsize};

use bulkhead_bulk::{Kickoff, SinceStyle, Way};
use bulkhead_ledger::{ExportId, ExportRecord, Watermark};
use bulkhead_model::{Instant, ResourceType};
use url::Url;
use xxhash_rust::xxh3::xxh3_64;

use super::{Acceptance, Export, Reach, Verdict};
use crate::{
    clock,
    config::{Config, Remembers},
    output::Event,
    watermark::{Plan, all_types, plan},
};

impl Export {
    /// What this chain's watermarks belong to. Whatever makes delivered data incomparable is
    /// part of it (server, level, filters, plugins, settings, cohorts), so a change of any of
    /// them begins a stream without watermarks: the next export is a full one.
    pub(super) fn stream(&self) -> String {
        stream(&self.config, &self.chain.name, &self.loaded.fingerprint)
    }

    /// What is counted from export to export: what the server holds, not what our plugins make
    /// of it.
    pub(super) fn subject(&self) -> String {
        let source = &self.config.source;
        let asked = [
            source.name.clone(),
            source.level.to_string(),
            source.type_filters.join("\n"),
        ];
        format!("{}@{:016x}", self.chain.name, xxh3_64(asked.join("\n\n").as_bytes()))
    }

    /// Gives up what an earlier configuration of this chain left unfinished.
    pub(super) fn abandon_others(&self, stream: &str) -> anyhow::Result<()> {
        let prefix = format!("{}@", self.chain.name);
        for other in self.ledger.streams()? {
            if other == stream || !other.starts_with(&prefix) {
                continue;
            }
            if let Some(record) = self.ledger.unfinished(&other)? {
                let reason = "the server, a plugin, its settings or a cohort changed";
                self.void(&record.id)?;
                self.ledger.abandon(&record.id, reason, clock::now())?;
                let remark = format!("export {} was given up: {reason}", record.id);
                self.output.event(Event::Remark(remark));
            }
        }
        Ok(())
    }

    pub(super) fn plans(&self, stream: &str, reach: &Reach) -> anyhow::Result<Vec<Plan>> {
        let marks = self.ledger.watermarks(stream)?;
        let learnt = self.ledger.overlap(stream)?.map(|learnt| learnt.overlap);
        let overlap = self.config.sync.overlap.max(learnt.unwrap_or_default());
        let is_due = *reach == Reach::Incremental && self.is_full_due(&marks)?;
        // A server without `_since` brings everything, whatever is known.
        let is_whole = self.knows_no_since() && !marks.is_empty();
        let (types, is_full) = match reach {
            Reach::Full => (&self.config.source.types, true),
            Reach::Incremental => (&self.config.source.types, is_due || is_whole),
            Reach::Types(types) => (types, true),
        };
        let mut plans = plan(types, &marks, overlap, is_full);
        if is_due {
            for plan in &mut plans {
                "`sync.full-resync` has passed since the last export of everything"
                    .clone_into(&mut plan.why);
            }
        }
        if is_whole && *reach == Reach::Incremental {
            for plan in &mut plans {
                "`source.since-style` says that the server knows no `_since`"
                    .clone_into(&mut plan.why);
            }
        }
        let prefix = format!("{}@", self.chain.name);
        let is_changed = marks.is_empty()
            && self
                .ledger
                .streams()?
                .iter()
                .any(|other| other != stream && other.starts_with(&prefix));
        if is_changed && *reach == Reach::Incremental {
            let why = "the server, a plugin, its settings or a cohort changed since the last \
                       export of this chain";
            for plan in &mut plans {
                why.clone_into(&mut plan.why);
            }
        }
        Ok(plans)
    }

    /// Whether every export is one of everything.
    pub(super) fn knows_no_since(&self) -> bool {
        self.config.source.asking.since_style == SinceStyle::Unsupported
    }

    /// When everything was asked for the last time, of the type of which that is longest ago.
    pub(crate) fn last_full(&self) -> anyhow::Result<Option<Instant>> {
        let baselines = self.ledger.baselines(&self.subject())?;
        Ok(baselines.values().filter_map(|baseline| baseline.full_at).min())
    }

    /// One of `parts` parts of the configured types: those whose export of everything is
    /// longest ago.
    pub(crate) fn due(&self, parts: NonZeroUsize) -> anyhow::Result<Vec<ResourceType>> {
        let baselines = self.ledger.baselines(&self.subject())?;
        let mut types = self.config.source.types.clone();
        types.sort_by_key(|name| baselines.get(name).and_then(|of| of.full_at));
        types.truncate(types.len().div_ceil(parts.get()));
        Ok(types)
    }

    /// Whether everything has to be asked for again: the oldest export of everything of a type is
    /// too old.
    fn is_full_due(
        &self,
        marks: &BTreeMap<ResourceType, Watermark>,
    ) -> anyhow::Result<bool> {
        let Some(after) = self.config.sync.full_resync else { return Ok(false) };
        let baselines = self.ledger.baselines(&self.subject())?;
        let now = clock::now();
        let oldest = baselines
            .iter()
            .filter(|(name, _)| {
                marks.contains_key(name) || marks.contains_key(&all_types())
            })
            .filter_map(|(_, baseline)| baseline.full_at)
            .min();
        Ok(oldest.is_some_and(|at| now.since(at) > after))
    }

    /// Makes void what was written down as delivered by an export that is given up: nobody is
    /// told of its files.
    pub(super) fn void(&self, id: &ExportId) -> anyhow::Result<()> {
        if let Some(record) = self.ledger.export(id)?
            && let Some(holdings) = self.holdings(&record, false)?
        {
            for file in self.ledger.files(id)? {
                holdings.give_up(file.index, 0)?;
            }
        }
        Ok(())
    }

    /// A new id: when it began, with a number where two began in one second.
    pub(super) fn new_id(&self, at: Instant) -> anyhow::Result<ExportId> {
        let base = at.compact();
        let mut id: ExportId = base.parse()?;
        let mut number = 2_u32;
        while self.ledger.export(&id)?.is_some() {
            id = format!("{base}-{number}").parse()?;
            number += 1;
        }
        Ok(id)
    }
}

/// What the watermarks of a chain belong to.
pub(crate) fn stream(config: &Config, chain: &str, fingerprint: &str) -> String {
    let source = &config.source;
    let remembers = match config.sync.remembers {
        Remembers::Nothing => "",
        // What was delivered before it was remembered is not known: begin anew.
        Remembers::Resources => "remembering",
    };
    let definition = [
        source.name.clone(),
        source.level.to_string(),
        source.definition(),
        fingerprint.to_owned(),
        remembers.to_owned(),
    ];
    format!("{chain}@{:016x}", xxh3_64(definition.join("\n\n").as_bytes()))
}

/// The kick-off as a URL that may be shown: no patients, no secrets.
pub(super) fn request(base: &Url, kickoff: &Kickoff) -> String {
    let base = base.as_str().trim_end_matches('/');
    let mut query = Vec::new();
    if let Some(since) = kickoff.since {
        query.push(format!("_since={since}"));
    }
    if !kickoff.types.is_empty() {
        let names: Vec<&str> = kickoff.types.iter().map(ResourceType::as_str).collect();
        query.push(format!("_type={}", names.join(",")));
    }
    query.extend(
        kickoff.type_filters.iter().map(|filter| format!("_typeFilter={filter}")),
    );
    let path = match kickoff.way {
        // Of whom is not for printing.
        Way::Everything => "Patient/-/$everything".to_owned(),
        Way::Export => kickoff.level.kickoff_path(),
    };
    if query.is_empty() {
        format!("{base}/{path}")
    } else {
        format!("{base}/{path}?{}", query.join("&"))
    }
}

/// The watermarks that this export may move: those of types whose verdict is complete, or
/// whose omission was accepted.
pub(super) fn marks(
    asked: &[ResourceType],
    verdicts: &BTreeMap<String, Verdict>,
    accepted: &BTreeMap<String, Acceptance>,
    record: &ExportRecord,
    effective: Instant,
) -> Vec<(ResourceType, Watermark)> {
    let mark = || Watermark {
        effective,
        set_by: record.id.clone(),
        transaction_time: record.transaction_time,
        server_date: record.server_date,
        kickoff_instant: record.kickoff_instant,
    };
    let moves = |name: &str, verdict: &Verdict| {
        verdict.moves_the_watermark() || accepted.contains_key(name)
    };
    if asked.is_empty() {
        // Without a verdict nothing is known, and nothing moves.
        let is_complete = !verdicts.is_empty()
            && verdicts.iter().all(|(name, verdict)| moves(name, verdict));
        return is_complete.then(|| (all_types(), mark())).into_iter().collect();
    }
    asked
        .iter()
        .filter(|name| {
            let verdict = verdicts.get(name.as_str());
            verdict.is_some_and(|verdict| moves(name.as_str(), verdict))
        })
        .map(|name| (name.clone(), mark()))
        .collect()
}

#[cfg(test)]
mod tests {
    use bulkhead_ledger::Phase;

    use super::*;

    /// Items: 72.
    #[test]
    fn all_types_together_move_only_when_each_does_and_never_without_a_verdict() {
        let at = Instant::from_unix_ms(1_000);
        let record = ExportRecord {
            id: "e1".parse().unwrap(),
            stream: String::new(),
            chain: String::new(),
            request: String::new(),
            fingerprint: String::new(),
            kickoff_instant: at,
            server_date: None,
            since: None,
            phase: Phase::Concluded,
            status_url: None,
            manifest: None,
            transaction_time: None,
            failure: None,
            report: None,
            started_at: at,
            finished_at: None,
            evidence: None,
            released_at: None,
        };
        let (good, bad) = (Verdict::Complete, Verdict::ServerErrors(1));
        let leave = Acceptance { reason: "x".to_owned(), by: "y".to_owned() };
        let patient = || -> ResourceType { "Patient".parse().unwrap() };
        // name, asked, verdicts, accepted, moved
        let cases = [
            ("no verdict at all", vec![], vec![], None, &[][..]),
            ("all good", vec![], vec![("Resource", &good)], None, &["Resource"]),
            ("one bad", vec![], vec![("Resource", &good), ("Basic", &bad)], None, &[]),
            (
                "one bad, accepted",
                vec![],
                vec![("Resource", &good), ("Basic", &bad)],
                Some("Basic"),
                &["Resource"],
            ),
            (
                "by name, good",
                vec![patient()],
                vec![("Patient", &good)],
                None,
                &["Patient"],
            ),
            ("by name, bad", vec![patient()], vec![("Patient", &bad)], None, &[]),
            (
                "by name, accepted",
                vec![patient()],
                vec![("Patient", &bad)],
                Some("Patient"),
                &["Patient"],
            ),
        ];
        for (name, asked, verdicts, accepted, expected) in cases {
            let verdicts = verdicts
                .into_iter()
                .map(|(name, verdict)| (name.to_owned(), verdict.clone()))
                .collect();
            let accepted = accepted
                .map(|name: &str| (name.to_owned(), leave.clone()))
                .into_iter()
                .collect();
            let moved = marks(&asked, &verdicts, &accepted, &record, at);
            let moved: Vec<String> =
                moved.iter().map(|(name, _)| name.to_string()).collect();
            assert_eq!(moved, expected, "case: {name}");
        }
    }
}
