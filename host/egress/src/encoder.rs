//! Compression on the way, and the digest of what is stored.

use std::io::{self, Write};

use aws_lc_rs::digest::{Context, SHA256};

/// What is done to the bytes on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// RFC 1952, level 6.
    Gzip,
    /// Nothing.
    None,
    /// RFC 8878, level 3.
    Zstd,
}

/// What is computed over the bytes as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// Nothing.
    None,
    /// FIPS 180-4.
    Sha256,
}

/// Counts what goes through, and hashes it where that was asked for.
pub(crate) struct Hashing<W> {
    inner: W,
    digest: Option<Context>,
    bytes: u64,
}

impl<W: Write> Hashing<W> {
    fn new(inner: W, digest: Digest) -> Self {
        let digest = match digest {
            Digest::None => None,
            Digest::Sha256 => Some(Context::new(&SHA256)),
        };
        Self { inner, digest, bytes: 0 }
    }

    /// What it wrote to, the digest and the number of bytes.
    pub(crate) fn finish(self) -> (W, Option<Vec<u8>>, u64) {
        let digest = self.digest.map(|digest| digest.finish().as_ref().to_vec());
        (self.inner, digest, self.bytes)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        if let Some(digest) = &mut self.digest {
            digest.update(bytes.get(..written).unwrap_or_default());
        }
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Bytes a write to the system gathers first.
const BUFFER: usize = 256 << 10;

/// One of the compressions over a hashed file.
pub(crate) enum Encoder<W: Write> {
    Gzip(Box<flate2::write::GzEncoder<Hashing<W>>>),
    Plain(io::BufWriter<Hashing<W>>),
    Zstd(zstd::stream::write::Encoder<'static, Hashing<W>>),
}

impl<W: Write> Encoder<W> {
    pub(crate) fn new(
        inner: W,
        compression: Compression,
        digest: Digest,
    ) -> io::Result<Self> {
        let inner = Hashing::new(inner, digest);
        Ok(match compression {
            // No name, no time: the same content gives the same bytes.
            Compression::Gzip => Self::Gzip(Box::new(flate2::write::GzEncoder::new(
                inner,
                flate2::Compression::new(6),
            ))),
            Compression::None => Self::Plain(io::BufWriter::with_capacity(BUFFER, inner)),
            Compression::Zstd => Self::Zstd(zstd::stream::write::Encoder::new(inner, 3)?),
        })
    }

    pub(crate) fn finish(self) -> io::Result<Hashing<W>> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Plain(buffered) => {
                buffered.into_inner().map_err(io::IntoInnerError::into_error)
            }
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Plain(buffered) => buffered.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.flush(),
            Self::Plain(buffered) => buffered.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}
