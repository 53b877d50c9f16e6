//! Collects the facts: the configuration, the plugins' files, past runs, the log. Runs no
//! plugin, contacts no server, changes nothing.

use bulkhead_ledger::{Error as LedgerError, Ledger, PastUse};
use bulkhead_model::{Instant, SafeUrl};
use bulkhead_sandbox::{BATCHES, DEATHS, Denied, Package, Signature, Telemetry};

use super::{
    capabilities, findings, flow, place,
    survey::{
        ChainFacts, Configuration, DestinationFacts, LogState, Pin, PluginFacts, Server,
        StageFacts, Survey,
    },
    verify,
};
use crate::{
    command::plain,
    config::{
        ChainConfig, Config, DestinationConfig, LeftPolicy, PluginConfig, Remembers,
    },
};

/// Everything that is known of these chains of a configuration.
///
/// # Errors
///
/// When the ledger cannot be read.
pub(super) fn survey(
    config: &Config,
    chains: &[&ChainConfig],
    now: Instant,
) -> anyhow::Result<Survey> {
    let (ledger, unknown) = ledger(config)?;
    let mut past = Vec::new();
    for chain in chains {
        let uses = match &ledger {
            Some(ledger) => ledger.uses(&chain.name)?,
            None => Vec::new(),
        };
        past.push((*chain, uses));
    }
    let used: Vec<&String> = chains
        .iter()
        .flat_map(|chain| chain.stages.iter().chain([&chain.sink]))
        .map(|stage| &stage.plugin)
        .collect();
    let plugins: Vec<PluginFacts> = config
        .plugins
        .iter()
        .filter(|(name, _)| used.contains(name))
        .map(|(name, plugin)| facts(name, plugin, &past, now))
        .collect();
    let log = match &ledger {
        Some(ledger) => verify::state(ledger)?,
        None => LogState { unknown, ..LogState::default() },
    };
    let source = &config.source;
    let server = Server {
        base_url: SafeUrl::of(&source.base_url).as_str().to_owned(),
        level: source.level.to_string(),
        in_clear: source.insecure_origins.iter().map(ToString::to_string).collect(),
    };
    let remembers = config.sync.remembers;
    let seals = if config.quarantine.seals() {
        flow::Seals::Bodies
    } else {
        flow::Seals::Nothing
    };
    let chains = chains
        .iter()
        .map(|chain| {
            let stages = stages(chain, &plugins);
            let flow = flow::flow(&server.base_url, &stages, &plugins, remembers, seals);
            ChainFacts { name: chain.name.clone(), stages, flow }
        })
        .collect();
    let all_used: Vec<&String> = config
        .chains
        .iter()
        .flat_map(|chain| chain.stages.iter().chain([&chain.sink]))
        .map(|stage| &stage.plugin)
        .collect();
    let idle = config.plugins.keys().filter(|name| !all_used.contains(name));
    let mut survey = Survey {
        bulkhead: env!("CARGO_PKG_VERSION"),
        made_at: now,
        configuration: Configuration {
            path: config.path.display().to_string(),
            sha256: config.written.sha256.clone(),
            cohorts: config.cohorts.keys().cloned().collect(),
            idle_plugins: idle.cloned().collect(),
            remembers: remembers == Remembers::Resources,
            retracts: config.sync.left == LeftPolicy::Retract,
            recipients: config
                .quarantine
                .recipients
                .iter()
                .map(ToString::to_string)
                .collect(),
        },
        server,
        log,
        secrets: place::secrets(config),
        places: place::places(config),
        destinations: destinations(config),
        plugins,
        chains,
        findings: Vec::new(),
    };
    survey.findings = findings::findings(&survey);
    Ok(survey)
}

fn destinations(config: &Config) -> Vec<DestinationFacts> {
    let of = |(name, destination): (&String, &DestinationConfig)| {
        let origin = destination.place.origin().to_string();
        let own = ["http://localhost", "http://127.", "http://[::1]"];
        let ranges: Vec<String> =
            destination.allow.iter().map(ToString::to_string).collect();
        let mut plugins = config.plugins.values();
        DestinationFacts {
            name: name.clone(),
            address: destination.address(),
            methods: destination.methods(),
            headers: destination.headers(),
            auth: destination.auth.shown(),
            is_in_clear: origin.starts_with("http://")
                && !own.iter().any(|own| origin.starts_with(own)),
            is_whole: destination.rules.base.as_str() == "/",
            wide_ranges: ranges.iter().filter(|range| is_wide(range)).cloned().collect(),
            ranges,
            is_granted: plugins.any(|of| of.grants.destinations.contains(name)),
        }
    };
    config.destinations.iter().map(of).collect()
}

/// Whether a range holds more than 65,536 IPv4 addresses, or more than one site of IPv6.
fn is_wide(range: &str) -> bool {
    let Some((base, len)) = range.rsplit_once('/') else { return false };
    let least = if base.contains(':') { 48 } else { 16 };
    len.parse::<u8>().is_ok_and(|len| len < least)
}

/// The ledger, or why nothing is known of past runs.
fn ledger(config: &Config) -> anyhow::Result<(Option<Ledger>, Option<String>)> {
    match Ledger::open_read_only(config.state.join("ledger.db")) {
        Ok(ledger) => Ok((Some(ledger), None)),
        Err(LedgerError::Missing { .. }) => {
            Ok((None, Some("there has been no run".to_owned())))
        }
        Err(LedgerError::OlderSchema { .. }) => {
            let why =
                "the ledger is of an earlier version: the next run brings it up to date";
            Ok((None, Some(why.to_owned())))
        }
        Err(error) => Err(error.into()),
    }
}

fn facts(
    name: &str,
    plugin: &PluginConfig,
    past: &[(&ChainConfig, Vec<PastUse>)],
    now: Instant,
) -> PluginFacts {
    let mut works_in = Vec::new();
    let mut own: Vec<PastUse> = Vec::new();
    for (chain, uses) in past {
        for stage in chain.stages.iter().chain([&chain.sink]) {
            if stage.plugin == name {
                works_in.push(format!("{}/{}", chain.name, stage.name));
                own.extend(uses.iter().filter(|of| of.of.stage == stage.name).cloned());
            }
        }
    }
    let path = plugin.path.display().to_string();
    let mut facts = PluginFacts {
        name: name.to_owned(),
        path,
        isolation: plugin.isolation,
        works_in,
        ..PluginFacts::default()
    };
    let package = match Package::read(&plugin.path) {
        Ok(package) => package,
        Err(error) => {
            let error = anyhow::Error::new(error);
            facts.problems.push(plain(&format!("{error:#}")));
            // A file that cannot be read is nobody's; that nothing pins it is known all the same.
            facts.pin = plugin.sha256.as_ref().map_or(Pin::None, |_| Pin::Differs);
            return facts;
        }
    };
    if let Some(signed_by) = &plugin.signed_by {
        facts.signed_by =
            signed_by.keys.iter().map(|key| key.name().to_owned()).collect();
        let signature = Signature::read(&signed_by.file);
        let verified = signature
            .and_then(|signature| package.verify(&signature, &signed_by.keys, now));
        facts.unsigned = verified.err().map(|error| plain(&error.to_string()));
    }
    let sha256 = package.sha256().to_owned();
    facts.pin = match &plugin.sha256 {
        None => Pin::None,
        Some(pinned) if *pinned == sha256 => Pin::Holds,
        Some(_) => Pin::Differs,
    };
    let (own, other): (Vec<_>, Vec<_>) =
        own.into_iter().partition(|of| of.of.digest == sha256);
    facts.earlier = other.into_iter().map(|of| of.of.digest).collect();
    facts.earlier.sort();
    facts.earlier.dedup();
    let sum = |interface: &str, count: fn(&PastUse) -> u64| -> u64 {
        own.iter().filter(|of| of.of.interface == interface).map(count).sum()
    };
    facts.runs = sum(BATCHES, |of| of.exports);
    facts.deaths = sum(DEATHS, |of| of.of.calls);
    facts.refused = own.iter().map(|of| of.of.refused).sum();
    let manifest = match package.manifest() {
        Ok(manifest) => Some(manifest),
        Err(error) => {
            facts.problems.push(plain(&error.to_string()));
            None
        }
    };
    if let Some(manifest) = manifest {
        facts.title = plain(&manifest.name);
        facts.version = plain(&manifest.version);
        facts.description = plain(&manifest.description);
        manifest.role.as_str().clone_into(&mut facts.role);
        let denied = package.denied(manifest, &plugin.grants);
        facts.problems.extend(denied.iter().map(|one| plain(&one.to_string())));
        facts.foreign.extend(denied.iter().filter_map(|one| match one {
            Denied::Foreign(import) => Some(plain(import)),
            _ => None,
        }));
    }
    facts.says_text = plugin.grants.telemetry == Telemetry::Text;
    facts.capabilities = capabilities::rows(&package, manifest, &plugin.grants, &own);
    facts.sha256 = Some(sha256);
    facts
}

fn stages(chain: &ChainConfig, plugins: &[PluginFacts]) -> Vec<StageFacts> {
    let all = chain.stages.iter().chain([&chain.sink]);
    all.map(|stage| {
        let plugin = plugins.iter().find(|plugin| plugin.name == stage.plugin);
        let role = plugin.map_or("", |plugin| &plugin.role).to_owned();
        let is_gate = role == "filter"
            && plugin.is_some_and(|plugin| !plugin.names("cohorts").is_empty());
        StageFacts {
            name: stage.name.clone(),
            plugin: stage.plugin.clone(),
            role: if role.is_empty() { "stage".to_owned() } else { role },
            is_gate,
        }
    })
    .collect()
}
