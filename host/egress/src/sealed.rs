//! Bodies of refused records, sealed at rest.
//!
//! A [`Vault`] is one private folder with a folder an export. Each file in it is a standard age
//! file, written whole or not at all, of as many records as were refused between two
//! checkpoints: two lines each, the [`Label`] and the body as it came to the stage that refused
//! it. The host has public keys alone ([`Recipient`]); only [`Identities`], which the operator
//! brings, open it.
//!
//! Nothing of it grows beyond `most` bytes: what does not fit is not kept, and the caller is
//! told. Memory: the bodies at hand and one of age's chunks of 64 KiB.
//!
//! Source: age-encryption.org/v1.

mod key;
mod reader;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use bulkhead_pipeline::Label;
use bytes::Bytes;
use cap_std::{
    ambient_authority,
    fs::{Dir, OpenOptions},
};

use crate::{
    ArtifactName, Error,
    store::{closed_to, create_dir, create_private, sync_dir},
};

pub use key::{Identities, Recipient, RecipientError};
pub use reader::Sealed;

/// A folder of sealed bodies.
#[derive(Debug)]
pub struct Vault {
    path: PathBuf,
    dir: Dir,
    recipients: Vec<Recipient>,
    most: u64,
    used: Mutex<u64>,
}

/// What became of bodies that were to be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// So many of them, from the first, are sealed. There was no room for the others.
    pub sealed: usize,
}

impl Vault {
    /// Opens the folder at `path`, and makes it, for its owner alone, when it is not there.
    /// Sealed to all of `recipients`; without any nothing can be sealed. At most `most` bytes
    /// in all.
    ///
    /// What a crash left unfinished is removed, so only one process may have it: the caller's
    /// run lock sees to that.
    ///
    /// # Errors
    ///
    /// [`Error::Vault`] when the folder cannot be used.
    pub fn open(
        path: &Path,
        recipients: Vec<Recipient>,
        most: u64,
    ) -> Result<Self, Error> {
        let vault = Self::look_at(path, recipients, most)?;
        let mut used = 0;
        for export in vault.exports()? {
            for name in vault.all_names(&export)? {
                if name.starts_with('.') {
                    vault.remove(&export, &name)?;
                } else {
                    used += vault.size(&export, &name)?;
                }
            }
        }
        *vault.used.lock().unwrap_or_else(PoisonError::into_inner) = used;
        Ok(vault)
    }

    /// The same to read from, while a run may be writing.
    ///
    /// # Errors
    ///
    /// As [`Vault::open`].
    pub fn look_at(
        path: &Path,
        recipients: Vec<Recipient>,
        most: u64,
    ) -> Result<Self, Error> {
        let at = |source| Error::Vault { path: path.to_owned(), source };
        create_private(path).map_err(at)?;
        if path.is_symlink() {
            let linked = "it is a symbolic link: put a folder in its place";
            return Err(at(io::Error::other(linked)));
        }
        let dir = Dir::open_ambient_dir(path, ambient_authority()).map_err(at)?;
        closed_to(&dir, OTHERS).map_err(at)?;
        Ok(Self { path: path.to_owned(), dir, recipients, most, used: Mutex::new(0) })
    }

    /// Whether there is anybody to seal for.
    pub fn seals(&self) -> bool {
        !self.recipients.is_empty()
    }

    /// Bytes of all files.
    pub fn used(&self) -> u64 {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seals bodies of one export as file `name`, as many as there is room for, from the first.
    /// Durable on return; replaces a file of that name.
    ///
    /// # Errors
    ///
    /// [`Error`]; then nothing is left of it.
    pub fn seal(
        &self,
        export: &str,
        name: &str,
        bodies: &[(Label, Bytes)],
    ) -> Result<Room, Error> {
        let lines: Vec<(String, &Bytes)> =
            bodies.iter().map(|(label, body)| (label.to_line(), body)).collect();
        let mut plain = 0;
        let (mut sealed, mut reserved) = (0, 0);
        {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            for (label, body) in &lines {
                plain += (label.len() + body.len() + 2) as u64;
                let size = self.sealed_size(plain);
                if *used + size > self.most {
                    break;
                }
                (sealed, reserved) = (sealed + 1, size);
            }
            *used += reserved;
        }
        if sealed == 0 {
            return Ok(Room { sealed });
        }
        let written = self.write(export, name, lines.get(..sealed).unwrap_or_default());
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        *used = used.saturating_sub(reserved);
        let (size, replaced) = written.map_err(|source| self.fault(source))?;
        *used = (*used + size).saturating_sub(replaced);
        Ok(Room { sealed })
    }

    /// Seals what is to stay of a file in its place, room or not: it takes no more than before.
    ///
    /// # Errors
    ///
    /// [`Error`]; then the file is as it was.
    pub fn reseal(
        &self,
        export: &str,
        name: &str,
        bodies: &[(Label, Bytes)],
    ) -> Result<(), Error> {
        let lines: Vec<(String, &Bytes)> =
            bodies.iter().map(|(label, body)| (label.to_line(), body)).collect();
        let written = self.write(export, name, &lines);
        let (size, replaced) = written.map_err(|source| self.fault(source))?;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        *used = (*used + size).saturating_sub(replaced);
        Ok(())
    }

    /// Writes a file; gives its size and that of the one that it replaced.
    fn write(
        &self,
        export: &str,
        name: &str,
        lines: &[(String, &Bytes)],
    ) -> io::Result<(u64, u64)> {
        check(export, name)?;
        let made = create_dir(&self.dir, export)?;
        if made {
            sync_dir(&self.dir)?;
        }
        let dir = self.dir.open_dir(export)?;
        let scratch = Scratch { name: format!(".{name}.part"), dir: &dir };
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        {
            use cap_std::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let file = BufWriter::new(dir.open_with(&scratch.name, &options)?);
        let recipients = self.recipients.iter().map(Recipient::key);
        let encryptor =
            age::Encryptor::with_recipients(recipients).map_err(io::Error::other)?;
        let mut out = encryptor.wrap_output(file)?;
        for (label, body) in lines {
            out.write_all(label.as_bytes())?;
            out.write_all(b"\n")?;
            out.write_all(body)?;
            out.write_all(b"\n")?;
        }
        let file = out.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        let size = file.metadata()?.len();
        let replaced = dir.metadata(name).map_or(0, |old| old.len());
        dir.rename(&scratch.name, &dir, name)?;
        sync_dir(&dir)?;
        Ok((size, replaced))
    }

    /// The size of a file with so many bytes in it, or a little more.
    fn sealed_size(&self, plain: u64) -> u64 {
        // Version, MAC and nonce; a stanza of nonsense, of up to 210 bytes, that age puts there so
        // that nobody relies on what is there; one of about 100 a recipient; a tag a chunk.
        let head = 512 + 128 * self.recipients.len() as u64;
        head + plain + 16 * (plain / CHUNK + 1)
    }

    /// Exports of which something is kept.
    ///
    /// # Errors
    ///
    /// [`Error::Vault`] when the folder cannot be read.
    pub fn exports(&self) -> Result<Vec<String>, Error> {
        self.list(&self.dir)
    }

    /// Files of an export, by name.
    ///
    /// # Errors
    ///
    /// [`Error::Vault`] when the folder cannot be read.
    pub fn files(&self, export: &str) -> Result<Vec<String>, Error> {
        let mut names = self.all_names(export)?;
        names.retain(|name| !name.starts_with('.'));
        Ok(names)
    }

    /// Removes the files of an export of which `is_needed` says no; gives how many.
    ///
    /// # Errors
    ///
    /// [`Error::Vault`] when one cannot be removed.
    pub fn retain(
        &self,
        export: &str,
        is_needed: impl Fn(&str) -> bool,
    ) -> Result<u64, Error> {
        let (mut removed, mut left) = (0, 0);
        for name in self.all_names(export)? {
            if is_needed(&name) {
                left += 1;
            } else {
                self.remove(export, &name)?;
                removed += 1;
            }
        }
        if left == 0 && removed > 0 {
            // Somebody may have put something there meanwhile; then the folder stays.
            let _ = self.dir.remove_dir(export);
        }
        Ok(removed)
    }

    /// Opens a file.
    ///
    /// # Errors
    ///
    /// [`Error::NotForUs`] when none of `identities` opens it, [`Error::Damaged`],
    /// [`Error::Vault`].
    pub fn unseal(
        &self,
        export: &str,
        name: &str,
        identities: &Identities,
    ) -> Result<Sealed, Error> {
        check(export, name).map_err(|source| self.fault(source))?;
        let dir = self.dir.open_dir(export);
        let file = dir.and_then(|dir| dir.open(name)).map_err(|source| Error::Vault {
            path: self.path.join(export).join(name),
            source,
        })?;
        Sealed::open(file, self.path.join(export).join(name), identities)
    }

    fn remove(&self, export: &str, name: &str) -> Result<(), Error> {
        let size = self.size(export, name)?;
        let dir = self.dir.open_dir(export).map_err(|source| self.fault(source))?;
        dir.remove_file(name)
            .and_then(|()| sync_dir(&dir))
            .map_err(|source| self.fault(source))?;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        *used = used.saturating_sub(size);
        Ok(())
    }

    fn size(&self, export: &str, name: &str) -> Result<u64, Error> {
        let dir = self.dir.open_dir(export);
        let metadata = dir.and_then(|dir| dir.symlink_metadata(name));
        Ok(metadata.map_err(|source| self.fault(source))?.len())
    }

    fn all_names(&self, export: &str) -> Result<Vec<String>, Error> {
        match self.dir.open_dir(export) {
            Ok(dir) => self.list(&dir),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(self.fault(source)),
        }
    }

    fn list(&self, dir: &Dir) -> Result<Vec<String>, Error> {
        let names = || -> io::Result<BTreeSet<String>> {
            let entries = dir.entries()?;
            entries
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect()
        };
        Ok(names().map_err(|source| self.fault(source))?.into_iter().collect())
    }

    fn fault(&self, source: io::Error) -> Error {
        Error::Vault { path: self.path.clone(), source }
    }
}

/// Whether both are plain segments of a path.
fn check(export: &str, name: &str) -> io::Result<()> {
    let path: Result<ArtifactName, Error> = format!("{export}/{name}").parse();
    path.map(drop).map_err(io::Error::other)
}

/// An unfinished file, which is gone when it is dropped before it was renamed.
struct Scratch<'a> {
    name: String,
    dir: &'a Dir,
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        // After the renaming there is none of that name.
        let _ = self.dir.remove_file(&self.name);
    }
}

/// Everybody but the owner.
const OTHERS: u32 = 0o022;

/// Bytes that age seals at once.
const CHUNK: u64 = 64 << 10;
