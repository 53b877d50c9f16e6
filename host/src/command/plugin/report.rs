//! What is known of a plugin, for people and as JSON.

use std::{fmt, path::Path};

use bulkhead_model::ByteSize;
use bulkhead_sandbox::{Manifest, Package, Role, VirtualWasi};
use serde::Serialize;

use super::{
    faults, inspect,
    interface::{self, ALWAYS},
    settings::{Presence, settings},
    shape::Shape,
    signed::Signed,
    text::plain,
};

/// What is known of a plugin. Every member is always there; `null` is what cannot be known.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Report {
    /// The version of this object: it rises when a member changes its meaning or goes.
    format: u32,
    file: String,
    bytes: u64,
    sha256: Option<String>,
    /// Whether the right grants make it load.
    pub(super) loadable: bool,
    /// Why not.
    faults: Vec<String>,
    /// What is no fault and worth a look.
    remarks: Vec<String>,
    /// Whether the plugin says what its file says.
    described: Option<Described>,
    signature: Option<Signed>,
    manifest: Option<Manifest>,
    /// Full names of all imports.
    imports: Vec<String>,
    /// Interfaces of the contract among them that take a grant.
    interfaces: Vec<String>,
    /// Parts of WASI among them: always the virtual one.
    wasi: Vec<String>,
    /// What it provably cannot do; empty when something foreign is imported.
    cannot: Vec<&'static str>,
    shape: Option<Shape>,
}

/// The version of the JSON that `inspect` prints.
const FORMAT: u32 = 1;

/// What came of asking the plugin what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Described {
    /// Not what is embedded.
    Different,
    /// It gave no answer.
    Failed(String),
    /// It was not asked.
    NotRun,
    /// What is embedded, byte for byte.
    Same,
}

impl Described {
    fn fault(&self) -> Option<String> {
        match self {
            Self::Different => Some(
                "what the plugin says of itself is not what its file says: do not trust it"
                    .to_owned(),
            ),
            Self::Failed(why) => Some(format!("the plugin does not say what it is: {why}")),
            Self::NotRun | Self::Same => None,
        }
    }
}

impl Report {
    /// Of a component, whether it can be loaded or not.
    pub(super) fn of(
        file: &Path,
        package: &Package,
        described: Described,
        signed: Signed,
    ) -> Self {
        let mut faults: Vec<String> = Vec::new();
        let mut remarks = Vec::new();
        let shape = match package.anatomy() {
            Ok(anatomy) => {
                remarks.extend(faults::remarks(&anatomy));
                Some(Shape::from(&anatomy))
            }
            Err(error) => {
                faults.push(error.to_string());
                None
            }
        };
        let manifest = match package.manifest() {
            Ok(manifest) => {
                faults.extend(faults::faults(package, manifest));
                faults.extend(described.fault());
                Some(manifest.clone())
            }
            Err(error) => {
                faults.push(error.to_string());
                None
            }
        };
        faults.extend(signed.fault());
        remarks.extend(signed.remark());
        let (wasi, foreign): (Vec<&str>, Vec<&str>) =
            package.foreign_imports().partition(|name| VirtualWasi::provides(name));
        // What WASI gives is known while the sandbox gives nothing but the virtual one.
        let is_closed = foreign.is_empty();
        Self {
            format: FORMAT,
            file: plain(&file.display().to_string()),
            bytes: package.bytes().len() as u64,
            sha256: Some(package.sha256().to_owned()),
            loadable: faults.is_empty(),
            faults,
            remarks,
            described: Some(described),
            signature: Some(signed),
            manifest,
            imports: package.imports().to_vec(),
            interfaces: package.interfaces().map(ToOwned::to_owned).collect(),
            wasi: wasi.into_iter().map(ToOwned::to_owned).collect(),
            cannot: if is_closed { interface::impossible(package) } else { Vec::new() },
            shape,
        }
    }

    /// Of a file that is no component, or whose manifest cannot be read.
    pub(super) fn of_no_plugin(file: &Path, bytes: u64, error: &anyhow::Error) -> Self {
        Self {
            format: FORMAT,
            file: plain(&file.display().to_string()),
            bytes,
            sha256: None,
            loadable: false,
            faults: vec![plain(&inspect::causes(error))],
            remarks: Vec::new(),
            described: None,
            signature: None,
            manifest: None,
            imports: Vec::new(),
            interfaces: Vec::new(),
            wasi: Vec::new(),
            cannot: Vec::new(),
            shape: None,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(manifest) = &self.manifest {
            let (name, version) = (plain(&manifest.name), plain(&manifest.version));
            writeln!(f, "{name} {version}: {}", role(manifest.role))?;
            if !manifest.description.is_empty() {
                writeln!(f, "{}", plain(&manifest.description))?;
            }
            writeln!(f)?;
        }
        writeln!(f, "file    {}", self.file)?;
        let size = ByteSize::from_bytes(self.bytes);
        writeln!(f, "size    {size}")?;
        if let Some(sha256) = &self.sha256 {
            writeln!(f, "sha256  {sha256}")?;
            if let Some(signed) = &self.signature {
                writeln!(f, "signed  {}", signed.words())?;
            }
            self.imports(f)?;
        }
        if let Some(manifest) = &self.manifest {
            write_manifest(f, manifest)?;
            write_settings(f, manifest)?;
        }
        if let Some(shape) = &self.shape {
            write!(f, "{shape}")?;
        }
        if let Some(manifest) = &self.manifest
            && self.loadable
        {
            self.usage(f, manifest)?;
        }
        self.verdict(f)
    }
}

impl Report {
    fn imports(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nWhat it imports, and what that lets it do")?;
        if self.imports.is_empty() {
            writeln!(f, "  nothing at all")?;
        } else {
            writeln!(f, "  every batch: {ALWAYS}")?;
        }
        for name in &self.interfaces {
            let can =
                interface::find(name).map_or("not known to this bulkhead", |it| it.can);
            writeln!(f, "  {}: {can}", plain(name))?;
        }
        for name in &self.wasi {
            let finds = VirtualWasi::words(name).unwrap_or_default();
            writeln!(f, "  {}: virtual WASI 0.2: {finds}", plain(name))?;
        }
        if self.cannot.is_empty() && !self.imports.is_empty() {
            return writeln!(
                f,
                "\nWhat it cannot do cannot be told: it imports what is not of the contract"
            );
        }
        writeln!(f, "\nWhat it provably cannot do, because it imports nothing for it")?;
        for cannot in &self.cannot {
            writeln!(f, "  - {cannot}")?;
        }
        Ok(())
    }

    fn usage(&self, f: &mut fmt::Formatter<'_>, manifest: &Manifest) -> fmt::Result {
        let Some(sha256) = &self.sha256 else { return Ok(()) };
        writeln!(f, "\nTo use it, in bulkhead.toml (grant only what you agree with)")?;
        writeln!(f, "  [plugins.{}]", key(&manifest.name))?;
        writeln!(f, "  path = {}", quoted(&self.file))?;
        writeln!(f, "  sha256 = \"{sha256}\"")?;
        let grants: Vec<String> = manifest
            .capabilities
            .iter()
            .filter_map(|asked| grant(&asked.interface, &manifest.fields))
            .collect();
        if grants.is_empty() {
            Ok(())
        } else {
            writeln!(f, "  grants = {{ {} }}", grants.join(", "))
        }
    }

    fn verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        for remark in &self.remarks {
            writeln!(f, "note: {remark}")?;
        }
        for fault in &self.faults {
            writeln!(f, "fault: {fault}")?;
        }
        let agreement = match &self.described {
            Some(Described::Same) => "; the plugin says of itself what its file says",
            Some(Described::NotRun) => {
                "; not compared with what the plugin says of itself"
            }
            Some(Described::Different | Described::Failed(_)) | None => "",
        };
        if self.loadable {
            writeln!(f, "loadable{agreement}")
        } else {
            writeln!(f, "not to be loaded, whatever is granted")
        }
    }
}

fn write_manifest(f: &mut fmt::Formatter<'_>, manifest: &Manifest) -> fmt::Result {
    writeln!(f, "\nWhat it asks you for, in its own words")?;
    if manifest.capabilities.is_empty() {
        writeln!(f, "  nothing")?;
    }
    for asked in &manifest.capabilities {
        writeln!(f, "  {}: {}", plain(&asked.interface), plain(&asked.why))?;
    }
    let lists = [
        ("Fields it reads", &manifest.fields),
        ("Streams it emits", &manifest.streams),
        ("Event codes", &manifest.events),
        ("Metrics", &manifest.metrics),
    ];
    for (title, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        let list: Vec<String> = list.iter().map(|name| plain(name)).collect();
        writeln!(f, "\n{title}\n  {}", list.join(", "))?;
    }
    if !manifest.rejects.is_empty() {
        writeln!(f, "\nCodes with which it rejects a record")?;
    }
    for reject in &manifest.rejects {
        writeln!(f, "  {}: {}", plain(&reject.code), plain(&reject.meaning))?;
    }
    Ok(())
}

fn write_settings(f: &mut fmt::Formatter<'_>, manifest: &Manifest) -> fmt::Result {
    let settings = settings(&manifest.settings);
    writeln!(f, "\nSettings")?;
    if settings.is_empty() {
        writeln!(f, "  none")?;
    }
    for setting in settings {
        let presence = match setting.presence {
            Presence::Default(default) => format!("default {default}"),
            Presence::Optional => "optional".to_owned(),
            Presence::Required => "required".to_owned(),
        };
        writeln!(f, "  {} ({}; {presence})", setting.name, setting.kind)?;
        if !setting.description.is_empty() {
            writeln!(f, "      {}", setting.description)?;
        }
        for (word, meaning) in setting.choices {
            writeln!(f, "      {word}: {meaning}")?;
        }
    }
    Ok(())
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::Filter => "a filter (keeps or drops records)",
        Role::Sink => "a sink (delivers records)",
        Role::Transform => "a transform (changes records)",
    }
}

/// The grant that opens `interface`, as written in the configuration.
fn grant(interface: &str, fields: &[String]) -> Option<String> {
    let grant = interface::find(interface)?.grant?;
    if interface != "projection" {
        return Some(grant.to_owned());
    }
    let fields: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
    Some(format!("fields = [{}]", fields.join(", ")))
}

/// `name` as a key of TOML, if it can be one without quotes.
fn key(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !name.is_empty() && name.bytes().all(is_bare) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

/// `text` as a basic string of TOML.
fn quoted(text: &str) -> String {
    toml::Value::String(plain(text)).to_string()
}

#[cfg(test)]
mod tests;
