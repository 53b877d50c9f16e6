//! The survey for a terminal.

use std::fmt::Write;

use bulkhead_sandbox::Isolation;

use super::{
    capabilities::Used,
    findings::Severity,
    flow::words as cargo,
    survey::{ChainFacts, Pin, PluginFacts, Survey},
};

/// Everything, findings first.
pub(super) fn render(survey: &Survey) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write(&mut text, survey);
    text
}

fn write(out: &mut String, survey: &Survey) -> std::fmt::Result {
    let of = &survey.configuration;
    writeln!(
        out,
        "Audit of {} at {}, bulkhead {}",
        of.path, survey.made_at, survey.bulkhead
    )?;
    writeln!(out, "  configuration  sha256 {}", of.sha256)?;
    writeln!(
        out,
        "  server         {} ({} level)",
        survey.server.base_url, survey.server.level
    )?;
    writeln!(out, "  audit log      {}", log(survey))?;
    writeln!(out, "\nFindings: {}", counted(survey))?;
    for finding in &survey.findings {
        writeln!(
            out,
            "  {:6} {}: {} [{}]",
            finding.severity.as_str(),
            finding.about,
            finding.what,
            finding.code
        )?;
        writeln!(out, "         {}", finding.remedy)?;
    }
    for chain in &survey.chains {
        write_chain(out, chain, survey)?;
    }
    for plugin in &survey.plugins {
        write_plugin(out, plugin)?;
    }
    writeln!(out, "\nSecrets, by reference")?;
    for secret in &survey.secrets {
        writeln!(out, "  {:24} {}", secret.setting, secret.place)?;
    }
    for key in &survey.configuration.recipients {
        writeln!(out, "  {:24} {key}", "quarantine.recipients")?;
    }
    for of in &survey.destinations {
        let name = format!("destinations.{}", of.name);
        writeln!(out, "  {name:24} {} {} {}", of.methods, of.address, of.auth)?;
        writeln!(out, "  {:24} plugins fill in: {}", "", of.headers.join(", "))?;
    }
    Ok(())
}

/// How many of each severity.
pub(super) fn counted(survey: &Survey) -> String {
    let of = |severity: Severity| {
        survey.findings.iter().filter(|of| of.severity == severity).count()
    };
    let all =
        Severity::ALL.map(|severity| format!("{} {}", of(severity), severity.as_str()));
    all.join(", ")
}

/// The log in one line.
pub(super) fn log(survey: &Survey) -> String {
    let log = &survey.log;
    let Some(head) = &log.head else {
        return log.unknown.clone().unwrap_or_else(|| "empty".to_owned());
    };
    let state = if log.wrong.is_empty() { "whole" } else { "NOT WHOLE" };
    format!("{state}, {} lines; ends with line {}: {}", log.lines, head.seq, head.hash)
}

fn write_chain(
    out: &mut String,
    chain: &ChainFacts,
    survey: &Survey,
) -> std::fmt::Result {
    writeln!(out, "\nChain `{}`: which data can reach which place", chain.name)?;
    for stage in &chain.stages {
        let plugin = survey.plugins.iter().find(|plugin| plugin.name == stage.plugin);
        let sees = plugin.map(super::flow::sees).unwrap_or_default().join("; ");
        let gate = if stage.is_gate { "  [gate]" } else { "" };
        writeln!(out, "  {:9} {:20} {sees}{gate}", stage.role, stage.name)?;
    }
    for reach in &chain.flow.reach {
        let by = if reach.by.is_empty() { "the host" } else { &reach.by };
        writeln!(
            out,
            "  → {} from {by}: {}\n      {}",
            reach.place,
            cargo(&reach.carries),
            reach.of
        )?;
    }
    Ok(())
}

fn write_plugin(out: &mut String, plugin: &PluginFacts) -> std::fmt::Result {
    writeln!(
        out,
        "\nPlugin `{}`: {} {} {}, in {}",
        plugin.name,
        plugin.role,
        plugin.title,
        plugin.version,
        plugin.works_in.join(", ")
    )?;
    writeln!(
        out,
        "  sha256 {} {}",
        plugin.sha256.as_deref().unwrap_or("(no file)"),
        pinned(plugin.pin)
    )?;
    let signed = if plugin.signed_by.is_empty() {
        "no signature is asked for".to_owned()
    } else {
        format!("signed by {}", plugin.signed_by.join(" or "))
    };
    writeln!(out, "  {signed}")?;
    writeln!(out, "  runs {}", isolated(plugin.isolation))?;
    if plugin.capabilities.is_empty() {
        writeln!(out, "  asks for nothing, is granted nothing")?;
    }
    for row in &plugin.capabilities {
        let name = if row.name.is_empty() {
            row.interface.clone()
        } else {
            format!("{} `{}`", row.interface, row.name)
        };
        let granted = if row.is_granted { "granted" } else { "NOT granted" };
        writeln!(out, "  {name:34} {granted:12} {}", used(&row.used, plugin.runs))?;
        match &row.why {
            Some(why) => writeln!(out, "      asked: {why}")?,
            None => writeln!(out, "      NOT asked for")?,
        }
    }
    Ok(())
}

/// What the pin says of the file.
pub(super) const fn pinned(pin: Pin) -> &'static str {
    match pin {
        Pin::Differs => "NOT THE PINNED FILE",
        Pin::Holds => "pinned",
        Pin::None => "NOT PINNED",
    }
}

/// Where a plugin's guests run.
pub(super) const fn isolated(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::InProcess => "in the host's process",
        Isolation::Process => "in processes of its own, walled in",
        Isolation::ProcessUnconfined => {
            "in processes of its own, behind what walls there are"
        }
    }
}

/// What became of a capability in `runs` runs of this very file.
pub(super) fn used(used: &Used, runs: u64) -> String {
    let of = if runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") };
    match (used.calls, used.latest) {
        _ if runs == 0 => "no run of this file is known".to_owned(),
        (0, _) | (_, None) => format!("never used in {of}"),
        (calls, Some(latest)) => {
            let times = if calls == 1 { "call" } else { "calls" };
            let bytes = if used.bytes == 0 {
                String::new()
            } else {
                let size = bulkhead_model::ByteSize::from_bytes(used.bytes);
                format!(", {size}")
            };
            format!(
                "used in {} of {of}: {calls} {times}{bytes}, last {latest}",
                used.runs
            )
        }
    }
}
