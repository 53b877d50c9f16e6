//! `bulkhead cancel`: gives up an unfinished export and deletes its job on the server.

use std::{io::Write, path::PathBuf, process::ExitCode};

use bulkhead_ledger::{ExportRecord, Ledger, Phase};

use super::run::locked;
use crate::{
    assemble, clock,
    config::{Config, Pinning},
    export::release,
    trail::Trail,
};

/// Give up the unfinished export of a chain, and delete its job on the server.
///
/// What is delivered stays, and no watermark moves: the next run asks for the same again.
/// A run that merely stops keeps its job and goes on; use this when it must not go on.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bulkhead cancel\n  bulkhead cancel research")]
pub(crate) struct Cancel {
    /// Of this chain alone.
    #[arg(value_name = "CHAIN")]
    chain: Option<String>,

    /// The configuration.
    #[arg(long, short, value_name = "FILE", default_value = "bulkhead.toml")]
    config: PathBuf,
}

impl Cancel {
    /// Exits 0, also when there is nothing to give up.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let config = Config::read(&self.config, Pinning::Waived)?;
        let chains: Vec<String> = config
            .chains_named(self.chain.as_deref())?
            .into_iter()
            .map(|chain| chain.name.clone())
            .collect();
        let mut out = std::io::stdout();
        if !config.state.join("ledger.db").exists() {
            writeln!(out, "There is nothing to cancel: nothing was ever begun.")?;
            return Ok(ExitCode::SUCCESS);
        }
        let ledger = assemble::ledger(&config)?;
        let _lock = ledger.lock().map_err(locked)?;
        let unfinished = unfinished(&ledger, &chains)?;
        if unfinished.is_empty() {
            writeln!(out, "There is nothing to cancel: no export is under way.")?;
            return Ok(ExitCode::SUCCESS);
        }
        let client = assemble::client(&config)?;
        let trail = Trail::new(&ledger);
        for record in unfinished {
            let particulars = serde_json::json!({
                "chain": record.chain,
                "export": record.id.to_string(),
                "phase": record.phase.to_string(),
            });
            trail.overridden("cancel", &particulars)?;
            ledger.abandon(&record.id, "cancelled by the operator", clock::now())?;
            let (id, chain) = (&record.id, &record.chain);
            if record.phase == Phase::Intent {
                writeln!(
                    out,
                    "Export {id} of chain `{chain}` is given up. Nobody knows whether the server \
                     took its kick-off: a job may be left there."
                )?;
                continue;
            }
            match release(&client, &ledger, &record).await?.remark() {
                None => writeln!(
                    out,
                    "Export {id} of chain `{chain}` is given up, and its job is gone from the \
                     server."
                )?,
                Some(remark) => writeln!(
                    out,
                    "Export {id} of chain `{chain}` is given up, but {remark}."
                )?,
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What is under way, of any stream of these chains.
fn unfinished(ledger: &Ledger, chains: &[String]) -> anyhow::Result<Vec<ExportRecord>> {
    let mut found = Vec::new();
    for stream in ledger.streams()? {
        let record = ledger.unfinished(&stream)?;
        found.extend(record.filter(|record| chains.contains(&record.chain)));
    }
    Ok(found)
}
