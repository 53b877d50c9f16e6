//! `[[chain]]`: stages in order, and one sink.

use std::{collections::BTreeSet, path::Path};

use super::{Config, reader::Reader};

/// One chain. Each has its own exports and its own watermarks.
#[derive(Clone, Debug)]
pub(crate) struct ChainConfig {
    /// Unique; names the chain's watermarks.
    pub(crate) name: String,
    /// Filters and transforms, in order.
    pub(crate) stages: Vec<StageConfig>,
    /// Where kept records leave.
    pub(crate) sink: StageConfig,
    /// Whether records in quarantine for a fault hold their type's watermark.
    pub(crate) holds_on_fault: bool,
    /// The seed of a deterministic chain.
    pub(crate) seed: Option<String>,
}

/// One plugin at work in a chain.
#[derive(Clone, Debug)]
pub(crate) struct StageConfig {
    /// Where it stands in the configuration.
    pub(crate) line: usize,
    /// Unique in its chain.
    pub(crate) name: String,
    /// Which plugin.
    pub(crate) plugin: String,
    /// Its settings.
    pub(crate) settings: serde_json::Value,
}

pub(crate) fn read(root: &Reader<'_>, folder: &Path) -> Vec<ChainConfig> {
    let tables = root.tables("chain");
    if tables.is_empty() {
        root.problem("`[[chain]]` is missing: it says what happens to the data, see `bulkhead init --print`");
    }
    let mut chains: Vec<ChainConfig> = Vec::new();
    for (at, chain) in tables.iter().enumerate() {
        let name = chain.text("name").unwrap_or_else(|| format!("chain-{}", at + 1));
        if !is_name(&name) {
            chain.problem_at(
                "name",
                format!("`{name}`: a name is 1 to 64 of a-z, A-Z, 0-9, - and _"),
            );
        }
        if chains.iter().any(|other| other.name == name) {
            chain.problem_at("name", format!("two chains are called `{name}`"));
        }
        let stages: Vec<StageConfig> = chain
            .tables("stages")
            .iter()
            .filter_map(|stage| read_stage(stage, folder))
            .collect();
        let sink = chain.section("sink");
        let sink = if sink.is_present() {
            read_stage(&sink, folder)
        } else {
            chain.problem(format!(
                "chain `{name}` has no sink: write `sink = {{ plugin = \"…\" }}`"
            ));
            None
        };
        let holds_on_fault =
            chain.word("on-fault", &["hold", "advance"]).as_deref() != Some("advance");
        let names: Vec<&str> =
            stages.iter().chain(&sink).map(|stage| stage.name.as_str()).collect();
        let distinct: BTreeSet<&&str> = names.iter().collect();
        if distinct.len() < names.len() {
            chain.problem(format!(
                "two stages of chain `{name}` have one name: give one `name = \"…\"`"
            ));
        }
        let deterministic = chain.section("deterministic");
        let seed = if deterministic.is_present() {
            let what = "any text: another one gives other randomness";
            deterministic.required_text("seed", what)
        } else {
            None
        };
        deterministic.finish();
        chain.finish();
        if let Some(sink) = sink {
            chains.push(ChainConfig { name, stages, sink, holds_on_fault, seed });
        }
    }
    chains
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn read_stage(stage: &Reader<'_>, folder: &Path) -> Option<StageConfig> {
    let plugin = stage.required_text("plugin", "the NAME of a [plugins.NAME]");
    let name = stage.text("name").or_else(|| plugin.clone());
    let settings = match (stage.json("config"), stage.text("config-file")) {
        (Some(_), Some(_)) => {
            stage.problem_at(
                "config-file",
                "a stage takes `config` or `config-file`, not both",
            );
            None
        }
        (Some(settings), None) => Some(settings),
        (None, Some(file)) => read_file(stage, &folder.join(file)),
        (None, None) => Some(serde_json::json!({})),
    };
    stage.finish();
    let line = stage.line();
    Some(StageConfig { line, name: name?, plugin: plugin?, settings: settings? })
}

fn read_file(stage: &Reader<'_>, path: &Path) -> Option<serde_json::Value> {
    let text = fs_err::read_to_string(path).map_err(|error| error.to_string());
    let is_toml = path.extension().is_some_and(|extension| extension == "toml");
    let parsed = text.and_then(|text| {
        if is_toml {
            toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
        } else {
            serde_json::from_str(&text)
                .map_err(|error| format!("{}: {error}", path.display()))
        }
    });
    parsed.map_err(|error| stage.problem_at("config-file", error)).ok()
}

/// What can only be said of the whole: names that are used and not defined.
pub(crate) fn check(config: &Config, root: &Reader<'_>) {
    let chains = root.tables("chain");
    for (at, chain) in config.chains.iter().enumerate() {
        let Some(table) = chains.get(at) else { continue };
        for stage in chain.stages.iter().chain([&chain.sink]) {
            if !config.plugins.contains_key(&stage.plugin) {
                table.problem(format!(
                    "chain `{}` uses plugin `{}`, but there is no `[plugins.{}]`",
                    chain.name, stage.plugin, stage.plugin
                ));
            }
            let has_state =
                config.plugins.get(&stage.plugin).is_some_and(|of| of.grants.state);
            if chain.seed.is_some() && has_state && config.limits.files_in_flight > 1 {
                table.problem(format!(
                    "chain `{}` is deterministic, but its stage `{}` keeps state, which files \
                     in flight at once share: set `limits.files-in-flight = 1`",
                    chain.name, stage.name
                ));
            }
        }
    }
    for (name, table) in root.named("plugins") {
        let Some(plugin) = config.plugins.get(&name) else { continue };
        let missing = |what: &str, granted: &[String], known: &dyn Fn(&str) -> bool| {
            for unknown in granted.iter().filter(|granted| !known(granted)) {
                table.problem(format!(
                    "`plugins.{name}.grants` names {what} `{unknown}`, but there is no `[{what}s.{unknown}]`"
                ));
            }
        };
        missing("cohort", &plugin.grants.cohorts, &|name| {
            config.cohorts.contains_key(name)
        });
        missing("key", &plugin.grants.keys, &|name| config.keys.contains_key(name));
        missing("store", &plugin.grants.stores, &|name| config.stores.contains_key(name));
        // One that is there and wrong was named already.
        let destinations = root.section("destinations");
        missing("destination", &plugin.grants.destinations, &|name| {
            destinations.has(name)
        });
        for granted in &plugin.grants.destinations {
            let timeout = config.destinations.get(granted).map(|to| to.limits.timeout);
            if let Some(timeout) =
                timeout.filter(|timeout| *timeout >= plugin.limits.call)
            {
                let call = plugin.limits.call;
                table.problem(format!(
                    "`destinations.{granted}.timeout` is {timeout:?} and `plugins.{name}.limits.call` \
                     {call:?}: the plugin would be stopped before its request is given up; make the \
                     first shorter or the second longer"
                ));
            }
        }
    }
}
