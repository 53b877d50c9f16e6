//! Where the bytes of lines are: in memory, or in a file on disk.

use std::{fs::File, io, os::unix::fs::FileExt};

use bytes::Bytes;

/// A run of bytes that lines lie in. Disk files are read by offset, so that any number of
/// downloads share one handle.
pub(crate) enum Source {
    Disk { file: File, length: u64, newline_at_end: bool },
    Memory(Bytes),
}

impl Source {
    pub(crate) fn memory(bytes: Bytes) -> Self {
        Self::Memory(bytes)
    }

    /// Whether bytes up to `end` lack a newline at their end.
    pub(crate) fn is_open_at(&self, end: u64) -> bool {
        match self {
            Self::Disk { length, newline_at_end, .. } => {
                end == *length && !newline_at_end
            }
            Self::Memory(bytes) => {
                let end = usize::try_from(end).unwrap_or(usize::MAX);
                end.checked_sub(1).and_then(|last| bytes.get(last)) != Some(&b'\n')
            }
        }
    }

    /// Fills `room` with the bytes from `offset` on.
    pub(crate) fn fill(&self, room: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            Self::Disk { file, .. } => file.read_exact_at(room, offset),
            Self::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let slice = bytes
                    .get(start..start.saturating_add(room.len()))
                    .ok_or(io::ErrorKind::UnexpectedEof)?;
                room.copy_from_slice(slice);
                Ok(())
            }
        }
    }

    /// Reads `length` bytes from `offset`.
    pub(crate) fn read(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes, offset)?;
        Ok(bytes.into())
    }
}
