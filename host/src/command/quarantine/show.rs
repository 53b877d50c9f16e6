//! `bulkhead quarantine show`: one refused record, and its body where that is asked for.

use std::{
    fmt::Write as _,
    io::{IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context as _;
use bulkhead_ledger::{ExportId, Found, Kept, Search};
use bulkhead_model::ResourceType;
use bulkhead_pipeline::Label;
use bytes::Bytes;
use serde_json::json;

use super::{each, ledger, list::as_json, name, note};
use crate::{config::Config, failure::Failure, vault};

/// Show one refused record. Its body only with `--body`, and with the identity that opens it.
///
/// The body goes to standard output, as it came to the stage that refused it; what a person
/// should know goes to standard error. It is not written to a terminal unless you say so: what
/// stands on a screen is also in its history.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bulkhead quarantine show 20260105T000102Z/3/17\n  bulkhead quarantine show 20260105T000102Z/3/17 --identity key.txt --body > one.json"
)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(super) struct Show {
    /// The record, as `bulkhead quarantine list` names it: EXPORT/FILE/LINE.
    #[arg(value_name = "ENTRY", value_parser = entry)]
    entry: Entry,

    /// The configuration.
    #[arg(long, short, value_name = "FILE", default_value = "bulkhead.toml")]
    config: PathBuf,

    /// Of several refusals of the line, the one by this stage.
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,

    /// Of several records of the line that one stage refused, this one, from 0.
    #[arg(long, value_name = "NUMBER")]
    part: Option<u32>,

    /// The private key, as `age-keygen` writes it. Without it only the position is shown.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,

    /// Write the body to standard output.
    #[arg(long, requires = "identity")]
    body: bool,

    /// Write what the plugin said of it to standard output, as JSON text. It may hold patient
    /// data.
    #[arg(long, requires = "identity", conflicts_with = "body")]
    message: bool,

    /// Write a body or a message to a terminal too.
    #[arg(long)]
    to_terminal: bool,

    /// Write one JSON object: the position, and with `--body` or `--message` that too.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    export: ExportId,
    file: u32,
    line: u64,
}

fn entry(text: &str) -> Result<Entry, String> {
    let parse = || {
        let mut parts = text.split('/');
        let entry = Entry {
            export: parts.next()?.parse().ok()?,
            file: parts.next()?.parse().ok()?,
            line: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(entry)
    };
    parse().ok_or_else(|| "not an entry: write EXPORT/FILE/LINE".to_owned())
}

impl Show {
    /// Exits 0, or 2 when there is no such record or it may not be shown there.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let is_asked = self.body || self.message;
        if is_asked && !self.to_terminal && std::io::stdout().is_terminal() {
            let what = "a body is not written to a terminal".to_owned();
            let hint = "send it to a file or a program, or say `--to-terminal`";
            return Err(Failure::refused(what).hint(hint).into());
        }
        let (config, found) = self.find()?;
        let opened = match &self.identity {
            Some(identity) => Some(open(&config, &found, identity)?),
            None => None,
        };
        let mut out = std::io::stdout().lock();
        let message = opened.as_ref().and_then(|(label, _)| label.message.as_deref());
        if self.json {
            let mut shown = as_json(&found);
            if let (Some((_, body)), true) = (&opened, self.body) {
                shown["content"] = json!(String::from_utf8_lossy(body));
            }
            if self.message {
                shown["message"] = json!(message);
            }
            writeln!(out, "{shown}")?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut facts = facts(&found);
        if let Some((_, body)) = &opened {
            let said = message.map_or(0, str::len);
            write!(
                facts,
                "\n  opened: a body of {} bytes, a message of {said} bytes",
                body.len()
            )?;
        }
        match (&opened, is_asked) {
            (Some((_, body)), true) => {
                note(&facts)?;
                if self.body {
                    out.write_all(body)?;
                    writeln!(out)?;
                } else {
                    writeln!(out, "{}", json!(message))?;
                }
            }
            (Some(_) | None, _) => writeln!(out, "{facts}")?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn find(&self) -> anyhow::Result<(Config, Found)> {
        let (config, ledger) = ledger(&self.config)?;
        let Entry { export, file, line } = &self.entry;
        let search = Search {
            export: Some(export),
            stage: self.stage.as_deref(),
            ..Search::default()
        };
        let mut all = Vec::new();
        if let Some(ledger) = ledger {
            each(&ledger, &search, |found| {
                let of = &found.entry;
                let is_part = self.part.is_none_or(|part| part == of.part);
                if (of.file, of.line) == (*file, *line) && is_part {
                    all.push(found);
                }
                Ok(())
            })?;
        }
        let several = all.len() > 1;
        let Some(found) = all.into_iter().next() else {
            let what = format!("there is no entry {export}/{file}/{line}");
            let hint = "`bulkhead quarantine list` names them";
            return Err(Failure::refused(what).hint(hint).into());
        };
        if several {
            let what = format!("several records of {} were refused", name(&found));
            let hint = "say which with `--stage` and `--part`; `list --json` has both";
            return Err(Failure::refused(what).hint(hint).into());
        }
        Ok((config, found))
    }
}

fn facts(found: &Found) -> String {
    let entry = &found.entry;
    let kind =
        entry.resource_type.as_ref().map_or("none that is known", ResourceType::as_str);
    format!(
        "{}  part {}\n  export {} of chain `{}`, begun {}\n  type {kind}\n  refused by `{}`: {} {}\n  body: {}",
        name(found),
        entry.part,
        found.export,
        found.chain,
        found.at,
        entry.stage,
        entry.class,
        entry.code,
        entry.kept
    )
}

/// The record out of its sealed file.
fn open(
    config: &Config,
    found: &Found,
    identity: &std::path::Path,
) -> anyhow::Result<(Label, Bytes)> {
    let identities = vault::identities(identity)?;
    let entry = &found.entry;
    let segment = entry.segment.as_deref().filter(|_| entry.kept == Kept::Sealed);
    let (Some(segment), Some(vault)) = (segment, vault::look_at(config)?) else {
        let what = format!("no body of {} is there: {}", name(found), entry.kept);
        return Err(Failure::refused(what).into());
    };
    let opened = vault.unseal(found.export.as_str(), segment, &identities);
    let mut sealed = opened.map_err(|error| {
        let what = format!("the body of {} cannot be opened", name(found));
        anyhow::Error::new(error).context(Failure::refused(what))
    })?;
    while let Some((label, body)) = sealed.next_record()? {
        if label.line == entry.line
            && label.stage == entry.stage
            && label.part == entry.part
        {
            return Ok((label, body));
        }
    }
    Err(anyhow::anyhow!("it is not in {segment}")).context("the sealed file is damaged")
}
