//! `artifacts`: append out of sight, appear whole. Bytes of records go from host memory to
//! the store; a blind guest never holds them.

use std::sync::Arc;

use bulkhead_egress::{ArtifactName, Compression, Digest, Error, Framing, Writer};
use bulkhead_pipeline::Batch;
use wasmtime::{Result, component::Resource};

use crate::{
    bindings::wit::{
        artifacts::{self, ArtifactError, Committed},
        types::Positions,
    },
    context::Context,
    convert,
};

/// An artifact in the making, behind a guest's handle. `None` after it failed.
#[expect(unreachable_pub, reason = "the generated bindings name it in a public module")]
pub struct OpenArtifact(Option<Writer>, Arc<str>);

impl artifacts::Host for Context {
    async fn create(
        &mut self,
        store: String,
        name: String,
        compression: artifacts::Compression,
        digest: artifacts::Digest,
    ) -> Result<Result<Resource<OpenArtifact>, ArtifactError>> {
        if !self.grants.stores.contains(&store) {
            self.uses.refuse("artifacts");
            return Ok(Err(ArtifactError::UnknownStore));
        }
        let store_name: Arc<str> = store.as_str().into();
        let Some(store) = self.resources.stores.find(&store).cloned() else {
            self.uses.refuse("artifacts");
            return Ok(Err(ArtifactError::UnknownStore));
        };
        self.uses.count("artifacts", &store_name, 0);
        let Ok(name) = name.parse::<ArtifactName>() else {
            return Ok(Err(ArtifactError::BadName));
        };
        if !self.may_write(1, 0) {
            return Ok(Err(ArtifactError::Quota));
        }
        let compression = match compression {
            artifacts::Compression::None => Compression::None,
            artifacts::Compression::Gzip => Compression::Gzip,
            artifacts::Compression::Zstd => Compression::Zstd,
        };
        let digest = match digest {
            artifacts::Digest::None => Digest::None,
            artifacts::Digest::Sha256 => Digest::Sha256,
        };
        match store.create(name, compression, digest) {
            // Over the cap of handles, this is an error of the table: the guest traps.
            Ok(writer) => {
                let open = OpenArtifact(Some(writer), Arc::clone(&store_name));
                Ok(Ok(self.table.push(open)?))
            }
            Err(error) => Ok(Err(self.explain(&store_name, &error))),
        }
    }
}

impl artifacts::HostWriter for Context {
    async fn write(
        &mut self,
        writer: Resource<OpenArtifact>,
        bytes: Vec<u8>,
    ) -> Result<Result<(), ArtifactError>> {
        let OpenArtifact(open, store) = self.table.get_mut(&writer)?;
        let store = Arc::clone(store);
        let Some(mut open) = open.take() else {
            return Ok(Err(ArtifactError::Closed));
        };
        let added = bytes.len() as u64;
        if !self.may_write(0, bytes.len() as u64) {
            return Ok(Err(ArtifactError::Quota));
        }
        match open.append(bytes).await {
            Ok(()) => {
                self.keep(&writer, open, added)?;
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(self.explain(&store, &error))),
        }
    }

    async fn write_records(
        &mut self,
        writer: Resource<OpenArtifact>,
        of: Resource<Batch>,
        which: Positions,
        framing: artifacts::Framing,
    ) -> Result<Result<u64, ArtifactError>> {
        let batch = self.table.get(&of)?.clone();
        let Some(which) = convert::positions(which, batch.len()) else {
            wasmtime::bail!("a set of positions does not fit its batch");
        };
        let framing = match framing {
            artifacts::Framing::Lines => Framing::Lines,
            artifacts::Framing::DeleteBundles => Framing::DeleteBundles,
        };
        let OpenArtifact(open, store) = self.table.get_mut(&writer)?;
        let store = Arc::clone(store);
        let Some(mut open) = open.take() else {
            return Ok(Err(ArtifactError::Closed));
        };
        if !self.may_write(0, size(&batch, &which, framing)) {
            return Ok(Err(ArtifactError::Quota));
        }
        match open.append_records(batch, which, framing).await {
            Ok(added) => {
                self.keep(&writer, open, added)?;
                Ok(Ok(added))
            }
            Err(error) => Ok(Err(self.explain(&store, &error))),
        }
    }

    async fn commit(
        &mut self,
        writer: Resource<OpenArtifact>,
    ) -> Result<Result<Committed, ArtifactError>> {
        let OpenArtifact(Some(open), store) = self.table.delete(writer)? else {
            return Ok(Err(ArtifactError::Closed));
        };
        match open.commit().await {
            Ok(done) => Ok(Ok(Committed {
                name: done.name.to_string(),
                bytes: done.bytes,
                digest: done.digest,
            })),
            Err(error) => Ok(Err(self.explain(&store, &error))),
        }
    }

    async fn drop(&mut self, writer: Resource<OpenArtifact>) -> Result<()> {
        self.table.delete(writer)?;
        Ok(())
    }
}

/// What a Bundle around a key takes beside the key, at most.
const BUNDLE: u64 = 128;

/// What chosen records come to as lines, at most.
fn size(batch: &Batch, which: &bulkhead_pipeline::Positions, framing: Framing) -> u64 {
    let around = match framing {
        Framing::DeleteBundles => BUNDLE,
        Framing::Lines => 1,
    };
    let indexed = batch.records().iter().enumerate();
    let chosen = indexed.filter(|(at, _)| which.contains(*at));
    chosen.map(|(_, record)| record.body.len() as u64 + around).sum()
}

impl Context {
    /// Counts artifacts begun and bytes written; says whether that is within the limits. What
    /// is refused is lost with its artifact: a part of it would be no artifact.
    fn may_write(&mut self, artifacts: u64, bytes: u64) -> bool {
        let counted = self.shared.write(&self.file, artifacts, bytes, &self.limits);
        counted.map_err(|limit| self.used_up(limit)).is_ok()
    }

    /// Puts an artifact back to which `added` bytes were added.
    fn keep(
        &mut self,
        writer: &Resource<OpenArtifact>,
        open: Writer,
        added: u64,
    ) -> Result<()> {
        let artifact = self.table.get_mut(writer)?;
        artifact.0 = Some(open);
        self.uses.add_bytes("artifacts", &artifact.1, added);
        Ok(())
    }

    /// The guest gets a word; the operator's log gets the cause, once a run of each kind and
    /// store. How many there were is counted.
    fn explain(&self, store: &str, error: &Error) -> ArtifactError {
        let (code, word) = if let Error::BadName = error {
            ("artifact-bad-name", ArtifactError::BadName)
        } else if let Error::Closed = error {
            ("artifact-closed", ArtifactError::Closed)
        } else if let Error::Full { .. } = error {
            ("artifact-no-space", ArtifactError::Quota)
        } else {
            ("artifact-not-written", ArtifactError::Unavailable)
        };
        self.metrics.count(code, 1);
        if self.shared.is_news(code, store) {
            let stage = &*self.stage;
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::warn!(stage, %error, cause, hint = error.hint(), "an artifact failed");
        }
        word
    }
}
