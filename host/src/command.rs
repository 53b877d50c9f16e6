//! Subcommands, one a file. Each has a `run` that gives an exit code.

mod audit;
mod cancel;
mod check;
mod completions;
mod demo;
mod init;
mod keys;
mod plugin;
mod resync;
mod run;
mod serve_sample;
mod status;

pub(crate) use audit::Audit;
pub(crate) use cancel::Cancel;
pub(crate) use check::Check;
pub(crate) use completions::Completions;
pub(crate) use demo::Demo;
pub(crate) use init::Init;
pub(crate) use keys::Keys;
pub(crate) use plugin::{Plugin, plain};
pub(crate) use resync::Resync;
pub(crate) use run::Run;
pub(crate) use serve_sample::ServeSample;
pub(crate) use status::Status;
