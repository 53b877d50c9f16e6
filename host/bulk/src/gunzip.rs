//! Decompresses files, told to or not.
//!
//! A file is gzip when it begins like gzip: NDJSON never does. That covers labelled files,
//! unlabelled ones from `.ndjson.gz` buckets, and files compressed twice (in the bucket and
//! on the wire). Checksums and lengths are verified, members are read to the last one, and a
//! missing end is an error. Memory: the chunk read last and one chunk of output.
//!
//! Source: RFC 1952; Bulk Data IG, "Output File Request" (gzip).

use bytes::{Buf, Bytes, BytesMut};
use flate2::{Decompress, FlushDecompress, Status};
use futures::{Stream, TryStreamExt, stream};

/// What is wrong with compressed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GunzipError {
    /// The bytes, their checksum or their length are wrong.
    #[error("the gzip data is damaged")]
    Damaged,
    /// Something that is not gzip follows the last member.
    #[error("the gzip data is followed by something else")]
    Garbage,
    /// The end is missing.
    #[error("the gzip data ends early")]
    Truncated,
}

/// Yields the bytes of `source`, decompressed as often as they begin like gzip, twice at
/// most. Pull-driven.
pub(crate) fn unpack<S, E>(source: S) -> impl Stream<Item = Result<Bytes, E>> + Send
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: From<GunzipError> + Send + 'static,
{
    layer(layer(source))
}

fn layer<S, E>(source: S) -> impl Stream<Item = Result<Bytes, E>> + Send
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: From<GunzipError> + Send + 'static,
{
    let state = Layer { source: Box::pin(source), stage: Stage::Sniff(BytesMut::new()) };
    stream::try_unfold(state, |mut state| async move {
        Ok(state.next().await?.map(|bytes| (bytes, state)))
    })
}

struct Layer<S> {
    source: std::pin::Pin<Box<S>>,
    stage: Stage,
}

enum Stage {
    /// Fewer bytes have come than tell gzip from text.
    Sniff(BytesMut),
    Plain(Option<Bytes>),
    Gzip(Gunzip),
}

impl<S, E> Layer<S>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: From<GunzipError>,
{
    async fn next(&mut self) -> Result<Option<Bytes>, E> {
        loop {
            match &mut self.stage {
                Stage::Sniff(head) => {
                    let chunk = self.source.try_next().await?;
                    let ended = chunk.is_none();
                    head.extend_from_slice(&chunk.unwrap_or_default());
                    if head.len() < MAGIC.len() && !ended {
                        continue;
                    }
                    let head = std::mem::take(head).freeze();
                    self.stage = if head.starts_with(&MAGIC) {
                        Stage::Gzip(Gunzip::new(head))
                    } else {
                        Stage::Plain(Some(head).filter(|head| !head.is_empty()))
                    };
                }
                Stage::Plain(head) => {
                    return match head.take() {
                        Some(head) => Ok(Some(head)),
                        None => self.source.try_next().await,
                    };
                }
                Stage::Gzip(gunzip) => {
                    if let Some(bytes) = gunzip.next()? {
                        return Ok(Some(bytes));
                    }
                    let Some(chunk) = self.source.try_next().await? else {
                        gunzip.finish()?;
                        return Ok(None);
                    };
                    gunzip.push(chunk);
                }
            }
        }
    }
}

/// Decompresses gzip members one after another. Does no I/O: push what came, take what is
/// ready.
struct Gunzip {
    inflate: Decompress,
    input: Bytes,
    place: Place,
    /// The last output was cut off by the size of its buffer: more may be held back.
    full: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// Within a member.
    Member,
    /// After a member; another one, zeros or the end may follow.
    Between,
    /// In the zeros that tape archives put at the end.
    Padding,
}

impl Gunzip {
    fn new(input: Bytes) -> Self {
        // 15 is the largest window there is; 16 is added inside to ask for gzip.
        Self {
            inflate: Decompress::new_gzip(15),
            input,
            place: Place::Member,
            full: false,
        }
    }

    /// Only called when `next` has used up the input.
    fn push(&mut self, chunk: Bytes) {
        self.input = chunk;
    }

    fn next(&mut self) -> Result<Option<Bytes>, GunzipError> {
        while !self.input.is_empty() {
            match self.place {
                Place::Between | Place::Padding if self.input.first() == Some(&0) => {
                    self.place = Place::Padding;
                    self.input.advance(1);
                }
                Place::Between if self.input.first() == MAGIC.first() => {
                    self.inflate.reset(true);
                    self.place = Place::Member;
                }
                Place::Between | Place::Padding => return Err(GunzipError::Garbage),
                Place::Member => {
                    let output = self.inflate()?;
                    if !output.is_empty() {
                        return Ok(Some(output));
                    }
                }
            }
        }
        if self.place == Place::Member && self.full {
            let output = self.inflate()?;
            return Ok(Some(output).filter(|output| !output.is_empty()));
        }
        Ok(None)
    }

    fn inflate(&mut self) -> Result<Bytes, GunzipError> {
        let mut output = Vec::with_capacity(CHUNK);
        let before = self.inflate.total_in();
        let status = self
            .inflate
            .decompress_vec(&self.input, &mut output, FlushDecompress::None)
            .map_err(|_| GunzipError::Damaged)?;
        self.full = output.len() >= CHUNK;
        let used = self.inflate.total_in() - before;
        let used = usize::try_from(used).unwrap_or(usize::MAX).min(self.input.len());
        self.input.advance(used);
        match status {
            Status::StreamEnd => self.place = Place::Between,
            // No progress with input at hand and room for output cannot end well.
            Status::BufError | Status::Ok
                if used == 0 && output.is_empty() && !self.input.is_empty() =>
            {
                return Err(GunzipError::Damaged);
            }
            Status::BufError | Status::Ok => {}
        }
        Ok(output.into())
    }

    fn finish(&self) -> Result<(), GunzipError> {
        match self.place {
            Place::Member => Err(GunzipError::Truncated),
            Place::Between | Place::Padding => Ok(()),
        }
    }
}

const MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Large enough that per-chunk costs vanish, small enough to stay in a CPU's cache.
const CHUNK: usize = 128 << 10;

#[cfg(test)]
mod tests;
