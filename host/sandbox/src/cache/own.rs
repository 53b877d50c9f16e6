//! Files that are the program's own: plain, of the user who runs it, under one name.
//!
//! Whoever else can write to a folder could put a link there, or a file of theirs; what is
//! looked at here is what was opened, not what the name stands for a moment later.

use std::{fs::Metadata, io, path::Path};

/// Others may write.
pub(super) const WRITABLE: u32 = 0o022;

/// Others may do anything.
pub(super) const READABLE: u32 = 0o077;

/// The bytes of a file of our own with which others may do nothing of `mode`; `None` when it is
/// not such a file.
///
/// # Errors
///
/// What the system said, when there is no file or it cannot be read.
pub(super) fn read(path: &Path, mode: u32) -> io::Result<Option<Vec<u8>>> {
    use io::Read as _;
    let mut file = match open(path) {
        Ok(Some(file)) => file,
        Ok(None) => return Ok(None),
        Err(error) => return Err(error),
    };
    let found = file.metadata()?;
    if !found.is_file()
        || !is_ours(&found)
        || others_may(&found, mode)
        || names(&found) != 1
    {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Opens what is no link, and does not wait for whom a pipe would wait; `None` when it is one.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<Option<fs_err::File>> {
    use fs_err::os::unix::fs::OpenOptionsExt as _;
    let mut options = fs_err::OpenOptions::new();
    options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    match options.open(path) {
        Ok(file) => Ok(Some(file)),
        Err(_) if fs_err::symlink_metadata(path)?.is_symlink() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<Option<fs_err::File>> {
    if fs_err::symlink_metadata(path)?.is_symlink() {
        return Ok(None);
    }
    fs_err::File::open(path).map(Some)
}

/// Whether it belongs to the user who runs this.
#[cfg(unix)]
pub(super) fn is_ours(found: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    found.uid() == rustix::process::geteuid().as_raw()
}

/// Whether others may do something of `mode`.
#[cfg(unix)]
pub(super) fn others_may(found: &Metadata, mode: u32) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    found.permissions().mode() & mode != 0
}

#[cfg(unix)]
fn names(found: &Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    found.nlink()
}

/// Owners are not told by numbers here.
#[cfg(not(unix))]
pub(super) fn is_ours(_: &Metadata) -> bool {
    true
}

/// Nor what others may.
#[cfg(not(unix))]
pub(super) fn others_may(_: &Metadata, _: u32) -> bool {
    false
}

#[cfg(not(unix))]
fn names(_: &Metadata) -> u64 {
    1
}
