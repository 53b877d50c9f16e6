//! `bulkhead`: pulls FHIR data out of a server and streams it through sandboxed plugins.
//!
//! This is floor 5: the command line, the configuration, the wiring, and one export from
//! kick-off to report. What it wires lies below: `bulk` brings data in, `pipeline` moves it,
//! `sandbox` holds the plugins, `egress` lets it out, `ledger` remembers.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "the enums that are matched here are those of TOML, JSON and errors of others"
)]

mod advice;
mod assemble;
mod cli;
mod clock;
mod cohort;
mod command;
mod config;
mod dump;
mod export;
mod export_log;
mod failure;
mod log;
mod output;
mod report;
mod trail;
mod vault;
mod watermark;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;

/// Blocks of a megabyte come and go: the system's allocator hands each back to the kernel and
/// asks for it again, which costs more than everything done to it (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let dumps = dump::forbid();
    let cli = Cli::parse();
    if let Some(code) = cli.run_as_child() {
        return code;
    }
    log::init(&cli.log);
    if let Err(error) = dumps {
        tracing::warn!(%error, "this process may leave a core dump, with patient data in it");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return failure::show(&anyhow::Error::new(error).context("starting"));
        }
    };
    match runtime.block_on(cli.run()) {
        Ok(code) => code,
        Err(error) => failure::show(&error),
    }
}
