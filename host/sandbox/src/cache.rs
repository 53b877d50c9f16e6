//! Compiled code, kept between runs.
//!
//! Loading compiled code means running it, so the cache holds only what this host compiled,
//! in a directory of its own (0700), each file with a MAC under a key that lies outside that
//! directory (0600). A file that is missing, cut, flipped, swapped or of another engine is
//! compiled again; one that does not carry our MAC is never handed to the engine. What is read
//! is a plain file, of the user who runs this and under one name: no link leads anywhere.

mod own;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use aws_lc_rs::{constant_time, hmac, rand};
use wasmtime::{Engine, component::Component};

use crate::{Error, Package, package::hex};

const MAC_LEN: usize = 32;

/// Machine code that this program made: by [`Engine::precompile_component`], in this process
/// or in a child of it. To hold one is to say so.
pub(crate) struct Code(Vec<u8>);

impl Code {
    /// Of bytes that a compiler of ours gave: `compile`, a child of ours at the other end of
    /// its pipe, or, in such a child, the parent.
    pub(crate) const fn compiled(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A directory of compiled code.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    key: hmac::Key,
}

impl Cache {
    /// Opens the cache in `dir`, with its key in `key_file`; makes both when they are not
    /// there. The key must not lie in `dir`; one that others may read, or that is not ours, is
    /// replaced.
    ///
    /// # Errors
    ///
    /// [`Error::Cache`] when that cannot be, when the directory is somebody else's or others
    /// may write to it, or when the key lies in it.
    pub fn open(dir: &Path, key_file: &Path) -> Result<Self, Error> {
        let at = |source| Error::Cache { path: dir.to_owned(), source };
        make_private_dir(dir).map_err(at)?;
        if lies_in(key_file, dir).map_err(at)? {
            let source = io::Error::other("its key lies in it: keep the key elsewhere");
            return Err(at(source));
        }
        let key = read_or_make_key(key_file).map_err(at)?;
        Ok(Self { dir: dir.to_owned(), key: hmac::Key::new(hmac::HMAC_SHA256, &key) })
    }

    /// The compiled form of `package`, where there is one that can be trusted.
    pub(crate) fn find(&self, engine: &Engine, package: &Package) -> Option<Code> {
        self.load(&self.path(engine, package))
    }

    /// Keeps the compiled form of `package`.
    pub(crate) fn keep(&self, engine: &Engine, package: &Package, code: &Code) {
        if let Err(error) = self.write(&self.path(engine, package), code) {
            // The run can do without; the next start will be slower.
            tracing::warn!(%error, "compiled code could not be kept");
        }
    }

    fn path(&self, engine: &Engine, package: &Package) -> PathBuf {
        use std::hash::{Hash, Hasher};
        let mut engine_hash = std::hash::DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut engine_hash);
        self.dir.join(format!("{}-{:016x}.bin", package.sha256(), engine_hash.finish()))
    }

    /// The code of a file that carries our MAC over it and over the name it must have, which
    /// is that of one plugin on one engine.
    fn load(&self, path: &Path) -> Option<Code> {
        // Read whole before it is checked: what is checked is what is used.
        let mut bytes = own::read(path, own::WRITABLE).ok()??;
        let code_len = bytes.len().checked_sub(MAC_LEN)?;
        let mac = bytes.split_off(code_len);
        constant_time::verify_slices_are_equal(self.mac(path, &bytes).as_ref(), &mac)
            .ok()?;
        Some(Code(bytes))
    }

    fn write(&self, path: &Path, code: &Code) -> io::Result<()> {
        let mac = self.mac(path, code.bytes());
        let fresh = path.with_extension(format!("{}.new", std::process::id()));
        write_private(&fresh, &[code.bytes(), mac.as_ref()])?;
        fs_err::rename(fresh, path)
    }

    fn mac(&self, path: &Path, code: &[u8]) -> hmac::Tag {
        let mut mac = hmac::Context::with_key(&self.key);
        // Names are of one length: what is signed cannot be split in another way.
        mac.update(path.file_name().unwrap_or_default().as_encoded_bytes());
        mac.update(code);
        mac.sign()
    }
}

/// Loads compiled code: maps it, and runs nothing of it yet.
///
/// # Errors
///
/// When it is of an engine of another version or configuration.
#[expect(unsafe_code, reason = "code that this program compiled: see `Code`")]
pub(crate) fn revive(engine: &Engine, code: &Code) -> wasmtime::Result<Component> {
    // SAFETY: `code` was made by `Engine::precompile_component` of this program. In this
    // process, that is seen at the call. From the cache, its MAC, under a key that only its
    // owner can read, was verified by `Cache::load` over these very bytes. From a child, it
    // came over a socket that only the child and we hold, and the child is this program, which
    // does nothing there but compile; what a flaw of the compiler could make it answer, the
    // compiler could as well have made here. An engine of another version or configuration is
    // refused by wasmtime itself.
    unsafe { Component::deserialize(engine, code.bytes()) }
}

fn make_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(dir)?;
    let found = fs_err::symlink_metadata(dir)?;
    if found.is_symlink() {
        return Err(io::Error::other("it is a symbolic link: remove it"));
    }
    if !own::is_ours(&found) {
        return Err(io::Error::other(
            "it belongs to another user: remove it, or chown it to the user who runs bulkhead",
        ));
    }
    if own::others_may(&found, own::WRITABLE) {
        return Err(io::Error::other(
            "others may write to it: chmod 700 it, or remove it",
        ));
    }
    Ok(())
}

fn lies_in(key_file: &Path, dir: &Path) -> io::Result<bool> {
    let beside = key_file.parent().filter(|beside| !beside.as_os_str().is_empty());
    let beside = fs_err::canonicalize(beside.unwrap_or(Path::new(".")))?;
    Ok(beside.starts_with(fs_err::canonicalize(dir)?))
}

fn read_or_make_key(path: &Path) -> io::Result<Vec<u8>> {
    match own::read(path, own::READABLE) {
        Ok(Some(key)) if key.len() == MAC_LEN => return Ok(key),
        Ok(_) => fs_err::remove_file(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut key = [0; MAC_LEN];
    rand::fill(&mut key).map_err(|_| io::Error::other("no randomness"))?;
    let fresh =
        path.with_extension(format!("{}.new", hex(key.get(..4).unwrap_or_default())));
    write_private(&fresh, &[&key])?;
    fs_err::rename(fresh, path)?;
    Ok(key.to_vec())
}

fn write_private(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut options = fs_err::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use fs_err::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests;
