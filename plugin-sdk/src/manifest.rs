//! What a plugin says of itself, before it may do anything.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a plugin is to the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Keeps or drops.
    Filter,
    /// Delivers.
    Sink,
    /// Changes.
    Transform,
}

/// One interface that the plugin imports, and what for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capability {
    /// The interface's name in `wit/`: `cohorts`, `bodies`, `artifacts`, …
    pub interface: String,
    /// What for, in words that an operator can judge.
    pub why: String,
}

/// A code with which the plugin may reject a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// `[a-z0-9][a-z0-9.-]{0,63}`.
    pub code: String,
    /// What it means, and what an operator can do.
    pub meaning: String,
}

/// The plugin's manifest. Embedded in the component as the custom section
/// `bulkhead:manifest`, so that a reviewer can read it without running anything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Manifest {
    /// The manifest's own version: 1.
    pub bulkhead: u32,
    /// The plugin's name.
    pub name: String,
    /// The plugin's version.
    pub version: String,
    /// What it does, in one sentence.
    pub description: String,
    /// What it is to the chain.
    pub role: Role,
    /// JSON Schema of its settings.
    pub settings: serde_json::Value,
    /// Interfaces it asks for, beyond `batches`.
    pub capabilities: Vec<Capability>,
    /// Fields that it projects.
    pub fields: Vec<String>,
    /// Streams that it emits.
    pub streams: Vec<String>,
    /// Event codes.
    pub events: Vec<String>,
    /// Metric names.
    pub metrics: Vec<String>,
    /// Reject codes.
    pub rejects: Vec<Reject>,
}

impl Manifest {
    /// A plugin with settings `S` that asks for nothing yet.
    pub fn new<S: JsonSchema>(name: &str, version: &str, role: Role) -> Self {
        Self {
            bulkhead: 1,
            name: name.to_owned(),
            version: version.to_owned(),
            description: String::new(),
            role,
            settings: schemars::schema_for!(S).to_value(),
            capabilities: Vec::new(),
            fields: Vec::new(),
            streams: Vec::new(),
            events: Vec::new(),
            metrics: Vec::new(),
            rejects: Vec::new(),
        }
    }

    /// Says what the plugin does.
    #[must_use]
    pub fn describe(self, description: &str) -> Self {
        Self { description: description.to_owned(), ..self }
    }

    /// Asks for an interface.
    #[must_use]
    pub fn ask(mut self, interface: &str, why: &str) -> Self {
        let (interface, why) = (interface.to_owned(), why.to_owned());
        self.capabilities.push(Capability { interface, why });
        self
    }

    /// Asks for a field of every record.
    #[must_use]
    pub fn field(mut self, field: &str) -> Self {
        self.fields.push(field.to_owned());
        self
    }

    /// Declares a stream that a transform emits.
    #[must_use]
    pub fn stream(mut self, stream: &str) -> Self {
        self.streams.push(stream.to_owned());
        self
    }

    /// Declares a reject code.
    #[must_use]
    pub fn reject(mut self, code: &str, meaning: &str) -> Self {
        self.rejects.push(Reject { code: code.to_owned(), meaning: meaning.to_owned() });
        self
    }

    /// Declares an event code.
    #[must_use]
    pub fn event(mut self, code: &str) -> Self {
        self.events.push(code.to_owned());
        self
    }

    /// Declares a metric.
    #[must_use]
    pub fn metric(mut self, name: &str) -> Self {
        self.metrics.push(name.to_owned());
        self
    }

    /// As the component carries it.
    pub fn to_json(&self) -> String {
        // Serialising a manifest cannot fail: every field is plain data with text keys.
        serde_json::to_string(self).unwrap_or_default()
    }
}
