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
//! Memory: a cache of blocks, two write buffers, and filters of about 10 bits a resource
//! ([`Bounds`]). The engine is fjall, whose merges run on two threads of their own.

mod chosen;
mod entries;
mod entry;
mod key;

use std::{path::Path, sync::Arc};

use bulkhead_model::ResourceType;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable as _};
use xxhash_rust::xxh3::xxh3_64;

use crate::{Error, place};

pub use entries::Entries;
pub use entry::{Entry, Patients, State};
pub use key::{ResourceKey, ResourceKeyError};

/// What an open ledger of resources may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Memory for blocks that were read, in bytes.
    pub cache: u64,
    /// Entries held in memory before they are sorted into a file, in bytes. Up to twice as
    /// many are held while that happens.
    pub write_buffer: u64,
    /// Disk for entries that are not yet in such files, in bytes; at least 64 MiB. To open
    /// after a crash reads through as much.
    pub journal: u64,
}

impl Default for Bounds {
    /// 32 MiB of cache, twice 8 MiB of write buffer, 128 MiB of journal.
    fn default() -> Self {
        Self { cache: 32 << 20, write_buffer: 8 << 20, journal: LEAST_JOURNAL * 2 }
    }
}

/// The ledger of resources of one chain and source. Clones share it.
#[derive(Clone)]
pub struct Delivered {
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
                .max_journaling_size(bounds.journal.max(LEAST_JOURNAL))
                .worker_threads(WORKERS)
                .open()?;
            let resources = database.keyspace(RESOURCES, || {
                KeyspaceCreateOptions::default().max_memtable_size(bounds.write_buffer)
            })?;
            Ok(Self { database, resources, path: dir.into() })
        };
        open().map_err(|source| fault(dir, source))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is known of each of `keys`, in their order.
    ///
    /// # Errors
    ///
    /// [`Error::DeliveredVersion`] and [`Error::DeliveredDamaged`] for an entry that cannot be
    /// read, or a failure of the database.
    pub fn get_many(&self, keys: &[ResourceKey]) -> Result<Vec<Option<Entry>>, Error> {
        // In the table's order, so that neighbours find its blocks in the processor's caches.
        let mut order: Vec<(usize, &ResourceKey)> = keys.iter().enumerate().collect();
        order.sort_unstable_by_key(|(_, key)| *key);
        let found = order.into_iter().map(|(at, key)| Ok((at, self.get(key)?)));
        let mut found = found.collect::<Result<Vec<_>, Error>>()?;
        found.sort_unstable_by_key(|(at, _)| *at);
        Ok(found.into_iter().map(|(_, entry)| entry).collect())
    }

    fn get(&self, key: &ResourceKey) -> Result<Option<Entry>, Error> {
        let value =
            self.resources.get(key.as_bytes()).map_err(|source| self.fault(source))?;
        value.map(|value| entry::decode(&value, &self.path)).transpose()
    }

    /// Writes `entries`, all of them or none; of several with one key the last counts. Durable
    /// on return.
    ///
    /// # Errors
    ///
    /// A failure of the database. After one it takes no more: open it anew.
    pub fn commit(&self, entries: &[(ResourceKey, Entry)]) -> Result<(), Error> {
        self.put(entries, PersistMode::SyncAll)
    }

    /// The same, durable only with the next [`Delivered::commit`] or [`Delivered::sync`].
    ///
    /// # Errors
    ///
    /// As [`Delivered::commit`].
    pub fn write(&self, entries: &[(ResourceKey, Entry)]) -> Result<(), Error> {
        self.put(entries, PersistMode::Buffer)
    }

    /// Makes durable what was written.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn sync(&self) -> Result<(), Error> {
        self.database.persist(PersistMode::SyncAll).map_err(|source| self.fault(source))
    }

    fn put(
        &self,
        entries: &[(ResourceKey, Entry)],
        durable: PersistMode,
    ) -> Result<(), Error> {
        let mut batch =
            fjall::OwnedWriteBatch::with_capacity(self.database.clone(), entries.len())
                .durability(Some(durable));
        // As above; of one key's entries the last stays last.
        let mut order: Vec<&(ResourceKey, Entry)> = entries.iter().collect();
        order.sort_by(|a, b| a.0.cmp(&b.0));
        let mut value = Vec::new();
        for (key, entry) in order {
            entry::encode(entry, &mut value);
            batch.insert(&self.resources, key.as_bytes(), value.as_slice());
        }
        batch.commit().map_err(|source| self.fault(source))
    }

    /// All entries, or those of one type, by key, as they stand now: what is written while the
    /// iterator lives is not seen. Reads as it goes.
    pub fn of_type(&self, resource_type: Option<&ResourceType>) -> Entries {
        // The table's own iterators would see what is written meanwhile.
        let now = self.database.snapshot();
        let found = match resource_type {
            Some(resource_type) => {
                now.prefix(&self.resources, key::prefix(resource_type))
            }
            None => now.iter(&self.resources),
        };
        Entries::new(found, Arc::clone(&self.path))
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
        self.database.disk_space().map_err(|source| self.fault(source))
    }

    /// Forgets everything. Durable on return.
    ///
    /// # Errors
    ///
    /// A failure of the database.
    pub fn forget_all(&self) -> Result<(), Error> {
        let cleared = self.resources.clear();
        let synced = cleared.and_then(|()| self.database.persist(PersistMode::SyncAll));
        synced.map_err(|source| self.fault(source))
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
    Error::Delivered { path, source: Box::new(source) }
}

/// The one table.
const RESOURCES: &str = "resource";

/// What the engine asks for at least.
const LEAST_JOURNAL: u64 = 64 << 20;

/// One thread sorts the write buffer into a file while another merges files.
const WORKERS: usize = 2;
