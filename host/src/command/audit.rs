//! `bulkhead audit`: what every plugin may, asked for and used, where data can go, and whether
//! the log of it all is as it was written.

mod capabilities;
mod escape;
mod findings;
mod flow;
mod gather;
mod html;
mod log;
mod picture;
mod place;
mod survey;
mod verify;
mod words;

use std::{io::Write, path::PathBuf, process::ExitCode};

use self::findings::Severity;
use crate::{
    clock,
    config::{ChainConfig, Config, Pinning},
    failure::{Exit, Failure},
};

const EXAMPLES: &str = "\
Examples:
  bulkhead audit
  bulkhead audit --html audit.html           # one page to file: no script, no outside resource
  bulkhead audit --fail-on medium            # exit 3 when there is such a finding
  bulkhead audit verify --head 3f1a…         # the log against a head that was kept elsewhere
  bulkhead audit log --since 30d";

/// Show what every plugin of a configuration asked for, was granted and has used, who can see
/// what, which data can reach which place, and what to mend. Reads plugins and runs none.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Audit {
    #[command(subcommand)]
    part: Option<Part>,

    #[command(flatten)]
    page: Page,
}

#[derive(Debug, clap::Subcommand)]
enum Part {
    Log(log::Log),
    Verify(verify::Verify),
}

#[derive(Debug, clap::Args)]
struct Page {
    /// The configuration.
    #[arg(long, short, value_name = "FILE", default_value = "bulkhead.toml")]
    config: PathBuf,

    /// This chain alone.
    #[arg(long, value_name = "NAME")]
    chain: Option<String>,

    /// Write a page to this file, whole in itself: to print, to send, to keep.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Write one JSON object to standard output.
    #[arg(long)]
    json: bool,

    /// Exit 3 when there is a finding of this severity or a worse one.
    #[arg(long, value_name = "SEVERITY", value_enum)]
    fail_on: Option<Severity>,
}

impl Audit {
    /// Exits 0; 3 with `--fail-on` and such a finding.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.part {
            None => self.page.run(),
            Some(Part::Log(log)) => log.run(),
            Some(Part::Verify(verify)) => verify.run(),
        }
    }
}

impl Page {
    fn run(self) -> anyhow::Result<ExitCode> {
        // An unpinned plugin is a finding here, and no reason to show nothing.
        let config = Config::read(&self.config, Pinning::Waived)?;
        let chains: Vec<&ChainConfig> = config.chains_named(self.chain.as_deref())?;
        let survey = gather::survey(&config, &chains, clock::now())?;
        if let Some(path) = &self.html {
            fs_err::write(path, html::page(&survey)).map_err(|error| {
                Failure::refused(format!("writing the page: {error}"))
            })?;
        }
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&survey)?)?;
        } else {
            write!(out, "{}", words::render(&survey))?;
            if let Some(path) = &self.html {
                writeln!(out, "\nThe page is at {}.", path.display())?;
            }
        }
        let is_bad = self.fail_on.is_some_and(|least| {
            survey.findings.iter().any(|finding| finding.severity >= least)
        });
        Ok(if is_bad { Exit::Incomplete.into() } else { ExitCode::SUCCESS })
    }
}
