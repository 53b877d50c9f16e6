//! `bulkhead plugin inspect --diff`: what a new version may that the old one may not.
//!
//! A power is anything with which a plugin reaches further: an import, a wish, a field, a
//! name it may report or emit under, its role, the memory it begins with, and who signed it.

use std::{collections::BTreeSet, fmt, path::Path};

use bulkhead_model::ByteSize;
use bulkhead_sandbox::{Anatomy, Manifest, Package};
use serde::Serialize;

use super::{
    signed::{Signed, State, Trusted},
    text::plain,
};
use crate::failure::Failure;

/// One version of a plugin.
pub(super) struct Version {
    file: String,
    package: Package,
    manifest: Manifest,
    anatomy: Anatomy,
    signed: Signed,
}

impl Version {
    /// Of a file.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when it is no plugin.
    pub(super) fn read(path: &Path, trusted: &Trusted) -> anyhow::Result<Self> {
        let refuse = |error: bulkhead_sandbox::Error| {
            let error = anyhow::Error::new(error);
            let why = plain(&super::inspect::causes(&error));
            Failure::refused(format!("{}: {why}", path.display()))
        };
        let package = Package::read(path).map_err(refuse)?;
        let signed = Signed::of(path, &package, trusted);
        let manifest = package.manifest().map_err(refuse)?.clone();
        let anatomy = package.anatomy().map_err(refuse)?;
        let file = plain(&path.display().to_string());
        Ok(Self { file, package, manifest, anatomy, signed })
    }

    /// Names of one kind of power.
    fn named(&self, kind: Kind) -> BTreeSet<String> {
        let Self { package, manifest, .. } = self;
        let owned = |names: &[String]| names.iter().map(|name| plain(name)).collect();
        match kind {
            Kind::Import => {
                let own = package.interfaces().chain(package.foreign_imports());
                own.map(plain).collect()
            }
            Kind::Capability => manifest
                .capabilities
                .iter()
                .map(|asked| plain(&asked.interface))
                .collect(),
            Kind::Field => owned(&manifest.fields),
            Kind::Stream => owned(&manifest.streams),
            Kind::Event => owned(&manifest.events),
            Kind::Metric => owned(&manifest.metrics),
            Kind::Reject => {
                manifest.rejects.iter().map(|reject| plain(&reject.code)).collect()
            }
        }
    }
}

/// Powers that are names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Import,
    Capability,
    Field,
    Stream,
    Event,
    Metric,
    Reject,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Import,
        Self::Capability,
        Self::Field,
        Self::Stream,
        Self::Event,
        Self::Metric,
        Self::Reject,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Capability => "capability",
            Self::Field => "field",
            Self::Stream => "stream",
            Self::Event => "event",
            Self::Metric => "metric",
            Self::Reject => "reject",
        }
    }
}

/// What differs between two versions. Every member is always there.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Diff {
    format: u32,
    old: Side,
    new: Side,
    /// Whether the two files are the same, byte for byte.
    same_bytes: bool,
    /// What the new one may and the old one may not.
    pub(super) widened: Vec<Change>,
    /// What the old one may and the new one may not.
    narrowed: Vec<Change>,
    /// What differs and is no power.
    changed: Vec<Change>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Side {
    file: String,
    sha256: String,
    name: String,
    version: String,
    bytes: usize,
}

/// One difference.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    /// `import`, `capability`, `field`, `stream`, `event`, `metric`, `reject`, `role`,
    /// `memory`, `signature`; of what is no power: `name`, `version`, `description`,
    /// `settings`, `why`, `meaning`, `size`, `toolchain`, `start`.
    what: &'static str,
    /// Which one, where there are several.
    item: String,
    /// Before, where that says something.
    old: Option<String>,
    /// After, likewise.
    new: Option<String>,
}

impl Change {
    fn of(
        what: &'static str,
        item: &str,
        old: Option<String>,
        new: Option<String>,
    ) -> Self {
        Self { what, item: item.to_owned(), old, new }
    }
}

impl Diff {
    /// Between two versions.
    pub(super) fn between(old: &Version, new: &Version) -> Self {
        let mut diff = Self {
            format: 1,
            old: Side::from(old),
            new: Side::from(new),
            same_bytes: old.package.bytes() == new.package.bytes(),
            widened: Vec::new(),
            narrowed: Vec::new(),
            changed: Vec::new(),
        };
        for kind in Kind::ALL {
            let (before, after) = (old.named(kind), new.named(kind));
            let change = |name: &String| Change::of(kind.as_str(), name, None, None);
            diff.widened.extend(after.difference(&before).map(change));
            diff.narrowed.extend(before.difference(&after).map(change));
        }
        diff.role(old, new);
        diff.memory(old, new);
        diff.signature(&old.signed, &new.signed);
        diff.words(old, new);
        diff
    }

    fn role(&mut self, old: &Version, new: &Version) {
        let (before, after) = (old.manifest.role, new.manifest.role);
        if before != after {
            // Whatever it was, it can be granted something else now.
            let role = |name: &str| Some(name.to_owned());
            let (before, after) = (role(before.as_str()), role(after.as_str()));
            self.widened.push(Change::of("role", "", before, after));
        }
    }

    fn memory(&mut self, old: &Version, new: &Version) {
        let (before, after) =
            (old.anatomy.memories.minimum, new.anatomy.memories.minimum);
        let size = |bytes: u64| Some(ByteSize::from_bytes(bytes).to_string());
        let change = Change::of("memory", "", size(before), size(after));
        match after.cmp(&before) {
            std::cmp::Ordering::Greater => self.widened.push(change),
            std::cmp::Ordering::Less => self.narrowed.push(change),
            std::cmp::Ordering::Equal => {}
        }
    }

    /// A signature that is gone, worth less or by another key is wider; one that came is
    /// narrower.
    fn signature(&mut self, old: &Signed, new: &Signed) {
        let worth = |signed: &Signed| match signed.state {
            State::Absent | State::Refused => 0,
            State::Unverified => 1,
            State::Verified => 2,
        };
        let words = |signed: &Signed| Some(signed.words());
        let change = Change::of("signature", "", words(old), words(new));
        let (before, after) = (worth(old), worth(new));
        if after < before || (before > 0 && old.key != new.key) {
            self.widened.push(change);
        } else if after > before {
            self.narrowed.push(change);
        } else if old.state != new.state {
            self.changed.push(change);
        }
    }

    /// What is said otherwise.
    fn words(&mut self, old: &Version, new: &Version) {
        let (before, after) = (&old.manifest, &new.manifest);
        let size = |version: &Version| {
            ByteSize::from_bytes(version.package.bytes().len() as u64)
        };
        let tools = |version: &Version| {
            let tools = version.anatomy.tools.iter();
            let each =
                tools.map(|tool| plain(&format!("{} {}", tool.name, tool.version)));
            each.collect::<Vec<_>>().join(", ")
        };
        let starts = |version: &Version| version.anatomy.start_functions.to_string();
        let schema = |manifest: &Manifest| manifest.settings.to_string();
        let pairs = [
            ("name", plain(&before.name), plain(&after.name)),
            ("version", plain(&before.version), plain(&after.version)),
            ("description", plain(&before.description), plain(&after.description)),
            ("settings", schema(before), schema(after)),
            ("size", size(old).to_string(), size(new).to_string()),
            ("toolchain", tools(old), tools(new)),
            ("start", starts(old), starts(new)),
        ];
        for (what, before, after) in pairs.into_iter().filter(|(_, old, new)| old != new)
        {
            // A schema is long: that it changed is what can be said.
            let is_shown = what != "settings";
            let [before, after] = [before, after].map(|text| is_shown.then_some(text));
            self.changed.push(Change::of(what, "", before, after));
        }
        for asked in &after.capabilities {
            let was =
                before.capabilities.iter().find(|was| was.interface == asked.interface);
            let why = was.map(|was| (&was.why, &asked.why));
            self.reworded("why", &asked.interface, why);
        }
        for reject in &after.rejects {
            let was = before.rejects.iter().find(|was| was.code == reject.code);
            let meaning = was.map(|was| (&was.meaning, &reject.meaning));
            self.reworded("meaning", &reject.code, meaning);
        }
    }

    fn reworded(
        &mut self,
        what: &'static str,
        item: &str,
        words: Option<(&String, &String)>,
    ) {
        let Some((old, new)) = words.filter(|(old, new)| old != new) else { return };
        let change = Change::of(what, &plain(item), Some(plain(old)), Some(plain(new)));
        self.changed.push(change);
    }
}

impl From<&Version> for Side {
    fn from(version: &Version) -> Self {
        Self {
            file: version.file.clone(),
            sha256: version.package.sha256().to_owned(),
            name: plain(&version.manifest.name),
            version: plain(&version.manifest.version),
            bytes: version.package.bytes().len(),
        }
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (title, side) in [("old", &self.old), ("new", &self.new)] {
            let Side { file, sha256, name, version, .. } = side;
            writeln!(f, "{title}  {name} {version}\n     {file}\n     sha256 {sha256}")?;
        }
        if self.same_bytes {
            writeln!(f, "\nThe two files are the same, byte for byte.")?;
        }
        let lists = [
            ("What the new one may and the old one may not", &self.widened),
            ("What the new one may no longer", &self.narrowed),
            ("What else changed", &self.changed),
        ];
        for (title, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            writeln!(f, "\n{title}")?;
            for change in list {
                writeln!(f, "  {change}")?;
            }
        }
        let verdict = match self.widened.len() {
            0 => "it may nothing that the old one may not".to_owned(),
            1 => "it may 1 thing that the old one may not".to_owned(),
            many => format!("it may {many} things that the old one may not"),
        };
        writeln!(f, "\n{verdict}")
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)?;
        if !self.item.is_empty() {
            write!(f, " `{}`", self.item)?;
        }
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => write!(f, ": {old} → {new}"),
            (Some(_), None) | (None, Some(_) | None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
