//! `bulkhead demo`: the whole thing on made-up patients, on this machine alone.
//!
//! The sample server, the key pair and the patients are made on the spot. Each run plays the
//! next day of the server's script, so the second run is an incremental export, and the
//! server's own account of what it changed is held against what the export read.

mod account;
mod scene;

use std::{io::Write, path::PathBuf, process::ExitCode};

use self::{account::Account, scene::Scene};
use super::Run;
use crate::{
    failure::Exit,
    output::{Output, Wish},
};

/// Show a whole export at work: a sample server, sign-in, made-up patients, the chain
/// cohort-filter → deidentify → files-sink, and a report. Run it again for an incremental one.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// The folder with the first-party plugins, as `cargo xtask plugins` makes it.
    #[arg(long, value_name = "DIR", default_value = "target/plugins")]
    plugins: PathBuf,

    /// Where the demonstration keeps everything. Delete it to begin anew.
    #[arg(long, value_name = "DIR", default_value = "bulkhead-demo")]
    dir: PathBuf,

    /// How many patients to make up, the first time.
    #[arg(long, default_value_t = 1_000)]
    patients: u32,
}

impl Demo {
    /// Exits 0 when the export read exactly what the server's script says.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let scene = Scene::set(&self.dir, &self.plugins, self.patients)?;
        say(&scene.introduction());
        let server = scene.start_server().await?;
        scene.write_config(&server, &self.plugins)?;
        say(&format!(
            "The sample server listens on {} and signs in with SMART Backend Services.\n",
            server.base_url
        ));
        let output = Output::new(Wish::Best);
        let run = Run {
            config: scene.config_path(),
            chain: None,
            full: false,
            accept_omission: Vec::new(),
            reason: None,
            json: false,
            dev: false,
        };
        let reports = run.reports(&output).await?;
        server.shutdown().await;
        let account = Account::of(&scene, &reports)?;
        say(&account.render());
        if !account.agrees() {
            return Ok(Exit::Incomplete.into());
        }
        scene.finish_round()?;
        say(&scene.what_next());
        Ok(ExitCode::SUCCESS)
    }
}

fn say(text: &str) {
    // A closed pipe is the reader's wish.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
