//! An artifact in the making.

mod ahead;
mod waited;

use std::{
    io::{self, Write},
    sync::Arc,
};

use bulkhead_pipeline::{Batch, Positions};
use cap_std::fs::{File, OpenOptions};

use self::ahead::Ahead;
pub(crate) use self::waited::Waited;
use crate::{ArtifactName, Compression, Digest, Error, Store, encoder::Encoder};

/// How records become lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Each key as a transaction Bundle with one DELETE entry.
    ///
    /// Source: Bulk Data IG, "Response - Complete Status", `deleted`.
    DeleteBundles,
    /// Each body as it is.
    Lines,
}

/// An artifact that is now visible and durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its name.
    pub name: ArtifactName,
    /// Its size as stored.
    pub bytes: u64,
    /// The digest of it as stored, when one was asked for.
    pub digest: Option<Vec<u8>>,
}

/// A scratch file that is gone when nobody holds it.
pub(crate) struct Scratch {
    store: Arc<Store>,
    name: String,
    file: File,
    ahead: Ahead,
}

impl Scratch {
    pub(crate) fn create(store: Arc<Store>, name: String) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use cap_std::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let file = store.scratch().open_with(&name, &options)?;
        Ok(Self { store, name, file, ahead: Ahead::default() })
    }

    fn publish(&self, name: &ArtifactName, waited: &Waited) -> io::Result<()> {
        self.ahead.finish()?;
        self.file.sync_all()?;
        self.store.publish(&self.name, name, waited)
    }
}

impl Write for Scratch {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.ahead.wrote(&self.file, written);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // After a commit the name is gone already; else nothing may be left behind.
        let _ = self.store.scratch().remove_file(&self.name);
    }
}

/// An artifact in the making. Dropping it removes every trace.
///
/// The work is done on threads that may wait for the disk; when a call is given up, the
/// artifact goes with it: it appears before that moment or never, so that it cannot replace
/// what a later call made to appear under its name.
pub struct Writer {
    store: String,
    name: ArtifactName,
    /// `None` while a call is under way, and after one that failed.
    encoder: Option<Encoder<Scratch>>,
}

impl Writer {
    pub(crate) fn new(
        scratch: Scratch,
        name: ArtifactName,
        compression: Compression,
        digest: Digest,
    ) -> io::Result<Self> {
        let store = scratch.store.name().to_owned();
        let encoder = Encoder::new(scratch, compression, digest)?;
        Ok(Self { store, name, encoder: Some(encoder) })
    }

    /// Appends bytes.
    ///
    /// # Errors
    ///
    /// [`Error`]; the artifact is lost then.
    pub async fn append(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        self.with(move |encoder| encoder.write_all(&bytes)).await
    }

    /// Appends the chosen records as lines. Returns the bytes added, before compression.
    ///
    /// # Errors
    ///
    /// [`Error`]; the artifact is lost then.
    pub async fn append_records(
        &mut self,
        batch: Batch,
        which: Positions,
        framing: Framing,
    ) -> Result<u64, Error> {
        self.with(move |encoder| {
            let mut added = 0;
            match framing {
                Framing::DeleteBundles => {
                    let indexed = batch.records().iter().enumerate();
                    for (_, record) in indexed.filter(|(at, _)| which.contains(*at)) {
                        let bundle = delete_bundle(&record.body).ok_or_else(|| {
                            io::Error::other("a deletion without a key")
                        })?;
                        encoder.write_all(bundle.as_bytes())?;
                        added += bundle.len() as u64;
                    }
                }
                Framing::Lines => {
                    for piece in batch.lines(|at| which.contains(at)) {
                        encoder.write_all(piece)?;
                        added += piece.len() as u64;
                    }
                }
            }
            Ok(added)
        })
        .await
    }

    /// Makes the artifact durable, then visible.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing is visible then.
    pub async fn commit(mut self) -> Result<Committed, Error> {
        let encoder = self.encoder.take().ok_or(Error::Closed)?;
        let (name, store) = (self.name, self.store);
        let waited = Waited::default();
        // Dropped with this future.
        let _waiting = waited.waiting();
        let work = move || finish(encoder, name, &waited);
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(io::Error::other)
            .flatten()
            .map_err(|source| Error::writing(&store, source))
    }

    async fn with<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Encoder<Scratch>) -> io::Result<R> + Send + 'static,
    ) -> Result<R, Error> {
        let mut encoder = self.encoder.take().ok_or(Error::Closed)?;
        let work = move || work(&mut encoder).map(|done| (encoder, done));
        let done = tokio::task::spawn_blocking(work).await;
        let (encoder, done) = done
            .map_err(io::Error::other)
            .flatten()
            .map_err(|source| Error::writing(&self.store, source))?;
        self.encoder = Some(encoder);
        Ok(done)
    }
}

/// Ends an artifact, which appears if somebody waits for it still.
fn finish(
    encoder: Encoder<Scratch>,
    name: ArtifactName,
    waited: &Waited,
) -> io::Result<Committed> {
    let (scratch, digest, bytes) = encoder.finish()?.finish();
    scratch.publish(&name, waited)?;
    Ok(Committed { name, bytes, digest })
}

/// A key, `{"resourceType":"…","id":"…"}`, as a Bundle that deletes it, with its line end.
fn delete_bundle(key: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(key).ok()?;
    let envelope = bulkhead_ndjson::Peek::new(None, bulkhead_ndjson::Bases::default())
        .read_str(text)
        .ok()?;
    let at =
        |span: &std::ops::Range<u32>| text.get(span.start as usize..span.end as usize);
    let (kind, id) = (at(&envelope.resource_type)?, at(&envelope.id?)?);
    Some(
        format!(
            r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{"request":{{"method":"DELETE","url":"{kind}/{id}"}}}}]}}"#
        ) + "\n",
    )
}

#[cfg(test)]
mod tests;
