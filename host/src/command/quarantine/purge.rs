//! `bulkhead quarantine purge`: removes refused records and their bodies for good.

use std::{io::Write, path::PathBuf, process::ExitCode, time::Duration};

use bulkhead_ledger::{ExportId, Purged, Search, Which};
use serde_json::json;

use super::export_id;
use crate::{
    assemble, clock,
    command::run::locked,
    config::{Config, Pinning, duration},
    export::sweep,
    failure::Exit,
    report::count,
    trail::Trail,
    vault,
};

/// Remove refused records of ended exports for good: sealed bodies, positions and codes.
///
/// Counts stay in the reports. Without `--yes` it says what it would remove.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bulkhead quarantine purge --older-than 30d          # says what it would remove\n  bulkhead quarantine purge --older-than 30d --yes\n  bulkhead quarantine purge --export 20260105T000102Z --yes"
)]
pub(super) struct Purge {
    /// The configuration.
    #[arg(long, short, value_name = "FILE", default_value = "bulkhead.toml")]
    config: PathBuf,

    /// Of exports that began longer ago than this: `12h`, `30d`.
    #[arg(long, value_name = "TIME", value_parser = older)]
    older_than: Option<Duration>,

    /// Of this export alone.
    #[arg(long, value_name = "ID", value_parser = export_id)]
    export: Option<ExportId>,

    /// Do it.
    #[arg(long)]
    yes: bool,

    /// Write one JSON object.
    #[arg(long)]
    json: bool,
}

fn older(text: &str) -> Result<Duration, String> {
    duration(text)
        .ok_or_else(|| "write a whole number with s, m, h or d, as `30d`".to_owned())
}

impl Purge {
    /// Exits 0 when it is done or there is nothing to do, 2 when `--yes` was not said.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let config = Config::read(&self.config, Pinning::Waived)?;
        let mut out = std::io::stdout().lock();
        let mut told = Purged::default();
        let mut files = 0;
        if config.state.join("ledger.db").exists() {
            let ledger = assemble::ledger(&config)?;
            let _lock = ledger.lock().map_err(locked)?;
            let search = Search {
                export: self.export.as_ref(),
                before: self.older_than.map(|age| clock::now().minus(age)),
                which: Which::Resting,
                ..Search::default()
            };
            told = ledger.count_quarantine(&search)?;
            if self.yes {
                let (export, before) =
                    (search.export.map(ToString::to_string), search.before);
                let particulars = json!({
                    "export": export, "before": before,
                    "entries": told.entries, "sealed": told.sealed,
                });
                Trail::new(&ledger).overridden("purge-quarantine", &particulars)?;
                ledger.purge_quarantine(&search)?;
                // What an interrupted purge left goes too.
                if let Some(vault) = vault::open(&config)? {
                    files = sweep(&ledger, &vault)?;
                }
            }
        }
        let Purged { entries, sealed } = told;
        if self.json {
            let purged = json!({
                "entries": entries, "sealed": sealed, "files": files, "done": self.yes,
            });
            writeln!(out, "{purged}")?;
        } else if self.yes {
            writeln!(
                out,
                "{} removed, {sealed} of them with a sealed body; {}.",
                count(entries, "record"),
                count(files, "sealed file")
            )?;
        } else {
            writeln!(
                out,
                "This would remove {}, {sealed} of them with a sealed body. Say `--yes` to do it.",
                count(entries, "record")
            )?;
        }
        Ok(if self.yes || entries == 0 {
            ExitCode::SUCCESS
        } else {
            Exit::Refused.into()
        })
    }
}
