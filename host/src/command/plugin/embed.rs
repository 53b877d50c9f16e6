//! `bulkhead plugin embed`: from a component that another toolchain made to a plugin as shipped.

use std::{io::Write, path::PathBuf, process::ExitCode};

use anyhow::Context;
use bulkhead_sandbox::Sandbox;

use super::build::{shipped, store, summary};

/// Makes a plugin of a component that is not built from a Rust crate: asks it for its manifest in
/// a sandbox without any capability, and embeds that.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  bulkhead plugin embed recent.component.wasm --out plugins/recent.wasm

`bulkhead plugin inspect FILE` then tells what an operator will see.")]
pub(super) struct Embed {
    /// The component.
    #[arg(value_name = "FILE")]
    component: PathBuf,

    /// Where the plugin goes.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Embed {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let component = fs_err::read(&self.component)?;
        let hint = "let `describe` of the interface `lifecycle` return the manifest as JSON, \
            without calling any import";
        let sandbox = Sandbox::new(None)?;
        let package = shipped(&sandbox, component, hint)
            .await
            .with_context(|| format!("reading {}", self.component.display()))?;
        store(&self.out, package.bytes())?;
        let summary = summary(&package, &self.out)?;
        std::io::stdout().lock().write_all(summary.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}
