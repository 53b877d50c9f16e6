//! `bulkhead audit log`: the audit log in plain words.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::PathBuf,
    process::ExitCode,
};

use bulkhead_ledger::audit::{AuditLine, LONGEST_LINE, audit_path};
use bulkhead_model::Instant;

use crate::{
    clock,
    config::{Config, Pinning, duration},
    trail,
};

/// Show the audit log in plain words. What is read may have been edited: `verify` tells.
#[derive(Debug, clap::Args)]
pub(super) struct Log {
    /// The configuration, for its state folder.
    #[arg(long, short, value_name = "FILE", default_value = "bulkhead.toml")]
    config: PathBuf,

    /// Only what is younger than this (`30d`, `12h`) or not before this moment
    /// (`2026-11-01T00:00:00Z`).
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Since>,

    /// The lines as they stand in the file.
    #[arg(long)]
    json: bool,

    /// A copy to read instead.
    #[arg(value_name = "LOG")]
    file: Option<PathBuf>,
}

/// From when on.
#[derive(Clone, Copy, Debug)]
enum Since {
    Age(std::time::Duration),
    Moment(Instant),
}

fn since(text: &str) -> Result<Since, String> {
    if let Some(age) = duration(text) {
        return Ok(Since::Age(age));
    }
    text.parse().map(Since::Moment).map_err(|_| {
        "write an age such as `30d` or `12h`, or a moment such as `2026-11-01T00:00:00Z`".into()
    })
}

impl Log {
    /// Exits 0.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let mut out = std::io::stdout().lock();
        let path = if let Some(path) = self.file {
            path
        } else {
            let config = Config::read(&self.config, Pinning::Waived)?;
            audit_path(&config.state.join("ledger.db"))
        };
        if !path.exists() {
            writeln!(out, "There is no audit log at {}.", path.display())?;
            return Ok(ExitCode::SUCCESS);
        }
        let since = self.since.map(|since| match since {
            Since::Age(age) => clock::now().minus(age),
            Since::Moment(moment) => moment,
        });
        let mut file = BufReader::new(fs_err::File::open(path)?);
        let mut line = Vec::new();
        loop {
            line.clear();
            let limit = LONGEST_LINE as u64 + 1;
            if (&mut file).take(limit).read_until(b'\n', &mut line)? == 0 {
                return Ok(ExitCode::SUCCESS);
            }
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            let Ok(told) = AuditLine::decode(text) else {
                writeln!(
                    out,
                    "(a line that cannot be read: see `bulkhead audit verify`)"
                )?;
                continue;
            };
            if since.is_some_and(|since| told.time < since) {
                continue;
            }
            if self.json {
                out.write_all(text)?;
                writeln!(out)?;
                continue;
            }
            let mut words = trail::tell(&told.event, &told.payload).into_iter();
            let first = words.next().unwrap_or_default();
            writeln!(out, "{}  {:>5}  {first}", told.time, told.seq)?;
            for more in words {
                writeln!(out, "{:33}{more}", "")?;
            }
        }
    }
}
