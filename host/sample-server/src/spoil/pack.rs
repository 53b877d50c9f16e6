//! Compresses pieces on their way, so that a mark stays at its byte.

use std::{
    io::{self, Write},
    num::NonZeroU32,
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use futures::{StreamExt, TryStreamExt, stream};

use super::{Piece, Pieces};
use crate::scenario::CutHow;

struct Packer {
    pieces: Option<Pieces>,
    encoder: GzEncoder<Vec<u8>>,
    /// Lines left in this member, of how many.
    member: Option<(u32, NonZeroU32)>,
    how: CutHow,
    ready: std::collections::VecDeque<Piece>,
}

/// Packs with gzip, with a new member each so many lines.
pub(super) fn gzip(pieces: Pieces, rows: Option<NonZeroU32>, how: CutHow) -> Pieces {
    let packer = Packer {
        pieces: Some(pieces),
        encoder: encoder(),
        member: rows.map(|rows| (rows.get(), rows)),
        how,
        ready: std::collections::VecDeque::new(),
    };
    stream::try_unfold(packer, |mut packer| async move {
        Ok(packer.next().await?.map(|piece| (piece, packer)))
    })
    .boxed()
}

impl Packer {
    async fn next(&mut self) -> io::Result<Option<Piece>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Ok(Some(piece));
            }
            let Some(pieces) = &mut self.pieces else { return Ok(None) };
            match pieces.try_next().await? {
                Some(Piece::Bytes(bytes)) => self.pack(&bytes)?,
                Some(Piece::Pace) => {
                    self.encoder.flush()?;
                    self.take();
                    self.ready.push_back(Piece::Pace);
                }
                Some(Piece::Cut) => {
                    match self.how {
                        CutHow::Clean => self.end()?,
                        CutHow::Close | CutHow::Reset => self.encoder.flush()?,
                    }
                    self.take();
                    self.ready.push_back(Piece::Cut);
                }
                None => {
                    self.pieces = None;
                    self.end()?;
                }
            }
        }
    }

    fn pack(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some((_, rows)) = self.member else {
            self.encoder.write_all(bytes)?;
            self.take();
            return Ok(());
        };
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.encoder.write_all(line)?;
            let ends = line.ends_with(b"\n");
            if let Some((left, _)) = &mut self.member
                && ends
            {
                *left -= 1;
                if *left == 0 {
                    *left = rows.get();
                    self.end()?;
                }
            }
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        let packed = std::mem::replace(&mut self.encoder, encoder()).finish()?;
        self.ready.push_back(Piece::Bytes(packed.into()));
        Ok(())
    }

    fn take(&mut self) {
        let packed = std::mem::take(self.encoder.get_mut());
        self.ready.push_back(Piece::Bytes(Bytes::from(packed)));
    }
}

fn encoder() -> GzEncoder<Vec<u8>> {
    GzEncoder::new(Vec::new(), Compression::fast())
}

/// Where the first member of a body in members ends: each is a piece of its own.
pub(super) fn first_member(pieces: &[Piece]) -> Option<u64> {
    let mut bytes = pieces.iter().filter_map(|piece| match piece {
        Piece::Bytes(bytes) => Some(bytes.len() as u64),
        Piece::Cut | Piece::Pace => None,
    });
    bytes.next()
}
