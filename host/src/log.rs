//! Logs: to standard error, for people or as JSON. Never a body, a patient id, a token or a
//! raw URL: those are types that cannot be printed.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Where logs go and how they look.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Log {
    /// How logs look on standard error.
    #[arg(long, global = true, value_enum, default_value_t, env = "BULKHEAD_LOG_FORMAT")]
    log_format: LogFormat,

    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or a filter such as
    /// `warn,bulkhead_bulk=debug`.
    #[arg(long, global = true, default_value = "warn", env = "BULKHEAD_LOG")]
    log: String,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum LogFormat {
    /// Lines for people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// Begins logging, once a process.
pub(crate) fn init(log: &Log) {
    let filter = EnvFilter::try_new(&log.log).unwrap_or_else(|_| EnvFilter::new("warn"));
    let registry = tracing_subscriber::registry().with(filter);
    let has_colours = std::io::stderr().is_terminal();
    match log.log_format {
        LogFormat::Human => registry
            .with(fmt::layer().with_writer(std::io::stderr).with_ansi(has_colours))
            .init(),
        LogFormat::Json => {
            registry.with(fmt::layer().json().with_writer(std::io::stderr)).init();
        }
    }
}
