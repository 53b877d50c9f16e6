//! `bulkhead run`: exports, streams, delivers, reports.

use std::{num::NonZeroUsize, path::PathBuf, process::ExitCode, sync::Arc};

use bulkhead_model::{Instant, ResourceType};
use serde_json::json;

use super::ready::Ready;
use crate::{
    config::{Config, Pinning, omission},
    export::{Acceptance, Acceptances, Reach, sweep},
    failure::{Exit, Failure},
    output::{Output, Wish},
    report::Report,
    trail::{Trail, operator},
};

/// Export from the server and stream every resource through the configured chains.
///
/// The first run is a full export. Later runs ask for what has changed. A run that was
/// stopped or killed goes on where the ledger says.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bulkhead run\n  bulkhead run --config site.toml --chain research --json"
)]
pub(crate) struct Run {
    /// The configuration.
    #[arg(long, short, value_name = "FILE", default_value = "bulkhead.toml")]
    pub(crate) config: PathBuf,

    /// Run this chain alone.
    #[arg(long, value_name = "NAME")]
    pub(crate) chain: Option<String>,

    /// Ask for everything, whatever the watermarks say.
    #[arg(long)]
    pub(crate) full: bool,

    /// Move the watermark of this type although the server left something of it out; `*` for
    /// all types together. May be given several times. Written to the ledger.
    #[arg(long, value_name = "TYPE", value_parser = omission, requires = "reason")]
    pub(crate) accept_omission: Vec<ResourceType>,

    /// Why the omission is accepted.
    #[arg(long, value_name = "TEXT", requires = "accept_omission")]
    pub(crate) reason: Option<String>,

    /// Write events as JSON to standard output, one object a line; the last is the report.
    #[arg(long)]
    pub(crate) json: bool,

    /// Allow plugins without a pinned sha256. For plugin developers.
    #[arg(long)]
    pub(crate) dev: bool,
}

/// What a run asks for.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    /// What has changed since the watermarks.
    Changes,
    /// Everything.
    Everything,
    /// Everything of one of so many parts of the types.
    Rotation(NonZeroUsize),
    /// Everything of these types.
    Types(Vec<ResourceType>),
}

impl Run {
    /// Exits 0 when everything is delivered and complete, 3 when something is missing.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let output = Output::new(if self.json { Wish::Json } else { Wish::Best });
        let reports = self.reports(&output).await?;
        let is_complete = reports.iter().all(Report::is_complete);
        if is_complete {
            return Ok(ExitCode::SUCCESS);
        }
        output.say(
            "Not everything came: the lines with `!` say what. Watermarks of what is missing did \
             not move; run again to ask once more.",
        );
        Ok(Exit::Incomplete.into())
    }

    /// Runs the chains and shows each report as it is there.
    pub(crate) async fn reports(&self, output: &Output) -> anyhow::Result<Vec<Report>> {
        let wanted = if self.full { Wanted::Everything } else { Wanted::Changes };
        let reports = self.resynced(output, &wanted).await?;
        Ok(reports.into_iter().map(|(report, _)| report).collect())
    }

    /// The same for what is wanted; with each report, when everything was asked for before.
    pub(super) async fn resynced(
        &self,
        output: &Output,
        wanted: &Wanted,
    ) -> anyhow::Result<Vec<(Report, Option<Instant>)>> {
        let pinning = if self.dev { Pinning::Waived } else { Pinning::Required };
        let config = Arc::new(Config::read(&self.config, pinning)?);
        for name in &self.accept_omission {
            config.source.expect(name, "--accept-omission")?;
        }
        if let Wanted::Types(types) = wanted {
            for name in types {
                config.source.expect(name, "--type")?;
            }
        }
        let chains: Vec<_> =
            config.chains_named(self.chain.as_deref())?.into_iter().cloned().collect();
        let ready = Ready::configured(Arc::clone(&config), output).await?;
        let trail = &ready.trail;
        self.note_overrides(trail, wanted)?;
        let accept =
            Acceptances::new(&config.sync.accept_omission, self.accepted_by_hand());
        let mut reports = Vec::new();
        for chain in chains {
            let (export, started) = ready.export(chain, accept.clone()).await?;
            let before = export.last_full()?;
            let reach = match wanted {
                Wanted::Changes => Reach::Incremental,
                Wanted::Everything => Reach::Full,
                Wanted::Rotation(parts) => Reach::Types(export.due(*parts)?),
                Wanted::Types(types) => Reach::Types(types.clone()),
            };
            let came = export.run(reach).await;
            let (reports_of_chain, head) = ready.ended(&export, &started, came)?;
            for mut report in reports_of_chain {
                report.audit = Some(head.clone());
                output.report(&report);
                reports.push((report, before));
            }
        }
        if let Some(vault) = &ready.vault {
            sweep(&ready.ledger, vault)?;
        }
        Ok(reports)
    }

    /// What the command line overrides, into the audit log.
    fn note_overrides(&self, trail: &Trail, wanted: &Wanted) -> anyhow::Result<()> {
        let again = match wanted {
            Wanted::Changes => None,
            Wanted::Everything => Some(json!({ "of": "everything" })),
            Wanted::Rotation(parts) => Some(json!({ "of": { "one-part-of": parts } })),
            Wanted::Types(types) => {
                let types: Vec<&str> = types.iter().map(ResourceType::as_str).collect();
                Some(json!({ "of": types }))
            }
        };
        if let Some(again) = again {
            trail.overridden("ask-again", &again)?;
        }
        if self.dev {
            trail.overridden("dev", &json!({ "waives": "sha256" }))?;
        }
        if !self.accept_omission.is_empty() {
            let types = self.accept_omission.iter().map(ResourceType::as_str);
            let types: Vec<&str> = types.collect();
            let particulars = json!({ "types": types, "reason": self.reason });
            trail.overridden("accept-omission", &particulars)?;
        }
        Ok(())
    }

    fn accepted_by_hand(&self) -> Vec<(ResourceType, Acceptance)> {
        let acceptance = Acceptance {
            reason: self.reason.clone().unwrap_or_default(),
            by: operator(),
        };
        let named = self.accept_omission.iter();
        named.map(|name| (name.clone(), acceptance.clone())).collect()
    }
}

pub(super) fn locked(error: bulkhead_ledger::Error) -> anyhow::Error {
    if !matches!(error, bulkhead_ledger::Error::Locked { .. }) {
        return error.into();
    }
    let what = "another run uses this ledger".to_owned();
    // The ledger's own hint says what to do.
    let failure = Failure { exit: Exit::Locked, blame: "operator", what, hint: None };
    anyhow::Error::new(error).context(failure)
}
