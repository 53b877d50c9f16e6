//! `bulkhead quarantine`: what was refused, and what becomes of it.

mod list;
mod purge;
mod replay;
mod show;

use std::{io::Write, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use bulkhead_ledger::{ExportId, Found, Ledger, Place, Search, Which};
use clap::Subcommand;

use crate::config::{Config, Pinning};

const EXAMPLES: &str = "\
Examples:
  bulkhead quarantine list
  bulkhead quarantine list --stage deidentify --code modifier-extension
  bulkhead quarantine show 20260105T000102Z/3/17 --identity key.txt --body
  bulkhead quarantine replay --identity key.txt
  bulkhead quarantine purge --older-than 30d --yes

Bodies are kept only when `quarantine.recipients` names a public key of age, and only of records
that passed every filter. Make a key pair with `age-keygen -o key.txt`, put the public key into the
configuration, and keep key.txt elsewhere.";

/// Lists, shows, replays and purges refused records.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Quarantine {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    List(list::List),
    Purge(purge::Purge),
    Replay(replay::Replay),
    Show(show::Show),
}

impl Quarantine {
    /// Does what was asked.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.task {
            Task::List(list) => list.run(),
            Task::Purge(purge) => purge.run(),
            Task::Replay(replay) => replay.run().await,
            Task::Show(show) => show.run(),
        }
    }
}

/// Which records are meant.
#[derive(Clone, Debug, clap::Args)]
struct Chosen {
    /// The configuration.
    #[arg(long, short, value_name = "FILE", default_value = "bulkhead.toml")]
    config: PathBuf,

    /// Of this export alone.
    #[arg(long, value_name = "ID", value_parser = export_id)]
    export: Option<ExportId>,

    /// Refused by this stage alone.
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,

    /// With this code alone.
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
}

impl Chosen {
    fn search(&self, which: Which) -> Search<'_> {
        Search {
            export: self.export.as_ref(),
            stage: self.stage.as_deref(),
            code: self.code.as_deref(),
            which,
            ..Search::default()
        }
    }
}

fn export_id(text: &str) -> Result<ExportId, bulkhead_ledger::ExportIdError> {
    text.parse()
}

/// The configuration, and its ledger to read from; `None` before the first run.
fn ledger(path: &std::path::Path) -> anyhow::Result<(Config, Option<Ledger>)> {
    let config = Config::read(path, Pinning::Waived)?;
    let database = config.state.join("ledger.db");
    let ledger = database.exists().then(|| Ledger::open_read_only(database));
    Ok((config, ledger.transpose()?))
}

/// Every entry that is meant, a page at a time.
fn each(
    ledger: &Ledger,
    search: &Search<'_>,
    mut see: impl FnMut(Found) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut after: Option<Place> = None;
    loop {
        let page = ledger.search_quarantine(search, after.as_ref(), 1_000)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.place.clone());
        for found in page {
            see(found)?;
        }
    }
}

/// How an entry is named: export, file and line.
fn name(found: &Found) -> String {
    format!("{}/{}/{}", found.export, found.entry.file, found.entry.line)
}

/// Words for people, on standard error: standard output is for what was asked for.
fn note(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stderr().lock(), "{text}").context("writing")
}
