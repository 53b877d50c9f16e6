//! Exports and files as the journal holds them. Nouns only; the writing is in `ledger/`.
//!
//! Source: Bulk Data IG, "Response - Complete Status" (the manifest and its arrays).

use std::{fmt, str::FromStr};

use bulkhead_model::{Instant, ResourceType};

use crate::{Baseline, ExportId, Omission, Phase, Watermark, phase::UnknownWord};

/// An export about to be asked for.
#[derive(Clone, Copy, Debug)]
pub struct NewExport<'a> {
    /// Its id, new to this ledger.
    pub id: &'a ExportId,
    /// What its watermarks belong to: server, level, filters and chain, as the app joins them.
    pub stream: &'a str,
    /// Name of the chain.
    pub chain: &'a str,
    /// The kick-off request as JSON. Opaque here.
    pub request: &'a str,
    /// Digest of configuration and plugins. A resumed run must have the same.
    pub fingerprint: &'a str,
    /// Our clock right before the kick-off.
    pub kickoff_instant: Instant,
    /// The server's clock right before the kick-off, when it told.
    pub server_date: Option<Instant>,
    /// The `_since` that is asked for; `None` for a full export.
    pub since: Option<Instant>,
}

/// An export as the journal knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportRecord {
    /// Its id.
    pub id: ExportId,
    /// What its watermarks belong to.
    pub stream: String,
    /// Name of the chain.
    pub chain: String,
    /// The kick-off request as JSON.
    pub request: String,
    /// Digest of configuration and plugins.
    pub fingerprint: String,
    /// Our clock right before the kick-off.
    pub kickoff_instant: Instant,
    /// The server's clock right before the kick-off.
    pub server_date: Option<Instant>,
    /// The `_since` that was asked for; `None` for a full export.
    pub since: Option<Instant>,
    /// Where it stands.
    pub phase: Phase,
    /// Where to poll. May be a capability URL: not for printing.
    pub status_url: Option<String>,
    /// The manifest as JSON. May hold capability URLs: not for printing.
    pub manifest: Option<String>,
    /// The earliest transaction time seen for this job.
    pub transaction_time: Option<Instant>,
    /// Why it failed or was abandoned.
    pub failure: Option<String>,
    /// The report as JSON, once completed.
    pub report: Option<String>,
    /// When it began: the kick-off instant.
    pub started_at: Instant,
    /// When it reached an end.
    pub finished_at: Option<Instant>,
    /// What the kick-off met, as JSON of the app's.
    pub evidence: Option<String>,
    /// When the server's job stopped to be our business.
    pub released_at: Option<Instant>,
}

/// What the end of an export writes down, in one transaction.
#[derive(Clone, Copy, Debug)]
pub struct Completion<'a> {
    /// The watermarks that may move.
    pub watermarks: &'a [(ResourceType, Watermark)],
    /// What `baselines` are of, in the app's words.
    pub subject: &'a str,
    /// How much each type usually brings, this export included.
    pub baselines: &'a [(ResourceType, Baseline)],
    /// What an operator accepted in it.
    pub omissions: &'a [Omission],
    /// The report as JSON. Opaque here.
    pub report: &'a str,
}

/// The array of the manifest that names a file.
///
/// Order: the manifest's own; outputs are delivered first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileArray {
    /// `output`: resources.
    Output,
    /// `deleted`: bundles that name what is gone.
    Deleted,
    /// `error` or `outcome`: what the server has to say.
    Outcome,
    /// No array of the manifest: what the host itself calls back, after all others.
    Recalled,
    /// No array of a manifest: records out of quarantine.
    Replayed,
}

impl FileArray {
    const ALL: [Self; 5] =
        [Self::Output, Self::Deleted, Self::Outcome, Self::Recalled, Self::Replayed];

    /// The word for it, in the database and in print.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Output => "output",
            Self::Deleted => "deleted",
            Self::Outcome => "outcome",
            Self::Recalled => "recalled",
            Self::Replayed => "replayed",
        }
    }
}

impl FromStr for FileArray {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|array| array.as_str() == text).ok_or(UnknownWord)
    }
}

impl fmt::Display for FileArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A file that a manifest names.
///
/// Its identity is its index with array, type and count; its URL may be refreshed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    /// Place among all files of the export, over all pages and arrays, from 0.
    pub index: u32,
    /// The array that names it.
    pub array: FileArray,
    /// The type of its resources, when the manifest tells.
    pub resource_type: Option<ResourceType>,
    /// How many resources the manifest promises.
    pub count: Option<u64>,
}

/// A file as the journal knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRecord {
    /// Place among all files of the export, from 0.
    pub index: u32,
    /// The array that names it.
    pub array: FileArray,
    /// The type of its resources, when the manifest told.
    pub resource_type: Option<ResourceType>,
    /// How many resources the manifest promised.
    pub count: Option<u64>,
    /// Whether it is done.
    pub state: FileState,
    /// How far it is durable; `None` before the first checkpoint.
    pub checkpoint: Option<FileCheckpoint>,
    /// Why it failed.
    pub failure: Option<String>,
    /// Whether a cut would have shown.
    pub proof: Proof,
}

/// Whether a file would have shown it to be cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proof {
    /// By its framing, by compression or by a count; or nothing is known against it.
    Proven,
    /// Nothing would: it ended when the connection closed.
    Unproven,
}

/// Whether a file is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileState {
    /// To be delivered, from its checkpoint on.
    Open,
    /// Durable to its last line.
    Closed,
    /// Given up, for this try at least.
    Failed,
}

impl FileState {
    const ALL: [Self; 3] = [Self::Open, Self::Closed, Self::Failed];

    /// The word for it, in the database and in print.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Failed => "failed",
        }
    }
}

impl FromStr for FileState {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(UnknownWord)
    }
}

impl fmt::Display for FileState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a file is durable, on a sink's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileCheckpoint {
    /// Number of the last durable line; 0 when none is.
    pub durable_through: u64,
    /// What the sink needs to go on from here. Guest-controlled: at most
    /// [`FileCheckpoint::TOKEN_LIMIT`] bytes.
    pub token: Vec<u8>,
    /// Hash of the raw lines up to `durable_through`: tells whether a file served again is
    /// the same one.
    pub prefix_hash: [u8; 16],
    /// Counts up to `durable_through`, as JSON. Opaque here.
    pub tally: String,
}

impl FileCheckpoint {
    /// Longest token, in bytes: a sink's bookmark, not its store.
    pub const TOKEN_LIMIT: usize = 64 << 10;
}
