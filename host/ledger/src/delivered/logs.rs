//! One log on disk: the one that is being written, and those that are full and wait.

use std::{
    convert::Infallible,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    delivered::{KeyHash, log, slots::Slots},
    place,
};

/// The log that is being written.
pub(super) struct Open {
    pub(super) number: u64,
    pub(super) file: Arc<File>,
    pub(super) bytes: Vec<u8>,
    pub(super) slots: Slots,
}

/// A log that is full.
pub(super) struct Waiting {
    pub(super) path: PathBuf,
    file: Mutex<File>,
    /// `None` of one that an earlier process left.
    pub(super) slots: Option<Slots>,
}

impl Open {
    /// A new log, with room in memory; its name is durable.
    pub(super) fn new(dir: &Path, number: u64, room: usize) -> io::Result<Self> {
        let path = path(dir, number);
        let mut file = place::open_private(&path)?;
        file.set_len(0)?;
        file.write_all(log::MAGIC)?;
        place::sync_parent(&path)?;
        // Memory that is not written to is only promised; grown step by step, twice as much of
        // it would be written to.
        let mut bytes = Vec::with_capacity(room.clamp(log::MAGIC.len(), MOST_ROOM));
        bytes.extend_from_slice(log::MAGIC);
        Ok(Self { number, file: Arc::new(file), bytes, slots: Slots::default() })
    }

    /// The one that an earlier process wrote last, without what it did not end.
    pub(super) fn again(dir: &Path, number: u64, room: usize) -> io::Result<Self> {
        let path = path(dir, number);
        let mut file = place::open_private(&path)?;
        let mut bytes = Vec::with_capacity(room.min(MOST_ROOM));
        file.read_to_end(&mut bytes)?;
        let whole = log::whole(&bytes).ok_or_else(damaged)?;
        if whole == 0 {
            return Self::new(dir, number, room);
        }
        bytes.truncate(whole);
        file.set_len(whole as u64)?;
        file.seek(SeekFrom::Start(whole as u64))?;
        let mut slots = Slots::default();
        for start in log::Records::new(&bytes) {
            note(&mut slots, &bytes, start, None)?;
        }
        Ok(Self { number, file: Arc::new(file), bytes, slots })
    }

    /// The value of a key.
    pub(super) fn get(&self, hash: KeyHash, key: &[u8]) -> Option<&[u8]> {
        let is_it = |start: u32| {
            let record = log::record_at(&self.bytes, start as usize);
            Ok::<_, Infallible>(record.is_some_and(|(of, _)| of == key))
        };
        let Ok(start) = self.slots.find(hash, is_it);
        Some(log::record_at(&self.bytes, start? as usize)?.1)
    }

    /// Writes a frame behind the others.
    pub(super) fn write(
        &mut self,
        frame: &[u8],
        places: &[(KeyHash, usize)],
    ) -> io::Result<()> {
        let base = self.bytes.len();
        if u32::try_from(base + frame.len()).is_err() {
            return Err(io::Error::other("entries of 4 GiB at once"));
        }
        (&*self.file).write_all(frame)?;
        self.bytes.extend_from_slice(frame);
        for (hash, start) in places {
            note(&mut self.slots, &self.bytes, base + start, Some(*hash))?;
        }
        Ok(())
    }

    /// Lets go of its bytes, into `spare`. It is durable.
    pub(super) fn into_waiting(
        self,
        dir: &Path,
        spare: &mut Vec<u8>,
    ) -> io::Result<Waiting> {
        let mut bytes = self.bytes;
        bytes.clear();
        bytes.append(spare);
        *spare = bytes;
        let path = path(dir, self.number);
        let file = Mutex::new(File::open(&path)?);
        Ok(Waiting { path, file, slots: Some(self.slots) })
    }

    /// Forgets all of it. Durable on return.
    pub(super) fn empty(&mut self) -> io::Result<()> {
        self.bytes.truncate(log::MAGIC.len());
        self.slots.clear();
        let end = self.bytes.len() as u64;
        self.file.set_len(end)?;
        (&*self.file).seek(SeekFrom::Start(end))?;
        self.file.sync_all()
    }
}

impl Waiting {
    /// The value of a key.
    pub(super) fn get(&self, hash: KeyHash, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let Some(slots) = &self.slots else { return Ok(None) };
        let mut found = Vec::new();
        let start = slots.find(hash, |start| -> io::Result<bool> {
            found = self.read(start)?;
            Ok(log::record_at(&found, 0).is_some_and(|(of, _)| of == key))
        })?;
        let value = start.and_then(|_| log::record_at(&found, 0));
        Ok(value.map(|(_, value)| value.to_vec()))
    }

    /// One record.
    fn read(&self, start: u32) -> io::Result<Vec<u8>> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(start.into()))?;
        let mut record = Vec::with_capacity(256);
        (&*file).take(256).read_to_end(&mut record)?;
        let (key, value) = log::lengths(&record).ok_or_else(damaged)?;
        let rest = (log::RECORD + key + value).saturating_sub(record.len());
        (&*file).take(rest as u64).read_to_end(&mut record)?;
        Ok(record)
    }

    /// One that an earlier process left.
    pub(super) fn left(path: PathBuf) -> io::Result<Arc<Self>> {
        let file = Mutex::new(File::open(&path)?);
        Ok(Arc::new(Self { path, file, slots: None }))
    }

    /// All of it.
    pub(super) fn read_all(&self) -> io::Result<Vec<u8>> {
        let bytes = std::fs::read(&self.path)?;
        // It was synced before anything was written after it.
        if log::whole(&bytes) == Some(bytes.len()) { Ok(bytes) } else { Err(damaged()) }
    }
}

/// Notes the record at `start`.
fn note(
    slots: &mut Slots,
    bytes: &[u8],
    start: usize,
    hash: Option<KeyHash>,
) -> io::Result<()> {
    let key = |start| log::record_at(bytes, start).map(|(key, _)| key);
    let own = key(start).ok_or_else(damaged)?;
    let place = u32::try_from(start).map_err(|_| damaged())?;
    let hash = hash.unwrap_or_else(|| KeyHash::of_bytes(own));
    slots.put(hash, place, |other| key(other as usize) == Some(own));
    Ok(())
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a log of entries is damaged")
}

/// The numbers of the logs in `dir`, oldest first.
pub(super) fn numbers(dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}{SUFFIX}"))
}

const SUFFIX: &str = ".entries";

/// Memory that is promised to a log at most, in bytes.
const MOST_ROOM: usize = 64 << 20;
