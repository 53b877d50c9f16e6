//! What was written and is not yet sorted into the engine: logs on disk, and in memory where in
//! them each key stands.
//!
//! One log is open: its bytes are in memory too, and every frame is written to its file at once.
//! A full one is synced and waits; its file is read when someone asks for one of its keys. The
//! waiting ones are sorted into the engine by a thread of their own ([`super::sorter`]), oldest
//! first, once there are more than [`Bounds::journal`] allows, or someone must read in order. A
//! log is removed when what it said is durable in the engine, and that before the next is.
//!
//! What an earlier process left waiting is sorted in from the start, and who asks waits for it.

use std::{
    collections::VecDeque,
    convert::Infallible,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use crate::{
    delivered::{Bounds, Draft, KeyHash, ResourceKey, known::Known, log, slots::Slots},
    place,
};

/// What was written and is not yet sorted into the engine.
pub(super) struct Recent {
    state: Mutex<State>,
    /// Whenever one waits for another in here.
    changed: Condvar,
    dir: PathBuf,
    /// Bytes of one log, about.
    log_bytes: usize,
    /// Logs that may wait without being sorted.
    most_waiting: usize,
}

struct State {
    open: Open,
    /// Oldest first.
    waiting: VecDeque<Arc<Waiting>>,
    known: Known,
    /// Who must read in order, now.
    readers: usize,
    is_closing: bool,
    /// Why a write, a sync or a sorting failed: what is on disk is not known any more.
    failure: Option<(io::ErrorKind, String)>,
}

/// What is recent of a key.
pub(super) enum Found<T> {
    Here(T),
    /// Not in the open log; perhaps in these, newest first, or else in the engine.
    Elsewhere,
    /// Nowhere: no look at the engine is needed.
    Nowhere,
}

impl Recent {
    /// Opens what lies in `dir`, whose engine holds nothing if `is_engine_empty`.
    pub(super) fn open(
        dir: &Path,
        bounds: &Bounds,
        is_engine_empty: bool,
    ) -> io::Result<Self> {
        let log_bytes = usize::try_from(bounds.write_buffer).unwrap_or(usize::MAX);
        let most_waiting = bounds.journal / bounds.write_buffer.max(1);
        let mut left = numbers(dir)?;
        let open = match left.pop() {
            Some(number) => Open::again(dir, number, log_bytes)?,
            None => Open::new(dir, 1, log_bytes)?,
        };
        let mut known =
            if is_engine_empty && left.is_empty() { Known::none() } else { Known::Any };
        for start in open.slots.iter() {
            let record = log::record_at(&open.bytes, start as usize);
            known.add(KeyHash::of_bytes(record.unwrap_or_default().0));
        }
        let waiting = left.into_iter().map(|number| Waiting::left(path(dir, number)));
        let waiting = waiting.collect::<io::Result<_>>()?;
        let state =
            State { open, waiting, known, readers: 0, is_closing: false, failure: None };
        Ok(Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            dir: dir.to_owned(),
            log_bytes,
            most_waiting: usize::try_from(most_waiting).unwrap_or(usize::MAX),
        })
    }

    /// Whether there is no entry at all, here or in the engine.
    pub(super) fn is_nothing_known(&self) -> bool {
        self.lock().known.is_none()
    }

    /// Says of each hash whether its key may have an entry.
    pub(super) fn may_have(&self, hashes: impl Iterator<Item = KeyHash>) -> Vec<bool> {
        let state = self.lock();
        hashes.map(|hash| state.known.may_have(hash)).collect()
    }

    /// What is known of `keys`: of each what `read` makes of its value in the open log. And the
    /// logs to look at for the others, newest first.
    pub(super) fn look_up<T>(
        &self,
        keys: &[ResourceKey],
        mut read: impl FnMut(&[u8]) -> T,
    ) -> Result<(Vec<Found<T>>, Vec<Arc<Waiting>>), fjall::Error> {
        let mut state = self.lock();
        while state.is_behind() {
            state.check()?;
            state = self.wait(state);
        }
        let State { open, waiting, known, .. } = &*state;
        let found = keys.iter().map(|key| {
            let hash = key.hash();
            match open.get(hash, key.as_bytes()) {
                Some(value) => Found::Here(read(value)),
                None if known.may_have(hash) => Found::Elsewhere,
                None => Found::Nowhere,
            }
        });
        Ok((found.collect(), waiting.iter().rev().map(Arc::clone).collect()))
    }

    /// Writes a draft; gives what is to be synced for it to be durable.
    pub(super) fn append(&self, draft: Draft) -> Result<Arc<File>, fjall::Error> {
        let (frame, places) = draft.into_frame();
        let mut state = self.lock();
        // So many that sorting does not keep up: whoever writes waits.
        while state.waiting.len() > self.most_waiting.saturating_add(SLACK) {
            state.check()?;
            state = self.wait(state);
        }
        state.check()?;
        if places.is_empty() {
            return Ok(Arc::clone(&state.open.file));
        }
        let done = self.write(&mut state, &frame, &places);
        state.note(done)?;
        Ok(Arc::clone(&state.open.file))
    }

    fn write(
        &self,
        state: &mut State,
        frame: &[u8],
        places: &[(KeyHash, usize)],
    ) -> io::Result<()> {
        let is_full = state.open.bytes.len() + frame.len() > self.log_bytes;
        if is_full && state.open.slots.len() > 0 {
            // Before the next is there: only the last log may end in the middle.
            state.open.file.sync_data()?;
            // The bytes of this one take the place of the next one's.
            let next = Open::new(&self.dir, state.open.number + 1, 0)?;
            let full = std::mem::replace(&mut state.open, next);
            let waiting = full.into_waiting(&self.dir, &mut state.open.bytes)?;
            state.waiting.push_back(Arc::new(waiting));
            self.changed.notify_all();
        }
        let State { open, known, .. } = state;
        open.write(frame, places)?;
        for (hash, _) in places {
            known.add(*hash);
        }
        Ok(())
    }

    /// Makes durable what was appended to `file` and before.
    pub(super) fn sync(&self, file: &File) -> Result<(), fjall::Error> {
        let done = file.sync_data();
        self.lock().note(done)
    }

    /// Waits until all but the open log is in the engine; then gives what `take` makes of the
    /// moment, and the open log's entries whose keys begin with `prefix`, by key.
    pub(super) fn in_order<T>(
        &self,
        prefix: &[u8],
        take: impl FnOnce() -> T,
    ) -> Result<(T, Vec<Pair>), fjall::Error> {
        let mut state = self.lock();
        state.readers += 1;
        self.changed.notify_all();
        let is_sorted = loop {
            if state.waiting.is_empty() {
                break Ok(());
            }
            if let Err(error) = state.check() {
                break Err(error);
            }
            state = self.wait(state);
        };
        state.readers -= 1;
        is_sorted?;
        let taken = take();
        let records = state.open.slots.iter();
        let records =
            records.filter_map(|start| log::record_at(&state.open.bytes, start as usize));
        let mut pairs: Vec<Pair> = records
            .filter(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        drop(state);
        pairs.sort_unstable();
        Ok((taken, pairs))
    }

    /// Forgets what is in logs; nothing waits when this is called.
    pub(super) fn forget(&self) -> Result<(), fjall::Error> {
        let mut state = self.lock();
        let done = state.open.empty();
        state.known = Known::none();
        state.note(done)
    }

    /// What the logs take on disk.
    pub(super) fn size_on_disk(&self) -> io::Result<u64> {
        let logs = numbers(&self.dir)?.into_iter();
        logs.map(|number| Ok(std::fs::metadata(path(&self.dir, number))?.len())).sum()
    }

    /// The oldest logs that must be sorted now; waits for some. `None` when nobody needs it any
    /// more.
    pub(super) fn next_to_sort(&self) -> Option<Vec<Arc<Waiting>>> {
        let mut state = self.lock();
        loop {
            if state.is_closing || state.failure.is_some() {
                return None;
            }
            let is_wanted = state.is_behind()
                || state.readers > 0
                || state.waiting.len() > self.most_waiting;
            if is_wanted && !state.waiting.is_empty() {
                return Some(
                    state.waiting.iter().take(AT_ONCE).map(Arc::clone).collect(),
                );
            }
            state = self.wait(state);
        }
    }

    /// Notes that these, the oldest, are in the engine, and removes them, or that it failed.
    pub(super) fn sorted(&self, logs: &[Arc<Waiting>], done: Result<(), fjall::Error>) {
        let done = done.and_then(|()| self.remove(logs).map_err(fjall::Error::from));
        let mut state = self.lock();
        if state.note(done).is_ok() {
            let sorted = logs.len().min(state.waiting.len());
            state.waiting.drain(..sorted);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// One after the other: an older one that outlived a newer would be taken for the newest.
    fn remove(&self, logs: &[Arc<Waiting>]) -> io::Result<()> {
        for log in logs {
            std::fs::remove_file(&log.path)?;
            place::sync_parent(&log.path)?;
        }
        Ok(())
    }

    /// Asks the sorting thread to end.
    pub(super) fn close(&self) {
        self.lock().is_closing = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether logs wait of which nobody knows what is in them.
    fn is_behind(&self) -> bool {
        self.waiting.front().is_some_and(|log| log.slots.is_none())
    }

    /// Whether all went well so far.
    fn check(&self) -> Result<(), fjall::Error> {
        match &self.failure {
            Some((kind, why)) => Err(io::Error::new(*kind, why.clone()).into()),
            None => Ok(()),
        }
    }

    /// Notes a failure: nothing is written after the first.
    fn note<T, E: Into<fjall::Error>>(
        &mut self,
        done: Result<T, E>,
    ) -> Result<T, fjall::Error> {
        done.map_err(Into::into).inspect_err(|error| {
            let kind = match error {
                fjall::Error::Io(error) => error.kind(),
                _ => io::ErrorKind::Other,
            };
            self.failure.get_or_insert_with(|| (kind, error.to_string()));
        })
    }
}

/// A key and its value.
pub(super) type Pair = (Box<[u8]>, Box<[u8]>);

/// Logs sorted together: the more, the fewer merges come after.
const AT_ONCE: usize = 2;

/// Logs beyond the bound for which a writer does not wait.
const SLACK: usize = 4;

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
