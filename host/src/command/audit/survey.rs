//! Everything that is known of a configuration, as an auditor reads it: facts alone, from
//! which findings, picture, page and text are made. Also the JSON of `bulkhead audit --json`.

use bulkhead_ledger::audit::AuditHead;
use bulkhead_model::Instant;
use bulkhead_sandbox::Isolation;
use serde::Serialize;

use super::{
    capabilities::Row,
    findings::Finding,
    flow::Flow,
    place::{Place, SecretPlace},
};

/// Everything that is known of a configuration.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Survey {
    pub(super) bulkhead: &'static str,
    pub(super) made_at: Instant,
    pub(super) configuration: Configuration,
    pub(super) server: Server,
    pub(super) log: LogState,
    pub(super) secrets: Vec<SecretPlace>,
    pub(super) places: Vec<Place>,
    pub(super) destinations: Vec<DestinationFacts>,
    pub(super) plugins: Vec<PluginFacts>,
    pub(super) chains: Vec<ChainFacts>,
    pub(super) findings: Vec<Finding>,
}

/// The file.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Configuration {
    pub(super) path: String,
    pub(super) sha256: String,
    /// Cohorts that are defined.
    pub(super) cohorts: Vec<String>,
    /// Plugins that no chain uses.
    pub(super) idle_plugins: Vec<String>,
    /// Whether it is remembered what was delivered.
    pub(super) remembers: bool,
    /// Whether what left a cohort is called back.
    pub(super) retracts: bool,
    /// Public keys for whom bodies of refused records are sealed; with none, no body is kept.
    pub(super) recipients: Vec<String>,
}

/// Where data comes from.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Server {
    pub(super) base_url: String,
    pub(super) level: String,
    /// Other machines that may be spoken to without TLS.
    pub(super) in_clear: Vec<String>,
}

/// A place outside that plugins may be granted.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct DestinationFacts {
    pub(super) name: String,
    /// Where everything that it gets lies below.
    pub(super) address: String,
    pub(super) methods: String,
    /// Headers that plugins can fill with what they like.
    pub(super) headers: Vec<String>,
    /// As whom it is spoken to, without anything secret.
    pub(super) auth: String,
    /// Whether it is another machine that is spoken to without TLS.
    pub(super) is_in_clear: bool,
    /// Whether plugins may choose any path of it.
    pub(super) is_whole: bool,
    /// Addresses that are no public ones and may be dialled all the same.
    pub(super) ranges: Vec<String>,
    /// Those of them that hold more than one site's machines.
    pub(super) wide_ranges: Vec<String>,
    /// Whether any plugin may send there.
    pub(super) is_granted: bool,
}

/// How the audit log is.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct LogState {
    pub(super) head: Option<AuditHead>,
    pub(super) lines: u64,
    /// What is wrong with it, in words; nothing when it is whole and ends as the ledger knows.
    pub(super) wrong: Vec<String>,
    /// When `bulkhead audit verify` found it whole last.
    pub(super) verified: Option<Instant>,
    /// Why nothing is known of past runs.
    pub(super) unknown: Option<String>,
}

/// One plugin of the configuration.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct PluginFacts {
    /// Its name in the configuration.
    pub(super) name: String,
    pub(super) path: String,
    /// Of the file as it is now.
    pub(super) sha256: Option<String>,
    pub(super) pin: Pin,
    /// Whose signatures count; nobody's where none is asked for.
    pub(super) signed_by: Vec<String>,
    /// Why its signature does not count.
    pub(super) unsigned: Option<String>,
    /// Where its guests run.
    pub(super) isolation: Isolation,
    /// What it calls itself.
    pub(super) title: String,
    pub(super) version: String,
    pub(super) description: String,
    pub(super) role: String,
    /// Where it works: chain and stage.
    pub(super) works_in: Vec<String>,
    /// Why it would not be loaded.
    pub(super) problems: Vec<String>,
    /// Imports that are not of the contract.
    pub(super) foreign: Vec<String>,
    pub(super) capabilities: Vec<Row>,
    /// Whether its own words are written into the logs.
    pub(super) says_text: bool,
    /// Exports in which this very file was at work.
    pub(super) runs: u64,
    /// How often its guests died, over these.
    pub(super) deaths: u64,
    /// Calls that named what was not granted.
    pub(super) refused: u64,
    /// Other files that worked under its stages before.
    pub(super) earlier: Vec<String>,
}

impl PluginFacts {
    /// Whether it has this capability.
    pub(super) fn has(&self, interface: &str) -> bool {
        self.capabilities.iter().any(|row| row.interface == interface && row.is_granted)
    }

    /// The names that it was granted of an interface.
    pub(super) fn names(&self, interface: &str) -> Vec<String> {
        let rows = self.capabilities.iter();
        rows.filter(|row| row.interface == interface && row.is_granted)
            .map(|row| row.name.clone())
            .collect()
    }
}

/// Whether the file is the one that the configuration names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Pin {
    /// It is another.
    Differs,
    /// It is.
    Holds,
    /// The configuration names none.
    #[default]
    None,
}

/// One chain.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ChainFacts {
    pub(super) name: String,
    /// Stages in order, the sink last.
    pub(super) stages: Vec<StageFacts>,
    pub(super) flow: Flow,
}

/// One stage of a chain.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct StageFacts {
    pub(super) name: String,
    pub(super) plugin: String,
    pub(super) role: String,
    /// Whether it keeps data of some patients from the stages behind it.
    pub(super) is_gate: bool,
}
