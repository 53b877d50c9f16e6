//! `bulkhead plugin inspect`: what a plugin is, asks for and can never do.
//!
//! Everything is read from the file. The one thing that runs is the plugin's `describe`, in a
//! sandbox without any capability, to see whether the plugin says what its file says.

use std::{io::Write, path::PathBuf, process::ExitCode};

use anyhow::Context;
use bulkhead_sandbox::{EMBEDDED_MANIFEST, Package, Sandbox};
use wasmparser::{Parser, Payload};

use super::report::{Described, Report};

/// Tells in plain words what a plugin is, what it asks for, and what it provably cannot do.
///
/// Exits 0 when the plugin can be loaded, given the right grants, and 2 when no grants can
/// make it so.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bulkhead plugin inspect plugins/cohort_filter.wasm
  bulkhead plugin inspect plugins/cohort_filter.wasm --json | jq -r .sha256
  bulkhead plugin inspect unknown.wasm --no-run

Every word of the plugin's own is shown with control characters replaced. What it cannot do
follows from what the file imports, not from what the plugin says.")]
pub(super) struct Inspect {
    /// The plugin, a component.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Prints one JSON object instead.
    #[arg(long)]
    json: bool,

    /// Only reads the file, and does not compare it with what the plugin says when it runs.
    #[arg(long)]
    no_run: bool,
}

impl Inspect {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let reading = || format!("reading {}", self.file.display());
        let bytes = fs_err::read(&self.file).with_context(reading)?;
        let len = bytes.len();
        let report = match Package::from_bytes(bytes) {
            Ok(package) => {
                let described = if self.no_run {
                    Described::NotRun
                } else {
                    described(&Sandbox::new(None)?, &package).await
                };
                Report::of(&self.file, &package, described)
            }
            Err(error) => {
                Report::of_no_plugin(&self.file, len, &anyhow::Error::new(error))
            }
        };
        let text = if self.json {
            let json = serde_json::to_string_pretty(&report).context("writing JSON")?;
            format!("{json}\n")
        } else {
            report.to_string()
        };
        std::io::stdout().lock().write_all(text.as_bytes())?;
        Ok(if report.loadable { ExitCode::SUCCESS } else { ExitCode::from(2) })
    }
}

/// Asks the plugin what it is and compares that with its file, byte for byte.
async fn described(sandbox: &Sandbox, package: &Package) -> Described {
    match sandbox.describe(package).await {
        Ok(told) if embedded(package.bytes()) == Some(told.as_bytes()) => Described::Same,
        Ok(_) => Described::Different,
        Err(error) => Described::Failed(causes(&anyhow::Error::new(error))),
    }
}

/// An error and its causes on one line.
pub(super) fn causes(error: &anyhow::Error) -> String {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    causes.join(": ")
}

/// The embedded manifest as it stands in the outermost component.
fn embedded(bytes: &[u8]) -> Option<&[u8]> {
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.ok()?;
        if let Payload::ModuleSection { .. } | Payload::ComponentSection { .. } = payload
        {
            depth += 1;
        }
        if let Payload::End(_) = payload {
            depth = depth.saturating_sub(1);
        }
        if let Payload::CustomSection(section) = payload
            && depth == 0
            && section.name() == EMBEDDED_MANIFEST
        {
            return Some(section.data());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{super::componentize, *};

    const TOLD: &str =
        r#"{"bulkhead":1,"name":"n","version":"1","role":"filter","settings":{}}"#;

    fn package(told: &str, embedded: Option<&str>) -> Package {
        let core = componentize::tests::describing(told, "");
        let bytes = componentize::componentize(&core).unwrap();
        let package = Package::from_bytes(bytes).unwrap();
        match embedded {
            Some(manifest) => package.with_manifest(manifest).unwrap(),
            None => package,
        }
    }

    #[tokio::test]
    async fn sees_whether_a_plugin_says_what_its_file_says() {
        let other = TOLD.replace("\"n\"", "\"m\"");
        let sandbox = Sandbox::new(None).unwrap();
        let cases = [
            ("the same", package(TOLD, Some(TOLD)), Described::Same),
            ("something else", package(TOLD, Some(&other)), Described::Different),
        ];
        for (name, package, expected) in cases {
            assert_eq!(described(&sandbox, &package).await, expected, "case: {name}");
        }
    }

    #[tokio::test]
    async fn an_honest_plugin_is_loadable_and_a_liar_is_not() {
        let other = TOLD.replace("\"n\"", "\"m\"");
        let sandbox = Sandbox::new(None).unwrap();
        let cases = [
            ("honest", package(TOLD, Some(TOLD)), true),
            ("lies about itself", package(TOLD, Some(&other)), false),
            ("has no manifest", package(TOLD, None), false),
            (
                "a component that is no plugin",
                Package::from_bytes(wat::parse_str("(component)").unwrap())
                    .unwrap()
                    .with_manifest(TOLD)
                    .unwrap(),
                false,
            ),
        ];
        for (name, package, expected) in cases {
            let described = described(&sandbox, &package).await;
            let report = Report::of("p.wasm".as_ref(), &package, described);
            assert_eq!(report.loadable, expected, "case: {name}: {report}");
        }
    }
}
