//! `bulkhead status`: past runs, watermarks, what is left to do.

mod why;

use std::{io::Write, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use bulkhead_ledger::{ExportRecord, FileState, Ledger, Purged, Search};
use bulkhead_model::ResourceType;
use serde_json::json;

use crate::{
    config::{Config, Pinning, omission},
    export::is_replay,
    failure::Failure,
    report::{Report, count},
};

/// Accepted omissions that are shown of one stream.
const OMISSIONS: u32 = 20;

/// Show past exports, watermarks and what is left to do. Works while a run is under way.
#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    /// The configuration.
    #[arg(long, short, value_name = "FILE", default_value = "bulkhead.toml")]
    config: PathBuf,

    /// How many exports, newest first.
    #[arg(long, short = 'n', default_value_t = 10)]
    exports: u32,

    /// Show the report of this export, with the evidence of every type.
    #[arg(long, value_name = "EXPORT")]
    report: Option<String>,

    /// Explain the watermark of this type, and the verdicts of its latest exports; `*` for all
    /// types together.
    #[arg(long, value_name = "TYPE", value_parser = omission, conflicts_with = "report")]
    why: Option<ResourceType>,

    /// Write one JSON object.
    #[arg(long)]
    json: bool,
}

impl Status {
    /// Exits 0, or 1 when the ledger cannot be read.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let config = Config::read(&self.config, Pinning::Waived)?;
        if let Some(name) = &self.why {
            config.source.expect(name, "--why")?;
        }
        let path = config.state.join("ledger.db");
        let mut out = std::io::stdout().lock();
        if !path.exists() {
            writeln!(out, "No run yet: there is no ledger at {}.", path.display())?;
            return Ok(ExitCode::SUCCESS);
        }
        let ledger = Ledger::open_read_only(path)?;
        if let Some(id) = &self.report {
            let unknown = || {
                Failure::refused(format!("the ledger has no export `{id}`"))
                    .hint("`bulkhead status` lists them")
            };
            let record = ledger.export(&id.parse().map_err(|_| unknown())?)?;
            let record = record.ok_or_else(unknown)?;
            let json = record
                .report
                .context("this export has no report: it is not completed")?;
            let report: Report = serde_json::from_str(&json)?;
            if self.json {
                writeln!(out, "{json}")?;
            } else {
                write!(out, "{}", report.render())?;
                write!(out, "Evidence, by type:\n{}", report.render_evidence())?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(name) = &self.why {
            let found = why::look(&ledger, name, config.sync.overlap)?;
            if self.json {
                let found: Vec<_> = found.iter().map(why::Why::json).collect();
                writeln!(out, "{}", json!({ "why": found }))?;
            } else {
                for why in &found {
                    write!(out, "{}", why.render())?;
                }
            }
            return Ok(ExitCode::SUCCESS);
        }
        let exports = ledger.exports(self.exports)?;
        if self.json {
            writeln!(out, "{}", as_json(&ledger, &exports)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(head) = ledger.audit_head()? {
            writeln!(out, "Audit log ends at line {}: {}\n", head.seq, head.hash)?;
        }
        writeln!(out, "Exports, newest first:")?;
        for record in &exports {
            writeln!(out, "  {}", line(&ledger, record)?)?;
        }
        writeln!(out, "\nWatermarks (everything up to there is delivered):")?;
        for stream in ledger.streams()? {
            let marks = ledger.watermarks(&stream)?;
            if !marks.is_empty() {
                writeln!(out, "  {stream}")?;
            }
            for (name, mark) in marks {
                let name =
                    if name.as_str() == "Resource" { "all types" } else { name.as_str() };
                writeln!(out, "    {name:28} {}   by {}", mark.effective, mark.set_by)?;
            }
            for omission in ledger.omissions(&stream, OMISSIONS)? {
                writeln!(
                    out,
                    "    {} accepted in export {} that {} was {}: {}",
                    omission.accepted_by,
                    omission.export,
                    omission.resource_type,
                    omission.verdict,
                    omission.reason
                )?;
            }
        }
        let Purged { entries, sealed } = ledger.count_quarantine(&Search::default())?;
        if entries > 0 {
            writeln!(
                out,
                "\nRefused: {}, {sealed} of them with a sealed body; see `bulkhead quarantine list`",
                count(entries, "record")
            )?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn line(ledger: &Ledger, record: &ExportRecord) -> anyhow::Result<String> {
    let kind = match record.since {
        _ if is_replay(&record.stream) => "replay",
        Some(_) => "incremental",
        None => "full",
    };
    let head = format!("{} {:10} {kind:11} {}", record.id, record.chain, record.phase);
    let report = record
        .report
        .as_deref()
        .and_then(|json| serde_json::from_str::<Report>(json).ok());
    if let Some(report) = report {
        let total = report.tally.total();
        let missing =
            if report.is_complete() { "" } else { "  NOT COMPLETE: see --report" };
        return Ok(format!(
            "{head}: {} read, {} delivered{missing}",
            total.read, total.delivered
        ));
    }
    if let Some(failure) = &record.failure {
        return Ok(format!("{head}: {failure}"));
    }
    let files = ledger.files(&record.id)?;
    let closed = files.iter().filter(|file| file.state == FileState::Closed).count();
    let left = if files.is_empty() {
        "waiting for the server".to_owned()
    } else {
        format!("{closed} of {} files done", files.len())
    };
    let goes_on = if is_replay(&record.stream) { "quarantine replay" } else { "run" };
    Ok(format!("{head}: {left}; `bulkhead {goes_on}` goes on"))
}

fn as_json(
    ledger: &Ledger,
    exports: &[ExportRecord],
) -> anyhow::Result<serde_json::Value> {
    let mut listed = Vec::new();
    for record in exports {
        let files = ledger.files(&record.id)?;
        let closed = files.iter().filter(|file| file.state == FileState::Closed).count();
        listed.push(json!({
            "export": record.id.to_string(),
            "chain": record.chain,
            "stream": record.stream,
            "phase": record.phase.to_string(),
            "since": record.since,
            "transaction-time": record.transaction_time,
            "kickoff-instant": record.kickoff_instant,
            "server-date": record.server_date,
            "files": files.len(),
            "files-done": closed,
            "released-at": record.released_at,
            "failure": record.failure,
        }));
    }
    let mut streams = serde_json::Map::new();
    let mut omissions = serde_json::Map::new();
    for stream in ledger.streams()?.into_iter().filter(|of| !is_replay(of)) {
        let marks = ledger.watermarks(&stream)?;
        let marks: serde_json::Map<String, serde_json::Value> = marks
            .into_iter()
            .map(|(name, mark)| (name.to_string(), json!(mark.effective)))
            .collect();
        let accepted = ledger.omissions(&stream, OMISSIONS)?;
        let accepted: Vec<_> = accepted.iter().map(why::omission).collect();
        omissions.insert(stream.clone(), accepted.into());
        streams.insert(stream, marks.into());
    }
    let Purged { entries, sealed } = ledger.count_quarantine(&Search::default())?;
    Ok(json!({
        "audit": ledger.audit_head()?, "exports": listed, "watermarks": streams,
        "accepted-omissions": omissions, "quarantine": {"entries": entries, "sealed": sealed},
    }))
}
