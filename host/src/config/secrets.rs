//! Secrets by reference: a file or a variable of the environment, never the value itself.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use bulkhead_model::Secret;

use super::reader::Reader;
use crate::failure::Failure;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretSource {
    /// A variable of the environment.
    Env(String),
    /// A file; a line end at its end does not count.
    File(PathBuf),
}

impl SecretSource {
    /// Reads the secret.
    ///
    /// # Errors
    ///
    /// A [`Failure`] that says where it should be.
    pub(crate) fn read(&self) -> anyhow::Result<Secret> {
        match self {
            Self::Env(name) => std::env::var(name).map(Secret::new).map_err(|_| {
                Failure::refused(format!("the environment has no variable `{name}`"))
                    .hint("set it, or use `{ file = \"…\" }` in the configuration")
                    .into()
            }),
            Self::File(path) => {
                let bytes = fs_err::read(path).map_err(|error| {
                    Failure::refused(format!("reading a secret: {error}"))
                })?;
                let end = bytes.trim_ascii_end().len();
                Ok(Secret::new(bytes.get(..end).unwrap_or_default()))
            }
        }
    }
}

/// `{ file = "…" }` or `{ env = "…" }`.
pub(crate) fn read(section: &Reader<'_>, folder: &Path) -> Option<SecretSource> {
    let (file, env) = (section.text("file"), section.text("env"));
    section.finish();
    match (file, env) {
        (Some(file), None) => Some(SecretSource::File(folder.join(file))),
        (None, Some(env)) => Some(SecretSource::Env(env)),
        _ => {
            section
                .problem("a secret is named as `{ file = \"…\" }` or `{ env = \"…\" }`");
            None
        }
    }
}

/// `[KEY.NAME]` tables that each name a secret.
pub(crate) fn named(
    root: &Reader<'_>,
    key: &str,
    folder: &Path,
) -> BTreeMap<String, SecretSource> {
    let tables = root.named(key).into_iter();
    tables.filter_map(|(name, table)| Some((name, read(&table, folder)?))).collect()
}
