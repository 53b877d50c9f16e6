//! What the chains of a configuration need at work: opened once, under the run lock.

use std::{path::Path, sync::Arc};

use bulkhead_bulk::Client;
use bulkhead_egress::Vault;
use bulkhead_ledger::{Ledger, RunLock, audit::AuditHead};
use bulkhead_sandbox::Sandbox;

use super::run::locked;
use crate::{
    assemble,
    cohort::{self, Cohorts},
    config::{ChainConfig, Config, Pinning, Remembers},
    export::{
        Acceptances, Export, Members, Stop, delivered_folder, open_delivered, stream,
    },
    export_log::ExportLog,
    output::Output,
    report::Report,
    trail::{Started, Trail},
    vault,
};

/// What the chains of a configuration need at work.
pub(super) struct Ready {
    pub(super) config: Arc<Config>,
    pub(super) ledger: Ledger,
    pub(super) vault: Option<Arc<Vault>>,
    /// What the audit log is told.
    pub(super) trail: Trail,
    _lock: RunLock,
    stop: Stop,
    client: Arc<Client>,
    sandbox: Sandbox,
    cohorts: Cohorts,
    log: ExportLog,
    output: Output,
}

impl Ready {
    /// Takes the run lock and opens what is needed. Cohorts that are groups are read from the
    /// server.
    ///
    /// # Errors
    ///
    /// When another run has the lock, or something cannot be opened.
    pub(super) async fn of(
        path: &Path,
        pinning: Pinning,
        output: &Output,
    ) -> anyhow::Result<Self> {
        let config = Arc::new(Config::read(path, pinning)?);
        Self::configured(config, output).await
    }

    /// The same of a configuration that is read.
    ///
    /// # Errors
    ///
    /// As [`Ready::of`].
    pub(super) async fn configured(
        config: Arc<Config>,
        output: &Output,
    ) -> anyhow::Result<Self> {
        let ledger = assemble::ledger(&config)?;
        let lock = ledger.lock().map_err(locked)?;
        let trail = Trail::new(&ledger);
        trail.configuration(&config)?;
        let stop = Stop::at_signals()?;
        let client = Arc::new(assemble::client(&config)?);
        let sandbox = assemble::sandbox(&config.state)?;
        let vault = vault::open(&config)?;
        let cohorts = cohort::load(&config, &client).await?;
        let log = ExportLog::new(&config.state, config.sync.export_log);
        Ok(Self {
            config,
            ledger,
            vault,
            trail,
            _lock: lock,
            stop,
            client,
            sandbox,
            cohorts,
            log,
            output: output.clone(),
        })
    }

    /// Everything that an export of one chain needs, and what the audit log says of its start.
    ///
    /// # Errors
    ///
    /// When a plugin is refused, or a store or the ledger of resources cannot be opened.
    pub(super) async fn export(
        &self,
        chain: ChainConfig,
        accept: Acceptances,
    ) -> anyhow::Result<(Arc<Export>, Started)> {
        let (config, ledger) = (&self.config, &self.ledger);
        let stores = assemble::stores(config, &chain)?;
        let loaded = assemble::chain(
            config,
            &chain,
            &self.sandbox,
            &self.cohorts,
            stores,
            Some(ledger),
        )
        .await
        .map_err(|error| match self.trail.refused(&chain, &error) {
            Ok(()) => error,
            Err(unwritten) => unwritten,
        })?;
        let started = self.trail.started(config, &chain, &loaded, &self.cohorts)?;
        let delivered = match config.sync.remembers {
            Remembers::Nothing => None,
            Remembers::Resources => {
                Some(open_delivered(&delivered_folder(config, &chain.name))?)
            }
        };
        let stream = stream(config, &chain.name, &loaded.fingerprint);
        let members = Members::of(config, &chain, &self.cohorts, ledger, &stream)?;
        let export = Arc::new(Export {
            config: Arc::clone(config),
            chain,
            loaded,
            client: Arc::clone(&self.client),
            ledger: ledger.clone(),
            vault: self.vault.clone(),
            output: self.output.clone(),
            log: self.log.clone(),
            stop: self.stop.clone(),
            accept,
            delivered,
            members,
        });
        Ok((export, started))
    }

    /// Tells the audit log how it ended; gives the reports, and where the log ends then.
    ///
    /// # Errors
    ///
    /// Its own failure, or that of the log.
    pub(super) fn ended(
        &self,
        export: &Export,
        started: &Started,
        came: anyhow::Result<Vec<Report>>,
    ) -> anyhow::Result<(Vec<Report>, AuditHead)> {
        let completed = came.iter().flatten().filter_map(|of| of.export.parse().ok());
        let written = export
            .touched(&completed.collect::<Vec<_>>())
            .and_then(|touched| self.trail.ended(started, &came, &touched));
        if let (Err(_), Err(error)) = (&came, &written) {
            // The run's own failure is told; this one may be its consequence.
            let error = format!("{error:#}");
            tracing::error!(%error, "how the run ended is not in the audit log");
        }
        Ok((came?, written?))
    }
}
