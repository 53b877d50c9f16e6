//! A sealed file, opened by whoever has the private key.

use std::{
    io::{self, BufRead, BufReader, Read},
    path::PathBuf,
};

use age::{DecryptError, Decryptor, stream::StreamReader};
use bulkhead_pipeline::Label;
use bytes::Bytes;
use cap_std::fs::File;

use super::Identities;
use crate::Error;

/// An opened file: its records, in the order in which they were sealed. Holds one at a time.
pub struct Sealed {
    lines: BufReader<StreamReader<BufReader<File>>>,
    path: PathBuf,
}

impl Sealed {
    pub(super) fn open(
        file: File,
        path: PathBuf,
        identities: &Identities,
    ) -> Result<Self, Error> {
        let opened = Decryptor::new_buffered(BufReader::new(file))
            .and_then(|decryptor| decryptor.decrypt(identities.all()));
        match opened {
            Ok(plain) => Ok(Self { lines: BufReader::new(plain), path }),
            Err(DecryptError::NoMatchingKeys) => Err(Error::NotForUs { path }),
            Err(error) => Err(Error::Damaged { path, why: error.to_string() }),
        }
    }

    /// The next record; `None` after the last.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] when it is not what was sealed.
    pub fn next_record(&mut self) -> Result<Option<(Label, Bytes)>, Error> {
        let Some(label) = self.line()? else { return Ok(None) };
        let label = Label::parse(&label).ok_or_else(|| self.damaged("a label"))?;
        let body = self.line()?.ok_or_else(|| self.damaged("a body"))?;
        Ok(Some((label, Bytes::from(body))))
    }

    fn line(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let mut line = Vec::new();
        let read = (&mut self.lines).take(LONGEST).read_until(b'\n', &mut line);
        read.map_err(|error: io::Error| self.damaged(&error.to_string()))?;
        match line.pop() {
            None => Ok(None),
            Some(b'\n') => Ok(Some(line)),
            Some(_) => Err(self.damaged("the end of a line")),
        }
    }

    fn damaged(&self, what: &str) -> Error {
        Error::Damaged { path: self.path.clone(), why: what.to_owned() }
    }
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealed").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The longest line: more than any stage may return, and a damaged file ends there.
const LONGEST: u64 = 256 << 20;
