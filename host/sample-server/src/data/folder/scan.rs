//! One NDJSON file, read once from front to back: where its lines lie and what they are.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    path::Path,
    sync::Arc,
};

use bulkhead_model::{Instant, ResourceType};
use flate2::read::MultiGzDecoder;

use super::Strictness;
use crate::{
    error::Error,
    peek::{self, Head, References},
    store::Source,
};

/// What a file holds.
pub(super) struct Scan {
    pub(super) source: Arc<Source>,
    pub(super) types: Vec<ResourceType>,
    pub(super) lines: Vec<Scanned>,
}

/// One line of a file.
pub(super) struct Scanned {
    /// Which of the file's types it is of.
    pub(super) resource_type: usize,
    pub(super) id: String,
    pub(super) updated: Option<Instant>,
    pub(super) offset: u64,
    pub(super) length: u32,
    pub(super) patients: Vec<String>,
    /// Nothing but blank lines at the start of the file.
    blank: bool,
}

impl Scanned {
    /// A line without a type goes with the first type that the file names.
    fn untyped(offset: u64, length: u32) -> Self {
        let id = String::new();
        let patients = Vec::new();
        Self {
            resource_type: 0,
            id,
            updated: None,
            offset,
            length,
            patients,
            blank: false,
        }
    }
}

/// Scans one file.
pub(super) fn file(
    path: &Path,
    strictness: Strictness,
    references: &References,
) -> Result<Scan, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let file = plain(path).map_err(failed)?;
    let mut reader = BufReader::with_capacity(READ_BUFFER, &file);
    let mut scanner =
        Scanner { path, strictness, references, types: Vec::new(), lines: Vec::new() };
    let mut line = Vec::new();
    let mut offset = 0_u64;
    let mut number = 0_u64;
    let mut newline_at_end = true;
    loop {
        line.clear();
        let read =
            (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line).map_err(failed)?;
        if read == 0 {
            break;
        }
        number += 1;
        newline_at_end = line.last() == Some(&b'\n');
        if !newline_at_end && read as u64 >= MAX_LINE {
            return Err(scanner.refuse(number, "longer than 1 GiB"));
        }
        scanner.take(&line, number, offset)?;
        offset += read as u64;
    }
    let Scanner { types, mut lines, .. } = scanner;
    if let [blank] = lines.as_slice()
        && blank.blank
    {
        lines.clear();
    }
    if types.is_empty() && !lines.is_empty() {
        return Err(Error::UntypedFile { path: path.to_owned() });
    }
    drop(reader);
    let source = Arc::new(Source::Disk { file, length: offset, newline_at_end });
    Ok(Scan { source, types, lines })
}

/// Opens a file for reading; unpacks it into an unnamed temporary file when it is gzip.
fn plain(path: &Path) -> io::Result<File> {
    let (mut file, _) = fs_err::File::open(path)?.into_parts();
    let mut magic = Vec::with_capacity(2);
    (&mut file).take(2).read_to_end(&mut magic)?;
    file.seek(SeekFrom::Start(0))?;
    if magic != [0x1f, 0x8b] {
        return Ok(file);
    }
    let mut unpacked = BufWriter::with_capacity(READ_BUFFER, tempfile::tempfile()?);
    io::copy(&mut MultiGzDecoder::new(BufReader::new(file)), &mut unpacked)?;
    unpacked.flush()?;
    let mut unpacked = unpacked.into_inner().map_err(io::IntoInnerError::into_error)?;
    unpacked.seek(SeekFrom::Start(0))?;
    Ok(unpacked)
}

struct Scanner<'a> {
    path: &'a Path,
    strictness: Strictness,
    references: &'a References,
    types: Vec<ResourceType>,
    lines: Vec<Scanned>,
}

impl Scanner<'_> {
    /// Takes one line, with its newline.
    fn take(&mut self, line: &[u8], number: u64, offset: u64) -> Result<(), Error> {
        let length = u32::try_from(line.len()).map_err(|_| Error::IndexFull)?;
        if peek::body(line).is_empty() {
            return self.take_blank(number, offset, length);
        }
        let (offset, length) = self.with_leading_blank(offset, length);
        let head = Head::read(line).map_err(|_| "not JSON with a `resourceType`");
        let read = head.and_then(|head| {
            let resource_type = head.resource_type.parse::<ResourceType>();
            resource_type
                .map(|parsed| (head, parsed))
                .map_err(|_| "`resourceType` is not a type")
        });
        let (head, resource_type) = match (read, self.strictness) {
            (Ok(read), _) => read,
            (Err(reason), Strictness::Strict) => return Err(self.refuse(number, reason)),
            (Err(_), Strictness::Lenient) => {
                self.lines.push(Scanned::untyped(offset, length));
                return Ok(());
            }
        };
        let mut patients: Vec<String> = self
            .references
            .of(&head.resource_type, line)
            .into_iter()
            .filter_map(|(target, id)| (target == "Patient").then_some(id))
            .collect();
        if head.resource_type == "Patient" {
            patients.push(head.id.clone());
        }
        patients.sort();
        patients.dedup();
        let updated = head.last_updated();
        let resource_type = self.type_index(resource_type);
        let id = head.id;
        let blank = false;
        self.lines.push(Scanned {
            resource_type,
            id,
            updated,
            offset,
            length,
            patients,
            blank,
        });
        Ok(())
    }

    /// Lays a blank line to the resource before it.
    fn take_blank(&mut self, number: u64, offset: u64, length: u32) -> Result<(), Error> {
        let Some(before) = self.lines.last_mut() else {
            // At the start of a file there is none: the first resource takes it later.
            self.lines.push(Scanned { blank: true, ..Scanned::untyped(offset, length) });
            return Ok(());
        };
        match before.length.checked_add(length) {
            Some(longer) => before.length = longer,
            None => return Err(self.refuse(number, "too many blank lines")),
        }
        Ok(())
    }

    /// Where a resource starts, blank lines at the start of the file included.
    fn with_leading_blank(&mut self, offset: u64, length: u32) -> (u64, u32) {
        match self.lines.as_slice() {
            [blank] if self.types.is_empty() && blank.blank => {
                let whole = (blank.offset, blank.length.saturating_add(length));
                self.lines.clear();
                whole
            }
            _ => (offset, length),
        }
    }

    fn type_index(&mut self, resource_type: ResourceType) -> usize {
        self.types.iter().position(|known| *known == resource_type).unwrap_or_else(|| {
            self.types.push(resource_type);
            self.types.len() - 1
        })
    }

    fn refuse(&self, line: u64, reason: &'static str) -> Error {
        Error::Line { path: self.path.to_owned(), line, reason }
    }
}

const READ_BUFFER: usize = 1 << 20;
/// Offsets within a line fit `u32`, and no FHIR server writes such a line.
const MAX_LINE: u64 = 1 << 30;
