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
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use crate::{
    delivered::{
        Bounds, Draft, KeyHash, ResourceKey,
        known::Known,
        log,
        logs::{Open, Waiting, numbers, path},
    },
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
    /// Whether the engine holds nothing, so that every entry is in a log.
    is_all_here: bool,
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
        let state = State {
            open,
            waiting,
            is_all_here: is_engine_empty,
            known,
            readers: 0,
            is_closing: false,
            failure: None,
        };
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
        hashes.map(|hash| state.may_have(hash)).collect()
    }

    /// What is known of `keys`: of each what `read` makes of its value in the open log. And the
    /// logs to look at for the others, newest first.
    pub(super) fn look_up<T>(
        &self,
        keys: &[ResourceKey],
        mut read: impl FnMut(&[u8]) -> T,
    ) -> Result<LookedUp<T>, fjall::Error> {
        let mut state = self.lock();
        while state.is_behind() {
            state.check()?;
            state = self.wait(state);
        }
        let found = keys.iter().map(|key| {
            let hash = key.hash();
            match state.open.get(hash, key.as_bytes()) {
                Some(value) => Found::Here(read(value)),
                None if state.may_have(hash) => Found::Elsewhere,
                None => Found::Nowhere,
            }
        });
        Ok((found.collect(), state.waiting.iter().rev().map(Arc::clone).collect()))
    }

    /// What is known of `keys`, if it is known here of all: what `read` makes of values in the open
    /// log, or that there is none.
    pub(super) fn at_hand<T, E>(
        &self,
        keys: &[ResourceKey],
        mut read: impl FnMut(&[u8]) -> Result<Option<T>, E>,
    ) -> Option<Vec<Result<Option<T>, E>>> {
        if keys.is_empty() {
            return Some(Vec::new());
        }
        let state = self.lock();
        if state.is_behind() {
            return None;
        }
        let found = keys.iter().map(|key| {
            let hash = key.hash();
            match state.open.get(hash, key.as_bytes()) {
                Some(value) => Some(read(value)),
                None if state.may_have(hash) => None,
                None => Some(Ok(None)),
            }
        });
        found.collect()
    }

    /// Whether a draft can be written without waiting, for the disk or for another thread.
    pub(super) fn has_room(&self, draft: &Draft) -> bool {
        let Ok(state) = self.state.try_lock() else { return false };
        state.open.bytes.len() + draft.byte_len() <= self.log_bytes
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
        state.is_all_here = true;
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
        // Before a log is gone that says so.
        self.lock().is_all_here = false;
        let done = done.and_then(|()| Self::remove(logs).map_err(fjall::Error::from));
        let mut state = self.lock();
        if state.note(done).is_ok() {
            let sorted = logs.len().min(state.waiting.len());
            state.waiting.drain(..sorted);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// One after the other: an older one that outlived a newer would be taken for the newest.
    fn remove(logs: &[Arc<Waiting>]) -> io::Result<()> {
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

    /// Whether a key may have an entry: what the filter lets pass, the logs mostly tell.
    fn may_have(&self, hash: KeyHash) -> bool {
        let of_log = |log: &Arc<Waiting>| {
            log.slots.as_ref().is_none_or(|slots| slots.may_have(hash))
        };
        let is_here =
            || self.open.slots.may_have(hash) || self.waiting.iter().any(of_log);
        self.known.may_have(hash) && (!self.is_all_here || is_here())
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
                fjall::Error::Decompress(_)
                | fjall::Error::InvalidTag(_)
                | fjall::Error::InvalidTrailer
                | fjall::Error::InvalidVersion(_)
                | fjall::Error::JournalRecovery(_)
                | fjall::Error::KeyspaceDeleted
                | fjall::Error::Locked
                | fjall::Error::Poisoned
                | fjall::Error::Storage(_)
                | fjall::Error::Unrecoverable
                | _ => io::ErrorKind::Other,
            };
            self.failure.get_or_insert_with(|| (kind, error.to_string()));
        })
    }
}

/// What is recent of each key, and the logs to look at for the others, newest first.
pub(super) type LookedUp<T> = (Vec<Found<T>>, Vec<Arc<Waiting>>);

/// A key and its value.
pub(super) type Pair = (Box<[u8]>, Box<[u8]>);

/// Logs sorted together: the more, the fewer merges come after.
const AT_ONCE: usize = 2;

/// Logs beyond the bound for which a writer does not wait.
const SLACK: usize = 4;
