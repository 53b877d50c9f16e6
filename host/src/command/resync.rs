//! `bulkhead resync`: asks for everything again and says what drifted.

use std::{num::NonZeroUsize, path::PathBuf, process::ExitCode};

use bulkhead_model::ResourceType;

use super::run::{Run, Wanted};
use crate::{
    failure::Exit,
    output::{Output, Wish},
    report::Report,
};

/// Ask for everything again, mend what drifted, and say how much it was.
///
/// An incremental export shows what the server says has changed. This finds the rest: edits
/// without a new lastUpdated, inserts with an old one, versions that went back, deletions that
/// nobody told. What differs is delivered, what is the same is not.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bulkhead resync\n  bulkhead resync --type Observation\n  bulkhead resync --rotate 7     # a seventh of the types, those that are due longest"
)]
pub(crate) struct Resync {
    /// The configuration.
    #[arg(long, short, value_name = "FILE", default_value = "bulkhead.toml")]
    config: PathBuf,

    /// This chain alone.
    #[arg(long, value_name = "NAME")]
    chain: Option<String>,

    /// This type alone. May be given several times.
    #[arg(long = "type", value_name = "TYPE", conflicts_with = "rotate")]
    types: Vec<ResourceType>,

    /// One of N parts of the configured types: those whose last export of everything is oldest.
    #[arg(long, value_name = "N")]
    rotate: Option<NonZeroUsize>,

    /// Write events as JSON to standard output, one object a line; the last is the report.
    #[arg(long)]
    json: bool,

    /// Allow plugins without a pinned sha256. For plugin developers.
    #[arg(long)]
    dev: bool,
}

impl Resync {
    /// Exits 0 when everything is delivered and complete, 3 when something is missing.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let output = Output::new(if self.json { Wish::Json } else { Wish::Best });
        let wanted = match (self.rotate, self.types.is_empty()) {
            (Some(parts), _) => Wanted::Rotation(parts),
            (None, true) => Wanted::Everything,
            (None, false) => Wanted::Types(self.types),
        };
        let run = Run {
            config: self.config,
            chain: self.chain,
            full: true,
            accept_omission: Vec::new(),
            reason: None,
            json: self.json,
            dev: self.dev,
        };
        let reports = run.resynced(&output, &wanted).await?;
        for (report, since) in &reports {
            output.say(&report.render_drift(*since));
        }
        let is_complete =
            reports.iter().map(|(report, _)| report).all(Report::is_complete);
        Ok(if is_complete { ExitCode::SUCCESS } else { Exit::Incomplete.into() })
    }
}
