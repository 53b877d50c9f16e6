//! The search for strings that must not get out.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// Adds to `found` which of `sought` is in `bytes`, plain or as hexadecimal.
pub fn look(place: &str, bytes: &[u8], sought: &[&str], found: &mut Vec<String>) {
    for canary in sought {
        let digits = canary.bytes().map(|byte| format!("{byte:02x}"));
        let hex = digits.collect::<Vec<_>>().concat();
        for form in [*canary, hex.as_str()] {
            if memchr::memmem::find(bytes, form.as_bytes()).is_some() {
                found.push(format!("{canary} in {place}"));
            }
        }
    }
}

/// Shows every file below `folder` with its bytes, in order of names.
///
/// # Panics
///
/// When one cannot be read that did not just go away.
pub fn walk(folder: &Path, see: &mut dyn FnMut(&Path, &[u8])) {
    let entries = fs_err::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            walk(&path, see);
            continue;
        }
        let read = fs_err::read(&path);
        // Somebody was just writing it, and has given it its right name.
        let is_gone =
            read.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound);
        assert!(is_gone || read.is_ok(), "{read:?}");
        if let Ok(bytes) = read {
            see(&path, &bytes);
        }
    }
}
