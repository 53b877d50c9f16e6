//! What a plugin says of itself.

use serde::{Deserialize, Serialize};

/// What a plugin is to the chain. The role bounds what can be granted at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Keeps or drops: no I/O, no clock, no randomness.
    Filter,
    /// Delivers.
    Sink,
    /// Changes: bodies in, bodies out, no way out but what it returns.
    Transform,
}

impl Role {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Sink => "sink",
            Self::Transform => "transform",
        }
    }

    /// The interfaces that this role may import, as the worlds of `wit/worlds.wit` say.
    pub const fn interfaces(self) -> &'static [&'static str] {
        match self {
            Self::Filter => &["bodies", "cohorts", "projection", "telemetry"],
            Self::Sink => &[
                "artifacts",
                "bodies",
                "clock",
                "outbound-http",
                "projection",
                "random",
                "state",
                "telemetry",
            ],
            Self::Transform => &[
                "bodies",
                "clock",
                "cohorts",
                "keyed-hash",
                "projection",
                "random",
                "state",
                "telemetry",
            ],
        }
    }
}

/// One interface that the plugin asks for, and what for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capability {
    /// The interface's name.
    pub interface: String,
    /// What for.
    pub why: String,
}

/// A code with which the plugin may reject a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectCode {
    /// The code.
    pub code: String,
    /// What it means.
    pub meaning: String,
}

/// A plugin's manifest, version 1. Plugin-controlled: shown to operators, never trusted for
/// more than what it asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Manifest {
    /// The manifest's own version.
    pub bulkhead: u32,
    /// The plugin's name.
    pub name: String,
    /// The plugin's version.
    pub version: String,
    /// What it does.
    #[serde(default)]
    pub description: String,
    /// What it is to the chain.
    pub role: Role,
    /// JSON Schema of its settings.
    #[serde(default)]
    pub settings: serde_json::Value,
    /// Interfaces it asks for.
    #[serde(default)]
    pub capabilities: Vec<Capability>,
    /// Fields that it projects.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Streams that it emits.
    #[serde(default)]
    pub streams: Vec<String>,
    /// Event codes.
    #[serde(default)]
    pub events: Vec<String>,
    /// Metric names.
    #[serde(default)]
    pub metrics: Vec<String>,
    /// Reject codes.
    #[serde(default)]
    pub rejects: Vec<RejectCode>,
}

impl Manifest {
    /// Whether the plugin asks for `interface`.
    pub fn asks(&self, interface: &str) -> bool {
        self.capabilities.iter().any(|asked| asked.interface == interface)
    }
}
