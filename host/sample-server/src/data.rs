//! Where the data comes from: a folder of NDJSON files, or made-up patients.

mod folder;
mod json;
mod made_up;
mod random;

use std::path::PathBuf;

use bulkhead_model::Instant;

pub use folder::{Folder, Strictness};
pub(crate) use made_up::apply as play;
pub use made_up::{Changes, Difference, MadeUp, Script};

use crate::{error::Error, store::Store};

/// What the server serves.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Data {
    /// NDJSON files, served byte for byte.
    Folder(Folder),
    /// Made-up patients, always the same for the same numbers.
    MadeUp(MadeUp),
}

impl Data {
    /// Serves the NDJSON files of a folder, plain or gzip.
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        Self::Folder(Folder::new(path))
    }

    /// Serves this many made-up patients, before any round of change.
    pub fn made_up(patients: u32, seed: u64) -> Self {
        Self::MadeUp(MadeUp { patients, seed, rounds: 0 })
    }

    /// When the virtual clock starts, if the data has an opinion.
    pub(crate) fn start(&self) -> Option<Instant> {
        match self {
            Self::Folder(_) => None,
            Self::MadeUp(made_up) => Some(made_up.start()),
        }
    }

    /// Fills a store. `base_url` is where the server answers, `start` its first instant.
    pub(crate) fn load(&self, base_url: &str, start: Instant) -> Result<Store, Error> {
        match self {
            Self::Folder(folder) => folder.load(base_url, start),
            Self::MadeUp(made_up) => made_up.load(base_url),
        }
    }
}
