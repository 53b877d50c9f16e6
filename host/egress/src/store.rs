//! A named place that artifacts go to: one directory, opened once.
//!
//! Everything below goes through the opened directory handle and never follows a link out
//! of it, so a name, a planted symbolic link or a rename race cannot lead elsewhere.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use cap_std::{ambient_authority, fs::Dir};
use url::Url;

use crate::{
    ArtifactName, Compression, Digest, Error, Writer,
    writer::{Scratch, Waited},
};

/// A directory that artifacts go to.
#[derive(Debug)]
pub struct Store {
    name: String,
    path: PathBuf,
    dir: Dir,
    scratch: Dir,
    next: AtomicU64,
    /// By hash without case: the hash of the name as it was first written.
    names: Mutex<BTreeMap<u64, u64>>,
}

impl Store {
    /// Opens the directory that `address` names (a path or a `file:` URL), and makes it when
    /// it is not there. `owner` names who writes: two owners never share scratch files.
    ///
    /// What a crash of the same owner left unfinished is removed; so only one process may
    /// open a store for an owner, which the caller's run lock sees to.
    ///
    /// # Errors
    ///
    /// [`Error::Open`] when that cannot be; [`Error::UnknownScheme`] for other addresses.
    pub fn open(name: &str, address: &str, owner: &str) -> Result<Self, Error> {
        let path = local_path(name, address)?;
        let at = |source: io::Error| Error::Open {
            store: name.to_owned(),
            path: path.clone(),
            source,
        };
        create_private(&path).map_err(at)?;
        let dir = Dir::open_ambient_dir(&path, ambient_authority()).map_err(at)?;
        closed_to(&dir, ANYBODY).map_err(at)?;
        let scratch_name = format!(".bulkhead-{owner}");
        match dir.remove_dir_all(&scratch_name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(at(error));
            }
            Ok(()) | Err(_) => {}
        }
        if !create_dir(&dir, &scratch_name).map_err(at)? {
            let planted = "somebody made its folder of unfinished files first";
            return Err(at(io::Error::other(planted)));
        }
        let scratch = dir.open_dir(&scratch_name).map_err(at)?;
        let (name, next, names) = (name.to_owned(), AtomicU64::new(0), Mutex::default());
        Ok(Self { name, path, dir, scratch, next, names })
    }

    /// Where it is, for reports.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins an artifact, which replaces one of that name at commit.
    ///
    /// # Errors
    ///
    /// [`Error::BadName`] when the name differs by case alone from one that was written since
    /// the store was opened: on some file systems they are one file. [`Error::Write`] when the
    /// system refuses.
    pub fn create(
        self: &Arc<Self>,
        name: ArtifactName,
        compression: Compression,
        digest: Digest,
    ) -> Result<Writer, Error> {
        self.claim(&name)?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let scratch = Scratch::create(Arc::clone(self), format!("{number}.part"))
            .map_err(|source| Error::writing(&self.name, source))?;
        Writer::new(scratch, name, compression, digest)
            .map_err(|source| Error::writing(&self.name, source))
    }

    /// Notes a name, unless another spelling of it is there.
    fn claim(&self, name: &ArtifactName) -> Result<(), Error> {
        let exact = hash(name.as_str());
        let folded = hash(&name.as_str().to_ascii_lowercase());
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if *names.entry(folded).or_insert(exact) == exact {
            return Ok(());
        }
        Err(Error::BadName)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) const fn scratch(&self) -> &Dir {
        &self.scratch
    }

    /// Makes a finished scratch file appear under `name`, and makes that durable; not when
    /// nobody waits for it any more.
    pub(crate) fn publish(
        &self,
        scratch: &str,
        name: &ArtifactName,
        waited: &Waited,
    ) -> io::Result<()> {
        let (folder, last) = name.split();
        let Some(folder) = folder else {
            waited.unless_given_up(|| self.scratch.rename(scratch, &self.dir, last))?;
            return sync_dir(&self.dir);
        };
        let mut so_far = self.dir.try_clone()?;
        for segment in folder.split('/') {
            let made = create_dir(&so_far, segment)?;
            if made {
                sync_dir(&so_far)?;
            }
            so_far = so_far.open_dir(segment)?;
        }
        waited.unless_given_up(|| self.scratch.rename(scratch, &so_far, last))?;
        sync_dir(&so_far)
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Makes a directory for its owner alone; gives whether it was new.
pub(crate) fn create_dir(parent: &Dir, name: &str) -> io::Result<bool> {
    #[cfg(unix)]
    let made = {
        use cap_std::fs::DirBuilderExt as _;
        let mut builder = cap_std::fs::DirBuilder::new();
        builder.mode(0o700);
        parent.create_dir_with(name, &builder)
    };
    #[cfg(not(unix))]
    let made = parent.create_dir(name);
    match made {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

pub(crate) fn create_private(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)
}

/// Refuses a folder that is open to others: those whose bits to write are in `others`.
pub(crate) fn closed_to(dir: &Dir, others: u32) -> io::Result<()> {
    #[cfg(unix)]
    {
        use cap_std::fs::PermissionsExt as _;
        if dir.dir_metadata()?.permissions().mode() & others != 0 {
            let what =
                "others may write to it, and could change what is in it: `chmod o-w` it";
            return Err(io::Error::other(what));
        }
    }
    #[cfg(not(unix))]
    let _ = (dir, others);
    Ok(())
}

/// Anybody on this machine. A group that may write to a store is the operator's choice.
const ANYBODY: u32 = 0o002;

pub(crate) fn sync_dir(dir: &Dir) -> io::Result<()> {
    dir.open(".")?.sync_all()
}

fn local_path(name: &str, address: &str) -> Result<PathBuf, Error> {
    let unknown =
        || Error::UnknownScheme { store: name.to_owned(), url: address.to_owned() };
    match Url::parse(address) {
        Ok(url) if url.scheme() == "file" => url.to_file_path().map_err(|()| unknown()),
        // A one-letter scheme is a drive of another system; all others are addresses.
        Ok(url) if url.scheme().len() > 1 => Err(unknown()),
        Ok(_) | Err(_) => Ok(PathBuf::from(address)),
    }
}

/// Stores by name, as one stage may reach them.
#[derive(Clone, Debug, Default)]
pub struct Stores(BTreeMap<String, Arc<Store>>);

impl Stores {
    /// The store of that name.
    pub fn find(&self, name: &str) -> Option<&Arc<Store>> {
        self.0.get(name)
    }

    /// Names of all stores.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Those of the stores that `granted` names.
    #[must_use]
    pub fn only(&self, granted: &[String]) -> Self {
        let is_granted = |name: &String| granted.contains(name);
        let chosen = self.0.iter().filter(|(name, _)| is_granted(name));
        Self(chosen.map(|(name, store)| (name.clone(), Arc::clone(store))).collect())
    }
}

impl FromIterator<Arc<Store>> for Stores {
    fn from_iter<I: IntoIterator<Item = Arc<Store>>>(stores: I) -> Self {
        Self(stores.into_iter().map(|store| (store.name.clone(), store)).collect())
    }
}
