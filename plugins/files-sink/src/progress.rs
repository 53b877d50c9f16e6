//! What is durable of one file: the parts of each series, and the token that says so.
//!
//! The token is the only memory across restarts. Part numbers come from it, and the
//! manifest of the export is made from the tokens of its files.

use std::collections::BTreeMap;

use bulkhead_plugin::PluginError;
use serde::{Deserialize, Serialize};

use crate::{
    layout::check_kind,
    series::{Series, Shelf},
};

/// The durable parts of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress(BTreeMap<Series, Parts>);

/// The durable parts of one series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Parts {
    /// Records of each part, by number.
    rows: Vec<u64>,
    /// Bytes of all parts together, before compression.
    bytes: u64,
}

impl Progress {
    /// The number of the next part of `series`.
    pub(crate) fn next_part(&self, series: &Series) -> usize {
        self.0.get(series).map_or(0, |parts| parts.rows.len())
    }

    /// Counts one more part.
    pub(crate) fn add(&mut self, series: Series, rows: u64, bytes: u64) {
        let parts = self.0.entry(series).or_default();
        parts.rows.push(rows);
        parts.bytes = parts.bytes.saturating_add(bytes);
    }

    /// Every part with its number and its records: by kind, then shelf, then number.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&Series, usize, u64)> {
        self.0.iter().flat_map(|(series, parts)| {
            parts.rows.iter().enumerate().map(move |(part, rows)| (series, part, *rows))
        })
    }

    /// As the host keeps it. `fingerprint` is that of the plan in force.
    ///
    /// # Errors
    ///
    /// [`PluginError::Fatal`] when it would be larger than the host takes.
    pub(crate) fn to_token(&self, fingerprint: &str) -> Result<Vec<u8>, PluginError> {
        let entries = self.0.iter().map(|(series, parts)| Entry {
            kind: series.kind.clone(),
            shelf: series.shelf,
            rows: parts.rows.clone(),
            bytes: parts.bytes,
        });
        let token =
            Token { v: VERSION, plan: fingerprint.to_owned(), series: entries.collect() };
        let token = serde_json::to_vec(&token).map_err(|_| unreadable())?;
        if token.len() > TOKEN_LIMIT {
            return Err(PluginError::fatal(
                "too-many-parts",
                "the file has more parts than a checkpoint can hold; raise `part-size`",
            ));
        }
        Ok(token)
    }

    /// Reads a token. An empty one is that of a file of which nothing is durable.
    ///
    /// # Errors
    ///
    /// [`PluginError::Fatal`] when it is not ours, or was made under other settings.
    pub(crate) fn of_token(token: &[u8], fingerprint: &str) -> Result<Self, PluginError> {
        if token.is_empty() {
            return Ok(Self::default());
        }
        let token: Token = serde_json::from_slice(token).map_err(|_| unreadable())?;
        if token.v != VERSION {
            return Err(unreadable());
        }
        if token.plan != fingerprint {
            return Err(PluginError::fatal(
                "settings-changed",
                "`store`, `layout` or `compression` changed within an export; restore them, or \
                 begin a new export",
            ));
        }
        let mut progress = BTreeMap::new();
        for Entry { kind, shelf, rows, bytes } in token.series {
            check_kind(&kind)?;
            progress.insert(Series { kind, shelf }, Parts { rows, bytes });
        }
        Ok(Self(progress))
    }
}

fn unreadable() -> PluginError {
    PluginError::fatal("token", "the checkpoint is not one of this plugin's")
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Token {
    v: u32,
    plan: String,
    series: Vec<Entry>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kind: String,
    shelf: Shelf,
    rows: Vec<u64>,
    bytes: u64,
}

const VERSION: u32 = 1;

/// `sink.checkpoint` in the WIT: at most 64 KiB.
const TOKEN_LIMIT: usize = 64 << 10;
