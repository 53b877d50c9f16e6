//! Two keys open a capability: the plugin asks, the operator grants. Neither alone does
//! anything, and the role bounds both.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Manifest, Package, VirtualWasi};

/// What the operator grants a plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one switch an interface, as in the TOML"
)]
pub struct Grants {
    /// Whole resources.
    pub bodies: bool,
    /// Two quantised clocks.
    pub clock: bool,
    /// Cohorts it may ask about.
    pub cohorts: Vec<String>,
    /// Destinations it may send HTTP requests to.
    pub destinations: Vec<String>,
    /// Fields it may project.
    pub fields: Vec<String>,
    /// Keys it may hash with, by name.
    pub keys: Vec<String>,
    /// Randomness.
    pub random: bool,
    /// Small durable values of its own.
    pub state: bool,
    /// Stores it may write artifacts to.
    pub stores: Vec<String>,
    /// Structured events and declared metrics.
    pub telemetry: Telemetry,
    /// WASI 0.2, virtual and empty.
    pub wasi: bool,
}

/// What is shown of a plugin's events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "TelemetryWord", try_from = "TelemetryWord")]
pub enum Telemetry {
    /// The plugin has none.
    #[default]
    Off,
    /// Declared codes with numbers and flags.
    On,
    /// Text of the plugin too, which may hold patient data: for rehearsals.
    Text,
}

/// As it is written: `true`, `false` or `"text"`.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum TelemetryWord {
    Flag(bool),
    Word(String),
}

impl From<Telemetry> for TelemetryWord {
    fn from(telemetry: Telemetry) -> Self {
        match telemetry {
            Telemetry::Off => Self::Flag(false),
            Telemetry::On => Self::Flag(true),
            Telemetry::Text => Self::Word("text".to_owned()),
        }
    }
}

impl TryFrom<TelemetryWord> for Telemetry {
    type Error = &'static str;

    fn try_from(written: TelemetryWord) -> Result<Self, Self::Error> {
        match written {
            TelemetryWord::Flag(false) => Ok(Self::Off),
            TelemetryWord::Flag(true) => Ok(Self::On),
            TelemetryWord::Word(word) if word == "text" => Ok(Self::Text),
            TelemetryWord::Word(_) => Err("telemetry is true, false or \"text\""),
        }
    }
}

impl Grants {
    /// The interfaces that are granted.
    pub fn interfaces(&self) -> impl Iterator<Item = &'static str> {
        [
            ("artifacts", !self.stores.is_empty()),
            ("bodies", self.bodies),
            ("clock", self.clock),
            ("cohorts", !self.cohorts.is_empty()),
            ("keyed-hash", !self.keys.is_empty()),
            ("outbound-http", !self.destinations.is_empty()),
            ("projection", !self.fields.is_empty()),
            ("random", self.random),
            ("state", self.state),
            ("telemetry", self.telemetry != Telemetry::Off),
            ("wasi", self.wasi),
        ]
        .into_iter()
        .filter_map(|(name, is_granted)| is_granted.then_some(name))
    }

    /// Whether `interface` is granted.
    pub fn grants(&self, interface: &str) -> bool {
        self.interfaces().any(|granted| granted == interface)
    }
}

/// How the operator grants each interface, for messages.
pub(crate) fn remedy(interface: &str) -> &'static str {
    match interface {
        "artifacts" => "`grants = { stores = [\"…\"] }`",
        "bodies" => "`grants = { bodies = true }`",
        "clock" => "`grants = { clock = true }`",
        "cohorts" => "`grants = { cohorts = [\"…\"] }`",
        "keyed-hash" => "`grants = { keys = [\"…\"] }`",
        "outbound-http" => "`grants = { destinations = [\"…\"] }`",
        "projection" => "`grants = { fields = [\"…\"] }`",
        "random" => "`grants = { random = true }`",
        "state" => "`grants = { state = true }`",
        "telemetry" => "`grants = { telemetry = true }`",
        "wasi" => "`grants = { wasi = true }`",
        _ => "nothing: this version of bulkhead has no such capability",
    }
}

/// One disagreement between what a plugin imports, asks and was granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Denied {
    /// A field is asked and not granted.
    FieldNotGranted(String),
    /// A field is granted that the manifest does not ask for.
    FieldNotAsked(String),
    /// An import that is not of the contract.
    Foreign(String),
    /// The manifest asks, and the operator did not grant.
    NotGranted {
        /// The interface.
        interface: String,
        /// What the plugin wants it for: its own words, not for logs.
        #[serde(skip)]
        why: String,
    },
    /// Imported, but the manifest does not ask for it.
    NotAsked(String),
    /// The manifest asks for it, and the component does not import it.
    NotImported(String),
    /// The contract has it; this version of the host does not.
    NotProvided(String),
    /// Granted, but the manifest does not ask for it.
    Unneeded(String),
    /// The role may never have it.
    WrongRole {
        /// The interface.
        interface: String,
        /// The role.
        role: &'static str,
    },
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FieldNotGranted(field) => write!(
                f,
                "the plugin asks for field `{field}`, which is not granted; grant it with \
                 `grants = {{ fields = [\"{field}\"] }}` or do not use the plugin"
            ),
            Self::FieldNotAsked(field) => {
                write!(
                    f,
                    "field `{field}` is granted, but the plugin does not ask for it; remove it from `grants.fields`"
                )
            }
            Self::Foreign(import) if VirtualWasi::provides(import) => write!(
                f,
                "the plugin imports `{import}`, but its manifest does not ask for `wasi`; in Rust, \
                 build it for wasm32-unknown-unknown with `bulkhead plugin build`, in other \
                 languages let its manifest ask"
            ),
            Self::Foreign(import) => write!(
                f,
                "the plugin imports `{import}`, which no grant can give; build it for \
                 wasm32-unknown-unknown with `bulkhead plugin build`"
            ),
            Self::NotGranted { interface, why } => write!(
                f,
                "the plugin asks for `{interface}` ({why}), which is not granted; grant it with {}",
                remedy(interface)
            ),
            Self::NotAsked(interface) => write!(
                f,
                "the plugin imports `{interface}`, but its manifest does not ask for it; do not trust this plugin before its authors say why"
            ),
            Self::NotImported(interface) => write!(
                f,
                "the manifest asks for `{interface}`, but the plugin does not import it; its authors must take the wish out, or call it"
            ),
            Self::NotProvided(interface) => write!(
                f,
                "the plugin imports `{interface}`, which this version of bulkhead does not provide"
            ),
            Self::Unneeded(interface) => write!(
                f,
                "`{interface}` is granted, but the plugin does not ask for it; remove the grant"
            ),
            Self::WrongRole { interface, role } => {
                write!(f, "a {role} can never have `{interface}`")
            }
        }
    }
}

/// Every interface that this host can link.
const PROVIDED: [&str; 11] = [
    "artifacts",
    "bodies",
    "clock",
    "cohorts",
    "keyed-hash",
    "outbound-http",
    "projection",
    "random",
    "state",
    "telemetry",
    "wasi",
];

/// What stands against a plugin whatever an operator grants.
pub fn beyond_grants(package: &Package, manifest: &Manifest) -> Vec<Denied> {
    let mut denied = check(package, manifest, &Grants::default());
    denied.retain(|denied| match denied {
        Denied::Foreign(_)
        | Denied::NotAsked(_)
        | Denied::NotImported(_)
        | Denied::NotProvided(_)
        | Denied::WrongRole { .. } => true,
        Denied::FieldNotAsked(_)
        | Denied::FieldNotGranted(_)
        | Denied::NotGranted { .. }
        | Denied::Unneeded(_) => false,
    });
    denied
}

/// Every disagreement, none left out: a plugin loads when its imports, its manifest and its
/// grants name the same interfaces, all within its role.
pub(crate) fn check(
    package: &Package,
    manifest: &Manifest,
    grants: &Grants,
) -> Vec<Denied> {
    let has_wasi = manifest.asks("wasi");
    let mut denied: Vec<Denied> = package
        .foreign_imports()
        .filter(|import| !(has_wasi && VirtualWasi::provides(import)))
        .map(|import| Denied::Foreign(import.to_owned()))
        .collect();
    let role = manifest.role;
    for interface in package.interfaces() {
        let named = interface.to_owned();
        if !role.interfaces().contains(&interface) {
            denied.push(Denied::WrongRole { interface: named, role: role.as_str() });
        } else if !PROVIDED.contains(&interface) {
            denied.push(Denied::NotProvided(named));
        } else if !manifest.asks(interface) {
            denied.push(Denied::NotAsked(named));
        }
    }
    for asked in &manifest.capabilities {
        let interface = asked.interface.clone();
        let is_imported = package.uses(&interface);
        if !role.interfaces().contains(&interface.as_str()) {
            if !is_imported {
                denied.push(Denied::WrongRole { interface, role: role.as_str() });
            }
        } else if !is_imported {
            denied.push(Denied::NotImported(interface));
        } else if PROVIDED.contains(&interface.as_str()) && !grants.grants(&interface) {
            denied.push(Denied::NotGranted { interface, why: asked.why.clone() });
        }
    }
    for granted in grants.interfaces().filter(|granted| !manifest.asks(granted)) {
        denied.push(Denied::Unneeded(granted.to_owned()));
    }
    let missing = manifest.fields.iter().filter(|field| !grants.fields.contains(field));
    denied.extend(missing.map(|field| Denied::FieldNotGranted(field.clone())));
    if manifest.asks("projection") {
        let extra = grants.fields.iter().filter(|field| !manifest.fields.contains(field));
        denied.extend(extra.map(|field| Denied::FieldNotAsked(field.clone())));
    }
    denied
}

#[cfg(test)]
mod tests;
