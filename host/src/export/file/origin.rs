//! Where a file's bytes come from: the server, the host itself, or its sealed quarantine.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use bulkhead_bulk::{Client, Download, Error as BulkError, Manifest, OutputFile};
use bulkhead_model::{Instant, Phi, ResourceType};
use bulkhead_ndjson::FramerLimits;
use bulkhead_pipeline::Handled;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, stream::BoxStream};
use tokio::io::AsyncReadExt as _;
use url::Url;

use super::ended::{Ended, download_ended, waits_for_a_setting};
use crate::{
    clock,
    export::{
        replay::{Reader, SealedFile},
        stop::Stop,
        stopped,
    },
};

/// Where a file's bytes come from.
#[derive(Clone, Debug)]
pub(in crate::export) enum Origin {
    /// The server, with all that it holds of one patient, of these types.
    Everything { patient: Phi<String>, types: Vec<ResourceType> },
    /// What the host wrote itself: resources that it calls back.
    Local(PathBuf),
    /// The server.
    Remote {
        file: Box<OutputFile>,
        manifest: Arc<Manifest>,
        status_url: Url,
        shared: Arc<Shared>,
    },
    /// Records out of quarantine.
    Sealed(Arc<SealedFile>),
}

/// What the files of one export tell one another.
#[derive(Debug, Default)]
pub(in crate::export) struct Shared {
    /// It was said that files have no proper label.
    is_label_told: AtomicBool,
    /// A fresh manifest brought links that had run out as well: its word for that is none.
    is_refresh_vain: AtomicBool,
    /// Until when nobody asks for a token. Never held across an await.
    no_token_until: Mutex<Option<Instant>>,
    /// Files that wait for a setting: how many, and what the first of them met.
    aside: Mutex<Option<(u64, anyhow::Error)>>,
}

impl Shared {
    /// Notes a file that waits for a setting.
    pub(super) fn set_aside(&self, error: anyhow::Error) {
        let mut aside = self.aside.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *aside {
            Some((count, _)) => *count += 1,
            None => *aside = Some((1, error)),
        }
    }

    /// Why the run must stop although all other files are through, if it must.
    pub(in crate::export) fn take_aside(&self) -> Option<anyhow::Error> {
        let mut aside = self.aside.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, error) = aside.take()?;
        Some(waits_for_a_setting(count, error))
    }
}

impl Origin {
    /// How many resources were announced.
    pub(super) const fn count(&self) -> Option<u64> {
        match self {
            Self::Everything { .. } | Self::Local(_) | Self::Sealed(_) => None,
            Self::Remote { file, .. } => file.count,
        }
    }

    pub(super) const fn resource_type(&self) -> Option<&ResourceType> {
        match self {
            Self::Everything { .. } | Self::Local(_) | Self::Sealed(_) => None,
            Self::Remote { file, .. } => file.resource_type.as_ref(),
        }
    }

    /// The file as the manifest has it.
    pub(super) fn remote(&self) -> Option<&OutputFile> {
        match self {
            Self::Everything { .. } | Self::Local(_) | Self::Sealed(_) => None,
            Self::Remote { file, .. } => Some(file),
        }
    }

    /// What it is when it comes out of quarantine.
    pub(super) const fn sealed(&self) -> Option<&Arc<SealedFile>> {
        match self {
            Self::Everything { .. } | Self::Local(_) | Self::Remote { .. } => None,
            Self::Sealed(sealed) => Some(sealed),
        }
    }

    /// Where its lines end. One out of quarantine stands behind its label, and a stage may have
    /// made it longer than any line that comes in.
    pub(super) fn framing(&self, limits: FramerLimits) -> FramerLimits {
        match self {
            Self::Everything { .. } | Self::Local(_) | Self::Remote { .. } => limits,
            Self::Sealed(_) => FramerLimits {
                line_bytes: limits.line_bytes.saturating_add(LONGER),
                ..limits
            },
        }
    }

    /// Puts right what is remembered of records that came with less than their line.
    pub(super) fn mend(&self, handled: &mut [Handled]) {
        if let Some(sealed) = self.sealed() {
            sealed.mend(handled);
        }
    }

    /// Lets no file ask for a token for a while.
    pub(super) fn hold(&self, wait: Duration) {
        if let Self::Remote { shared, .. } = self {
            let until = clock::now().plus(wait);
            let mut held =
                shared.no_token_until.lock().unwrap_or_else(PoisonError::into_inner);
            *held = (*held).max(Some(until));
        }
    }

    /// Waits while no file is to ask for a token.
    pub(super) async fn wait_for_tokens(&self, stop: &Stop) -> anyhow::Result<()> {
        let Self::Remote { shared, .. } = self else { return Ok(()) };
        loop {
            let held =
                *shared.no_token_until.lock().unwrap_or_else(PoisonError::into_inner);
            let now = clock::now();
            let Some(until) = held.filter(|until| *until > now) else { return Ok(()) };
            tokio::select! {
                () = tokio::time::sleep(until.since(now)) => {}
                () = stop.requested() => return Err(stopped()),
            }
        }
    }

    /// What it tells the other files of the same manifest.
    pub(super) const fn shared(&self) -> Option<&Arc<Shared>> {
        match self {
            Self::Everything { .. } | Self::Local(_) | Self::Sealed(_) => None,
            Self::Remote { shared, .. } => Some(shared),
        }
    }

    /// Whether its link has run out by the manifest's own word, as far as that is worth one.
    pub(super) fn has_run_out(&self, now: Instant) -> bool {
        match self {
            Self::Everything { .. } | Self::Local(_) | Self::Sealed(_) => false,
            Self::Remote { file, shared, .. } => {
                file.expires.is_some_and(|expires| expires <= now)
                    && !shared.is_refresh_vain.load(Ordering::Relaxed)
            }
        }
    }

    /// Notes what a fresh manifest says of its link.
    pub(super) fn note_refresh(&self, now: Instant) {
        if let Self::Remote { shared, .. } = self
            && self.has_run_out(now)
        {
            shared.is_refresh_vain.store(true, Ordering::Relaxed);
        }
    }

    /// Whether `incoming` is the first of the export that is not labelled as what it is.
    pub(super) fn is_first_unlabelled(&self, incoming: &Incoming) -> bool {
        match (self, incoming) {
            (Self::Remote { shared, .. }, Incoming::Remote(download)) => {
                !download.is_labelled_ndjson
                    && !shared.is_label_told.swap(true, Ordering::Relaxed)
            }
            (
                Self::Everything { .. }
                | Self::Local(_)
                | Self::Remote { .. }
                | Self::Sealed(_),
                _,
            ) => false,
        }
    }

    /// Whether the manifest says that its lines stand in blocks of all types.
    pub(super) fn is_organised(&self) -> bool {
        match self {
            Self::Everything { .. } | Self::Local(_) | Self::Sealed(_) => false,
            Self::Remote { manifest, .. } => manifest.organized_by.is_some(),
        }
    }

    /// Begins to read the file.
    pub(super) async fn open(&self, client: &Arc<Client>) -> Result<Incoming, Ended> {
        match self {
            Self::Everything { patient, types } => {
                Ok(Incoming::Everything(client.everything(patient.expose(), types)))
            }
            Self::Local(path) => {
                let file = tokio::fs::File::open(path).await;
                let file = file.with_context(|| format!("opening {}", path.display()));
                Ok(Incoming::Local(file.map_err(Ended::Fatal)?))
            }
            Self::Remote { file, manifest, .. } => {
                let download = client.download(manifest, file).await;
                Ok(Incoming::Remote(Box::new(download.map_err(download_ended)?)))
            }
            Self::Sealed(sealed) => Ok(Incoming::Sealed(Reader::new(sealed))),
        }
    }
}

/// A file's bytes as they come.
pub(super) enum Incoming {
    Everything(BoxStream<'static, Result<Bytes, BulkError>>),
    Local(tokio::fs::File),
    Remote(Box<Download>),
    Sealed(Reader),
}

impl Incoming {
    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes, Ended>> {
        match self {
            Self::Everything(pages) => Some(pages.next().await?.map_err(download_ended)),
            Self::Local(file) => {
                let mut chunk = BytesMut::with_capacity(LOCAL_CHUNK);
                match file.read_buf(&mut chunk).await {
                    Ok(0) => None,
                    Ok(_) => Some(Ok(chunk.freeze())),
                    Err(error) => Some(Err(Ended::Fatal(error.into()))),
                }
            }
            Self::Remote(download) => {
                Some(download.next().await?.map_err(download_ended))
            }
            Self::Sealed(reader) => Some(reader.next().await?.map_err(Ended::Fatal)),
        }
    }

    /// Counts the bytes that came over the wire.
    pub(super) fn wire_bytes(&self) -> Arc<AtomicU64> {
        match self {
            Self::Everything(_) | Self::Local(_) | Self::Sealed(_) => Arc::default(),
            Self::Remote(download) => download.wire_bytes(),
        }
    }

    /// Whether its end showed, now that it has ended, that it was whole.
    pub(super) fn is_proven_whole(&self) -> bool {
        match self {
            // A page that is cut is no JSON.
            Self::Everything(_) | Self::Local(_) | Self::Sealed(_) => true,
            Self::Remote(download) => download.is_proven_whole(),
        }
    }
}

/// Bytes of a local file read at once.
const LOCAL_CHUNK: usize = 256 << 10;

/// How much longer a line out of quarantine may be: more than a stage may return by default.
const LONGER: usize = 64 << 20;
