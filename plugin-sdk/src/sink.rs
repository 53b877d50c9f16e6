//! The role that delivers.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{Batch, Manifest, PluginError, Positions, Problems, Rejection};

/// Delivers records and says how far they are durable.
///
/// The life of an instance: `new`, `open`, `deliver`*, `flush`, `close`; for a whole export
/// once, in an instance of its own: `new`, `conclude`. After a crash the host opens the file
/// again with the last checkpoint and hands over what came after it.
pub trait Sink: Sized {
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

    /// Begins or resumes a file.
    ///
    /// # Errors
    ///
    /// [`PluginError`] when the file cannot be begun.
    fn open(&mut self, work: Assignment) -> Result<(), PluginError>;

    /// Takes a batch in charge.
    ///
    /// # Errors
    ///
    /// [`PluginError`] when nothing of the batch was taken.
    fn deliver(&mut self, batch: &Batch<'_>) -> Result<Receipt, PluginError>;

    /// Makes durable all that was accepted.
    ///
    /// # Errors
    ///
    /// [`PluginError`] when that failed; nothing since the last checkpoint counts then.
    fn flush(&mut self) -> Result<Checkpoint, PluginError>;

    /// Ends the file. Unless the reason is the end of the file, what is not durable is given up.
    ///
    /// # Errors
    ///
    /// [`PluginError`] when the end could not be made durable.
    fn close(&mut self, why: CloseReason) -> Result<Option<Checkpoint>, PluginError>;

    /// Publishes what belongs to the whole export, after every file is closed. May be repeated.
    ///
    /// # Errors
    ///
    /// [`PluginError`] when nothing was published.
    fn conclude(&mut self, export: FinishedExport) -> Result<(), PluginError>;
}

/// What an instance will deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Stable across restarts.
    pub export_id: String,
    /// The file's number in the export; stable across restarts.
    pub file: u32,
    /// The last checkpoint, when this is not the beginning.
    pub resume: Option<Checkpoint>,
}

/// How far delivery survives a crash of plugin and host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Every record with a seq up to this one, bar those rejected, is durable.
    pub durable_through: u64,
    /// Opaque to the host, at most 64 KiB.
    pub token: Vec<u8>,
}

/// The answer to one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Taken in charge. Neither here nor in `rejects` means: hand me this one again.
    pub accepted: Positions,
    /// Records that go to quarantine, rising by index.
    pub rejects: Vec<Rejection>,
    /// Set when this call also made something durable.
    pub durable: Option<Checkpoint>,
}

/// Why a file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// All of it was delivered.
    EndOfFile,
    /// Another stage or file failed for good.
    FatalElsewhere,
    /// The host stops and will resume.
    Shutdown,
}

/// One file of a finished export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedFile {
    /// Its number.
    pub file: u32,
    /// The token of its last checkpoint.
    pub token: Vec<u8>,
}

/// An export of which every file is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedExport {
    /// As in [`Assignment`].
    pub export_id: String,
    /// The server's snapshot time, a FHIR instant.
    pub transaction_time: String,
    /// The kick-off request as a URL, without secrets.
    pub request: String,
    /// In rising order of `file`.
    pub files: Vec<FinishedFile>,
}
