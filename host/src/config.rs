//! `bulkhead.toml`: read whole, every problem reported at once with its line and what to
//! write instead. A [`Config`] in hand is a configuration that can be used.

pub(crate) mod apart;
mod chain;
mod cohorts;
mod destinations;
mod near;
mod plugins;
mod problem;
mod quarantine;
mod reader;
mod secrets;
mod settings;
mod source;
mod trust;
mod written;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

pub(crate) use chain::{ChainConfig, StageConfig};
pub(crate) use cohorts::CohortSource;
pub(crate) use destinations::{DestinationAuth, DestinationConfig};
pub(crate) use plugins::PluginConfig;
#[cfg(test)]
pub(crate) use problem::Problem;
pub(crate) use problem::Problems;
pub(crate) use quarantine::QuarantineConfig;
pub(crate) use reader::parse_duration as duration;
pub(crate) use secrets::SecretSource;
pub(crate) use settings::{
    BackfillWay, Incomplete, LeftPolicy, LimitsConfig, ProbeMode, Remembers, SyncConfig,
    UnprovenFiles, omission,
};
pub(crate) use source::{AuthConfig, SecretConfig, ServicesConfig, SourceConfig};
pub(crate) use trust::{Signatures, SignedBy, Trust, beside};
pub(crate) use written::Written;

use crate::failure::Failure;
use reader::Reader;

/// A configuration that was read without a problem.
#[derive(Debug)]
pub(crate) struct Config {
    /// Where it was read from.
    pub(crate) path: PathBuf,
    /// As it was written, for the audit log.
    pub(crate) written: Written,
    /// Where data comes from.
    pub(crate) source: SourceConfig,
    /// The directory of ledger, cache and logs.
    pub(crate) state: PathBuf,
    /// How incremental exports are asked for.
    pub(crate) sync: SyncConfig,
    /// Cohorts by name.
    pub(crate) cohorts: BTreeMap<String, CohortSource>,
    /// Keys for keyed hashing, by name.
    pub(crate) keys: BTreeMap<String, SecretSource>,
    /// Whose signatures on plugins count.
    pub(crate) trust: Trust,
    /// Whether every plugin needs one.
    pub(crate) signatures: Signatures,
    /// Plugins by name.
    pub(crate) plugins: BTreeMap<String, PluginConfig>,
    /// Destinations by name.
    pub(crate) destinations: BTreeMap<String, DestinationConfig>,
    /// Addresses of stores, by name.
    pub(crate) stores: BTreeMap<String, String>,
    /// What is kept of refused records.
    pub(crate) quarantine: QuarantineConfig,
    /// Chains, in the order in which they run.
    pub(crate) chains: Vec<ChainConfig>,
    /// Limits of this machine.
    pub(crate) limits: LimitsConfig,
}

/// Whether plugins may be used without a pinned digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pinning {
    /// Every plugin needs `sha256`.
    Required,
    /// For plugin developers.
    Waived,
}

impl Config {
    /// Reads `path`.
    ///
    /// # Errors
    ///
    /// A [`Failure`] that lists every problem.
    pub(crate) fn read(path: &Path, pinning: Pinning) -> anyhow::Result<Self> {
        let text = fs_err::read_to_string(path).map_err(|error| {
            Failure::refused(format!("reading the configuration: {error}"))
                .hint("`bulkhead init` writes a commented one")
        })?;
        Self::parse(path, &text, pinning).map_err(|problems| {
            let what = format!("{} in {}\n{problems}", problems.count(), path.display());
            anyhow::Error::new(Failure::refused(what.trim_end()))
        })
    }

    /// Reads `text`, which came from `path`: relative paths in it start at `path`'s folder.
    pub(crate) fn parse(
        path: &Path,
        text: &str,
        pinning: Pinning,
    ) -> Result<Self, Problems> {
        let problems = Problems::new(path, text);
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let table = match toml::de::DeTable::parse(text) {
            Ok(table) => table,
            Err(error) => {
                problems.add(&error.span().unwrap_or(0..0), error.message());
                return Err(problems);
            }
        };
        let root = Reader::root(&table, &problems);
        let trust = trust::read(&root, &folder);
        let signatures = trust::signatures(&root);
        let config = Self {
            path: path.to_owned(),
            written: Written::of(text, &folder),
            source: source::read(&root, &folder),
            state: state(&root.section("state"), &folder),
            sync: settings::sync(&root.section("sync")),
            cohorts: cohorts::read(&root, &folder),
            keys: secrets::named(&root, "keys", &folder),
            plugins: plugins::read(&root, &folder, pinning, (&trust, signatures)),
            destinations: destinations::read(&root, &folder),
            trust,
            signatures,
            stores: stores(&root, &folder),
            quarantine: quarantine::read(&root.section("quarantine")),
            chains: chain::read(&root, &folder),
            limits: settings::limits(&root.section("limits")),
        };
        root.finish();
        chain::check(&config, &root);
        apart::check(&config, &root);
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    /// The chain of that name, or the only one.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when there is none of that name.
    pub(crate) fn chains_named(
        &self,
        name: Option<&str>,
    ) -> anyhow::Result<Vec<&ChainConfig>> {
        let Some(name) = name else { return Ok(self.chains.iter().collect()) };
        let found: Vec<&ChainConfig> =
            self.chains.iter().filter(|chain| chain.name == name).collect();
        if found.is_empty() {
            let known: Vec<&str> =
                self.chains.iter().map(|chain| chain.name.as_str()).collect();
            let what =
                format!("there is no chain `{name}`; there is {}", known.join(", "));
            return Err(Failure::refused(what).into());
        }
        Ok(found)
    }
}

/// `[state] path = "…"`; a relative path starts at the configuration's folder, and is never
/// that folder by an oversight.
fn state(state: &Reader<'_>, folder: &Path) -> PathBuf {
    let path = state.text("path");
    if path.as_ref().is_some_and(|path| path.trim().is_empty()) {
        let message = "`state.path` is empty: name a folder of its own for what is remembered, or \
                       leave the line out for `.bulkhead`";
        state.problem_at("path", message);
    }
    state.finish();
    let path = path.filter(|path| !path.trim().is_empty());
    folder.join(path.as_deref().unwrap_or(".bulkhead"))
}

/// `[stores.NAME] url = "…"`; a relative path starts at the configuration's folder.
fn stores(root: &Reader<'_>, folder: &Path) -> BTreeMap<String, String> {
    let mut stores = BTreeMap::new();
    for (name, store) in root.named("stores") {
        if let Some(url) = store.required_text("url", "a directory or a `file:` URL") {
            let scheme = url::Url::parse(&url).map(|url| url.scheme().to_owned());
            let is_address = scheme.as_ref().is_ok_and(|scheme| scheme.len() > 1);
            if is_address && scheme.is_ok_and(|scheme| scheme != "file") {
                let message = format!(
                    "`stores.{name}.url` is `{url}`: this version writes to local folders \
                     alone; name one, or a `file:` URL"
                );
                store.problem_at("url", message);
            }
            let address =
                if is_address { url } else { folder.join(url).display().to_string() };
            stores.insert(name, address);
        }
        store.finish();
    }
    stores
}

#[cfg(test)]
mod tests;
