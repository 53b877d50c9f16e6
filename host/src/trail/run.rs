//! A run of one chain: what was in force when it began, and what it came to.

use std::collections::BTreeMap;

use bulkhead_ledger::{ExportId, Ledger, audit::AuditHead};
use bulkhead_model::SafeUrl;
use bulkhead_sandbox::{DEATHS, Plugin};
use serde_json::{Value, json};

use super::{Event, Refusal, Trail, limits::limits, operator};
use crate::{
    assemble::LoadedChain,
    cohort::Cohorts,
    config::{ChainConfig, Config, PluginConfig, SecretSource},
    failure::{Exit, Failure},
    report::Report,
};

/// A run that has begun.
#[derive(Debug)]
pub(crate) struct Started {
    chain: String,
    head: AuditHead,
}

impl Trail {
    /// Notes everything that is in force for a chain, before anything is asked for.
    ///
    /// # Errors
    ///
    /// As [`Trail::write`].
    pub(crate) fn started(
        &self,
        config: &Config,
        chain: &ChainConfig,
        loaded: &LoadedChain,
        cohorts: &Cohorts,
    ) -> anyhow::Result<Started> {
        let mut stages = Vec::new();
        let mut digests = BTreeMap::new();
        let of_config = chain.stages.iter().chain([&chain.sink]);
        for (of, plugin) in of_config.zip(loaded.stages.iter().chain([&loaded.sink])) {
            let Some(configured) = config.plugins.get(&of.plugin) else { continue };
            digests.insert(of.plugin.clone(), plugin.sha256().to_owned());
            stages.push(stage(&of.plugin, configured, plugin));
        }
        self.plugins(&digests)?;
        let granted = |list: fn(&PluginConfig) -> &Vec<String>| {
            let plugins = digests.keys().filter_map(|name| config.plugins.get(name));
            plugins.flat_map(list).cloned().collect::<Vec<String>>()
        };
        let cohorts: BTreeMap<String, Value> = granted(|of| &of.grants.cohorts)
            .into_iter()
            .filter_map(|name| {
                let set = cohorts.get(&name)?;
                let told =
                    json!({ "patients": set.len(), "fingerprint": set.fingerprint() });
                Some((name, told))
            })
            .collect();
        let keys: BTreeMap<String, String> = granted(|of| &of.grants.keys)
            .into_iter()
            .filter_map(|name| {
                let place = secret(config.keys.get(&name)?);
                Some((name, place))
            })
            .collect();
        let stores: BTreeMap<String, String> = granted(|of| &of.grants.stores)
            .into_iter()
            .filter_map(|name| {
                let path = loaded.stores.find(&name)?.path().display().to_string();
                Some((name, path))
            })
            .collect();
        let destinations: BTreeMap<String, Value> = granted(|of| &of.grants.destinations)
            .into_iter()
            .filter_map(|name| {
                let of = config.destinations.get(&name)?;
                let ranges: Vec<String> =
                    of.allow.iter().map(ToString::to_string).collect();
                let told = json!({
                    "address": of.address(),
                    "methods": of.methods(),
                    "headers": of.headers(),
                    "auth": of.auth.shown(),
                    "allow-cidr": ranges,
                });
                Some((name, told))
            })
            .collect();
        let recipients = config.quarantine.recipients.iter();
        let recipients: Vec<String> = recipients.map(ToString::to_string).collect();
        let payload = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "by": operator(),
            "chain": chain.name,
            "server": SafeUrl::of(&config.source.base_url).as_str(),
            "level": config.source.level.to_string(),
            "configuration": config.written.sha256,
            "fingerprint": loaded.fingerprint,
            "stages": stages,
            "cohorts": cohorts,
            "keys": keys,
            "stores": stores,
            "destinations": destinations,
            "deterministic": chain.seed.as_ref().map(|seed| json!({ "seed": seed })),
            "quarantine": { "recipients": recipients },
        });
        let head = self.write(Event::RunStarted, &payload)?;
        Ok(Started { chain: chain.name.clone(), head })
    }

    /// Notes that the plugins of a chain were not accepted, unless it failed for something
    /// else.
    ///
    /// # Errors
    ///
    /// As [`Trail::write`].
    pub(crate) fn refused(
        &self,
        chain: &ChainConfig,
        error: &anyhow::Error,
    ) -> anyhow::Result<()> {
        let Some(Refusal(payload)) = error.downcast_ref() else { return Ok(()) };
        let mut payload = payload.clone();
        if let Some(payload) = payload.as_object_mut() {
            payload.insert("chain".to_owned(), chain.name.clone().into());
            payload.insert("by".to_owned(), operator().into());
        }
        self.write(Event::LoadRefused, &payload)?;
        Ok(())
    }

    /// Notes what a run came to. `touched` are the exports that it worked on.
    ///
    /// # Errors
    ///
    /// As [`Trail::write`].
    pub(crate) fn ended(
        &self,
        started: &Started,
        came: &anyhow::Result<Vec<Report>>,
        touched: &[ExportId],
    ) -> anyhow::Result<AuditHead> {
        let mut payload = json!({
            "chain": started.chain,
            "started": started.head.seq,
            "exports": touched.iter().map(ToString::to_string).collect::<Vec<_>>(),
        });
        let outcome = match came {
            Ok(reports) if reports.iter().all(Report::is_complete) => json!("complete"),
            Ok(_) => json!("incomplete"),
            Err(error) => {
                let failure = error.downcast_ref::<Failure>();
                payload["blame"] = failure.map(|failure| failure.blame).into();
                failure.map_or("failed", |failure| word(failure.exit)).into()
            }
        };
        payload["outcome"] = outcome;
        if let Ok(reports) = came {
            payload["counts"] = reports.iter().map(counts).collect();
        }
        let (deaths, refused) = trouble(&self.ledger, touched)?;
        payload["deaths"] = json!(deaths);
        payload["refused-calls"] = json!(refused);
        self.write(Event::RunEnded, &payload)
    }
}

/// What stands with one stage: its digest, what it may reach and use.
fn stage(name: &str, configured: &PluginConfig, plugin: &Plugin) -> Value {
    json!({
        "stage": plugin.stage(),
        "plugin": name,
        "role": plugin.manifest().role.as_str(),
        "sha256": plugin.sha256(),
        "pinned": configured.sha256.is_some(),
        "signed-by": configured
            .signed_by
            .iter()
            .flat_map(|signed| &signed.keys)
            .map(bulkhead_sandbox::TrustedKey::name)
            .collect::<Vec<_>>(),
        "grants": plugin.grants(),
        "isolation": configured.isolation,
        "walls": plugin.walls().map(|walls| walls.to_string()),
        "limits": limits(plugin.limits()),
    })
}

/// Where a secret is, by reference.
pub(crate) fn secret(source: &SecretSource) -> String {
    match source {
        SecretSource::Env(name) => format!("env {name}"),
        SecretSource::File(path) => format!("file {}", path.display()),
    }
}

fn counts(report: &Report) -> Value {
    let total = report.tally.total();
    json!({
        "export": report.export,
        "complete": report.is_complete(),
        "sums-agree": report.tally.balances(),
        "read": total.read,
        "delivered": total.delivered,
        "dropped": total.dropped_in_all(),
        "quarantined": total.quarantined_in_all(),
        "failed-files": report.failed_files,
        "accepted-omissions": report.accepted.len(),
    })
}

type ByStage = BTreeMap<String, BTreeMap<String, u64>>;

/// How guests died and what they asked for in vain, by stage, over the exports.
fn trouble(ledger: &Ledger, exports: &[ExportId]) -> anyhow::Result<(ByStage, ByStage)> {
    let (mut deaths, mut refused) = (ByStage::new(), ByStage::new());
    for id in exports {
        for one in ledger.uses_of(id)? {
            if one.interface == DEATHS {
                *deaths.entry(one.stage).or_default().entry(one.name).or_default() +=
                    one.calls;
            } else if one.refused > 0 {
                *refused
                    .entry(one.stage)
                    .or_default()
                    .entry(one.interface)
                    .or_default() += one.refused;
            }
        }
    }
    Ok((deaths, refused))
}

const fn word(exit: Exit) -> &'static str {
    match exit {
        Exit::Failed => "failed",
        Exit::Incomplete => "incomplete",
        Exit::Locked => "locked",
        Exit::Refused => "refused",
        Exit::Stopped => "stopped",
    }
}

#[cfg(test)]
mod tests;
