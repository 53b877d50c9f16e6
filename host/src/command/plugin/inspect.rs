//! `bulkhead plugin inspect`: what a plugin is, asks for and can never do.
//!
//! Everything is read from the file. The one thing that runs is the plugin's `describe`, in a
//! sandbox without any capability, to see whether the plugin says what its file says.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use bulkhead_sandbox::{Package, Sandbox};
use serde::Serialize;

use crate::failure::Failure;

use super::{
    diff::{Diff, Version},
    report::{Described, Report},
    signed::{Signed, Trusted},
};

/// Tells in plain words what a plugin is, what it asks for, and what it provably cannot do;
/// or what a new version may that the old one may not.
///
/// Exits 0 when the plugin can be loaded, given the right grants, and 2 when no grants can
/// make it so or a signature that must be there does not count. With --diff it exits 3 when
/// the new version may more, 0 when it may not, and 2 when one of them is no plugin.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bulkhead plugin inspect plugins/cohort_filter.wasm
  bulkhead plugin inspect plugins/cohort_filter.wasm --json | jq -r .sha256
  bulkhead plugin inspect plugins/cohort_filter.wasm --trust team.pub
  bulkhead plugin inspect --diff old.wasm new.wasm
  bulkhead plugin inspect unknown.wasm --no-run

Every word of the plugin's own is shown with control characters replaced. What it cannot do
follows from what the file imports, not from what the plugin says. The members of --json are
listed in docs/operating.md.")]
pub(super) struct Inspect {
    /// The plugin, a component.
    #[arg(value_name = "FILE", required_unless_present = "diff")]
    file: Option<PathBuf>,

    /// Compares two versions instead: what the new one may and the old one may not.
    #[arg(
        long,
        num_args = 2,
        value_names = ["OLD", "NEW"],
        conflicts_with_all = ["file", "no_run", "signature"]
    )]
    diff: Vec<PathBuf>,

    /// Whoever's signature must be there: a public key of minisign, or its file. Any of
    /// several.
    #[arg(long, value_name = "KEY")]
    trust: Vec<String>,

    /// Takes the keys, and whether a signature must be there, from a configuration.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Where the signature lies [default: FILE.minisig].
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,

    /// Prints one JSON object instead.
    #[arg(long)]
    json: bool,

    /// Only reads the file, and does not compare it with what the plugin says when it runs.
    #[arg(long)]
    no_run: bool,
}

/// How `--diff` ends when the new version may more. Documented in its help.
const WIDENED: u8 = 3;

impl Inspect {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        if let [old, new] = self.diff.as_slice() {
            let diff = Diff::between(&self.version(old)?, &self.version(new)?);
            self.print(&diff)?;
            let is_wider = !diff.widened.is_empty();
            return Ok(if is_wider { WIDENED.into() } else { ExitCode::SUCCESS });
        }
        let file = self.file.as_deref().context("no file was named")?;
        let report = match Package::read(file) {
            Ok(package) => {
                let described = if self.no_run {
                    Described::NotRun
                } else {
                    described(&crate::assemble::forgetful_sandbox()?, &package).await
                };
                let trusted = self.trusted(file)?.at(self.signature.clone());
                let signed = Signed::of(file, &package, &trusted);
                Report::of(file, &package, described, signed)
            }
            Err(bulkhead_sandbox::Error::Read { source }) => {
                let what = format!("reading {}: {source}", file.display());
                let hint =
                    "name the file of a plugin, as `bulkhead plugin build` makes it";
                return Err(Failure::refused(what).hint(hint).into());
            }
            Err(error) => {
                let len = fs_err::metadata(file).map_or(0, |found| found.len());
                Report::of_no_plugin(file, len, &anyhow::Error::new(error))
            }
        };
        self.print(&report)?;
        Ok(if report.loadable { ExitCode::SUCCESS } else { ExitCode::from(2) })
    }

    fn trusted(&self, plugin: &Path) -> anyhow::Result<Trusted> {
        Trusted::read(&self.trust, self.config.as_deref(), plugin)
    }

    fn version(&self, path: &Path) -> anyhow::Result<Version> {
        Version::read(path, &self.trusted(path)?)
    }

    fn print<T: Serialize + ToString>(&self, told: &T) -> anyhow::Result<()> {
        let text = if self.json {
            let json = serde_json::to_string_pretty(told).context("writing JSON")?;
            format!("{json}\n")
        } else {
            told.to_string()
        };
        std::io::stdout().lock().write_all(text.as_bytes())?;
        Ok(())
    }
}

/// Asks the plugin what it is and compares that with its file, byte for byte.
async fn described(sandbox: &Sandbox, package: &Package) -> Described {
    match sandbox.describe(package).await {
        Ok(told) if package.manifest_json() == Some(told.as_str()) => Described::Same,
        Ok(_) => Described::Different,
        Err(error) => Described::Failed(causes(&anyhow::Error::new(error))),
    }
}

/// An error and its causes on one line.
pub(super) fn causes(error: &anyhow::Error) -> String {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    causes.join(": ")
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
            let file = Path::new("nowhere/p.wasm");
            let signed = Signed::of(file, &package, &Trusted::default());
            let report = Report::of(file, &package, described, signed);
            assert_eq!(report.loadable, expected, "case: {name}: {report}");
        }
    }
}
