//! Frames: four bytes of length, then so many bytes. The parent awaits them, a child blocks.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

use super::wire::Wire;

const HEAD: usize = 4;

/// A frame around what `fill` puts.
///
/// # Errors
///
/// When it would be longer than 4 GiB.
pub(crate) fn frame(fill: impl FnOnce(&mut Vec<u8>)) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; HEAD];
    fill(&mut frame);
    let len = u32::try_from(frame.len() - HEAD).map_err(|_| too_long())?;
    if let Some(head) = frame.first_chunk_mut::<HEAD>() {
        *head = len.to_le_bytes();
    }
    Ok(frame)
}

/// A frame around one value.
///
/// # Errors
///
/// As [`frame`].
pub(crate) fn framed(value: &impl Wire) -> io::Result<Vec<u8>> {
    frame(|to| value.put(to))
}

fn length(head: [u8; HEAD], most: usize) -> io::Result<usize> {
    let len = usize::try_from(u32::from_le_bytes(head)).map_err(|_| too_long())?;
    if len > most { Err(too_long()) } else { Ok(len) }
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "a frame is longer than it may be")
}

/// The parent's end.
#[derive(Debug)]
pub(crate) struct ParentEnd(pub(crate) UnixStream);

impl ParentEnd {
    /// Sends a frame.
    pub(crate) async fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.0.write_all(frame).await
    }

    /// Receives a frame of at most `most` bytes. Memory is taken as bytes arrive.
    pub(crate) async fn receive(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let mut head = [0; HEAD];
        self.0.read_exact(&mut head).await?;
        let len = length(head, most)?;
        let mut body = Vec::with_capacity(len.min(FIRST));
        let got = (&mut self.0).take(len as u64).read_to_end(&mut body).await?;
        if got == len { Ok(body) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// Memory that is taken for a frame before its bytes are there: a batch's worth.
const FIRST: usize = 1 << 20;

/// A child's end: plain `read` and `write` on one descriptor, which is all that its walls
/// leave it.
#[derive(Debug)]
pub(crate) struct ChildEnd(File);

impl ChildEnd {
    /// The socket that the parent left as standard input.
    #[cfg(unix)]
    pub(crate) fn inherited() -> io::Result<Self> {
        use std::os::fd::AsFd as _;
        let stdin = io::stdin();
        Ok(Self(stdin.as_fd().try_clone_to_owned()?.into()))
    }

    /// The descriptor's number.
    #[cfg(unix)]
    pub(crate) fn number(&self) -> i32 {
        use std::os::fd::AsRawFd as _;
        self.0.as_raw_fd()
    }

    /// Sends a frame.
    pub(crate) fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.0.write_all(frame)
    }

    /// Receives a frame. The parent is believed.
    pub(crate) fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut head = [0; HEAD];
        self.0.read_exact(&mut head)?;
        let mut body = vec![0; length(head, usize::MAX)?];
        self.0.read_exact(&mut body)?;
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body, or why there is none.
    type Received = Result<&'static [u8], io::ErrorKind>;

    #[tokio::test]
    async fn a_frame_arrives_whole_or_not_at_all() {
        let cases: [(&str, &[u8], usize, Received); 5] = [
            ("whole", b"\x03\0\0\0abc", 3, Ok(b"abc")),
            ("empty", b"\0\0\0\0", 3, Ok(b"")),
            ("too long", b"\x04\0\0\0abcd", 3, Err(io::ErrorKind::FileTooLarge)),
            ("cut short", b"\x03\0\0\0ab", 3, Err(io::ErrorKind::UnexpectedEof)),
            ("no head", b"\x03\0", 3, Err(io::ErrorKind::UnexpectedEof)),
        ];
        for (name, sent, most, expected) in cases {
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            ours.write_all(sent).await.unwrap();
            drop(ours);
            let received = ParentEnd(theirs).receive(most).await;
            let received = received.map_err(|error| error.kind());
            assert_eq!(received, expected.map(<[u8]>::to_vec), "case: {name}");
        }
    }
}
