//! `bulkhead quarantine replay`: sends what was refused through the chain again.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use bulkhead_ledger::Which;

use super::Chosen;
use crate::{
    command::ready::Ready,
    config::Pinning,
    export::{Acceptances, sweep},
    failure::Exit,
    output::{Output, Wish},
    report::Report,
    vault,
};

/// Send refused records through their chain again, to the sink.
///
/// A record that no stage had changed goes through the whole chain; another goes on at the stage
/// that refused it, after the filters before it were asked again. It stays where one of them
/// cannot be asked: because it reads bodies or fields, or because a stage, its settings or its
/// key is another now. What is older than what was delivered since is left out. Each replay is an export of its own, with a report. What comes
/// through leaves the quarantine; what is refused again stays. A replay that was stopped or
/// killed goes on when you replay again.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bulkhead quarantine replay --identity key.txt\n  bulkhead quarantine replay --identity key.txt --stage deidentify\n\nExit codes: 0 everything came through, or there was nothing; 3 some were refused again."
)]
pub(super) struct Replay {
    #[command(flatten)]
    chosen: Chosen,

    /// Of this chain alone.
    #[arg(long, value_name = "NAME")]
    chain: Option<String>,

    /// The private key, as `age-keygen` writes it; several in one file are tried in turn.
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,

    /// Write events as JSON to standard output, one object a line; the last is the report.
    #[arg(long)]
    json: bool,

    /// Allow plugins without a pinned sha256. For plugin developers.
    #[arg(long)]
    dev: bool,
}

impl Replay {
    /// Exits 0 when everything came through, 3 when some were refused again.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let output = Output::new(if self.json { Wish::Json } else { Wish::Best });
        let pinning = if self.dev { Pinning::Waived } else { Pinning::Required };
        let identities = Arc::new(vault::identities(&self.identity)?);
        let ready = Ready::of(&self.chosen.config, pinning, &output).await?;
        let chains = ready.config.chains_named(self.chain.as_deref())?;
        let chains: Vec<_> = chains.into_iter().cloned().collect();
        let search = self.chosen.search(Which::Sealed);
        let mut reports: Vec<Report> = Vec::new();
        for chain in chains {
            let accept = Acceptances::new(&[], Vec::new());
            let (export, started) = ready.export(chain, accept).await?;
            let came = export.replay(&identities, &search).await;
            let (came, head) = ready.ended(&export, &started, came)?;
            for mut report in came {
                report.audit = Some(head.clone());
                output.report(&report);
                reports.push(report);
            }
        }
        if let Some(vault) = &ready.vault {
            sweep(&ready.ledger, vault)?;
        }
        if reports.is_empty() {
            output.say("There is nothing to replay.");
        }
        let is_through = |report: &Report| {
            let all = report.replay.is_none_or(|of| of.settled == of.records);
            all && !report.has_failed_files()
        };
        Ok(if reports.iter().all(is_through) {
            ExitCode::SUCCESS
        } else {
            Exit::Incomplete.into()
        })
    }
}
