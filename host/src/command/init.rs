//! `bulkhead init`: a configuration to start from, which explains itself.
//!
//! Owns the template and where it goes. What its keys mean is `config`'s business; a test
//! reads the template, and everything that is commented out in it, with that very code.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;

use crate::failure::Failure;

const TEMPLATE: &str = include_str!("init/bulkhead.toml");

/// Writes a commented configuration to start from.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bulkhead init
  bulkhead init --path study-7/bulkhead.toml
  bulkhead init --print | less")]
pub(crate) struct Init {
    /// Where to write it.
    #[arg(long, value_name = "FILE", default_value = "bulkhead.toml")]
    path: PathBuf,

    /// Replaces a file that is already there.
    #[arg(long)]
    force: bool,

    /// Prints it instead of writing it.
    #[arg(long, conflicts_with_all = ["path", "force"])]
    print: bool,
}

impl Init {
    /// Exits 2 when a file is in the way.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let mut out = std::io::stdout().lock();
        if self.print {
            out.write_all(TEMPLATE.as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        write(&self.path, if self.force { Existing::Replace } else { Existing::Refuse })?;
        let path = self.path.display();
        writeln!(out, "wrote {path}")?;
        writeln!(out, "next:")?;
        writeln!(
            out,
            "  1. write your server, cohort and plugins into it; the comments say how"
        )?;
        writeln!(out, "  2. bulkhead check --config {path}")?;
        writeln!(out, "  3. bulkhead run --config {path}")?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What becomes of a file that is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Existing {
    Refuse,
    Replace,
}

fn write(path: &Path, existing: Existing) -> anyhow::Result<()> {
    let writing = || format!("writing {}", path.display());
    let mut options = fs_err::OpenOptions::new();
    options.write(true);
    match existing {
        Existing::Refuse => options.create_new(true),
        Existing::Replace => options.create(true).truncate(true),
    };
    let mut file = match options.open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let what = format!("{} is already there", path.display());
            let hint = "name another file with --path, or replace it with --force";
            return Err(Failure::refused(what).hint(hint).into());
        }
        opened => opened.with_context(writing)?,
    };
    file.write_all(TEMPLATE.as_bytes()).with_context(writing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Pinning};

    #[test]
    fn the_template_is_a_configuration() {
        let read = Config::parse(Path::new("bulkhead.toml"), TEMPLATE, Pinning::Required);
        let problems = read.map(|_| ()).map_err(|problems| problems.to_string());
        assert_eq!(problems, Ok(()));
    }

    /// Prose begins with `# `; a setting that is switched off begins with `#` alone.
    #[test]
    fn so_is_the_template_with_everything_switched_on() {
        let on: Vec<&str> = TEMPLATE
            .lines()
            .map(|line| match line.trim_start().strip_prefix('#') {
                Some(setting) if !setting.starts_with(' ') => setting,
                Some(_) | None => line,
            })
            .collect();
        let on = on.join("\n");
        let read = Config::parse(Path::new("bulkhead.toml"), &on, Pinning::Required);
        let problems = read.map(|_| ()).map_err(|problems| problems.to_string());
        assert_eq!(problems, Ok(()), "{on}");
    }

    #[test]
    fn a_file_in_the_way_is_replaced_only_on_demand() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bulkhead.toml");
        fs_err::write(&path, "mine").unwrap();
        assert!(write(&path, Existing::Refuse).is_err());
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "mine");
        write(&path, Existing::Replace).unwrap();
        assert_eq!(fs_err::read_to_string(&path).unwrap(), TEMPLATE);
    }
}
