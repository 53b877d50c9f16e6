//! What is known of one resource, and its form in the table.
//!
//! ```text
//! u8 version   u8 flags   u64 epoch   u64 export   u32 file   u64 line   u64 raw   u64 content
//! [u64 seen]   [i64 last_updated]   [u128 the one patient]
//! [u32 primary   u32 linked   u32 mentioned   u128 …]          all little-endian; […] by flag
//! ```
//!
//! 46 bytes for the least, 70 for most: a version with its moment and one patient.

use std::path::Path;

use bulkhead_model::{Instant, PatientKey};

use crate::Error;

/// What a resource is at the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Deleted: the server said so.
    Deleted,
    /// There.
    Live,
    /// Retracted: it left the cohort.
    Retracted,
}

/// Whom a resource is about, as far as its line told. Each list holds distinct patients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patients {
    /// At the primary path.
    pub primary: Vec<PatientKey>,
    /// At any known path, primary ones included.
    pub linked: Vec<PatientKey>,
    /// Anywhere else.
    pub mentioned: Vec<PatientKey>,
    /// A reference at the primary path could not be resolved.
    pub primary_unresolved: bool,
    /// A reference at any known path could not.
    pub unresolved: bool,
}

impl Patients {
    /// The same, borrowed.
    pub fn borrowed(&self) -> PatientsRef<'_> {
        PatientsRef {
            primary: &self.primary,
            linked: &self.linked,
            mentioned: &self.mentioned,
            primary_unresolved: self.primary_unresolved,
            unresolved: self.unresolved,
        }
    }
}

/// [`Patients`] that someone else holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatientsRef<'p> {
    /// At the primary path.
    pub primary: &'p [PatientKey],
    /// At any known path, primary ones included.
    pub linked: &'p [PatientKey],
    /// Anywhere else.
    pub mentioned: &'p [PatientKey],
    /// A reference at the primary path could not be resolved.
    pub primary_unresolved: bool,
    /// A reference at any known path could not.
    pub unresolved: bool,
}

/// What is to be written of one resource.
pub type EntryRef<'p> = Entry<PatientsRef<'p>>;

/// What was last delivered of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<P = Patients> {
    /// What it is at the destination.
    pub state: State,
    /// Hash of the definition of the stream by which it was delivered: of another, what was
    /// delivered cannot be compared.
    pub epoch: u64,
    /// Hash of the id of the export that delivered it.
    pub export: u64,
    /// The file of that export.
    pub file: u32,
    /// The line of that file.
    pub line: u64,
    /// Hash of the id of the full export that saw it last; 0 for none.
    pub seen: u64,
    /// `meta.lastUpdated` of what was delivered; of a deletion, when the server told it.
    pub last_updated: Option<Instant>,
    /// Hash of the line's bytes.
    pub raw: u64,
    /// Hash of what the line says.
    pub content: u64,
    /// Whom it is about.
    pub patients: P,
}

impl Entry {
    /// The same, borrowing the patients.
    pub fn borrowed(&self) -> EntryRef<'_> {
        let Self { state, epoch, export, file, line, seen, last_updated, .. } = *self;
        let (raw, content, patients) = (self.raw, self.content, self.patients.borrowed());
        Entry {
            state,
            epoch,
            export,
            file,
            line,
            seen,
            last_updated,
            raw,
            content,
            patients,
        }
    }
}

/// Writes an entry behind what is in `out`.
pub(super) fn encode(entry: &EntryRef<'_>, out: &mut Vec<u8>) {
    let PatientsRef { primary, linked, mentioned, primary_unresolved, unresolved } =
        entry.patients;
    let one = match (primary, linked, mentioned) {
        ([primary], [linked], []) if primary == linked => Some(*primary),
        _ => None,
    };
    let has_many = one.is_none()
        && !(primary.is_empty() && linked.is_empty() && mentioned.is_empty());
    let state = match entry.state {
        State::Deleted => DELETED,
        State::Live => LIVE,
        State::Retracted => RETRACTED,
    };
    let flag = |flag: u8, is_set: bool| if is_set { flag } else { 0 };
    let flags = state
        | flag(SEEN, entry.seen != 0)
        | flag(UPDATED, entry.last_updated.is_some())
        | flag(PRIMARY_UNRESOLVED, primary_unresolved)
        | flag(UNRESOLVED, unresolved)
        | flag(ONE, one.is_some())
        | flag(MANY, has_many);
    out.reserve(MOST_FIXED);
    out.extend_from_slice(&[VERSION, flags]);
    out.extend_from_slice(&entry.epoch.to_le_bytes());
    out.extend_from_slice(&entry.export.to_le_bytes());
    out.extend_from_slice(&entry.file.to_le_bytes());
    out.extend_from_slice(&entry.line.to_le_bytes());
    out.extend_from_slice(&entry.raw.to_le_bytes());
    out.extend_from_slice(&entry.content.to_le_bytes());
    if entry.seen != 0 {
        out.extend_from_slice(&entry.seen.to_le_bytes());
    }
    if let Some(last_updated) = entry.last_updated {
        out.extend_from_slice(&last_updated.unix_ms().to_le_bytes());
    }
    if let Some(one) = one {
        out.extend_from_slice(&one.to_bytes());
    }
    if has_many {
        let lists = [primary, linked, mentioned];
        for list in lists {
            // One line names them all, and a line has at most 4 GiB.
            out.extend(u32::try_from(list.len()).unwrap_or(u32::MAX).to_le_bytes());
        }
        out.extend(lists.into_iter().flatten().flat_map(|patient| patient.to_bytes()));
    }
}

/// Reads an entry of the ledger at `path`.
pub(super) fn decode(bytes: &[u8], path: &Path) -> Result<Entry, Error> {
    let damaged = || Error::DeliveredDamaged { path: path.to_owned() };
    let mut rest = Rest(bytes);
    match rest.byte().ok_or_else(damaged)? {
        VERSION => read(&mut rest).filter(|_| rest.0.is_empty()).ok_or_else(damaged),
        found => {
            Err(Error::DeliveredVersion { path: path.to_owned(), found, known: VERSION })
        }
    }
}

fn read(rest: &mut Rest<'_>) -> Option<Entry> {
    let flags = rest.byte()?;
    let has = |flag: u8| flags & flag != 0;
    let state = match flags & STATE {
        DELETED => State::Deleted,
        LIVE => State::Live,
        RETRACTED => State::Retracted,
        _ => return None,
    };
    let (epoch, export) = (rest.u64()?, rest.u64()?);
    let (file, line) = (rest.u32()?, rest.u64()?);
    let (raw, content) = (rest.u64()?, rest.u64()?);
    let seen = if has(SEEN) { rest.u64()? } else { 0 };
    let last_updated = if has(UPDATED) {
        Some(Instant::from_unix_ms(i64::from_le_bytes(rest.array()?)))
    } else {
        None
    };
    let mut patients = Patients {
        primary_unresolved: has(PRIMARY_UNRESOLVED),
        unresolved: has(UNRESOLVED),
        ..Patients::default()
    };
    if has(ONE) {
        patients.primary = rest.patients(1)?;
        patients.linked.clone_from(&patients.primary);
    }
    if has(MANY) {
        let counts = [rest.u32()?, rest.u32()?, rest.u32()?];
        let Patients { primary, linked, mentioned, .. } = &mut patients;
        for (list, count) in [primary, linked, mentioned].into_iter().zip(counts) {
            *list = rest.patients(count)?;
        }
    }
    Some(Entry {
        state,
        epoch,
        export,
        file,
        line,
        seen,
        last_updated,
        raw,
        content,
        patients,
    })
}

/// What is left to read.
struct Rest<'b>(&'b [u8]);

impl Rest<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn patients(&mut self, count: u32) -> Option<Vec<PatientKey>> {
        // Ends with the bytes, whatever a damaged count says.
        (0..count).map(|_| self.array().map(PatientKey::from_bytes)).collect()
    }
}

/// Bytes of an entry without lists of patients, at most.
const MOST_FIXED: usize = 78;

/// The form that this program writes and reads.
const VERSION: u8 = 1;

const STATE: u8 = 0b11;
const LIVE: u8 = 0;
const DELETED: u8 = 1;
const RETRACTED: u8 = 2;
const SEEN: u8 = 1 << 2;
const UPDATED: u8 = 1 << 3;
const PRIMARY_UNRESOLVED: u8 = 1 << 4;
const UNRESOLVED: u8 = 1 << 5;
/// One patient, primary and linked.
const ONE: u8 = 1 << 6;
/// Lists of patients.
const MANY: u8 = 1 << 7;

#[cfg(test)]
mod tests;
