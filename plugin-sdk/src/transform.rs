//! The role that changes what passes.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{Batch, Manifest, PluginError, Problems, Rejection};

/// Changes some records of a batch and leaves the rest as they are, byte for byte.
pub trait Transform: Sized {
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

    /// Changes one batch.
    ///
    /// # Errors
    ///
    /// [`PluginError`] when the whole batch cannot be handled.
    fn apply(&mut self, batch: &Batch<'_>) -> Result<Changes, PluginError>;
}

/// One output of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// `None`: a FHIR resource in the input's place. `Some`: a row of a declared stream.
    pub stream: Option<String>,
    /// One JSON object without a line end.
    pub body: Vec<u8>,
}

/// What becomes of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing comes out.
    Drop,
    /// These come out in its place.
    Emit(Vec<Output>),
    /// This body takes the place of the old one.
    Replace(Vec<u8>),
}

/// An action on one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Its position in the batch.
    pub index: u32,
    /// What becomes of it.
    pub action: Action,
}

/// Sparse: a record named in neither list stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Rising by index.
    pub edits: Vec<Edit>,
    /// Rising by index; none of them in `edits`.
    pub rejects: Vec<Rejection>,
}
