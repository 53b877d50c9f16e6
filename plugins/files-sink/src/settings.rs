//! What an operator may set, as written. [`crate::plan`] checks it.

use bulkhead_plugin::artifacts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The sink's settings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The store to write to, by its name in the configuration.
    pub store: String,
    /// The folder of a part: `{export}` stands for the export's id and is required, `{kind}`
    /// for the resource type or the stream. Segments of `A-Z a-z 0-9 . _ = -`, with a slash
    /// at the end.
    #[serde(default = "default_layout")]
    pub layout: String,
    /// How records become bytes.
    #[serde(default)]
    pub format: Format,
    /// How the host compresses the parts; the manifest stays as it is.
    #[serde(default)]
    pub compression: Compression,
    /// All open parts end when together they have taken this much, before compression: a
    /// number of bytes, or text such as `128MiB`. A part can be larger by one batch.
    #[serde(default)]
    pub part_size: Size,
    /// All open parts end when together they have taken this many records, if that comes
    /// before `part-size`. At least 1.
    #[serde(default)]
    pub part_rows: Option<u64>,
    /// Where readers find the store, for absolute URLs in the manifest. Without it they are
    /// relative to the manifest.
    #[serde(default)]
    pub base_url: Option<String>,
}

/// How records become bytes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// One resource a line.
    #[default]
    Ndjson,
}

/// How the host compresses parts.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// RFC 1952; names end in `.gz`.
    Gzip,
    /// Nothing.
    #[default]
    None,
    /// RFC 8878; names end in `.zst`.
    Zstd,
}

impl Compression {
    /// What a part's name ends in.
    pub(crate) const fn extension(self) -> &'static str {
        match self {
            Self::Gzip => ".ndjson.gz",
            Self::None => ".ndjson",
            Self::Zstd => ".ndjson.zst",
        }
    }

    /// As the host knows it.
    pub(crate) const fn of_artifact(self) -> artifacts::Compression {
        match self {
            Self::Gzip => artifacts::Compression::Gzip,
            Self::None => artifacts::Compression::None,
            Self::Zstd => artifacts::Compression::Zstd,
        }
    }
}

/// A number of bytes as an operator writes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Size {
    /// Bytes.
    Bytes(u64),
    /// A whole number and B, kB, MB, GB, KiB, MiB or GiB.
    Text(String),
}

impl Default for Size {
    /// Large enough for a warehouse to read at speed, small enough to redo after a crash.
    fn default() -> Self {
        Self::Text("128MiB".to_owned())
    }
}

impl Size {
    /// The number of bytes, or `None` when the text is no size.
    pub(crate) fn bytes(&self) -> Option<u64> {
        let text = match self {
            Self::Bytes(bytes) => return Some(*bytes),
            Self::Text(text) => text.trim(),
        };
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(split)?;
        let factor = match unit.trim_start() {
            "" | "B" => 1,
            "kB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(factor)
    }
}

fn default_layout() -> String {
    "{export}/{kind}/".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sizes_as_the_rest_of_the_configuration_does() {
        let text = |text: &str| Size::Text(text.to_owned());
        let cases = [
            ("number", Size::Bytes(7), Some(7)),
            ("digits", text("7"), Some(7)),
            ("mebibytes", text("128MiB"), Some(134_217_728)),
            ("with a space", text(" 8 kB "), Some(8_000)),
            ("no number", text("MiB"), None),
            ("unknown unit", text("8 mb"), None),
            ("fraction", text("1.5MiB"), None),
            ("more than 64 bits", text("18446744073709551615GiB"), None),
            ("empty", text(""), None),
        ];
        for (name, size, expected) in cases {
            assert_eq!(size.bytes(), expected, "case: {name}");
        }
    }
}
