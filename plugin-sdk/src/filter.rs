//! The role that keeps or drops.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{Batch, Manifest, PluginError, Positions, Problems, Rejection};

/// Keeps some records of a batch and drops the rest. A pure function of the batch: this role
/// can be granted no I/O, no clock and no randomness.
pub trait Filter: Sized {
    /// The stage's settings as the operator writes them.
    type Settings: DeserializeOwned + JsonSchema;

    /// What the plugin is and asks for. Must not depend on anything.
    fn manifest() -> Manifest;

    /// Takes the settings, once an instance.
    ///
    /// # Errors
    ///
    /// Every problem at once.
    fn new(settings: Self::Settings) -> Result<Self, Problems>;

    /// Decides over one batch.
    ///
    /// # Errors
    ///
    /// [`PluginError`] when the whole batch cannot be judged.
    fn evaluate(&mut self, batch: &Batch<'_>) -> Result<Decision, PluginError>;
}

/// What becomes of a batch's records. Those neither kept nor rejected are dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Records that pass.
    pub keep: Positions,
    /// Records that go to quarantine, rising by index; none of them in `keep`.
    pub rejects: Vec<Rejection>,
}

impl Decision {
    /// Keeps the records at which `keep` says true, and rejects none.
    pub fn keep_where(keep: impl IntoIterator<Item = bool>) -> Self {
        Self { keep: Positions::where_true(keep), rejects: Vec::new() }
    }
}
