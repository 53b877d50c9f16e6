//! Where a file's bytes come from: the server, or the host itself.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
};

use anyhow::Context as _;
use bulkhead_bulk::{Client, Manifest, OutputFile};
use bulkhead_model::ResourceType;
use bulkhead_net::Framing;
use bytes::{Bytes, BytesMut};
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use tokio::io::AsyncReadExt as _;
use url::Url;

use super::ended::{Ended, download_ended};

/// Where a file's bytes come from.
#[derive(Clone, Debug)]
pub(in crate::export) enum Origin {
    /// What the host wrote itself: resources that it calls back.
    Local(PathBuf),
    /// The server.
    Remote { file: OutputFile, manifest: Arc<Manifest>, status_url: Url },
}

impl Origin {
    /// How many resources were announced.
    pub(super) const fn count(&self) -> Option<u64> {
        match self {
            Self::Local(_) => None,
            Self::Remote { file, .. } => file.count,
        }
    }

    pub(super) const fn resource_type(&self) -> Option<&ResourceType> {
        match self {
            Self::Local(_) => None,
            Self::Remote { file, .. } => file.resource_type.as_ref(),
        }
    }

    /// The file's bytes, how many have come over the wire, and how their end is told.
    pub(super) async fn bytes(
        &self,
        client: &Client,
    ) -> Result<(Chunks, Arc<AtomicU64>, Framing), Ended> {
        match self {
            Self::Local(path) => {
                let file = tokio::fs::File::open(path).await;
                let file = file.with_context(|| format!("opening {}", path.display()));
                let file = file.map_err(Ended::Fatal)?;
                let chunks = stream::try_unfold(file, |mut file| async move {
                    let mut chunk = BytesMut::with_capacity(LOCAL_CHUNK);
                    let read = file.read_buf(&mut chunk).await;
                    match read.map_err(|error| Ended::Fatal(error.into()))? {
                        0 => Ok(None),
                        _ => Ok(Some((chunk.freeze(), file))),
                    }
                });
                Ok((chunks.boxed(), Arc::default(), Framing::Delimited))
            }
            Self::Remote { file, manifest, .. } => {
                let download = client.download(manifest, file).await;
                let download = download.map_err(download_ended)?;
                let (wire, framing) = (download.wire_bytes(), download.framing);
                let chunks = download.map_err(download_ended).boxed();
                Ok((chunks, wire, framing))
            }
        }
    }
}

/// A file's bytes as they come.
pub(super) type Chunks = BoxStream<'static, Result<Bytes, Ended>>;

/// Bytes of a local file read at once.
const LOCAL_CHUNK: usize = 256 << 10;
