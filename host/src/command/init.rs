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
    fn switched_on() -> String {
        let lines =
            TEMPLATE.lines().map(|line| match line.trim_start().strip_prefix('#') {
                Some(setting) if !setting.starts_with(' ') => setting,
                Some(_) | None => line,
            });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn so_is_the_template_with_everything_switched_on() {
        let on = switched_on();
        let read = Config::parse(Path::new("bulkhead.toml"), &on, Pinning::Required);
        let problems = read.map(|_| ()).map_err(|problems| problems.to_string());
        assert_eq!(problems, Ok(()), "{on}");
    }

    const NOBODYS: &str = "nobodys-own-key";

    /// The keys that the configuration knows below `header`, in its own words to who writes one
    /// that it does not know.
    fn known(header: &str) -> Vec<String> {
        let text = format!("{header}\n{NOBODYS} = 1\n");
        let read = Config::parse(Path::new("bulkhead.toml"), &text, Pinning::Required);
        let problems = read.unwrap_err().list();
        let about = problems.into_iter().map(|problem| problem.message);
        let about = about.filter(|message| message.contains(NOBODYS)).collect::<Vec<_>>();
        assert_eq!(about.len(), 1, "{header}: {about:?}");
        let (_, listed) = about[0].split_once(": known here are ").unwrap();
        listed.split(", ").map(str::to_owned).collect()
    }

    #[test]
    fn the_template_names_every_key_that_there_is() {
        let whole: toml::Value = switched_on().parse::<toml::Table>().unwrap().into();
        // table, header, the keys that stand in prose as they do not go with the others
        let cases: [(&str, &str, &[&str]); 17] = [
            ("", "", &[]),
            ("source", "[source]", &[]),
            (
                "source.auth",
                "[source.auth]",
                &["bearer", "client-secret", "client-secret-in"],
            ),
            ("source.requests", "[source.requests]", &[]),
            ("source.rewrite", "[source.rewrite]", &[]),
            ("source.tls", "[source.tls]", &[]),
            ("state", "[state]", &[]),
            ("sync", "[sync]", &[]),
            ("cohorts.study", "[cohorts.study]", &[]),
            ("keys.study", "[keys.study]", &["env"]),
            ("trust.team", "[trust.team]", &[]),
            ("plugins.lake", "[plugins.lake]", &[]),
            ("stores.lake", "[stores.lake]", &[]),
            ("destinations.warehouse", "[destinations.warehouse]", &[]),
            ("chain.0", "[[chain]]", &[]),
            ("quarantine", "[quarantine]", &[]),
            ("limits", "[limits]", &[]),
        ];
        for (table, header, in_prose) in cases {
            let mut found = &whole;
            for name in table.split('.').filter(|name| !name.is_empty()) {
                found = match name.parse::<usize>() {
                    Ok(at) => &found[at],
                    Err(_) => &found[name],
                };
            }
            let is_set = |key: &String| found.get(key.as_str()).is_some();
            let (set, others): (Vec<_>, Vec<_>) =
                known(header).into_iter().partition(is_set);
            assert!(!set.is_empty(), "[{table}]");
            assert_eq!(others, in_prose, "[{table}]: not among {set:?}");
            for key in others {
                let told = format!("`{key} = ");
                assert!(TEMPLATE.contains(&told), "[{table}]: {told}");
            }
        }
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
