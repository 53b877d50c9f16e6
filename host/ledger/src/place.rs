//! The ledger's place on disk: who may read it, and that it survives a power cut.
//!
//! The database file is made before `SQLite` sees it, so that it is never readable by
//! others, not even for a moment; `-wal` and `-shm` inherit its mode.

use std::{fs::File, io, path::Path};

/// Makes the directory (`0700`, when missing) and the empty database file (`0600`).
///
/// A directory that exists keeps its mode: it is the operator's. So does, for now, a
/// database that exists: see [`exposed`].
pub(crate) fn prepare(database: &Path) -> io::Result<()> {
    let directory = parent(database);
    create_directory(directory)?;
    // Never open a database that exists: closing that descriptor would drop the POSIX locks
    // that another connection of this process holds on it.
    match private_options().create_new(true).open(database) {
        Ok(file) => {
            file.sync_all()?;
            sync_directory(directory)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes the entry of `path` in its directory durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    sync_directory(parent(path))
}

/// Makes a folder that is ours alone (`0700`), and narrows it when it is there.
pub(crate) fn private_directory(directory: &Path) -> io::Result<()> {
    create_directory(directory)?;
    #[cfg(unix)]
    {
        use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

        fs_err::set_permissions(directory, Permissions::from_mode(0o700))?;
    }
    sync_directory(parent(directory))
}

/// Whether others than the owner may use the database file.
#[cfg(unix)]
pub(crate) fn exposed(database: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;

    Ok(fs_err::metadata(database)?.permissions().mode() & 0o077 != 0)
}

/// Whether others may use the database file; not told by a mode here.
#[cfg(not(unix))]
pub(crate) fn exposed(_database: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Narrows the database to `0600`, with the `-wal` and `-shm` that a crash left.
#[cfg(unix)]
pub(crate) fn narrow(database: &Path) -> io::Result<()> {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

    for suffix in ["", "-wal", "-shm"] {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        match fs_err::set_permissions(Path::new(&name), Permissions::from_mode(0o600)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Narrows nothing where files have no mode.
#[cfg(not(unix))]
pub(crate) fn narrow(_database: &Path) -> io::Result<()> {
    Ok(())
}

/// Opens a file that only we may read, and makes it when it is missing.
pub(crate) fn open_private(path: &Path) -> io::Result<File> {
    Ok(private_options().create(true).truncate(false).open(path)?.into_file())
}

fn parent(database: &Path) -> &Path {
    match database.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        Some(_) | None => Path::new("."),
    }
}

#[cfg(unix)]
fn private_options() -> fs_err::OpenOptions {
    use fs_err::os::unix::fs::OpenOptionsExt as _;

    let mut options = fs_err::OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

#[cfg(not(unix))]
fn private_options() -> fs_err::OpenOptions {
    let mut options = fs_err::OpenOptions::new();
    options.read(true).write(true);
    options
}

#[cfg(unix)]
fn create_directory(directory: &Path) -> io::Result<()> {
    use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt as _};

    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

#[cfg(not(unix))]
fn create_directory(directory: &Path) -> io::Result<()> {
    fs_err::create_dir_all(directory)
}

/// Makes the new file's name durable.
#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    fs_err::File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}
