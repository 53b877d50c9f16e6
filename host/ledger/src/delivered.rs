//! The ledger of resources: of each, what was last delivered, and from which line.
//!
//! One database a chain and source, in a folder of its own (`0700`), by one process at a time.
//! It tells duplicates from news, an older version from a newer one, and what must be
//! retracted; what counts as which is the app's. A call of [`Delivered::commit`] that returned
//! `Ok` has been synced to disk, all of it or none.
//!
//! It holds resource ids in clear, patients among them, and hashes of content and of patients;
//! no content.
//!
//! What is written goes to a log (`recent.rs`), is found there by a hash of its key, and is sorted
//! into the engine later, many entries at a time: an engine that sorts each as it comes costs a
//! first export of everything more than all the rest. The engine is fjall, of which only the
//! sorted tables are used; a thread of ours fills them and two of its own merge them.
//!
//! Memory: a cache of blocks, one log, places of keys in the logs that wait (10 to 20 bytes an
//! entry), a filter of two bytes a key up to 16 MiB, and the engine's filters of about 10 bits a
//! resource ([`Bounds`]).

mod chosen;
mod draft;
mod entries;
mod entry;
mod key;
mod known;
mod log;
mod logs;
mod recent;
mod slots;
mod sorter;

use std::{io::ErrorKind, path::Path, sync::Arc};

use bulkhead_model::ResourceType;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, Readable as _};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    Error,
    delivered::{
        recent::{Found, Recent},
        sorter::Sorter,
    },
    place,
};

pub use draft::Draft;
pub use entries::Entries;
pub use entry::{Entry, EntryRef, Patients, PatientsRef, State};
pub use key::{KeyHash, ResourceKey, ResourceKeyError};

/// What an open ledger of resources may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Memory for blocks that were read, in bytes.
    pub cache: u64,
    /// Entries of one log, in bytes: held in memory, and sorted together. Up to twice as many
    /// are held while that happens.
    pub write_buffer: u64,
    /// Disk for entries that are not yet sorted, in bytes. To open sorts as many.
    pub journal: u64,
}

impl Default for Bounds {
    /// 32 MiB of cache, 16 MiB of write buffer, 256 MiB of journal.
    fn default() -> Self {
        Self { cache: 32 << 20, write_buffer: 16 << 20, journal: 256 << 20 }
    }
}

/// When what is written is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durable {
    /// With the next that is durable now.
    Later,
    /// On return.
    Now,
}

/// The ledger of resources of one chain and source. Clones share it.
#[derive(Clone)]
pub struct Delivered {
    /// Ends before the database is closed.
    _sorter: Arc<Sorter>,
    recent: Arc<Recent>,
    database: Database,
    resources: Keyspace,
    path: Arc<Path>,
}

impl Delivered {
    /// Opens the ledger in folder `dir`, and makes it when it is missing.
    ///
    /// # Errors
    ///
    /// [`Error::DeliveredLocked`] when another process has it open, [`Error::Io`] when the
    /// folder cannot be made, [`Error::Delivered`] when it cannot be read.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        Self::open_within(dir, &Bounds::default())
    }

    /// The same within other bounds.
    ///
    /// # Errors
    ///
    /// As [`Delivered::open`].
    pub fn open_within(dir: &Path, bounds: &Bounds) -> Result<Self, Error> {
        let io = |source| Error::Io { path: dir.to_owned(), source };
        let is_made = fs_err::read_dir(dir).is_ok_and(|mut all| all.next().is_some());
        if is_made {
            place::private_directory(dir).map_err(io)?;
        } else {
            // The engine does not survive a kill while it makes its first files: they are made
            // beside, and appear whole or not at all.
            let mut beside = dir.as_os_str().to_owned();
            beside.push(".new");
            let beside = Path::new(&beside);
            if beside.exists() {
                fs_err::remove_dir_all(beside).map_err(io)?;
            }
            place::private_directory(beside).map_err(io)?;
            drop(Self::open_existing(beside, bounds)?);
            fs_err::rename(beside, dir).map_err(io)?;
            place::sync_parent(dir).map_err(io)?;
        }
        Self::open_existing(dir, bounds)
    }

    fn open_existing(dir: &Path, bounds: &Bounds) -> Result<Self, Error> {
        let open = || -> fjall::Result<Self> {
            let database = Database::builder(dir)
                .cache_size(bounds.cache)
                .max_journaling_size(LEAST_JOURNAL)
                .worker_threads(WORKERS)
                .open()?;
            let resources =
                database.keyspace(RESOURCES, KeyspaceCreateOptions::default)?;
            let recent = Recent::open(dir, bounds, resources.is_empty()?)?;
            let recent = Arc::new(recent);
            let sorter = Arc::new(Sorter::start(&recent, resources.clone())?);
            Ok(Self { _sorter: sorter, recent, database, resources, path: dir.into() })
        };
        open().map_err(|source| fault(dir, source))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is known that there is no entry. Only of a ledger that was opened empty.
    pub fn is_empty(&self) -> bool {
        self.recent.is_nothing_known()
    }

    /// Whether each of these may have an entry: of those that may not it is certain. Reads
    /// nothing.
    pub fn may_have(&self, hashes: impl Iterator<Item = KeyHash>) -> Vec<bool> {
        self.recent.may_have(hashes)
    }

    /// What is known of each of `keys`, in their order. After an export of much, the first call
    /// waits until what was put off then is sorted.
    ///
    /// # Errors
    ///
    /// [`Error::DeliveredVersion`] and [`Error::DeliveredDamaged`] for an entry that cannot be
    /// read, or a failure of the database.
    pub fn get_many(&self, keys: &[ResourceKey]) -> Result<Vec<Option<Entry>>, Error> {
        let decode = |value: &[u8]| self.decode(value);
        let (found, logs) =
            self.recent.look_up(keys, decode).map_err(|source| self.fault(source))?;
        // In the table's order, so that neighbours find its blocks in the processor's caches.
        let mut order: Vec<(usize, &ResourceKey)> = keys.iter().enumerate().collect();
        let is_elsewhere = |at: usize| matches!(found.get(at), Some(Found::Elsewhere));
        order.retain(|(at, _)| is_elsewhere(*at));
        order.sort_unstable_by_key(|(_, key)| *key);
        let read = order.into_iter().map(|(at, key)| Ok((at, self.get(key, &logs)?)));
        let mut read = read.collect::<Result<Vec<_>, Error>>()?;
        read.sort_unstable_by_key(|(at, _)| *at);
        let mut read = read.into_iter().map(|(_, entry)| entry);
        let all = found.into_iter().map(|found| match found {
            Found::Here(entry) => entry,
            Found::Elsewhere => Ok(read.next().flatten()),
            Found::Nowhere => Ok(None),
        });
        all.collect()
    }

    /// The same, if nothing need be read from disk for it: `None` if something must.
    pub fn at_hand(
        &self,
        keys: &[ResourceKey],
    ) -> Option<Result<Vec<Option<Entry>>, Error>> {
        let found = self.recent.at_hand(keys, |value| self.decode(value))?;
        Some(found.into_iter().collect())
    }

    /// From the logs that wait, newest first, or from the engine.
    fn get(
        &self,
        key: &ResourceKey,
        logs: &[Arc<logs::Waiting>],
    ) -> Result<Option<Entry>, Error> {
        for log in logs {
            let value = log.get(key.hash(), key.as_bytes());
            if let Some(value) = value.map_err(|source| self.fault(source.into()))? {
                return self.decode(&value);
            }
        }
        let value =
            self.resources.get(key.as_bytes()).map_err(|source| self.fault(source))?;
        value.map(|value| entry::decode(&value, &self.path)).transpose()
    }

    /// Reads a value of a log: none stands for what was taken away.
    fn decode(&self, value: &[u8]) -> Result<Option<Entry>, Error> {
        if value.is_empty() {
            return Ok(None);
        }
        entry::decode(value, &self.path).map(Some)
    }

    /// Writes `entries`, all of them or none; of several with one key the last counts. Durable
    /// on return.
    ///
    /// # Errors
    ///
    /// As [`Delivered::put`].
    pub fn commit(&self, entries: &[(ResourceKey, Entry)]) -> Result<(), Error> {
        let mut draft = Draft::default();
        for (key, entry) in entries {
            draft.add_key(key, &entry.borrowed());
        }
        self.put(draft, Durable::Now)
    }

    /// Whether [`Delivered::put`] of a draft would wait for nothing, if it is called now with
    /// [`Durable::Later`].
    pub fn has_room(&self, draft: &Draft) -> bool {
        self.recent.has_room(draft)
    }

    /// Writes a draft, all of it or nothing.
    ///
    /// # Errors
    ///
    /// A failure of the disk. After one it takes no more: open it anew.
    pub fn put(&self, draft: Draft, durable: Durable) -> Result<(), Error> {
        let file = self.recent.append(draft).map_err(|source| self.fault(source))?;
        match durable {
            Durable::Later => Ok(()),
            Durable::Now => self.recent.sync(&file).map_err(|source| self.fault(source)),
        }
    }

    /// All entries, or those of one type, by key, as they stand now: what is written while the
    /// iterator lives is not seen. Reads as it goes.
    pub fn of_type(&self, resource_type: Option<&ResourceType>) -> Entries {
        let prefix = resource_type.map(key::prefix).unwrap_or_default();
        // The table's own iterators would see what is written meanwhile.
        let stood = self.recent.in_order(prefix.as_bytes(), || self.database.snapshot());
        let path = Arc::clone(&self.path);
        match stood {
            Ok((now, recent)) => {
                let sorted = now.prefix(&self.resources, prefix);
                Entries::new(sorted, recent, path)
            }
            Err(source) => Entries::failed(self.fault(source), path),
        }
    }

    /// How many entries there are, of one type or in all. Reads every key: seconds for
    /// millions.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn count(&self, resource_type: Option<&ResourceType>) -> Result<u64, Error> {
        self.of_type(resource_type).count_keys()
    }

    /// What it takes on disk, in bytes.
    ///
    /// # Errors
    ///
    /// A failure of the file system.
    pub fn size_on_disk(&self) -> Result<u64, Error> {
        let sorted = self.database.disk_space().map_err(|source| self.fault(source))?;
        let recent = self.recent.size_on_disk();
        Ok(sorted + recent.map_err(|source| self.fault(source.into()))?)
    }

    /// Forgets everything. Durable on return.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn forget_all(&self) -> Result<(), Error> {
        // The engine's own way to clear a table would, after a crash, clear what was loaded
        // since.
        let stood = self.recent.in_order(&[], || self.database.snapshot());
        let emptied = stood.and_then(|(now, _)| {
            let keys = now.iter(&self.resources).map(fjall::Guard::key);
            sorter::empty(&self.resources, keys)
        });
        let forgotten = emptied.and_then(|()| self.recent.forget());
        forgotten.map_err(|source| self.fault(source))
    }

    fn fault(&self, source: fjall::Error) -> Error {
        fault(&self.path, source)
    }
}

impl std::fmt::Debug for Delivered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivered").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What an export's id, or the definition of a stream, is named by in entries; never 0, which
/// stands for none.
pub fn fingerprint(text: &str) -> u64 {
    xxh3_64(text.as_bytes()).max(1)
}

fn fault(path: &Path, source: fjall::Error) -> Error {
    let path = path.to_owned();
    if matches!(source, fjall::Error::Locked) {
        return Error::DeliveredLocked { path };
    }
    if matches!(&source, fjall::Error::Io(error) if error.kind() == ErrorKind::InvalidData)
    {
        return Error::DeliveredDamaged { path };
    }
    Error::Delivered { path, source: Box::new(source) }
}

/// The one table.
const RESOURCES: &str = "resource";

/// What the engine asks for at least.
const LEAST_JOURNAL: u64 = 64 << 20;

/// One thread sorts the write buffer into a file while another merges files.
const WORKERS: usize = 2;
