//! `bulkhead quarantine list`: where refused records stood, why, and whether a body is there.

use std::{io::Write, process::ExitCode};

use bulkhead_ledger::{Found, Kept, Which};
use bulkhead_model::ResourceType;
use serde_json::{Value, json};

use super::{Chosen, each, ledger, name};
use crate::report::count;

/// List refused records: position, type, stage, reason, and what became of the body.
///
/// Works while a run is under way. Nothing of what a record says is shown.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bulkhead quarantine list\n  bulkhead quarantine list --export 20260105T000102Z --json\n\nThe last column says what became of the body: `sealed`; `replayed`; not kept by `rule` (no filter\nhad let the record pass, or it is but a key); `off` (no recipients); `full` (no room); `failed`;\n`again` (refused in a replay: it stays where it was)."
)]
pub(super) struct List {
    #[command(flatten)]
    chosen: Chosen,

    /// Write one JSON object a line.
    #[arg(long)]
    json: bool,
}

impl List {
    /// Exits 0, or 1 when the ledger cannot be read.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let (_, ledger) = ledger(&self.chosen.config)?;
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        let (mut all, mut sealed) = (0_u64, 0_u64);
        if let Some(ledger) = ledger {
            each(&ledger, &self.chosen.search(Which::All), |found| {
                all += 1;
                sealed += u64::from(found.entry.kept == Kept::Sealed);
                if self.json {
                    writeln!(out, "{}", as_json(&found))?;
                } else {
                    writeln!(out, "{}", line(&found))?;
                }
                Ok(())
            })?;
        }
        if !self.json {
            let records = count(all, "record");
            writeln!(out, "{records}, {sealed} with a sealed body.")?;
        }
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    }
}

fn line(found: &Found) -> String {
    let entry = &found.entry;
    let kind = entry.resource_type.as_ref().map_or("-", ResourceType::as_str);
    let replay = found.replay.as_ref().map_or(String::new(), |id| format!(" ({id})"));
    format!(
        "{:34} {kind:20} {} {} {}  {}{replay}",
        name(found),
        entry.stage,
        entry.class,
        entry.code,
        entry.kept
    )
}

pub(super) fn as_json(found: &Found) -> Value {
    let entry = &found.entry;
    json!({
        "entry": name(found),
        "export": found.export.to_string(),
        "chain": found.chain,
        "at": found.at,
        "file": entry.file,
        "line": entry.line,
        "part": entry.part,
        "type": entry.resource_type,
        "stage": entry.stage,
        "class": entry.class,
        "code": entry.code,
        "body": entry.kept.as_str(),
        "segment": entry.segment,
        "replay": found.replay.as_ref().map(ToString::to_string),
    })
}
