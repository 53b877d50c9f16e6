//! Wiring: from a configuration to a client (`source`), plugins and lanes.

mod destinations;
mod lane;
mod sandbox;
mod signed;
mod source;
pub(crate) mod state;

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Context as _;
use aws_lc_rs::hmac;
use bulkhead_egress::{Store, Stores, http::Destinations};
use bulkhead_ledger::{Ledger, StateQuota};
use bulkhead_pipeline::{Crash, Keeping};
use bulkhead_sandbox::{
    Determinism, Grants, Limits, Package, Plugin, Resources, Role, Sandbox, StateStore,
};

use crate::{
    clock,
    cohort::Cohorts,
    config::{
        ChainConfig, Config, DestinationConfig, PluginConfig, Remembers, StageConfig,
    },
    failure::Failure,
    trail,
};

pub(crate) use destinations::destinations;
pub(crate) use lane::{FileOf, lane, replaying};
pub(crate) use sandbox::{forgetful_sandbox, sandbox};
pub(crate) use source::client;

/// The ledger of a configuration.
///
/// # Errors
///
/// When it cannot be opened, or the state folder is not ours alone.
pub(crate) fn ledger(config: &Config) -> anyhow::Result<Ledger> {
    state::own(&config.state)?;
    Ok(Ledger::open(config.state.join("ledger.db"))?)
}

/// The packages that a chain uses, by plugin name, with their digests checked.
///
/// # Errors
///
/// A [`Failure`] that names the plugin.
fn packages(
    config: &Config,
    chain: &ChainConfig,
) -> anyhow::Result<BTreeMap<String, Package>> {
    let mut packages = BTreeMap::new();
    for stage in chain.stages.iter().chain([&chain.sink]) {
        if let Some(plugin) = config.plugins.get(&stage.plugin) {
            packages.insert(stage.plugin.clone(), package(&stage.plugin, plugin)?);
        }
    }
    Ok(packages)
}

/// One package, with its digest and its signature checked over the bytes that were read.
///
/// # Errors
///
/// A [`Failure`] that names the plugin.
pub(crate) fn package(name: &str, plugin: &PluginConfig) -> anyhow::Result<Package> {
    let at = || format!("plugin `{name}` at {}", plugin.path.display());
    let package =
        Package::read(&plugin.path).with_context(at).map_err(|error| refused(&error))?;
    if let Some(pinned) =
        plugin.sha256.as_ref().filter(|pinned| *pinned != package.sha256())
    {
        let actual = package.sha256().to_owned();
        let error = bulkhead_sandbox::Error::Digest { actual, pinned: pinned.clone() };
        return Err(refused(&anyhow::Error::new(error).context(at())));
    }
    signed::signer(name, plugin, &package)?;
    Ok(package)
}

/// What a plugin is refused for, as a failure of its own exit code.
pub(crate) fn refused(error: &anyhow::Error) -> anyhow::Error {
    use std::fmt::Write;
    let mut what = format!("{error:#}");
    let denied = error.chain().find_map(|cause| {
        match cause.downcast_ref::<bulkhead_sandbox::Error>() {
            Some(bulkhead_sandbox::Error::Denied { denied }) => {
                Some(denied.iter().map(ToString::to_string).collect::<Vec<_>>())
            }
            Some(bulkhead_sandbox::Error::Settings { problems }) => Some(
                problems
                    .iter()
                    .map(|problem| {
                        let at = if problem.pointer.is_empty() {
                            "/"
                        } else {
                            &problem.pointer
                        };
                        format!("{at}: {}", problem.message)
                    })
                    .collect(),
            ),
            _ => None,
        }
    });
    for line in denied.into_iter().flatten() {
        let _ = write!(what, "\n  - {line}");
    }
    let failure = Failure { blame: "plugin or operator", ..Failure::refused(what) };
    match trail::refusal(error) {
        Some(refusal) => anyhow::Error::new(refusal).context(failure),
        None => failure.into(),
    }
}

/// A chain whose plugins are loaded.
#[derive(Clone)]
pub(crate) struct LoadedChain {
    /// Filters and transforms, in order.
    pub(crate) stages: Vec<Plugin>,
    /// The sink.
    pub(crate) sink: Plugin,
    /// Where artifacts go.
    pub(crate) stores: Stores,
    /// What says whether this is still the same chain on the same data: plugin digests,
    /// settings, keys and cohorts.
    pub(crate) fingerprint: String,
    /// What is kept of refused records.
    pub(crate) keeping: Keeping,
    /// What says whether the stages before each one, and before the sink, are the same: their
    /// digests, settings and keys. A body that they made fits no others.
    pub(crate) made_by: Vec<String>,
}

impl LoadedChain {
    /// Which one of the stages is called so; the sink stands after all others.
    pub(crate) fn position(&self, stage: &str) -> Option<usize> {
        let mut all = self.stages.iter().chain([&self.sink]);
        all.position(|plugin| plugin.stage() == stage)
    }

    /// By what a body was made that came to this stage.
    pub(crate) fn made_before(&self, stage: &str) -> Option<&str> {
        self.made_by.get(self.position(stage)?).map(String::as_str)
    }
}

/// Loads the plugins of a chain with what they are granted.
///
/// # Errors
///
/// A [`Failure`] that names the stage and every disagreement.
pub(crate) async fn chain(
    config: &Config,
    chain: &ChainConfig,
    sandbox: &Sandbox,
    cohorts: &Cohorts,
    stores: Stores,
    ledger: Option<&Ledger>,
) -> anyhow::Result<LoadedChain> {
    let packages = packages(config, chain)?;
    let destinations = destinations(config, chain)?;
    let mut loaded = Vec::new();
    let mut marks = Vec::new();
    let (mut made_by, mut made) = (Vec::new(), Vec::new());
    for of in chain.stages.iter().chain([&chain.sink]) {
        let (Some(plugin), Some(package)) =
            (config.plugins.get(&of.plugin), packages.get(&of.plugin))
        else {
            continue;
        };
        let resources =
            resources(config, chain, of, cohorts, (&stores, &destinations), ledger)?;
        loaded.push(stage(chain, of, plugin, package, sandbox, resources).await?);
        made_by.push(fingerprint(&made));
        let from = marks.len();
        marks.push(format!("{} {} {}", of.name, package.sha256(), of.settings));
        for name in &plugin.grants.keys {
            if let Some(source) = config.keys.get(name) {
                marks.push(key_mark(name, &source.read()?));
            }
        }
        for name in &plugin.grants.destinations {
            let to = config.destinations.get(name).map(DestinationConfig::definition);
            marks.push(format!("{name} {}", to.unwrap_or_default()));
        }
        made.extend_from_slice(marks.get(from..).unwrap_or_default());
        for cohort in &plugin.grants.cohorts {
            // Where it is remembered what was delivered, a cohort may change: who joins gets
            // their history, who leaves is called back.
            let set = match config.sync.remembers {
                Remembers::Nothing => cohorts.get(cohort).map(|set| set.fingerprint()),
                Remembers::Resources => None,
            };
            marks.push(format!("{cohort} {}", set.unwrap_or_default()));
        }
    }
    if let Some(seed) = &chain.seed {
        marks.push(format!("deterministic {seed}"));
    }
    let sink = loaded.pop().ok_or_else(|| Failure::refused("a chain without a sink"))?;
    check_roles(chain, &loaded, &sink)?;
    let fingerprint = fingerprint(&marks);
    let keeping = if config.quarantine.seals() {
        Keeping::From(first_kept(&loaded))
    } else {
        Keeping::Nothing
    };
    Ok(LoadedChain { stages: loaded, sink, stores, fingerprint, keeping, made_by })
}

fn fingerprint(marks: &[String]) -> String {
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(marks.join("\n").as_bytes()))
}

/// The first stage that stands behind every stage that says whose data may pass: every filter,
/// and whatever else may ask about a cohort. What those refuse, and what is refused before the
/// last of them, is not kept, sealed or not.
pub(crate) fn first_kept(stages: &[Plugin]) -> usize {
    let is_guard = |plugin: &Plugin| is_guard(plugin.manifest().role, plugin.grants());
    stages.iter().rposition(is_guard).map_or(0, |at| at + 1)
}

fn is_guard(role: Role, grants: &Grants) -> bool {
    role == Role::Filter || !grants.cohorts.is_empty()
}

/// Tells keys apart without telling anything of them: pseudonyms under another key are
/// other pseudonyms, so a change of the key begins anew.
fn key_mark(name: &str, key: &bulkhead_model::Secret) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose());
    let tag = hmac::sign(&key, b"bulkhead: which key is this?");
    format!("{name} {:032x}", xxhash_rust::xxh3::xxh3_128(tag.as_ref()))
}

/// Loads one plugin as one stage.
async fn stage(
    chain: &ChainConfig,
    stage: &StageConfig,
    plugin: &PluginConfig,
    package: &Package,
    sandbox: &Sandbox,
    resources: Resources,
) -> anyhow::Result<Plugin> {
    let (grants, limits) = (plugin.grants.clone(), plugin.limits);
    Plugin::load(
        &sandbox.isolating(plugin.isolation),
        package,
        &stage.name,
        &stage.settings,
        grants,
        limits,
        resources,
    )
    .await
    .map_err(|error| {
        let advice = match &error {
            bulkhead_sandbox::Error::Died { crash: Crash::Limit(limit) } => {
                Some(crate::advice::raise(&stage.plugin, *limit))
            }
            _ => None,
        };
        let at = format!("stage `{}` of chain `{}`", stage.name, chain.name);
        let mut refused = refused(&anyhow::Error::new(error).context(at));
        // Not taken out of its chain of causes, where the audit log looks for the refusal.
        if let (Some(failure), Some(advice)) = (refused.downcast_mut::<Failure>(), advice)
        {
            failure.what = format!("{}\n  - {advice}", failure.what);
        }
        refused
    })
}

/// Tries one stage by itself, without opening a store: whether the plugin loads, its grants
/// fit and its settings are accepted.
///
/// # Errors
///
/// A [`Failure`] that names the stage and every disagreement.
pub(crate) async fn try_stage(
    config: &Config,
    chain: &ChainConfig,
    of: &StageConfig,
    package: &Package,
    sandbox: &Sandbox,
    cohorts: &Cohorts,
) -> anyhow::Result<Plugin> {
    let nowhere = (&Stores::default(), &Destinations::default());
    let resources = resources(config, chain, of, cohorts, nowhere, None)?;
    let plugin = config.plugins.get(&of.plugin).context("no such plugin")?;
    stage(chain, of, plugin, package, sandbox, resources).await
}

/// Whether sinks are sinks, and stages are not.
///
/// # Errors
///
/// A [`Failure`] that names what stands in the wrong place.
pub(crate) fn check_roles(
    chain: &ChainConfig,
    stages: &[Plugin],
    sink: &Plugin,
) -> anyhow::Result<()> {
    if let Some(stage) = stages.iter().find(|stage| stage.manifest().role == Role::Sink) {
        let what =
            format!("stage `{}` of chain `{}` is a sink", stage.stage(), chain.name);
        return Err(Failure::refused(what)
            .hint("name it as `sink = { plugin = … }`")
            .into());
    }
    if sink.manifest().role != Role::Sink {
        let role = sink.manifest().role.as_str();
        let what = format!("the sink of chain `{}` is a {role}", chain.name);
        return Err(Failure::refused(what).hint("put it among the `stages`").into());
    }
    Ok(())
}

fn resources(
    config: &Config,
    chain: &ChainConfig,
    stage: &StageConfig,
    cohorts: &Cohorts,
    (stores, destinations): (&Stores, &Destinations),
    ledger: Option<&Ledger>,
) -> anyhow::Result<Resources> {
    let Some(plugin) = config.plugins.get(&stage.plugin) else {
        anyhow::bail!("no plugin `{}`", stage.plugin)
    };
    let (grants, limits) = (&plugin.grants, plugin.limits);
    let mut resources = Resources {
        cohorts: cohorts.clone(),
        keys: BTreeMap::new(),
        stores: stores.only(&grants.stores),
        destinations: destinations.only(&grants.destinations),
        state: ledger.map(|ledger| StateStore {
            ledger: ledger.clone(),
            namespace: format!("{}/{}", chain.name, stage.name),
            quota: state_quota(&limits),
        }),
        now: clock::shared(),
        random: Arc::new(clock::random),
        deterministic: chain.seed.as_ref().map(Determinism::new),
    };
    for name in &grants.keys {
        let Some(source) = config.keys.get(name) else { continue };
        let key = source.read().with_context(|| format!("key `{name}`"))?;
        if key.expose().len() < 16 {
            let what = format!("key `{name}` is shorter than 16 bytes");
            let hint = "make one with `head -c 32 /dev/urandom | base64`";
            return Err(Failure::refused(what).hint(hint).into());
        }
        resources = resources.with_key(name, &key);
    }
    Ok(resources)
}

fn state_quota(limits: &Limits) -> StateQuota {
    StateQuota {
        value_bytes: limits.state_value_bytes.as_usize(),
        namespace_bytes: limits.state_bytes.bytes(),
        ..StateQuota::default()
    }
}

/// Opens the stores that some plugin of the chain is granted.
///
/// # Errors
///
/// [`bulkhead_egress::Error`] with what to do.
pub(crate) fn stores(config: &Config, chain: &ChainConfig) -> anyhow::Result<Stores> {
    let used = chain.stages.iter().chain([&chain.sink]);
    let granted = used
        .filter_map(|stage| config.plugins.get(&stage.plugin))
        .flat_map(|plugin| &plugin.grants.stores);
    let mut stores = BTreeMap::new();
    for name in granted {
        if let Some(url) = config.stores.get(name) {
            let store = Store::open(name, url, &chain.name);
            let store = store.map_err(|error| {
                anyhow::Error::new(error).context(Failure::refused(format!(
                    "`stores.{name}` cannot be written to"
                )))
            })?;
            stores.insert(name, Arc::new(store));
        }
    }
    Ok(stores.into_values().collect())
}

#[cfg(test)]
mod tests;
