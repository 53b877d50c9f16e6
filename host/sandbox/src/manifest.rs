//! What a plugin says of itself.

use std::collections::BTreeSet;

use bulkhead_model::ResourceType;
use serde::{Deserialize, Serialize};

use crate::convert::{is_code, is_plain};

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

    /// The interfaces that this role may import, as the worlds of `wit/worlds.wit` say, and
    /// `wasi`, which is empty: its clocks and its randomness are those of other grants.
    pub const fn interfaces(self) -> &'static [&'static str] {
        match self {
            Self::Filter => &["bodies", "cohorts", "projection", "telemetry", "wasi"],
            Self::Sink => &[
                "artifacts",
                "bodies",
                "clock",
                "outbound-http",
                "projection",
                "random",
                "state",
                "telemetry",
                "wasi",
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
                "wasi",
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
    /// Metric names: none of those that the host counts by.
    #[serde(default)]
    pub metrics: Vec<String>,
    /// Reject codes.
    #[serde(default)]
    pub rejects: Vec<RejectCode>,
}

/// The version of the manifest that this host reads.
const VERSION: u32 = 1;

/// Entries of one list: hosts look codes up one by one, and operators read them all.
const MOST: usize = 256;

impl Manifest {
    /// That of a guest which is still to be asked for its own: it declares nothing.
    pub(crate) const fn of_nobody() -> Self {
        Self {
            bulkhead: VERSION,
            name: String::new(),
            version: String::new(),
            description: String::new(),
            role: Role::Filter,
            settings: serde_json::Value::Null,
            capabilities: Vec::new(),
            fields: Vec::new(),
            streams: Vec::new(),
            events: Vec::new(),
            metrics: Vec::new(),
            rejects: Vec::new(),
        }
    }

    /// What is wrong with it beyond its shape.
    pub(crate) fn flaw(&self) -> Option<&'static str> {
        let Self { capabilities, fields, streams, events, metrics, rejects, .. } = self;
        let lens = [
            capabilities.len(),
            fields.len(),
            streams.len(),
            events.len(),
            metrics.len(),
            rejects.len(),
        ];
        let codes = rejects.iter().map(|reject| &reject.code);
        let shown = [&self.name, &self.version, &self.description].into_iter();
        let shown = shown
            .chain(capabilities.iter().flat_map(|asked| [&asked.interface, &asked.why]))
            .chain(rejects.iter().map(|reject| &reject.meaning))
            .chain(fields);
        if self.bulkhead != VERSION {
            Some("the manifest is of a version that this host does not read")
        } else if lens.into_iter().any(|len| len > MOST) {
            Some("the manifest declares more than 256 of a kind")
        } else if !events.iter().chain(metrics).chain(codes).all(|code| is_code(code)) {
            Some(
                "the manifest declares a code that is not of the form `[a-z0-9][a-z0-9.-]{0,63}`",
            )
        } else if metrics.iter().any(|metric| is_of_the_host(metric)) {
            Some(
                "the manifest declares a metric that the host counts (`http-…`, `artifact-…`, \
                 `state-…`, `events-not-shown` and the like): give it another name",
            )
        } else if !streams.iter().all(|stream| is_stream(stream)) {
            Some(
                "the manifest declares a stream whose name is not of the form `view/visits`",
            )
        } else if !shown.flat_map(|text| text.chars()).all(is_plain) {
            Some("the manifest holds control characters")
        } else if capabilities.iter().any(|asked| asked.why.trim().is_empty()) {
            Some("the manifest asks for an interface without saying why")
        } else if has_twins(capabilities) {
            Some("the manifest asks for an interface twice")
        } else if self.asks("projection") == fields.is_empty() {
            Some(
                "the manifest must list fields if it asks for `projection`, and only then",
            )
        } else {
            None
        }
    }

    /// Whether the plugin asks for `interface`.
    pub fn asks(&self, interface: &str) -> bool {
        self.capabilities.iter().any(|asked| asked.interface == interface)
    }
}

fn has_twins(capabilities: &[Capability]) -> bool {
    let asked = capabilities.iter().map(|asked| &asked.interface);
    asked.collect::<BTreeSet<_>>().len() < capabilities.len()
}

/// Whether the host itself counts something under this name: in a report a plugin's count must
/// not pass for the host's.
fn is_of_the_host(metric: &str) -> bool {
    ["artifact-", "http-", "state-"].iter().any(|of| metric.starts_with(of))
        || ["events-not-shown", "fields-not-shown", "metrics-not-declared"]
            .contains(&metric)
}

/// A name that no resource type can have: kinds of rows must not pass for resources.
fn is_stream(name: &str) -> bool {
    let is_allowed = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'/')
    };
    let has_start = name.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
    has_start
        && name.len() <= 64
        && name.bytes().all(is_allowed)
        && !ResourceType::is_valid(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_cannot_be_declared() {
        type Change = fn(&mut Manifest);
        let cases: [(&str, Change, bool); 18] = [
            ("a plain one", |_| (), true),
            ("a later version", |manifest| manifest.bulkhead = 2, false),
            ("an event that is free text", |m| m.events.push("Jane Roe".into()), false),
            ("a metric with a line end", |m| m.metrics.push("a\nb".into()), false),
            ("a count of the host's", |m| m.metrics.push("http-requests".into()), false),
            ("another", |m| m.metrics.push("events-not-shown".into()), false),
            ("one that is like it", |m| m.metrics.push("https".into()), true),
            ("too many metrics", |m| m.metrics = vec!["a".into(); 257], false),
            ("a stream", |m| m.streams.push("view/visits".into()), true),
            ("a stream like a type", |m| m.streams.push("Patient".into()), false),
            ("a name for a terminal", |m| m.name.push('\u{1b}'), false),
            ("a name written backwards", |m| m.name.push('\u{202e}'), false),
            ("a wish with its reason", |m| m.capabilities.push(ask("bodies", "x")), true),
            ("a wish without one", |m| m.capabilities.push(ask("bodies", " ")), false),
            (
                "a wish said twice",
                |m| m.capabilities = vec![ask("bodies", "x"), ask("bodies", "y")],
                false,
            ),
            ("fields nobody may read", |m| m.fields.push("id".into()), false),
            ("fields of none", |m| m.capabilities.push(ask("projection", "x")), false),
            (
                "fields and the wish",
                |m| {
                    m.fields.push("id".into());
                    m.capabilities.push(ask("projection", "x"));
                },
                true,
            ),
        ];
        for (name, change, is_fine) in cases {
            let json = r#"{"bulkhead":1,"name":"x","version":"1","role":"filter"}"#;
            let mut manifest: Manifest = serde_json::from_str(json).unwrap();
            change(&mut manifest);
            assert_eq!(manifest.flaw().is_none(), is_fine, "case: {name}");
        }
    }

    fn ask(interface: &str, why: &str) -> Capability {
        Capability { interface: interface.to_owned(), why: why.to_owned() }
    }
}
