//! Files and object stores in one append-then-commit shape. Imports `artifacts`.

use crate::{Batch, Positions, host};

/// Why an artifact could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArtifactError {
    /// The name is not relative, climbs, or has characters that are not allowed.
    BadName,
    /// The writer was committed or dropped.
    Closed,
    /// An artifact of that name exists and may not be replaced.
    Exists,
    /// A limit on bytes or count is used up.
    Quota,
    /// The store did not take it; asking again may help.
    Unavailable,
    /// The operator granted no store of this name.
    UnknownStore,
}

impl ArtifactError {
    /// Short and stable, for [`crate::Failure`] codes.
    pub const fn code(self) -> &'static str {
        match self {
            Self::BadName => "artifact.bad-name",
            Self::Closed => "artifact.closed",
            Self::Exists => "artifact.exists",
            Self::Quota => "artifact.quota",
            Self::Unavailable => "artifact.unavailable",
            Self::UnknownStore => "artifact.unknown-store",
        }
    }
}

impl From<ArtifactError> for crate::PluginError {
    /// Retryable where asking again may help, else fatal.
    fn from(error: ArtifactError) -> Self {
        match error {
            ArtifactError::Unavailable => Self::retryable(error.code(), ""),
            ArtifactError::BadName
            | ArtifactError::Closed
            | ArtifactError::Exists
            | ArtifactError::Quota
            | ArtifactError::UnknownStore => Self::fatal(error.code(), ""),
        }
    }
}

/// What the host does to the bytes on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// Nothing.
    None,
    /// RFC 8878.
    Zstd,
}

/// What the host computes over the bytes as stored. It costs as much time as writing them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// Nothing.
    None,
    /// FIPS 180-4.
    Sha256,
}

/// How records become lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Each key as a transaction Bundle with one DELETE entry.
    DeleteBundles,
    /// Each body as it is.
    Lines,
}

/// An artifact that is now visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its name.
    pub name: String,
    /// Its size as stored.
    pub bytes: u64,
    /// The digest of it as stored, when one was asked for.
    pub digest: Option<Vec<u8>>,
}

/// An artifact in the making: visible to no one before [`Writer::commit`], and without a
/// trace when dropped.
pub struct Writer(host::Writer);

impl Writer {
    /// Begins an artifact, which replaces one of that name at commit.
    ///
    /// # Errors
    ///
    /// [`ArtifactError`] when the store is not granted or the name is not allowed.
    pub fn create(
        store: &str,
        name: &str,
        compression: Compression,
        digest: Digest,
    ) -> Result<Self, ArtifactError> {
        host::Writer::create(store, name, compression, digest).map(Self)
    }

    /// Appends bytes of the plugin's own.
    ///
    /// # Errors
    ///
    /// [`ArtifactError`] when the store does not take them.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ArtifactError> {
        self.0.write(bytes)
    }

    /// Appends the chosen records as lines, straight from host memory. Returns the bytes
    /// added, before compression.
    ///
    /// # Errors
    ///
    /// [`ArtifactError`] when the store does not take them.
    pub fn write_records(
        &mut self,
        of: &Batch<'_>,
        which: Positions,
        framing: Framing,
    ) -> Result<u64, ArtifactError> {
        self.0.write_records(of.0, which, framing)
    }

    /// Makes the artifact durable, then visible.
    ///
    /// # Errors
    ///
    /// [`ArtifactError`] when it could not be made durable; nothing is visible then.
    pub fn commit(self) -> Result<Committed, ArtifactError> {
        self.0.commit()
    }
}
